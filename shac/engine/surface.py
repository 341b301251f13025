"""A smooth surface through the scores of a search, and candidates ranked by it.

The surface is a sum of cubic radial basis functions around all points, with a linear trend: it has no scale to tune
(Regis and Shoemaker, INFORMS Journal on Computing 19, 2007). As there, the worse half of the scores counts as the
median, so that a few terrible points do not bend it elsewhere, and a candidate's height is weighed against its
distance from all points, by weights that the samples of a batch take in turns.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters import DiscreteHyperParameter
from shac.parameters.conditional import ConditionalColumn
from shac.reals import median

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from threadpoolctl import ThreadpoolController

    from shac.engine.climbing import Climber
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["Surface"]

_WEIGHTS_OF_HEIGHT = (0.5, 0.8, 0.95, 1.0)
_WEIGHT_OF_CLIMBS = 0.95  # the other half of a batch keeps its distance
_SMOOTHING = 1e-4  # points may have the same place and different scores
_SAME_PLACE = 1e-9
_APART = 0.5  # a category's part of the place of its value
_CANDIDATES_AT_ONCE = 4096
_REMEMBERED_CHOICES = 1000
_LARGE = 2.0**1000
_MOST_POINTS = 2000  # solving takes the cube of it: two seconds


class Surface:
    """The surface through evaluated points.

    Parameters
    ----------
    space : HyperParameterList
        The search space.
    X : ndarray of float32, shape (n, num_columns)
        Encoded settings, at least one.
    scores : ndarray of float64, shape (n,)
        Their scores, at least one finite; what is not finite is a failed evaluation. Of more than 2,000 points the
        best 1,000 and the newest 1,000 are taken.
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.
    """

    def __init__(self, space: HyperParameterList, X: NDArray[np.float32], scores: Floats, objective: str) -> None:
        self._space = space
        heights = _heights(scores, objective)
        kept = _best_and_newest(heights)
        X, heights = X[kept], heights[kept]
        there = ~np.isnan(X)
        low = np.where(there, X, np.float32(np.inf)).min(axis=0)
        high = np.where(there, X, np.float32(-np.inf)).max(axis=0)
        self._low, self._range = low, np.where(high > low, high - low, np.float32(1))
        self._points = self._places(X)
        weights = _solve(self._points, heights)
        self._bends, self._trend = weights[: len(X)], weights[len(X) :]

    @property
    def num_points(self) -> int:
        """Points that it goes through."""
        return len(self._points)

    def best_of(self, rows: list[list[Any]], group_size: int, climber: Climber | None = None) -> list[list[Any]]:
        """Choose a candidate of each group: low on the surface and far from all points and the choices before it.

        The choice of a group depends on those before it and on nothing after it.

        Parameters
        ----------
        rows : list of list
            Values of the candidates, group after group, as many as groups times `group_size`.
        group_size : int
        climber : Climber, optional
            Makes each choice better before the next one.

        Returns
        -------
        list of list
            Values of the choices.
        """
        X = self._space.encode_rows(rows)
        places = self._places(X)
        heights, apart = self._heights_and_distances(places)
        chosen: list[list[Any]] = []
        places_before = np.empty((0, places.shape[1]))
        for group in range(len(rows) // group_size):
            candidates = slice(group * group_size, (group + 1) * group_size)
            closest = _closest(places[candidates], places_before)
            loss = _Loss(group, heights[candidates], np.minimum(apart[candidates], closest))
            choice = rows[candidates.start + int(np.argmin(loss.known))]
            if climber is not None and loss.weight >= _WEIGHT_OF_CLIMBS:
                choice = climber.climb(group, choice, X[candidates], partial(self._loss_at, loss, places_before))
            chosen.append(choice)
            place = self._places(self._space.encode_rows([choice]))
            places_before = np.concatenate([places_before, place])[-_REMEMBERED_CHOICES:]
        return chosen

    def _loss_at(self, loss: _Loss, places_before: Floats, X: NDArray[np.float32]) -> Floats:
        places = self._places(X)
        heights, apart = self._heights_and_distances(places)
        return loss(heights, np.minimum(apart, _closest(places, places_before)))

    def _heights_and_distances(self, places: Floats) -> tuple[Floats, Floats]:
        """Give the height of the surface at places, and their distances from the closest points."""
        from scipy.spatial.distance import cdist

        heights, apart = np.empty(len(places)), np.empty(len(places))
        with _one_blas_thread():
            for first in range(0, len(places), _CANDIDATES_AT_ONCE):
                block = slice(first, first + _CANDIDATES_AT_ONCE)
                distances = cdist(places[block], self._points)
                apart[block] = distances.min(axis=1)
                heights[block] = distances**3 @ self._bends + _with_one(places[block]) @ self._trend
        return heights, apart

    def _places(self, X: NDArray[np.float32]) -> Floats:
        """Place encoded rows where distances mean something.

        A number is at the prior probability of being below it, categories are all equally far from each other, and
        from what does not exist; that has a number's middle, apart from all numbers.
        """
        parts = []
        for c, column in enumerate(self._space.columns):
            there = ~np.isnan(X[:, c])
            values = X[there, c]
            categories = _num_categories(column)
            if categories:
                part = np.zeros((len(X), categories))
                part[np.flatnonzero(there), values.astype(np.intp)] = _APART
            else:
                part = np.full((len(X), 1), 0.5)
                if column.has_quantile and column.has_cdf:
                    part[there, 0] = column.cdf(values)
                else:
                    part[there, 0] = (values - self._low[c]) / self._range[c]
            parts.append(part)
            if isinstance(column, ConditionalColumn):
                parts.append(_APART * (~there)[:, np.newaxis].astype(np.float64))
        return np.hstack(parts)


class _Loss:
    """Height weighed against distance, both on the scale of one group's candidates."""

    def __init__(self, group: int, heights: Floats, apart: Floats) -> None:
        self.weight = _WEIGHTS_OF_HEIGHT[group % len(_WEIGHTS_OF_HEIGHT)]
        self._lowest, self._height_range = _scale(heights)
        self._closest, self._distance_range = _scale(apart)
        self.known = self(heights, apart)

    def __call__(self, heights: Floats, apart: Floats) -> Floats:
        height = (heights - self._lowest) / self._height_range
        distance = (apart - self._closest) / self._distance_range
        loss: Floats = self.weight * height - (1 - self.weight) * distance
        loss[apart < _SAME_PLACE] += 2.0  # what is evaluated already teaches nothing
        return loss


