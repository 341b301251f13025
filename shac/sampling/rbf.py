"""Cubic radial basis functions around encoded points, by the core, and local search by what they predict.

A sum has one order, so that predictions are the same for any number of threads, on every level of vector instructions
and whatever library multiplies matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shac.parameters import DiscreteHyperParameter
from shac.parameters.conditional import ConditionalColumn
from shac.sampling.encoding import encoding_of
from shac.sampling.extension import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.parameters import AbstractHyperParameter
    from shac.sampling.cascade import Cascade
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["SAME_POINT", "CubicModel", "Merit", "PointCoordinates", "merit_of"]

SAME_POINT = 1e-9  # the distance of what is one point
_CATEGORY = 0.5  # half of the squared distance of two categories
_MIDDLE = 0.5
_MOST_CATEGORIES = 100


class PointCoordinates:
    """Maps encoded rows to where distances mean something.

    A number is at the prior probability of being below it; categories are all equally far from each other, and from
    what does not exist; that has a number's middle, away from all numbers.

    Parameters
    ----------
    space : HyperParameterList
    X : ndarray of float32, shape (n, num_columns)
        Encoded rows, at least one: the categories that are known where there are many, and the range of columns
        without a distribution function.
    """

    def __init__(self, space: HyperParameterList, X: NDArray[np.float32]) -> None:
        self._space = space
        exists = ~np.isnan(X)
        low = np.where(exists, X, np.float32(np.inf)).min(axis=0)
        high = np.where(exists, X, np.float32(-np.inf)).max(axis=0)
        self._low, self._range = low, np.where(high > low, high - low, np.float32(1))
        self._known = [_known_categories(column, X[exists[:, c], c]) for c, column in enumerate(space.columns)]
        self.num_codes = sum(known is not None for known in self._known)
        self.compiled: core.PointCoordinates | None = None
        if (encoding := encoding_of(space)) is not None:
            categories = [[] if known is None else known.tolist() for known in self._known]
            self.compiled = core.PointCoordinates(encoding, categories)

    def of(self, X: NDArray[np.float32]) -> Floats:
        """Return the numbers of each row, and behind them its codes.

        Parameters
        ----------
        X : ndarray of float32, shape (n, num_columns)

        Returns
        -------
        ndarray of float64, shape (n, numbers + codes)
            The code of a category is its place among the known ones, or behind them; -1 for what does not exist.
        """
        if self.compiled is not None:
            return self.compiled.of(np.ascontiguousarray(X))
        numbers: list[Floats] = []
        codes: list[Floats] = []
        for c, column in enumerate(self._space.columns):
            exists = ~np.isnan(X[:, c])
            known = self._known[c]
            if known is not None:
                place = np.searchsorted(known, X[:, c])
                code = place.astype(np.float64)
                code[np.append(known, np.nan)[place] != X[:, c]] = len(known)
                code[~exists] = -1.0
                codes.append(code)
                continue
            numbers.append(self._numbers_of(c, X[:, c], exists))
            if isinstance(column, ConditionalColumn):
                numbers.append(_CATEGORY * (~exists).astype(np.float64))
        return np.column_stack([*numbers, *codes])

    def _numbers_of(self, c: int, values: NDArray[np.float32], exists: NDArray[np.bool_]) -> Floats:
        column = self._space.columns[c]
        number = np.full(len(values), _MIDDLE)
        if column.has_quantile and column.has_cdf:
            number[exists] = column.cdf(values[exists])
        else:
            number[exists] = (values[exists] - self._low[c]) / self._range[c]
        return number

    @property
    def can_search(self) -> bool:
        """Whether the core can search among the points."""
        return self.compiled is not None and not self._space.conditions

    def linear_terms(self, points: Floats) -> Floats:
        """Return the terms of a linear function of coordinates: 1, the numbers, and one for each category.

        Parameters
        ----------
        points : ndarray of float64, shape (n, numbers + codes)

        Returns
        -------
        ndarray of float64, shape (n, terms)
        """
        num_numbers = points.shape[1] - self.num_codes
        parts = [np.ones((len(points), 1)), points[:, :num_numbers]]
        for code, size in zip(points[:, num_numbers:].T, self._code_sizes(), strict=True):
            parts.append(_CATEGORY * (code[:, np.newaxis] == np.arange(-1, size)))
        return np.hstack(parts)

    def _code_sizes(self) -> list[int]:
        return [len(known) + 1 for known in self._known if known is not None]

    def model(self, points: Floats, weights: Floats, tail: Floats) -> CubicModel:
        """Return the model of points, their weights, and the weights of the linear terms."""
        num_numbers = points.shape[1] - self.num_codes
        ends = np.cumsum([size + 1 for size in self._code_sizes()])
        parts = np.split(_CATEGORY * tail[1 + num_numbers :], ends[:-1]) if self.num_codes else []
        point_set = self.point_set(points)
        return CubicModel(core.CubicRbf(point_set, weights, tail[: 1 + num_numbers], parts), point_set)

    def point_set(self, points: Floats) -> core.PointSet:
        """Return points as the core has them."""
        return core.PointSet(np.ascontiguousarray(points), self.num_codes)

    def nearest(self, points: Floats, others: Floats) -> Floats:
        """Return the distance of each point from the nearest of others; infinite where there are none."""
        return self.point_set(others).nearest(np.ascontiguousarray(points))

    def cubes(self, points: Floats, first: int = 0) -> Floats:
        """Return the cubes of the distances of the points, from the one at a place on, from all points."""
        return self.point_set(points).cubes(first)

    @property
    def codec(self) -> object:
        """What the columns of the space are known by."""
        return self._space.codec


@dataclass(frozen=True, slots=True)
class CubicModel:
    """Radial basis functions with their weights.

    Parameters
    ----------
    compiled : core.CubicRbf
    points : core.PointSet
        Its points.
    """

    compiled: core.CubicRbf
    points: core.PointSet

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Return predictions, and the distances from the nearest point of the model."""
        return self.compiled.predict(np.ascontiguousarray(points), 1)


