"""Which evaluations end early: the rule, and what it makes of the curves of rounds that are over."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.engine.arguments import checked_count
from shac.evaluation import CurveLimits
from shac.store.journal import read_journal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = ["KnownLimits", "Pruning", "closed_curves", "limits_of"]

_FEWEST_CURVES = 4  # of which a quantile says something
_MOST_LIMITS = 8  # whoever asks one by one may report on configurations of several rounds at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """How evaluations that are worse than others are ended; see `shac.report`.

    What is decided depends on the curves of rounds that were over when the configuration was drawn, and on nothing
    else, so that it is the same for any number of evaluators.

    Parameters
    ----------
    rule : {'median', 'halving'}
        'median': at each step, those whose best value so far is worse than the median of the others' best values up to
        there. 'halving': at the steps `min_steps`, `min_steps` * `reduction`, ... those that are not among the best
        1 / `reduction`, which are the rungs of successive halving (ASHA, arXiv 1810.05934).
    min_steps : int
        Steps before which nobody is ended.
    reduction : int
        Of the rule 'halving'.
    warmup_rounds : int
        First rounds in which nobody is ended; at least 1.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> Pruning(min_steps=5)
    Pruning(rule='median', min_steps=5, reduction=3, warmup_rounds=1)
    """

    rule: str = "median"
    min_steps: int = 1
    reduction: int = 3
    warmup_rounds: int = 1

    def __post_init__(self) -> None:
        if self.rule not in ("median", "halving"):
            raise ValueError(f"rule: expected 'median' or 'halving', got {self.rule!r}")
        checked_count("min_steps", self.min_steps)
        checked_count("reduction", self.reduction, lowest=2)
        checked_count("warmup_rounds", self.warmup_rounds)

    @classmethod
    def named(cls, pruning: Any) -> Self | None:
        """Return the pruning of a rule's name, of a value of this class, or none.

        Raises
        ------
        ValueError
            If it is something else.
        """
        if pruning is None or isinstance(pruning, cls):
            return pruning
        if pruning not in ("median", "halving"):
            raise ValueError(f"pruning: expected 'median', 'halving', a Pruning or None, got {pruning!r}")
        return cls(rule=pruning)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the pruning that `as_config` wrote.

        Raises
        ------
        ValueError
            If it is none.
        """
        try:
            return cls(**config)
        except TypeError as error:
            raise ValueError(f"pruning: expected the arguments of one, got {config}") from error

    def as_config(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


class KnownLimits:
    """The limits of rounds that configurations were drawn after, as the journal has it; those that were used last."""

    def __init__(self) -> None:
        self._limits: dict[int, CurveLimits] = {}

    def at(self, num_known: int, pruning: Pruning, objective: str, path: Path) -> CurveLimits:
        """Return the limits after so many evaluations; see `limits_of` and `closed_curves`."""
        limits = self._limits.pop(num_known, None) or limits_of(pruning, objective, closed_curves(path, num_known))
        self._limits[num_known] = limits
        if len(self._limits) > _MOST_LIMITS:
            del self._limits[next(iter(self._limits))]
        return limits


def closed_curves(path: Path, num_evaluations: int) -> list[list[list[Any]]]:
    """Read the curves of a search's first evaluations; of none that failed.

    Parameters
    ----------
    path : Path
        The journal.
    num_evaluations : int

    Raises
    ------
    DamagedFileError
        If the journal is damaged.
    """
    entries = read_journal(path) if path.exists() else []
    return [e.curve for e in entries if e.index < num_evaluations and e.error is None and e.curve]


def limits_of(pruning: Pruning, objective: str, curves: Iterable[Sequence[Sequence[Any]]]) -> CurveLimits:
    """Return how bad a curve may be beside others.

    Parameters
    ----------
    pruning : Pruning
    objective : {'max', 'min'}
    curves : iterable
        Steps and values.

    Examples
    --------
    >>> curves = [[[0, 5.0], [1, value]] for value in (1.0, 2.0, 3.0, 4.0, 9.0)]
    >>> limits_of(Pruning(), "min", curves)
    CurveLimits(sign=1.0, losses={1: 3.0})
    """
    sign = 1.0 if objective == "min" else -1.0
    best_at: dict[int, list[float]] = {}
    for curve in curves:
        best = np.inf
        for step, value in curve:
            best = min(best, sign * value)
            best_at.setdefault(step, []).append(best)
    share = 0.5 if pruning.rule == "median" else 1 / pruning.reduction
    losses = {
        step: float(np.quantile(found, share))
        for step, found in sorted(best_at.items())
        if len(found) >= _FEWEST_CURVES and _decides_at(pruning, step)
    }
    return CurveLimits(sign, losses)


def _decides_at(pruning: Pruning, step: int) -> bool:
    if step < pruning.min_steps or pruning.rule == "median":
        return step >= pruning.min_steps
    rung = pruning.min_steps
    while rung < step:
        rung *= pruning.reduction
    return rung == step
