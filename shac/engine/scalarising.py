"""The surrogate of several objectives: a model of each, and what the choices of a batch go by, in turns.

Half of them go by a weighted Chebyshev function of the losses, with a small share of their sum: its minimum is on the
Pareto front, at a place that the weights choose (ParEGO: Knowles, IEEE Transactions on Evolutionary Computation 10,
2006). It is taken of the predictions: a model of the function itself, as in the paper, would have to follow its edges.

The others go by the hypervolume that a candidate would add to that of the points and of the choices before it, as the
mean over directions from the reference point of how far it reaches in each (Zhang and Golovin, Random hypervolume
scalarizations, ICML 2020), which takes no longer for more objectives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shac.engine.surrogate import RBFSurrogate, best_and_newest
from shac.nondominated import front_of
from shac.sampling import PointCoordinates, merit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.engine.surrogate import Loss, Scales
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["ParetoSurrogate", "spread_weights"]

_SHARE_OF_SUM = 0.05
_REFERENCE = 1.1  # in each objective, as losses are scaled
_NUM_DIRECTIONS = 128
_LEAST_WEIGHT = 2.0**-20
_LARGE = 2.0**1000
_SHARE_OF_MISSING = 0.1
_ROOM = 0.5  # beyond the front's range, in ranges: losses above are worse than anything of interest


class ParetoSurrogate(RBFSurrogate):
    """Interpolants of evaluated points, one of each objective.

    Parameters
    ----------
    space : HyperParameterList
        The search space.
    X : ndarray of float32, shape (n, num_columns)
        Encoded configurations, at least one.
    losses : ndarray of float64, shape (n, m)
        Of m objectives, of which the smaller are better; NaN where the evaluation failed.
    ranks : ndarray of float64, shape (n,)
        See `shac.nondominated.pareto_ranks`; NaN where the evaluation failed. Of more than 2,000 points the best 1,000
        and the newest 1,000 are taken.
    weights : ndarray of float64, shape (k, m)
        Of the objectives, for each choice in turn that goes by them.
    estimate_noise : bool
        See `RBFSurrogate`.
    grown_factorization : bool
        See `RBFSurrogate`.
    """

    # Directions and weights keep the choices of a batch apart; distance is for what they leave equal
    _weights_of_prediction = (0.95, 1.0)

    def __init__(
        self,
        space: HyperParameterList,
        X: NDArray[np.float32],
        losses: Floats,
        ranks: Floats,
        weights: Floats,
        *,
        estimate_noise: bool = False,
        grown_factorization: bool = False,
    ) -> None:
        self._space = space
        self._estimate_noise, self._grown_factorization = estimate_noise, grown_factorization
        self._weights_of_groups = weights
        self._directions = spread_weights(losses.shape[1], _NUM_DIRECTIONS, 0)
        kept = best_and_newest(np.where(np.isfinite(ranks), ranks, np.inf))
        X, losses = X[kept], scaled_losses(losses)[kept]
        self._reached = reach(losses, self._directions).max(axis=0)
        self._reached_with: tuple[Floats | None, Floats] = None, self._reached
        self._coordinates = PointCoordinates(space, X)
        points = self._coordinates.of(X)
        self._models = []
        for of_objective in losses.T:
            tail = self._fit(points, of_objective)
            self._models.append(self._coordinates.model(points, self._weights, tail))

    def _predictions(self, points: Floats) -> tuple[Floats, Floats]:
        found = [model.predict(points) for model in self._models]
        return np.column_stack([predictions for predictions, _ in found]), found[0][1]

    def _losses_for(self, group: int, predictions: Floats, earlier: Floats) -> Floats:
        if group % 2:
            return lost_hypervolume(predictions, self._reached_by(earlier), self._directions)
        return chebyshev(predictions, self._weights_of_groups[group // 2 % len(self._weights_of_groups)])

    def _reached_by(self, earlier: Floats) -> Floats:
        """Return how far the points, and choices before this one, reach in each direction."""
        known, reached = self._reached_with
        if known is not earlier:
            predicted = reach(self._predictions(earlier)[0], self._directions)
            reached = np.maximum(self._reached, predicted.max(axis=0, initial=0.0))
            self._reached_with = earlier, reached
        return reached

    def _merit_for(self, group: int, earlier: Floats, scales: Scales) -> Loss:
        def merit(X: NDArray[np.float32]) -> Floats:
            points = self._coordinates.of(X)
            predictions, distances = self._predictions(points)
            nearest = np.minimum(distances, self._coordinates.nearest(points, earlier))
            return merit_of(scales, self._losses_for(group, predictions, earlier), nearest)

        return merit


def scaled_losses(losses: Floats) -> Floats:
    """Scale losses so that the front's range in each objective is from 0 to 1; what failed has the largest.

    Parameters
    ----------
    losses : ndarray of float64, shape (n, m)

    Returns
    -------
    ndarray of float64, shape (n, m)
        At most 1 and half of the range more, so that a few terrible points do not bend a surrogate elsewhere.
    """
    result = np.full(losses.shape, 1 + _ROOM)
    counts = np.isfinite(losses).all(axis=1)
    if not counts.any():
        return result
    finite = losses[counts]
    if np.abs(finite).max() > _LARGE:
        finite = finite / _LARGE  # differences would be beyond float64
    front = finite[front_of(finite)]
    low, high = front.min(axis=0), front.max(axis=0)
    # A front of one point has no range; half of the points are within that to the median
    spread = np.where(high > low, high - low, np.median(finite, axis=0) - low)
    spread = np.where(spread > 0, spread, 1.0)
    result[counts] = np.minimum((finite - low) / spread, 1 + _ROOM)
    return result


def chebyshev(losses: Floats, weights: Floats) -> Floats:
    """Return the largest weighted loss of each point, and a small share of their sum.

    Parameters
    ----------
    losses : ndarray of float64, shape (n, m)
    weights : ndarray of float64, shape (m,)

    Examples
    --------
    >>> chebyshev(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0.5, 0.5])).round(3).tolist()
    [0.525, 0.275]
    """
    weighted = losses * weights
    result: Floats = weighted.max(axis=1) + _SHARE_OF_SUM * weighted.sum(axis=1)
    return result


def reach(losses: Floats, directions: Floats) -> Floats:
    """Return how far the region that each point dominates reaches from the reference point, in each direction.

    Parameters
    ----------
    losses : ndarray of float64, shape (n, m)
        Scaled as `scaled_losses` has them.
    directions : ndarray of float64, shape (k, m)
        That sum to 1.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Negative for a point that is beyond the reference point. The hypervolume of points is, but for a factor, the
        mean over even directions of the m-th power of how far the farthest of them reaches.
    """
    room = (_REFERENCE - losses)[:, np.newaxis, :]
    result: Floats = (room / np.maximum(directions, _LEAST_WEIGHT)).min(axis=2)
    return result


def lost_hypervolume(losses: Floats, reached: Floats, directions: Floats) -> Floats:
    """Return the hypervolume that each point adds, negative; what adds none has a loss by how far it is from that.

    Parameters
    ----------
    losses : ndarray of float64, shape (n, m)
    reached : ndarray of float64, shape (k,)
        How far others reach in each direction; not negative.
    directions : ndarray of float64, shape (k, m)
    """
    far = reach(losses, directions)
    num_objectives = losses.shape[1]
    gained = _power(np.maximum(far, 0.0), num_objectives) - _power(reached, num_objectives)
    added = np.maximum(gained, 0.0).mean(axis=1)
    missing = np.maximum(reached - far, 0.0).min(axis=1)
    result: Floats = _SHARE_OF_MISSING * missing - added
    return result


def _power(values: Floats, exponent: int) -> Floats:
    """Multiply: `pow` differs in its last bits from one processor to the next, and searches must not."""
    result = values
    for _ in range(exponent - 1):
        result = result * values
    return result


def spread_weights(num_objectives: int, count: int, seed: int) -> Floats:
    """Draw weights of objectives that sum to 1, evenly where there are two.

    Parameters
    ----------
    num_objectives, count, seed : int

    Returns
    -------
    ndarray of float64, shape (count, num_objectives)

    Examples
    --------
    >>> spread_weights(2, 4, 0).shape, spread_weights(3, 5, 0).sum(axis=1).round(9).tolist()
    ((4, 2), [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    random = np.random.default_rng(seed)
    if num_objectives == 2:
        first = random.permutation((np.arange(count) + random.random(count)) / count)
        return np.column_stack([first, 1 - first])
    # The gaps between sorted uniforms are uniform among weights that sum to 1
    ends = np.sort(random.random((count, num_objectives - 1)), axis=1)
    return np.diff(ends, axis=1, prepend=0.0, append=1.0)
