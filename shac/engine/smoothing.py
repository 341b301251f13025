"""How far the surrogate may pass its points by: noise, as it shows in points that are left out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

    from shac.sampling import PointCoordinates

    Floats = NDArray[np.float64]

__all__ = ["LEAST_SMOOTHING", "best_smoothing", "one_blas_thread", "rbf_matrix"]

LEAST_SMOOTHING = 1e-4  # points may be the same and their scores not
_SMOOTHINGS = (LEAST_SMOOTHING, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0)
_GAIN = 0.85  # what is smooth, too, may seem noisy where points are few
_GAIN_OF_A_GUESS = (
    0.7  # where the mean predicts better: steep functions of many columns seem noisy until they are known
)
_FEWEST_POINTS = 20
_MOST_POINTS = 400  # each level takes the cube of it


def rbf_matrix(coordinates: PointCoordinates, points: Floats, smoothing: float) -> Floats:
    """Return the matrix whose solution are the weights of the basis functions and of the linear tail.

    Parameters
    ----------
    coordinates : PointCoordinates
        Tells distances.
    points : ndarray of float64, shape (n, num_coordinates)
    smoothing : float
        Added to the diagonal: what a unit of weight may pass its point by.

    Returns
    -------
    ndarray of float64, shape (n + tails, n + tails)
    """
    tail = coordinates.linear_terms(points)
    num_points, num_tails = tail.shape
    matrix = np.zeros((num_points + num_tails,) * 2)
    matrix[:num_points, :num_points] = coordinates.cubes(points)
    matrix[:num_points, num_points:] = tail
    matrix[num_points:, :num_points] = tail.T
    # Categories and few points leave the tail undetermined; this takes the small one.
    matrix.flat[:: len(matrix) + 1] = [smoothing] * num_points + [-1e-8] * num_tails
    return matrix


def best_smoothing(coordinates: PointCoordinates, points: Floats, losses: Floats) -> float:
    """Return the smoothing by which points are predicted best from all others, if it is better by far than the least.

    The error at a point that is left out is its weight over its element of the inverse (Rippa, Advances in
    Computational Mathematics 11, 1999). Points with the loss of the median count as others' neighbours alone: how well
    that plateau is predicted says nothing of noise.

    Parameters
    ----------
    coordinates : PointCoordinates
    points : ndarray of float64, shape (n, num_coordinates)
        Of more than 400 the best 200 and the newest 200 are taken.
    losses : ndarray of float64, shape (n,)
        From 0 for the best to 1 for the median and all that is worse.

    Returns
    -------
    float
    """
    count = len(losses)
    if count > _MOST_POINTS:
        half = _MOST_POINTS // 2
        kept = np.union1d(np.argsort(losses, kind="stable")[:half], np.arange(count - half, count))
        points, losses = points[kept], losses[kept]
    is_better = losses < 1
    if len(losses) < _FEWEST_POINTS or losses.min() == losses.max():
        return LEAST_SMOOTHING
    diagonal = np.arange(len(points))
    matrix = rbf_matrix(coordinates, points, 0.0)
    right = np.concatenate([losses, np.zeros(len(matrix) - len(losses))])
    errors = []
    with one_blas_thread():
        for smoothing in _SMOOTHINGS:
            matrix[diagonal, diagonal] = smoothing
            inverse = np.linalg.inv(matrix)
            left_out = (inverse @ right)[diagonal] / inverse[diagonal, diagonal]
            errors.append(float(np.square(left_out[is_better]).mean()))
    best = int(np.argmin(errors))
    gain = _GAIN if errors[best] < losses[is_better].var() else _GAIN_OF_A_GUESS
    return _SMOOTHINGS[best] if errors[best] < gain * errors[0] else LEAST_SMOOTHING


def one_blas_thread() -> Any:
    """Keep NumPy's BLAS on one thread: a sum's order must not depend on the machine's cores."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    """Find the libraries, which takes milliseconds; NumPy's is there since NumPy is."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
