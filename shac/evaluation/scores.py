"""What counts as a score."""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Mapping

__all__ = ["as_score"]


def as_score(value: object, name: str = "evaluation_function", verb: str = "return") -> float:
    """Turn what an evaluation function returned into its score.

    Parameters
    ----------
    value : object
        A real number (``numbers.Real``, which bool is too), or an object whose ``item()`` gives one: a
        NumPy scalar, or an array or tensor that holds exactly one number.
    name, verb : str
        What must do what, for error messages.

    Returns
    -------
    float
        Always finite.

    Raises
    ------
    TypeError
        If `value` is something else.
    ValueError
        If the number is NaN or infinite.
    OverflowError
        If it is an integer beyond the range of a float.

    Examples
    --------
    >>> as_score(True)
    1.0
    >>> as_score(None)
    Traceback (most recent call last):
        ...
    TypeError: evaluation_function must return a real number, got None of type NoneType
    """
    number = value
    if not isinstance(number, numbers.Real):
        # Only a mismatch is caught by type: item() of a lazy array may fail in ways of its own
        with contextlib.suppress(AttributeError, TypeError, ValueError, RuntimeError):
            number = value.item()  # type: ignore[attr-defined]
    if not isinstance(number, numbers.Real):
        kind = type(value).__name__
        remedy = f"; {verb} one of its values" if isinstance(value, Mapping) else ""
        raise TypeError(f"{name} must {verb} a real number, got {_shortened(value)} of type {kind}{remedy}")
    score = float(number)
    if not math.isfinite(score):
        raise ValueError(f"{name} must {verb} a finite number, got {score}")
    return score


def _shortened(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the value is the user's, and so is its __repr__
        return "a value without a repr"
    return text if len(text) <= 80 else text[:77] + "..."
