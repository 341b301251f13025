"""What counts as a score."""

from __future__ import annotations

import contextlib
import math
import numbers
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["as_score", "as_scores"]


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


def as_scores(
    value: object, objectives: Sequence[str], name: str = "evaluation_function", verb: str = "return"
) -> tuple[float, ...]:
    """Turn what an evaluation function returned into the scores of several objectives.

    Parameters
    ----------
    value : object
        A sequence, or an array or tensor of one dimension, of a number for each; or a mapping from their names.
    objectives : sequence of str
        Their names.
    name, verb : str
        See `as_score`.

    Returns
    -------
    tuple of float
        All finite.

    Raises
    ------
    TypeError
        If `value` is something else, or has another number of numbers.
    ValueError
        If a number is NaN or infinite.
    OverflowError
        If it is an integer beyond the range of a float.

    Examples
    --------
    >>> as_scores({"seconds": 3, "accuracy": 0.5}, ["accuracy", "seconds"])
    (0.5, 3.0)
    >>> as_scores((0.5,), ["accuracy", "seconds"])
    Traceback (most recent call last):
        ...
    TypeError: evaluation_function must return 2 numbers (accuracy, seconds), got (0.5,) of type tuple
    """
    found: list[object]
    if isinstance(value, Mapping):
        found = [value[key] for key in objectives] if value.keys() == {*objectives} else []
    elif isinstance(value, (str, bytes)) or not hasattr(value, "__getitem__") or getattr(value, "ndim", 1) != 1:
        found = []
    else:
        found = list(cast("Sequence[object]", value))
    if len(found) != len(objectives):
        raise TypeError(
            f"{name} must {verb} {len(objectives)} numbers ({', '.join(objectives)}), got {_shortened(value)} of type "
            f"{type(value).__name__}"
        )
    return tuple(
        as_score(one, name, f"{verb} for {objective!r}") for objective, one in zip(objectives, found, strict=True)
    )


def _shortened(value: object) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - the value is the user's, and so is its __repr__
        return "a value without a repr"
    return text if len(text) <= 80 else text[:77] + "..."
