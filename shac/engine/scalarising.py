"""The surrogate of several objectives: a model of each, and a weighted sum of losses for each choice of a batch.

A weighted Chebyshev function of the losses, with a small share of their sum, has its minimum on the Pareto front, at a
place that the weights choose (ParEGO: Knowles, IEEE Transactions on Evolutionary Computation 10, 2006). It is taken of
the predictions: a model of the function itself, as in the paper, would have to follow its edges.
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
        Of the objectives, for each choice in turn.
    estimate_noise : bool
        See `RBFSurrogate`.
    """

    def __init__(
        self,
        space: HyperParameterList,
        X: NDArray[np.float32],
        losses: Floats,
        ranks: Floats,
        weights: Floats,
        *,
        estimate_noise: bool = False,
    ) -> None:
        self._space = space
        self._estimate_noise = estimate_noise
        self._weights_of_groups = weights
        kept = best_and_newest(np.where(np.isfinite(ranks), ranks, np.inf))
        X, losses = X[kept], scaled_losses(losses)[kept]
        self._coordinates = PointCoordinates(space, X)
        points = self._coordinates.of(X)
        self._models = []
        for of_objective in losses.T:
            tail = self._fit(points, of_objective)
            self._models.append(self._coordinates.model(points, self._weights, tail))

    def _predictions(self, points: Floats) -> tuple[Floats, Floats]:
        found = [model.predict(points) for model in self._models]
        return np.column_stack([predictions for predictions, _ in found]), found[0][1]

    def _losses_for(self, group: int, predictions: Floats) -> Floats:
        return chebyshev(predictions, self._weights_of_groups[group % len(self._weights_of_groups)])

    def _merit_for(self, group: int, earlier: Floats, scales: Scales) -> Loss:
        def merit(X: NDArray[np.float32]) -> Floats:
            points = self._coordinates.of(X)
            predictions, distances = self._predictions(points)
            nearest = np.minimum(distances, self._coordinates.nearest(points, earlier))
            return merit_of(scales, self._losses_for(group, predictions), nearest)

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
