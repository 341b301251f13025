"""Numbers from users and files, as floats that can be compared."""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["as_real", "median"]


def as_real(value: Any) -> float:
    """Turn a real number into a float; NaN for anything else, bools included, and infinity beyond float64.

    Examples
    --------
    >>> as_real(1), as_real("1"), as_real(True), as_real(10**400)
    (1.0, nan, nan, inf)
    """
    is_real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    try:
        return float(value) if is_real else math.nan
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def median(values: NDArray[Any]) -> float:
    """Return the median of finite numbers, at least one, whose sum may be beyond float64.

    Examples
    --------
    >>> import numpy as np
    >>> median(np.array([1.0, 4.0, 2.0])), median(np.array([1.7e308, 1.5e308]))
    (2.0, 1.6e+308)
    """
    ordered: list[float] = sorted(values.tolist())
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    middle = (low + high) / 2
    return middle if math.isfinite(middle) else low / 2 + high / 2
