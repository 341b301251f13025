"""How far the surrogate may pass its points by: noise, as it shows in points that are left out."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

    from shac.sampling import PointCoordinates

    Floats = NDArray[np.float64]

__all__ = ["LEAST_SMOOTHING", "best_scale", "best_smoothing", "one_blas_thread", "rbf_matrix"]

LEAST_SMOOTHING = 1e-4  # points may be the same and their scores not
_SMOOTHINGS = (LEAST_SMOOTHING, 1e-3, 1e-2, 0.03, 0.1, 0.3, 1.0, 3.0)
_GAIN = 0.85  # what is smooth, too, may seem noisy where points are few
_GAIN_OF_A_GUESS = (
    0.7  # where the mean predicts better: steep functions of many columns seem noisy until they are known
)
_GAIN_OF_A_POWER = 0.9
_FEWEST_POINTS = 20
_MOST_POINTS = 400  # it takes the cube of it
_STIFF = 1e6  # how much larger than the distances' cubes a direction of the tail is, to be told apart
_RIDGE = 1e-8  # categories and few points leave the tail undetermined; this takes the small one


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
    matrix.flat[:: len(matrix) + 1] = [smoothing] * num_points + [-_RIDGE] * num_tails
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
    return best_scale(coordinates, points, losses, exponents=(1.0,))[1]


def best_scale(
    coordinates: PointCoordinates, points: Floats, losses: Floats, *, exponents: tuple[float, ...] = (1.0, 0.5)
) -> tuple[float, float]:
    """Return the power of the losses that is predicted best from other points, and the smoothing for it.

    In a steep valley the best losses are hardly different beside the median: their roots are.

    Parameters
    ----------
    coordinates, points, losses
        See `best_smoothing`.
    exponents : tuple of float
        The powers to choose from. One that is not the first has to explain more of the variance of the points that are
        better than the median, by a tenth of what the first leaves.

    Returns
    -------
    exponent, smoothing : float
    """
    count = len(losses)
    if count > _MOST_POINTS:
        half = _MOST_POINTS // 2
        kept = np.union1d(np.argsort(losses, kind="stable")[:half], np.arange(count - half, count))
        points, losses = points[kept], losses[kept]
    is_better = losses < 1
    if len(losses) < _FEWEST_POINTS or losses.min() == losses.max():
        return exponents[0], LEAST_SMOOTHING
    scaled = [losses if exponent == 1 else losses**exponent for exponent in exponents]
    with one_blas_thread():
        left_out = _errors_left_out(coordinates.cubes(points), coordinates.linear_terms(points), scaled, is_better)
    errors = [[float(np.square(level).mean()) for level in levels] for levels in left_out]
    variances = [float(own[is_better].var()) for own in scaled]
    least = [min(levels) for levels in errors]
    unexplained = [error / variance if variance else np.inf for error, variance in zip(least, variances, strict=True)]
    chosen = int(np.argmin(unexplained))
    if unexplained[chosen] >= _GAIN_OF_A_POWER * unexplained[0]:
        chosen = 0
    best = int(np.argmin(errors[chosen]))
    gain = _GAIN if errors[chosen][best] < variances[chosen] else _GAIN_OF_A_GUESS
    is_smoothed = errors[chosen][best] < gain * errors[chosen][0]
    return exponents[chosen], _SMOOTHINGS[best] if is_smoothed else LEAST_SMOOTHING


def _errors_left_out(
    cubes: Floats, tail: Floats, losses: Sequence[Floats], wanted: NDArray[np.bool_]
) -> list[list[Floats]]:
    """Return for each kind of losses and each smoothing the errors at the wanted points, predicted from all others.

    Without the unknowns of the tail, the matrix of points is cubes + tail tail^T / ridge + smoothing. By an orthogonal
    basis that begins with the directions of the tail and by the block inverse of what they take, one decomposition
    serves all levels: the block of the tail is so much larger than any smoothing that it is the same for all.
    """
    basis, singular, _ = np.linalg.svd(tail, full_matrices=True)
    stiffness = np.zeros(len(cubes))
    stiffness[: len(singular)] = np.square(singular) / _RIDGE
    rank = int(np.count_nonzero(stiffness > _STIFF * max(float(np.abs(cubes).max()), 1.0)))
    whole = basis.T @ cubes @ basis
    whole.flat[:: len(whole) + 1] += stiffness
    of_tail = np.linalg.inv(whole[:rank, :rank])
    cross = whole[rank:, :rank]
    eigenvalues, vectors = np.linalg.eigh(whole[rank:, rank:] - cross @ of_tail @ cross.T)
    rotated = vectors.T @ cross
    directions = basis[:, rank:] @ vectors
    projected = [directions.T @ own for own in losses]
    in_basis = [basis[:, :rank].T @ own for own in losses]
    errors: list[list[Floats]] = [[] for _ in losses]
    for smoothing in _SMOOTHINGS:
        scaled = directions[wanted] / (eigenvalues + smoothing)
        in_tail = basis[wanted, :rank] - scaled @ rotated
        elements = (scaled * directions[wanted]).sum(axis=1) + ((in_tail @ of_tail) * in_tail).sum(axis=1)
        for found, along, of_basis in zip(errors, projected, in_basis, strict=True):
            loads = of_basis - rotated.T @ (along / (eigenvalues + smoothing))
            found.append((scaled @ along + in_tail @ (of_tail @ loads)) / elements)
    return errors


def one_blas_thread() -> Any:
    """Keep NumPy's BLAS on one thread: a sum's order must not depend on the machine's cores."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    """Find the libraries, which takes milliseconds; NumPy's is there since NumPy is."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