@dataclass(frozen=True, slots=True)
class Merit:
    """What a local search lowers: predicted loss weighed against distance; see `RBFSurrogate`.

    Parameters
    ----------
    coordinates : PointCoordinates
    model : CubicModel
    earlier : ndarray of float64, shape (n, numbers + codes)
        More points to keep a distance from.
    scales : tuple of float
        The weight of the prediction; its lowest value and its range, and those of the distance.
    """

    coordinates: PointCoordinates
    model: CubicModel
    earlier: Floats
    scales: tuple[float, float, float, float, float]

    def __call__(self, X: NDArray[np.float32]) -> Floats:
        """Return the merit of encoded rows."""
        points = self.coordinates.of(X)
        predictions, distances = self.model.predict(points)
        return merit_of(self.scales, predictions, np.minimum(distances, self.coordinates.nearest(points, self.earlier)))

    @property
    def is_compiled(self) -> bool:
        """Whether the core can search by it."""
        return self.coordinates.can_search

    def search(self, cascade: Cascade, start: NDArray[np.float32], step: Floats, moves: Floats) -> Floats:
        """Search locally within the region of a cascade; see `shac.engine.local_search`.

        Parameters
        ----------
        cascade : Cascade
        start : ndarray of float32, shape (num_columns,)
            An encoded row that it accepts.
        step : ndarray of float64, shape (num_columns,)
            The length of the first step, in uniforms.
        moves : ndarray of float64, shape (steps, proposals, num_columns)

        Returns
        -------
        ndarray of float64, shape (num_columns,)
            Uniforms where it ends; empty where it found nothing better.
        """
        assert self.coordinates.compiled is not None, "checked by the caller"
        return core.search_locally(
            coordinates=self.coordinates.compiled,
            cascade=cascade.decisions,
            model=self.model.compiled,
            earlier=self.coordinates.point_set(self.earlier),
            merit=core.Merit(*self.scales),
            start=start,
            step=step,
            moves=moves,
        )


def merit_of(scales: tuple[float, float, float, float, float], predictions: Floats, distances: Floats) -> Floats:
    """Weigh predicted losses against distances, by `Merit.scales`; smaller is better."""
    weight, lowest, prediction_range, nearest, distance_range = scales
    prediction = (predictions - lowest) / prediction_range
    distance = (distances - nearest) / distance_range
    merit: Floats = weight * prediction - (1 - weight) * distance
    merit[distances < SAME_POINT] += 2.0  # what is evaluated already teaches nothing
    return merit


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
