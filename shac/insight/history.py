"""Scores of a search by round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.insight.view import SearchView

__all__ = ["Round", "list_rounds", "range_of_better_half", "score_unit"]

_LARGEST = 1e300  # pictures and fits take differences and squares of scores, which must be floats as well


@dataclass(frozen=True, slots=True)
class Round:
    """One batch.

    Parameters
    ----------
    number : int
        From 1.
    begin, end : int
        Its evaluations are those from `begin` up to `end`, which is not one of them.
    median, best : float
        Of the finite scores; NaN where there is none.
    """

    number: int
    begin: int
    end: int
    median: float
    best: float


def list_rounds(view: SearchView) -> list[Round]:
    """Divide the evaluations of a search into its rounds."""
    scores = view.scores
    unit, _ = score_unit(scores)
    rounds = []
    for number, begin in enumerate(range(0, len(scores), view.num_workers), start=1):
        end = min(begin + view.num_workers, len(scores))
        finite = scores[begin:end][np.isfinite(scores[begin:end])]
        best = finite.max if view.objective == "max" else finite.min
        median, best_score = (
            (float(np.median(finite / unit)) * unit, float(best())) if finite.size else (np.nan, np.nan)
        )
        rounds.append(Round(number, begin, end, median, best_score))
    return rounds


def range_of_better_half(scores: NDArray[np.float64], objective: str) -> tuple[float, float] | None:
    """Return the ends of an axis that shows the better half of finite scores; None where it shows no range.

    Examples
    --------
    >>> range_of_better_half(np.array([-1000.0, 0.0, 1.0, np.nan]), "max")
    (-0.05, 1.05)
    """
    finite = scores[np.isfinite(scores)]
    if not finite.size:
        return None
    median, best = float(np.median(finite)), float(finite.max() if objective == "max" else finite.min())
    room = 0.05 * abs(best - median)
    return (min(median, best) - room, max(median, best) + room) if room > 0 else None


def score_unit(scores: NDArray[np.float64]) -> tuple[float, str]:
    """Return what to divide scores by, so that they can be drawn, and what the axis says of it.

    Examples
    --------
    >>> score_unit(np.array([1.0, np.nan])), score_unit(np.array([1.0, -1e308]))
    ((1.0, ''), (1e+300, ' / 1e+300'))
    """
    is_large = np.abs(scores[np.isfinite(scores)]).max(initial=0.0) > _LARGEST
    return (_LARGEST, f" / {_LARGEST}") if is_large else (1.0, "")
