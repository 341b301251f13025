"""Rows that are NumPy arrays, which have one type for all of their values: each is cast back to its parameter's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.base import to_builtin
from shac.parameters.conditional import ConditionalColumn
from shac.parameters.discrete import DiscreteHyperParameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from shac.parameters.base import AbstractHyperParameter

__all__ = ["values_of_array", "without_arrays"]


def without_arrays(columns: Sequence[AbstractHyperParameter], rows: Iterable[Any]) -> list[Any]:
    """Return rows, those that are arrays by the values that they stand for; see `values_of_array`."""
    return [values_of_array(columns, row) if isinstance(row, np.ndarray) else row for row in rows]


def values_of_array(columns: Sequence[AbstractHyperParameter], row: NDArray[np.generic]) -> list[Any]:
    """Return the values of an array that is a flat row.

    Parameters
    ----------
    columns : sequence of AbstractHyperParameter
        One for each value; a row of another length comes back as it is.
    row : ndarray

    Returns
    -------
    list
        Python's values. One that is none of a discrete parameter's is the one of them with the same number or, of text,
        the same text, where there is just one; text of another parameter is the number that it stands for.

    Examples
    --------
    >>> columns = [DiscreteHyperParameter("units", [8, 16]), DiscreteHyperParameter("kind", ["a", None])]
    >>> values_of_array(columns, np.array([8, "a"]))
    [8, 'a']
    """
    values = [to_builtin(value) for value in row]
    if len(values) != len(columns):
        return values
    return [_cast(column, value) for column, value in zip(columns, values, strict=True)]


def _cast(column: AbstractHyperParameter, value: Any) -> Any:
    column = column.column if isinstance(column, ConditionalColumn) else column
    if isinstance(column, DiscreteHyperParameter):
        try:
            column.index_of(value)
        except ValueError:
            alike = [own for own in column.values if _are_alike(own, value)]
            return alike[0] if len(alike) == 1 else value
        return value
    if isinstance(value, str):
        try:
            return column.from_text(value)
        except ValueError:
            return value
    return value


def _are_alike(own: Any, value: Any) -> bool:
    if isinstance(value, str):
        return str(own) == value
    return isinstance(own, int | float) and isinstance(value, int | float) and own == value
