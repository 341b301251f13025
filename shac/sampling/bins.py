"""Threshold bins: where, among a column's uniforms, its encoded value reaches each threshold.

The encoded value of a column is a non-decreasing function of an integer uniform, its quantile function followed by its
encoding. The smallest uniform whose value reaches a threshold (an edge) is found by bisection on that very function, so
that deciding by bin and deciding by value agree for every uniform, whatever the rounding inside a quantile function.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shac.sampling.extension import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.parameters import AbstractHyperParameter

__all__ = ["ThresholdBins"]

_RANGE = 1 << core.UNIFORM_BITS


class ThresholdBins:
    """Edges of one parameter, remembered from round to round.

    Parameters
    ----------
    parameter : AbstractHyperParameter
        A parameter of one column with a quantile function.
    """

    def __init__(self, parameter: AbstractHyperParameter) -> None:
        self._parameter = parameter
        self._thresholds = np.empty(0, dtype=np.float32)
        self._edges = np.empty(0, dtype=np.int64)

    def column(self, thresholds: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
        """Give the core's form of the column: edges inside the range of uniforms, and a value for each bin."""
        thresholds = np.unique(thresholds)
        if thresholds.size == 0:
            return np.empty(0, dtype=np.uint64), np.zeros(1, dtype=np.float32)
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

    def _edges_of(self, thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
        new = np.setdiff1d(thresholds, self._thresholds)
        if new.size:
            known = np.concatenate([self._thresholds, new])
            edges = np.concatenate([self._edges, self._bisect(new)])
            order = np.argsort(known, kind="stable")
            self._thresholds = known[order]
            # A quantile function that falls by a rounding error cannot make edges fall.
            self._edges = np.maximum.accumulate(edges[order])
        return self._edges[np.searchsorted(self._thresholds, thresholds)]

    def _bisect(self, thresholds: NDArray[np.float32]) -> NDArray[np.int64]:
        low = np.zeros(thresholds.size, dtype=np.int64)
        high = np.full(thresholds.size, _RANGE, dtype=np.int64)
        while np.any(low < high):
            middle = (low + high) // 2
            reached = self._encoded(middle) >= thresholds
            high = np.where(reached, middle, high)
            low = np.where(reached, low, np.minimum(middle + 1, high))
        return low

    def _encoded(self, uniforms: NDArray[np.int64]) -> NDArray[np.float32]:
        values = self._parameter.quantile((np.minimum(uniforms, _RANGE - 1) + 0.5) / _RANGE)
        encoded = self._parameter.encode_array(values)
        if np.isnan(encoded).any():
            raise ValueError(
                f"parameter {self._parameter.name!r}: expected encoded values that are numbers, got NaN from "
                "encode(quantile(u)) for some u in (0, 1)"
            )
        return encoded
