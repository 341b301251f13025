"""Evaluations of an earlier search that another one began with, as its folder holds them: ``warm_start.csv``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shac.errors import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["WARM_START_FILE", "EarlierEvaluations"]

WARM_START_FILE = "warm_start.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierEvaluations:
    """What came from an earlier search, as configurations of this one's space.

    Parameters
    ----------
    rows : sequence of rows
        Flat rows of values.
    scores : sequence of float
        As the earlier search had them; NaN where an evaluation failed or was pruned.
    objective : {'max', 'min'}
        Of these scores.
    source : str
        Where they come from.
    pruned : sequence of int
        Which of them were pruned.
    dropped : dict
        How many evaluations are none of this search's space, by the parameter that has no such value, or
        ``'constraints'``.
    num_classifiers : int
        Classifiers that were trained on them alone: 0 or 1.
    """

    rows: Sequence[list[Any]]
    scores: Sequence[float]
    objective: str
    source: str
    pruned: Sequence[int] = ()
    dropped: dict[str, int] = field(default_factory=dict)
    num_classifiers: int = 0

    @property
    def num_dropped(self) -> int:
        """How many evaluations are none of this search's space."""
        return sum(self.dropped.values())

    def describe(self) -> str:
        """Say how many there are, and where they come from."""
        text = f"{len(self.rows)} evaluations of {self.source}"
        if not self.dropped:
            return text
        reasons = ", ".join(f"{count} by {name}" for name, count in sorted(self.dropped.items()))
        return f"{text}; {self.num_dropped} are outside of the search space and dropped ({reasons})"

    def settings(self) -> dict[str, Any]:
        """Return what the manifest says of them."""
        return {
            "source": self.source,
            "objective": self.objective,
            "evaluations": len(self.rows),
            "dropped": self.dropped,
            "pruned": list(self.pruned),
            "classifiers": self.num_classifiers,
        }

    @classmethod
    def read(cls, settings: Any, rows: Sequence[list[Any]], scores: Sequence[float], where: str) -> EarlierEvaluations:
        """Make them of what the manifest says and the table holds.

        Raises
        ------
        DamagedFileError
            If the two do not belong together.
        """
        match settings:
            case {
                "source": str(source),
                "objective": "max" | "min" as objective,
                "evaluations": int(count),
                "dropped": dict(dropped),
                "pruned": list(pruned),
                "classifiers": 0 | 1 as num_classifiers,
            } if (
                count == len(rows)
                and all(type(index) is int and 0 <= index < count for index in pruned)
                and all(type(number) is int and number > 0 for number in dropped.values())
            ):
                return cls(
                    rows=rows,
                    scores=scores,
                    objective=objective,
                    source=source,
                    pruned=tuple(pruned),
                    dropped=dropped,
                    num_classifiers=int(num_classifiers),
                )
        raise DamagedFileError(f"{where}: expected a warm start of {len(rows)} evaluations, got {settings!r}")
