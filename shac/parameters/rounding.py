"""What the rounding of encodings to float32 does to a prior: exactly which values lie below a threshold.

A prior says how likely a value is below a number; a classifier asks how likely an encoded value is. The two differ by
half a unit of float32, which is nothing for a wide range and everything for one of a few float32 numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["last_integer_below", "rounding_boundary"]


def rounding_boundary(thresholds: ArrayLike) -> NDArray[np.float64]:
    """Return, for each threshold, the number up to which float64 values round to a float32 below it.

    Parameters
    ----------
    thresholds : array_like of float32

    Returns
    -------
    ndarray of float64
        Half-way between the threshold and the float32 before it; a value at that very place rounds to either. Infinite
        where every finite value rounds to one side, as encodings end at the largest float32.
    """
    wanted = np.asarray(thresholds, dtype=np.float64)
    with np.errstate(over="ignore"):
        nearest = wanted.astype(np.float32)
        # Between two float32 numbers, a threshold asks the same as the upper one.
        upper = np.where(nearest < wanted, np.nextafter(nearest, np.float32(np.inf)), nearest)
        lower = np.nextafter(upper, np.float32(-np.inf))
    middle: NDArray[np.float64] = (upper.astype(np.float64) + lower.astype(np.float64)) / 2
    return middle


def last_integer_below(thresholds: ArrayLike) -> NDArray[np.float64]:
    """Return the largest integer whose float32 is below each threshold; -inf or inf where all or none are.

    Parameters
    ----------
    thresholds : array_like of float32
        Up to 2**53 in magnitude, the largest of the package's integers; beyond it float64 skips integers, too.

    Returns
    -------
    ndarray of float64
    """
    last = np.floor(rounding_boundary(thresholds))
    with np.errstate(over="ignore"):
        # A value half-way between two float32 numbers goes to the even one, which may be the threshold.
        reaches = last.astype(np.float32) >= np.asarray(thresholds, dtype=np.float64)
    return np.where(reaches, last - 1, last)