def _scale(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low, high - low if high > low else 1.0


def _closest(places: Floats, others: Floats) -> Floats:
    from scipy.spatial.distance import cdist

    if not len(others):
        return np.full(len(places), np.inf)
    result: Floats = cdist(places, others).min(axis=1)
    return result


def _num_categories(column: AbstractHyperParameter) -> int:
    """Count the values of a parameter whose values have no order; 0 for one with an order."""
    column = column.column if isinstance(column, ConditionalColumn) else column
    values = column.values if isinstance(column, DiscreteHyperParameter) else ()
    is_ordered = all(type(value) in (int, float) for value in values) and list(values) == sorted(values)
    return 0 if is_ordered else len(values)


def _heights(scores: Floats, objective: str) -> Floats:
    """Turn scores into heights from 0 for the best to 1 for the median and all that is worse, or is not finite."""
    counts = np.isfinite(scores)
    lower_is_better = -scores if objective == "max" else scores
    if np.abs(scores[counts]).max() > _LARGE:
        lower_is_better = lower_is_better / _LARGE  # differences would be beyond float64
    middle = median(lower_is_better[counts])
    return _from_0_to_1(np.minimum(np.where(counts, lower_is_better, middle), middle))


def _best_and_newest(heights: Floats) -> NDArray[np.intp]:
    count = len(heights)
    if count <= _MOST_POINTS:
        return np.arange(count)
    half = _MOST_POINTS // 2
    return np.union1d(np.argsort(heights, kind="stable")[:half], np.arange(count - half, count))


def _solve(places: Floats, heights: Floats) -> Floats:
    """Give the weights of the basis functions, then those of the trend."""
    from scipy.spatial.distance import cdist

    trend = _with_one(places)
    num_points, num_trends = trend.shape
    matrix = np.zeros((num_points + num_trends,) * 2)
    matrix[:num_points, :num_points] = cdist(places, places) ** 3 + _SMOOTHING * np.eye(num_points)
    matrix[:num_points, num_points:] = trend
    matrix[num_points:, :num_points] = trend.T
    # Categories and few points leave the trend undetermined; this takes the small one.
    matrix[num_points:, num_points:] = -1e-8 * np.eye(num_trends)
    with _one_blas_thread():
        solution: Floats = np.linalg.solve(matrix, np.concatenate([heights, np.zeros(num_trends)]))
    return solution


def _one_blas_thread() -> Any:
    """Keep NumPy's BLAS on one thread: a sum's order must not depend on the machine's cores."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    """Find the libraries, which takes milliseconds; NumPy's is there since NumPy is."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _with_one(places: Floats) -> Floats:
    return np.hstack([np.ones((len(places), 1)), places])


def _from_0_to_1(values: Floats) -> Floats:
    low, high = values.min(), values.max()
    result: Floats = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return result
