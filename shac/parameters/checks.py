"""Checks of the numbers that parameters are made of."""

from __future__ import annotations

import math
import numbers
import operator
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = [
    "checked_integer",
    "checked_integers",
    "checked_name",
    "checked_number",
    "checked_numbers",
    "checked_range",
    "checked_seed",
    "checked_whole",
    "is_writable",
]


def checked_name(name: Any) -> str:
    """Return `name` if it can name a parameter."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"name: expected a non-empty string, got {name!r}")
    if not is_writable(name):
        raise ValueError(f"name: expected text that UTF-8 can hold, got {name!r}")
    return str(name)


def is_writable(text: str) -> bool:
    """Whether UTF-8 has the text; it has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def checked_seed(seed: Any) -> int | None:
    """Return `seed` as None or an int that is not negative."""
    if seed is None:
        return None
    number = _index(seed)
    if number is None or number < 0:
        raise ValueError(f"seed: expected None or an integer of at least 0, got {seed!r}")
    return number


def checked_number(owner: str, argument: str, value: Any) -> float:
    """Return `value` as a finite float."""
    try:
        is_number = not isinstance(value, (str, bytes, bool, np.bool_)) and np.ndim(value) == 0
        number = float(value) if is_number else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"parameter {owner!r}: {argument}: expected a finite number, got {value!r}")
    return number


def checked_integer(owner: str, argument: str, value: Any) -> int:
    """Return `value` as an int; a float or bool is refused."""
    number = _index(value)
    if number is None:
        raise ValueError(f"parameter {owner!r}: {argument}: expected an integer, got {value!r}")
    return number


def _index(value: Any) -> int | None:
    try:
        return None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:  # also of arrays that hold more than a number
        return None


def checked_whole(owner: str, value: Any) -> int:
    """Return a value as an int, also from a float that is whole."""
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != value:
        raise ValueError(f"parameter {owner!r}: expected a whole number, got {value!r}")
    return whole


def checked_numbers(owner: str, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Return values as float64; text and None, which NumPy would turn into numbers, are refused."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError(f"parameter {owner!r}: expected numbers, got lists among them") from None
    if array.ndim != 1:
        raise ValueError(f"parameter {owner!r}: expected a sequence of numbers, got an array of shape {array.shape}")
    if array.dtype.kind not in "fiub":
        wrong = [value for value in values if not isinstance(value, numbers.Real)]
        if wrong:
            raise ValueError(f"parameter {owner!r}: expected numbers, got {wrong[0]!r}")
        return np.array([checked_number(owner, "value", value) for value in values], dtype=np.float64)
    return array.astype(np.float64)


def checked_integers(owner: str, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Return values as float64 without a fraction."""
    checked = checked_numbers(owner, values)
    wrong = ~(np.isfinite(checked) & (checked == np.rint(checked)))
    if wrong.any():
        raise ValueError(f"parameter {owner!r}: expected whole numbers, got {checked[wrong][0]!s}")
    return checked


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
