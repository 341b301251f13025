"""The encoding of a search space by the core, for spaces whose columns it knows.

It knows uniform, log-uniform, integer and discrete columns, also where they are conditional, and logarithms of up to
65,536 integers. All others, and columns that are encoded relative to their range, are encoded by their own functions
in Python; one of them in a space is enough for the whole of it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np

from shac.parameters import (
    DiscreteHyperParameter,
    IntegerHyperParameter,
    LogIntegerHyperParameter,
    LogUniformHyperParameter,
    UniformContinuousHyperParameter,
)
from shac.parameters.conditional import ConditionalColumn
from shac.sampling.extension import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["EDGE", "encode_uniforms", "encoding_of", "encoding_of_column", "uniforms_of"]

EDGE = 2.0**-40  # uniforms stay within (0, 1)
_MOST_LISTED = 1 << 16

_known: WeakKeyDictionary[object, core.SpaceEncoding | None] = WeakKeyDictionary()


def encoding_of(space: HyperParameterList) -> core.SpaceEncoding | None:
    """Return the encoding of a space, made once; None where the core does not know a column."""
    codec = space.codec
    if codec not in _known:
        columns = [encoding_of_column(column) for column in codec.columns]
        known = [column for column in columns if column is not None]
        parents = [core.ParentValues(*entry) for entry in codec.values_of_parents()]
        _known[codec] = core.SpaceEncoding(known, parents) if len(known) == len(columns) else None
    return _known[codec]


def encode_uniforms(space: HyperParameterList, uniforms: Floats, threads: int = 1) -> NDArray[np.float32]:
    """Encode the values of uniforms; see `HyperParameterList.encode_uniforms`. Threads are for columns of the core."""
    encoding = encoding_of(space)
    if encoding is None:
        return space.encode_uniforms(uniforms)
    return encoding.encode(np.ascontiguousarray(uniforms, dtype=np.float64), threads)


def uniforms_of(space: HyperParameterList, X: NDArray[np.float32]) -> Floats:
    """Return uniforms that encoded rows come from: the middles of those of each value.

    Parameters
    ----------
    space : HyperParameterList
        All of its parameters have a quantile function.
    X : ndarray of float32, shape (n, num_columns)

    Returns
    -------
    ndarray of float64, shape (n, num_columns)
        NaN for what does not exist.
    """
    encoding = encoding_of(space)
    if encoding is not None:
        return encoding.uniforms_of(np.ascontiguousarray(X, dtype=np.float32))
    uniforms = np.full(X.shape, np.nan)
    for c, column in enumerate(space.columns):
        exists = ~np.isnan(X[:, c])
        below = column.cdf(X[exists, c])
        up_to = column.cdf(np.nextafter(X[exists, c], np.float32(np.inf)))
        uniforms[exists, c] = 0.5 * (below + up_to)
    result: Floats = np.clip(uniforms, EDGE, 1 - EDGE)
    return result


def encoding_of_column(column: AbstractHyperParameter) -> core.ColumnEncoding | None:
    """Describe a column to the core; None for one that it does not know.

    A subclass may encode as it likes, so that only the very classes count.
    """
    if isinstance(column, ConditionalColumn):
        column = column.column
    kinds = core.EncodingKind
    if type(column) is UniformContinuousHyperParameter and not column.log_encode:
        return core.ColumnEncoding(kinds.UNIFORM, column.min_value, column.max_value)
    if type(column) is LogUniformHyperParameter:
        low, high = math.log(column.min_value), math.log(column.max_value)
        if low == high:  # neighbours among float64
            return None
        return core.ColumnEncoding(kinds.LOG_UNIFORM, low, high, column.min_value, column.max_value)
    if type(column) is DiscreteHyperParameter:
        return core.ColumnEncoding(kinds.DISCRETE, 0.0, len(column.values))
    if type(column) is IntegerHyperParameter:
        return core.ColumnEncoding(kinds.INTEGER, column.min_value, column.max_value - column.min_value + 1)
    if type(column) is LogIntegerHyperParameter and column.max_value - column.min_value < _MOST_LISTED:
        return _listed(column)
    return None


def _listed(column: LogIntegerHyperParameter) -> core.ColumnEncoding | None:
    low, high = math.log(column.min_value - 0.5), math.log(column.max_value + 0.5)
    if low == high:
        return None
    encoded = column.encode_array(np.arange(column.min_value, column.max_value + 1))
    mass = [*column.cdf(encoded).tolist(), 1.0]
    return core.ColumnEncoding(
        core.EncodingKind.LISTED, low, high, column.min_value, column.max_value, encoded.tolist(), mass
    )
