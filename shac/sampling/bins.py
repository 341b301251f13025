"""Threshold bins: where, among a column's uniforms, its encoded value reaches each threshold.

The encoded value of a column is a non-decreasing function of an integer uniform, its quantile function followed by its
encoding. The smallest uniform whose value reaches a threshold (an edge) is found by bisection on that very function, so
that deciding by bin and deciding by value agree for every uniform, whatever the rounding inside a quantile function.
A parameter's CDF only says where to begin. Columns whose encoding the core knows are its to bisect, by the same steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

import numpy as np

from shac.parameters import DiscreteHyperParameter
from shac.sampling.encoding import encoding_of_column
from shac.sampling.extension import core

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["Condition", "ThresholdBins", "conditions_of"]

Condition: TypeAlias = "tuple[int, int, bool, NDArray[np.uint64]]"  # column, parent, and where of its uniforms

_RANGE = 1 << core.UNIFORM_BITS
_DISTANCES = (0, -1, 1, -4, 4, -(1 << 30), 1 << 30)  # from a CDF's guess: its rounding, and that of float32 encodings


class ThresholdBins:
    """Edges of one parameter, remembered from round to round.

    Parameters
    ----------
    parameter : AbstractHyperParameter
        A parameter of one column with a quantile function.
    """

    def __init__(self, parameter: AbstractHyperParameter) -> None:
        self._parameter = parameter
        # A subclass may encode as it likes.
        exactly = type(parameter) is DiscreteHyperParameter
        self._discrete = cast("DiscreteHyperParameter", parameter) if exactly else None
        self._encoding = encoding_of_column(parameter)
        # Replaced as one: threads that share it see thresholds with their own edges, or none of both.
        self._known = np.empty(0, dtype=np.float32), np.empty(0, dtype=np.int64)

    def column(self, thresholds: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Return the core's form of the column: edges inside the range of uniforms, and a value for each bin."""
        if thresholds.size == 0:
            return np.empty(0, dtype=np.uint64), np.zeros(1, dtype=np.float32)
        if not (thresholds[1:] > thresholds[:-1]).all():
            thresholds = np.unique(thresholds)
        edges = self._edges_of(thresholds)
        below_all = np.nextafter(thresholds[:1], np.float32(-np.inf), dtype=np.float32)
        reached_by_all = thresholds[edges == 0][-1:]
        # Thresholds that share an edge split nothing: the largest stands for them.
        last_of_edge = np.append(edges[1:] != edges[:-1], True) & (edges > 0) & (edges < _RANGE)
        first_bin = reached_by_all if reached_by_all.size else below_all
        return (
            edges[last_of_edge].astype(np.uint64),
            np.concatenate([first_bin, thresholds[last_of_edge]]).astype(np.float32),
        )

    def learn(self, thresholds: NDArray[np.float32]) -> None:
        """Find the edges of many thresholds at once: for a hundred it takes no longer than for one."""
        self._edges_of(thresholds)

    def changes(self, encoded: NDArray[np.float32]) -> tuple[bool, NDArray[np.uint64]]:
        """Return where, among the uniforms, the encoded value begins or ceases to be one of those given.

        Returns
        -------
        holds_first : bool
            Whether the smallest uniforms give one of them.
        changes : ndarray of uint64
            Uniforms where that changes, ascending.
        """
        begin = self._edges_of(encoded)
        end = self._edges_of(np.nextafter(encoded, np.float32(np.inf), dtype=np.float32))
        places, counts = np.unique(np.concatenate([begin, end]), return_counts=True)
        changes = places[counts % 2 == 1]  # one value's end may be the next one's begin
        inside = changes[(changes > 0) & (changes < _RANGE)]
        return bool(changes.size and changes[0] == 0), inside.astype(np.uint64)

    def _edges_of(self, thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
        if self._discrete is not None:  # a whole number reaches what its ceiling reaches, and there are few of those
            thresholds = np.ceil(thresholds)
        known, edges = self._known
        places = _places_in(known, thresholds)
        if places is None:
            new = np.setdiff1d(thresholds, known)
            known = np.concatenate([known, new])
            edges = np.concatenate([edges, self._bisect(new)])
            order = np.argsort(known, kind="stable")
            # A quantile function that falls by a rounding error cannot make edges fall.
            known, edges = known[order], np.maximum.accumulate(edges[order])
            self._known = known, edges
            places = np.searchsorted(known, thresholds)
        return edges[places]

    def _bisect(self, thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
        if self._encoding is not None:
            return self._encoding.find_edges(thresholds)
        low = np.zeros(thresholds.size, dtype=np.int64)
        high = np.full(thresholds.size, _RANGE, dtype=np.int64)

        def ask(uniforms: NDArray[np.int64]) -> None:
            # The edges lie in [low, high]; uniforms outside say nothing new.
            asked = np.clip(uniforms, low, np.maximum(high - 1, low))
            reached = self._encoded(asked) >= thresholds
            high[:] = np.where(reached, np.minimum(asked, high), high)
            low[:] = np.where(reached, low, np.minimum(asked + 1, high))

        if self._parameter.has_cdf:
            share = np.nan_to_num(np.asarray(self._parameter.cdf(thresholds), dtype=np.float64))
            guess = (np.clip(share, 0.0, 1.0) * _RANGE).astype(np.int64)
            for distance in _DISTANCES:
                if not np.any(low < high):
                    break
                ask(guess + distance)
        while np.any(low < high):
            ask((low + high) // 2)
        return low

    def _encoded(self, uniforms: NDArray[np.int64]) -> NDArray[np.float32]:
        u = (np.minimum(uniforms, _RANGE - 1) + 0.5) / _RANGE
        if self._discrete is not None:
            return self._discrete.index_quantile(u).astype(np.float32)
        encoded = self._parameter.encode_array(self._parameter.quantile(u))
        if np.isnan(encoded).any():
            raise ValueError(
                f"parameter {self._parameter.name!r}: expected encoded values that are numbers, got NaN from "
                "encode(quantile(u)) for some u in (0, 1)"
            )
        return encoded


def _places_in(known: NDArray[np.float32], thresholds: NDArray[np.float32]) -> NDArray[np.intp] | None:
    """Return the places of thresholds, in order, among others; None where some are not there."""
    places = np.searchsorted(known, thresholds)
    is_there = places.size == 0 or (places[-1] < known.size and bool((known[places] == thresholds).all()))
    return places if is_there else None


def conditions_of(
    space: HyperParameterList, bins_of: Callable[[AbstractHyperParameter], ThresholdBins]
) -> list[Condition]:
    """List the conditions of a space in the core's form: column, parent, and where among its uniforms it holds.

    Parameters
    ----------
    space : HyperParameterList
        All of its parameters have quantile functions.
    bins_of : callable
        Gives the bins of a column.

    Returns
    -------
    list of tuple
        Each column after those that it depends on.
    """
    result = []
    for name in space.conditions.order:
        for parent, values in space.conditions.parents(name).items():
            place = space.place_of(parent).start
            holds_first, changes = bins_of(space.columns[place]).changes(values)
            own = space.place_of(name)
            result += [(column, place, holds_first, changes) for column in range(own.start, own.stop)]
    return result
