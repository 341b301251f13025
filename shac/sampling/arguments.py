"""Checks of what users give to a cascade."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.cores import num_cores

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["LARGEST_COUNT", "LARGEST_SEED", "checked_integer", "checked_rows", "thread_count"]

LARGEST_SEED = 2**64 - 1
LARGEST_COUNT = 2**63 - 1


def checked_integer(name: str, value: Any, low: int, high: int) -> int:
    """Return an integer from `low` to `high`.

    Raises
    ------
    ValueError
        If it is no such integer.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise ValueError(f"{name}: expected an integer, got {value!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{name}: expected an integer from {low} to {high}, got {value!r}")
    return number


def thread_count(threads: int | None) -> int:
    """Return the number of threads to use: that given, or all cores.

    Raises
    ------
    ValueError
        If it is out of its range.
    """
    if threads is None:
        return num_cores()
    return checked_integer("threads", threads, 1, 4096)


def checked_rows(X: ArrayLike, num_columns: int) -> NDArray[np.float32]:
    """Return encoded rows as the core reads them.

    Raises
    ------
    ValueError
        If `X` does not have two dimensions and so many columns.
    """
    with np.errstate(over="ignore"):  # beyond float32 is an infinity, as for XGBoost
        rows = np.asarray(X, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != num_columns:
        raise ValueError(f"X: expected an array of shape (rows, {num_columns}), got shape {np.shape(X)}")
    is_dense = rows.flags.c_contiguous or rows.flags.f_contiguous
    return rows if is_dense and rows.flags.aligned else np.ascontiguousarray(rows)
