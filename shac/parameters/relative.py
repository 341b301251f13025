"""Columns of numbers that lie close together far from zero: a time of one minute, integers above 2**24.

float32 has 24 bits. Between 1.7e9 and 1.7e9 + 60 there is one float32 number, so a classifier that sees those values as
they are can tell nothing apart. Such a column is encoded relative to its range instead: ``(value - offset) / width``,
computed in float64 and rounded then. All other columns keep their values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.base import AbstractHyperParameter, to_float32
from shac.parameters.continuous import (
    LogUniformHyperParameter,
    NormalContinuousHyperParameter,
    UniformContinuousHyperParameter,
    clip_rounding,
)
from shac.parameters.distribution import ScipyHyperParameter
from shac.parameters.integer import IntegerHyperParameter, LogIntegerHyperParameter
from shac.parameters.rounding import last_integer_below, rounding_boundary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["RelativeColumn", "encoded_finely"]

# Those whose encoding is a rounded real number; a user's class encodes as it likes
_OF_REALS = (
    IntegerHyperParameter,
    LogIntegerHyperParameter,
    LogUniformHyperParameter,
    NormalContinuousHyperParameter,
    ScipyHyperParameter,
    UniformContinuousHyperParameter,
)
_FEWEST_STEPS = 2**16  # of float32 across most of the prior
_ENDS = np.array([0.005, 0.995])
_LARGEST_INTEGER = 2**24  # up to which float32 has all of them


def encoded_finely(column: AbstractHyperParameter) -> AbstractHyperParameter:
    """Return a column whose encoding tells its values apart: itself, or one that encodes relative to its range.

    Examples
    --------
    >>> from shac import UniformHP
    >>> encoded_finely(UniformHP("minute", 0.0, 60.0)).encode_array([30.0]).tolist()
    [30.0]
    >>> encoded_finely(UniformHP("time", 1.7e9, 1.7e9 + 60)).encode_array([1.7e9 + 30]).round(3).tolist()
    [0.5]
    """
    if type(column) not in _OF_REALS:
        return column
    low, high = column.real_array(column.quantile(_ENDS)).tolist()
    largest = max(abs(low), abs(high))
    if column.is_integer:
        if largest < _LARGEST_INTEGER or high - low >= _LARGEST_INTEGER:
            return column
        return RelativeColumn(column, low, 1.0)
    if high - low >= _FEWEST_STEPS * float(np.spacing(np.float32(min(largest, 3e38)))) or not low < high:
        return column
    return RelativeColumn(column, low, high - low)


class RelativeColumn(AbstractHyperParameter):
    """A column that is encoded relative to its range.

    Parameters
    ----------
    column : AbstractHyperParameter
        The scalar parameter.
    offset, width : float
        Its encoding e becomes ``(e - offset) / width``.
    """

    def __init__(self, column: AbstractHyperParameter, offset: float, width: float) -> None:
        super().__init__(column.name, seed=column.seed)
        self.column = column
        self.offset = offset
        self.width = width

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        return self.column.quantile(u)

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        if self.column.is_integer:
            return self.column.mass_below(self.offset + last_integer_below(encoded))
        return self.column.mass_below(self.offset + self.width * rounding_boundary(encoded))

    def encode_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:
        return to_float32((self.column.real_array(values) - self.offset) / self.width)

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(encoded, dtype=np.float64)
        values = self.column.decode_array(self.offset + self.width * numbers)
        bounds = self.column.get_config()
        if "min_value" in bounds:
            return clip_rounding(self, (bounds["min_value"], bounds["max_value"]), numbers, values)
        return values

    def to_text(self, value: Any) -> str:
        return self.column.to_text(value)

    def from_text(self, text: str) -> Any:
        return self.column.from_text(text)

    def get_config(self) -> dict[str, Any]:
        return self.column.get_config()

    def __repr__(self) -> str:
        return repr(self.column)
