"""Learning curves as values: their points, and how bad they may be."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

from shac.evaluation.scores import as_score

__all__ = ["CurveLimits", "checked_point"]


@dataclass(frozen=True, slots=True)
class CurveLimits:
    """How bad a curve may be at each step.

    Parameters
    ----------
    sign : float
        1 where smaller values are better, -1 where larger ones are.
    losses : dict
        Largest loss, which is the sign times the value, by step. At other steps nothing is decided.
    """

    sign: float
    losses: dict[int, float]

    def is_worse(self, curve: list[tuple[int, float]]) -> bool:
        """Whether the best value of a curve so far is above the limit at its last step."""
        limit = self.losses.get(curve[-1][0])
        return limit is not None and min(self.sign * value for _, value in curve) > limit


def checked_point(step: Any, value: Any, curve: list[tuple[int, float]]) -> tuple[int, float]:
    """Return the next point of a curve.

    Raises
    ------
    TypeError, ValueError
        If it is none; see `report`.
    """
    if isinstance(step, bool) or not hasattr(step, "__index__"):
        raise TypeError(f"step must be an integer of 0 or more, got {step!r} of type {type(step).__name__}")
    number = operator.index(step)
    lowest = curve[-1][0] + 1 if curve else 0
    if number < lowest:
        raise ValueError(f"step must be {lowest} or more, got {number}: a curve goes on")
    return number, as_score(value, "report", "take")
