"""Checks of the numbers that parameters are made of."""

from __future__ import annotations

import math
import operator
from typing import Any

__all__ = ["checked_integer", "checked_name", "checked_number", "checked_range"]


def checked_name(name: Any) -> str:
    """Return `name` if it can name a parameter."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"name: expected a non-empty string, got {name!r}")
    return name


def checked_number(owner: str, argument: str, value: Any) -> float:
    """Return `value` as a finite float."""
    try:
        number = math.nan if isinstance(value, (str, bytes, bool)) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"parameter {owner!r}: {argument}: expected a finite number, got {value!r}")
    return number


def checked_integer(owner: str, argument: str, value: Any) -> int:
    """Return `value` as an int; a float or bool is refused."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ValueError(f"parameter {owner!r}: {argument}: expected an integer, got {value!r}")
    return operator.index(value)


def checked_range(owner: str, minimum: float, maximum: float, *, positive: bool) -> None:
    """Require minimum < maximum, and a positive minimum where logarithms are taken."""
    if not minimum < maximum:
        raise ValueError(
            f"parameter {owner!r}: expected min_value < max_value, got min_value={minimum!r}, max_value={maximum!r}"
        )
    if not math.isfinite(maximum - minimum):
        raise ValueError(f"parameter {owner!r}: expected max_value - min_value to be finite, got {maximum - minimum!r}")
    if positive and minimum <= 0:
        raise ValueError(f"parameter {owner!r}: min_value: expected a positive number for logarithms, got {minimum!r}")
