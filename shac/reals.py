"""Numbers from users and files, as floats that can be compared."""

from __future__ import annotations

import math
import numbers
from typing import Any

__all__ = ["as_real"]


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
