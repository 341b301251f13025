"""The surrogate: a smooth model of the scores of a search, and candidates ranked by it.

It is a sum of cubic radial basis functions around all points, with a linear tail: it has no scale to tune (Regis and
Shoemaker, INFORMS Journal on Computing 19, 2007). As there, the worse half of the scores counts as the median, so that
a few terrible points do not bend it elsewhere, and a candidate's prediction is weighed against its distance from all
points, by weights that the proposals of a batch take in turns (the paper's merit function).

`scipy.interpolate.RBFInterpolator` has the same kernel, but refuses points that leave the linear tail undetermined,
which categories and few points do.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters import DiscreteHyperParameter
from shac.parameters.conditional import ConditionalColumn
from shac.reals import median

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

    from shac.engine.local_search import LocalSearch
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["RBFSurrogate"]

_WEIGHTS_OF_PREDICTION = (0.5, 0.8, 0.95, 1.0)
_LEAST_WEIGHT_TO_IMPROVE = 0.95  # the other half of a batch keeps its distance
_SMOOTHING = 1e-4  # points may be the same and their scores not
_SAME_POINT = 1e-9
_CATEGORY = 0.5  # the coordinate of a value's category
_CANDIDATES_AT_ONCE = 4096
_REMEMBERED_CHOICES = 1000
_MOST_CATEGORIES = 100
_LARGE = 2.0**1000
_MOST_POINTS = 2000  # solving takes the cube of it: two seconds


class RBFSurrogate:
    """The interpolant of evaluated points.

    Parameters
    ----------
    space : HyperParameterList
        The search space.
    X : ndarray of float32, shape (n, num_columns)
        Encoded configurations, at least one.
    scores : ndarray of float64, shape (n,)
        Their scores; what is not finite is a failed evaluation. Of more than 2,000 points the
        best 1,000 and the newest 1,000 are taken.
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.
    """

    def __init__(self, space: HyperParameterList, X: NDArray[np.float32], scores: Floats, objective: str) -> None:
        self._space = space
        losses = _losses(scores, objective)
        self._best_score, self._median_score = _best_and_median(scores, objective)
        kept = _best_and_newest(losses)
        X, losses = X[kept], losses[kept]
        exists = ~np.isnan(X)
        low = np.where(exists, X, np.float32(np.inf)).min(axis=0)
        high = np.where(exists, X, np.float32(-np.inf)).max(axis=0)
        self._low, self._range = low, np.where(high > low, high - low, np.float32(1))
        self._known = [_known_categories(column, X[exists[:, c], c]) for c, column in enumerate(space.columns)]
        self._points = self._coordinates(X)
        weights = _solve(self._points, losses)
        self._weights, self._tail = weights[: len(X)], weights[len(X) :]

    def predicted_scores(self, X: NDArray[np.float32]) -> Floats:
        """Return the scores that it predicts; the worse half of the scores counts as their median.

        Parameters
        ----------
        X : ndarray of float32, shape (n, num_columns)
            Encoded configurations.

        Returns
        -------
        ndarray of float64, shape (n,)
            NaN where no score is finite.
        """
        losses = self.predict(X)
        result: Floats = self._best_score + losses * (self._median_score - self._best_score)
        return result

    def error(self, X: NDArray[np.float32]) -> float:
        """Return by how much it is wrong at most at four of five given points that it goes through, as a loss.

        It is what it would be wrong by at a point without that point: its weight over its element of the inverse
        (Rippa, Advances in Computational Mathematics 11, 1999).

        Parameters
        ----------
        X : ndarray of float32, shape (m, num_columns)
            Encoded configurations; those that it does not go through do not count.

        Returns
        -------
        float
            Infinite where it goes through none of them.
        """
        with _one_blas_thread():
            inverse = np.linalg.inv(_matrix(self._points))
        chosen = _min_distances(self._points, self._coordinates(X)) < _SAME_POINT
        if not chosen.any():
            return np.inf
        return float(np.quantile(np.abs(self._weights / inverse.diagonal()[: len(self._points)])[chosen], 0.8))

    def distances(self, X: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
        """Return the distance of each configuration from the nearest of others, where each column has the length 1.

        Parameters
        ----------
        X, others : ndarray of float32, shapes (n, num_columns) and (m, num_columns)

        Returns
        -------
        ndarray of float64, shape (n,)
            Infinite where there are no others.
        """
        return _min_distances(self._coordinates(X), self._coordinates(others))

    @property
    def score_range(self) -> float:
        """The distance between the best score and the median: what a loss of 1 is."""
        return abs(self._median_score - self._best_score)

    @property
    def num_points(self) -> int:
        """Points that it goes through."""
        return len(self._points)

    def predict(self, X: NDArray[np.float32]) -> Floats:
        """Return the losses that it predicts: 0 is the best of its points, 1 the median and all that is worse.

        Parameters
        ----------
        X : ndarray of float32, shape (n, num_columns)
            Encoded configurations.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        return self._predictions_and_distances(self._coordinates(X))[0]

    def best_of(
        self,
        rows: list[list[Any]],
        X: NDArray[np.float32],
        group_size: int,
        local_search: LocalSearch | None = None,
        *,
        pending: Sequence[list[Any]] = (),
    ) -> list[list[Any]]:
        """Choose a candidate of each group: of low predicted loss, and far from all points and the choices before it.

        The choice of a group depends on those before it and on nothing after it.

        Parameters
        ----------
        rows : list of list
            Values of the candidates, group after group, as many as groups times `group_size`.
        X : ndarray of float32, shape (n, num_columns)
            The candidates, encoded.
        group_size : int
        local_search : LocalSearch, optional
            Makes each choice better before the next one.
        pending : sequence of rows
            As if they were choices before these.

        Returns
        -------
        list of list
            Values of the choices.
        """
        points = self._coordinates(X)
        predictions, distances = self._predictions_and_distances(points)
        chosen: list[list[Any]] = []
        earlier = self._coordinates(self._space.encode_rows(pending)) if pending else np.empty((0, points.shape[1]))
        for group in range(len(rows) // group_size):
            candidates = slice(group * group_size, (group + 1) * group_size)
            nearest = np.minimum(distances[candidates], _min_distances(points[candidates], earlier))
            merit = _MeritFunction(group, predictions[candidates], nearest)
            choice = rows[candidates.start + int(np.argmin(merit.of_candidates))]
            if local_search is not None and merit.weight >= _LEAST_WEIGHT_TO_IMPROVE:
                choice = local_search.improve(group, choice, X[candidates], partial(self._merit_at, merit, earlier))
            chosen.append(choice)
            point = self._coordinates(self._space.encode_rows([choice]))
            earlier = np.concatenate([earlier, point])[-_REMEMBERED_CHOICES:]
        return chosen

    def _merit_at(self, merit: _MeritFunction, earlier: Floats, X: NDArray[np.float32]) -> Floats:
        points = self._coordinates(X)
        predictions, distances = self._predictions_and_distances(points)
        return merit(predictions, np.minimum(distances, _min_distances(points, earlier)))

    def _predictions_and_distances(self, points: Floats) -> tuple[Floats, Floats]:
        """Return the predicted losses, and the distances from the nearest evaluated points."""
        from scipy.spatial.distance import cdist

        predictions, nearest = np.empty(len(points)), np.empty(len(points))
        with _one_blas_thread():
            for first in range(0, len(points), _CANDIDATES_AT_ONCE):
                block = slice(first, first + _CANDIDATES_AT_ONCE)
                distances = cdist(points[block], self._points)
                nearest[block] = distances.min(axis=1)
                predictions[block] = distances**3 @ self._weights + _with_one(points[block]) @ self._tail
        return predictions, nearest

    def _coordinates(self, X: NDArray[np.float32]) -> Floats:
        """Map encoded rows to where distances mean something.

        A number is at the prior probability of being below it; categories are all equally far from each other, and
        from what does not exist; that has a number's middle, away from all numbers.
        """
        parts = []
        for c, column in enumerate(self._space.columns):
            exists = ~np.isnan(X[:, c])
            values = X[exists, c]
            known = self._known[c]
            if known is not None:
                part = np.zeros((len(X), len(known) + 1))
                index = np.searchsorted(known, values)
                index[~np.isin(values, known)] = len(known)
                part[np.flatnonzero(exists), index] = _CATEGORY
            else:
                part = np.full((len(X), 1), 0.5)
                if column.has_quantile and column.has_cdf:
                    part[exists, 0] = column.cdf(values)
                else:
                    part[exists, 0] = (values - self._low[c]) / self._range[c]
            parts.append(part)
            if isinstance(column, ConditionalColumn):
                parts.append(_CATEGORY * (~exists)[:, np.newaxis].astype(np.float64))
        return np.hstack(parts)


class _MeritFunction:
    """Predicted loss weighed against distance, both on the scale of one group's candidates; smaller is better."""

    def __init__(self, group: int, predictions: Floats, distances: Floats) -> None:
        is_flat = predictions.min() == predictions.max()  # only distance tells candidates apart
        self.weight = 0.0 if is_flat else _WEIGHTS_OF_PREDICTION[group % len(_WEIGHTS_OF_PREDICTION)]
        self._lowest, self._prediction_range = _scale(predictions)
        self._nearest, self._distance_range = _scale(distances)
        self.of_candidates = self(predictions, distances)

    def __call__(self, predictions: Floats, distances: Floats) -> Floats:
        prediction = (predictions - self._lowest) / self._prediction_range
        distance = (distances - self._nearest) / self._distance_range
        merit: Floats = self.weight * prediction - (1 - self.weight) * distance
        merit[distances < _SAME_POINT] += 2.0  # what is evaluated already teaches nothing
        return merit


def _scale(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low, high - low if high > low else 1.0


def _min_distances(points: Floats, others: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    if not len(others):
        return np.full(len(points), np.inf)
    result: Floats = cdist(points, others).min(axis=1)
    return result


def _num_categories(column: AbstractHyperParameter) -> int:
    """Count the values of a parameter whose values have no order; 0 for one with an order."""
    column = column.column if isinstance(column, ConditionalColumn) else column
    values = column.values if isinstance(column, DiscreteHyperParameter) else ()
    is_ordered = all(type(value) in (int, float) for value in values) and list(values) == sorted(values)
    return 0 if is_ordered else len(values)


def _known_categories(column: AbstractHyperParameter, values: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the encoded categories that have a coordinate of their own; None for a column with an order.

    Of many categories those of the points: all others are as far from each point as from any, and share a coordinate.
    """
    count = _num_categories(column)
    if not count:
        return None
    return np.arange(count, dtype=np.float32) if count <= _MOST_CATEGORIES else np.unique(values)


def _losses(scores: Floats, objective: str) -> Floats:
    """Turn scores into losses from 0 for the best to 1 for the median and all that is worse, or is not finite."""
    counts = np.isfinite(scores)
    losses = np.ones(len(scores))
    if counts.any():
        lower_is_better = -scores[counts] if objective == "max" else scores[counts]
        if np.abs(lower_is_better).max() > _LARGE:
            lower_is_better = lower_is_better / _LARGE  # differences would be beyond float64
        losses[counts] = _from_0_to_1(np.minimum(lower_is_better, median(lower_is_better)))
    return losses


def _best_and_median(scores: Floats, objective: str) -> tuple[float, float]:
    finite = scores[np.isfinite(scores)]
    if not len(finite):
        return np.nan, np.nan
    return float(finite.max() if objective == "max" else finite.min()), float(median(finite))


def _best_and_newest(losses: Floats) -> NDArray[np.intp]:
    count = len(losses)
    if count <= _MOST_POINTS:
        return np.arange(count)
    half = _MOST_POINTS // 2
    return np.union1d(np.argsort(losses, kind="stable")[:half], np.arange(count - half, count))


def _matrix(points: Floats) -> Floats:
    """Return the matrix whose solution are the weights."""
    from scipy.spatial.distance import cdist

    tail = _with_one(points)
    num_points, num_tails = tail.shape
    matrix = np.zeros((num_points + num_tails,) * 2)
    matrix[:num_points, :num_points] = cdist(points, points) ** 3 + _SMOOTHING * np.eye(num_points)
    matrix[:num_points, num_points:] = tail
    matrix[num_points:, :num_points] = tail.T
    # Categories and few points leave the tail undetermined; this takes the small one.
    matrix[num_points:, num_points:] = -1e-8 * np.eye(num_tails)
    return matrix


def _solve(points: Floats, losses: Floats) -> Floats:
    """Return the weights of the basis functions, then those of the linear tail."""
    num_points, num_tails = _with_one(points).shape
    if losses.min() == losses.max():  # a constant, without the last bits of a solution that candidates would go by
        return np.concatenate([np.zeros(num_points), losses[:1], np.zeros(num_tails - 1)])
    with _one_blas_thread():
        solution: Floats = np.linalg.solve(_matrix(points), np.concatenate([losses, np.zeros(num_tails)]))
    return solution


def _one_blas_thread() -> Any:
    """Keep NumPy's BLAS on one thread: a sum's order must not depend on the machine's cores."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    """Find the libraries, which takes milliseconds; NumPy's is there since NumPy is."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _with_one(points: Floats) -> Floats:
    return np.hstack([np.ones((len(points), 1)), points])


def _from_0_to_1(values: Floats) -> Floats:
    low, high = values.min(), values.max()
    result: Floats = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return result
