"""Evaluations of several objectives, ranked: the fronts that none dominates another of, and crowding within them.

As in NSGA-II (Deb, Pratap, Agarwal and Meyarivan, IEEE Transactions on Evolutionary Computation 6, 2002).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["crowding_distances", "front_of", "nondominated_ranks", "pareto_ranks"]

_LARGE = 2.0**1000


def nondominated_ranks(losses: ArrayLike) -> NDArray[np.int64]:
    """Return the number of the front that each point is in: 0 for those that no other dominates, then without them.

    A point dominates another that is not better in any objective, and worse in one. Time and memory grow with the
    square of the number of points.

    Parameters
    ----------
    losses : array_like of float, shape (n, m)
        Of m objectives, of which the smaller are better; finite.

    Returns
    -------
    ndarray of int64, shape (n,)
        Equal points have equal ranks.

    Examples
    --------
    >>> nondominated_ranks([[0.0, 2.0], [1.0, 1.0], [1.0, 2.0], [3.0, 3.0]]).tolist()
    [0, 0, 1, 2]
    """
    points = _as_points(losses)
    dominates = _dominates(points)
    num_better = dominates.sum(axis=0)
    ranks = np.full(len(points), -1, dtype=np.int64)
    rank, left = 0, len(points)
    while left:
        front = np.flatnonzero((num_better == 0) & (ranks < 0))
        ranks[front] = rank
        num_better -= dominates[front].sum(axis=0)
        rank, left = rank + 1, left - len(front)
    return ranks


def front_of(losses: ArrayLike) -> NDArray[np.intp]:
    """Return the places of the points that no other dominates; points with a loss that is not finite are none.

    Parameters
    ----------
    losses : array_like of float, shape (n, m)
        See `nondominated_ranks`.

    Returns
    -------
    ndarray of int, shape (k,)
        In order.

    Examples
    --------
    >>> front_of([[3.0, 3.0], [0.0, 2.0], [np.nan, 0.0], [1.0, 1.0]]).tolist()
    [1, 3]
    """
    points = _as_points(losses)
    places = np.flatnonzero(np.isfinite(points).all(axis=1))
    return places[~_dominates(points[places]).any(axis=0)]


def crowding_distances(losses: ArrayLike) -> NDArray[np.float64]:
    """Return how far apart the neighbours of each point of a front are: the sum over objectives, by their ranges.

    Parameters
    ----------
    losses : array_like of float, shape (n, m)
        Of one front; finite.

    Returns
    -------
    ndarray of float64, shape (n,)
        Infinite for the first and the last point in any objective (of equal ones the first and the last by their other
        objectives). Equal points have one distance, that of the point without the others, and so the order of the
        points does not matter.

    Examples
    --------
    >>> crowding_distances([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]]).tolist()
    [inf, 2.0, inf]
    """
    points = _as_points(losses)
    if not len(points):
        return np.empty(0)
    distinct, places = np.unique(points, axis=0, return_inverse=True)  # in the order of their objectives
    if np.abs(distinct).max() > _LARGE:
        distinct = distinct / _LARGE  # differences would be beyond float64
    distances = np.zeros(len(distinct))
    for values in distinct.T:
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        distances[order[[0, -1]]] = np.inf
        if ordered[0] < ordered[-1]:
            distances[order[1:-1]] += (ordered[2:] - ordered[:-2]) / (ordered[-1] - ordered[0])
    return distances[places.reshape(-1)]


def pareto_ranks(losses: ArrayLike) -> NDArray[np.float64]:
    """Rank points of several objectives in one order: front after front, within each the less crowded first.

    Parameters
    ----------
    losses : array_like of float, shape (n, m)
        Of m objectives, of which the smaller are better. A point with a loss that is not finite has no rank.

    Returns
    -------
    ndarray of float64, shape (n,)
        How many points are better; NaN for points without a rank. Points of one front and one crowding distance, those
        at its ends among them, have one rank.

    Examples
    --------
    >>> pareto_ranks([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0], [9.0, 9.0], [np.nan, 0.0]]).tolist()
    [0.0, 2.0, 0.0, 3.0, nan]
    """
    points = _as_points(losses)
    result = np.full(len(points), np.nan)
    places = np.flatnonzero(np.isfinite(points).all(axis=1))
    fronts = nondominated_ranks(points[places])
    crowding = np.empty(len(places))
    for front in range(fronts.max(initial=-1) + 1):
        members = np.flatnonzero(fronts == front)
        crowding[members] = crowding_distances(points[places[members]])
    order = np.lexsort((-crowding, fronts))
    is_new = np.ones(len(order), dtype=bool)
    is_new[1:] = (np.diff(fronts[order]) != 0) | (crowding[order][1:] != crowding[order][:-1])
    ranks = np.flatnonzero(is_new)[np.cumsum(is_new) - 1]
    result[places[order]] = ranks
    return result


def _as_points(losses: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(losses, dtype=np.float64)
    return points if points.ndim == 2 else points.reshape(len(points), -1)


def _dominates(points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return whether point i dominates point j, at (i, j)."""
    count = len(points)
    no_worse, better = np.ones((count, count), dtype=bool), np.zeros((count, count), dtype=bool)
    for values in points.T:
        no_worse &= values[:, np.newaxis] <= values
        better |= values[:, np.newaxis] < values
    result: NDArray[np.bool_] = no_worse & better
    return result
