"""Learning curves: what evaluations reported on their way."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shac.errors import DamagedFileError
from shac.store.journal import JOURNAL_FILE, read_journal

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Curve", "list_curves"]


@dataclass(frozen=True, slots=True)
class Curve:
    """What one evaluation reported.

    Parameters
    ----------
    index : int
        Its number in the search.
    steps : list of int
    values : list of float
    pruned : bool
        Whether it was ended because it was worse than others.
    """

    index: int
    steps: list[int]
    values: list[float]
    pruned: bool


def list_curves(folder: Path) -> list[Curve]:
    """List the curves in a folder's journal; none where it is missing or damaged.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Curve
    """
    with contextlib.suppress(OSError, DamagedFileError):
        return [
            Curve(e.index, [step for step, _ in e.curve], [float(value) for _, value in e.curve], e.pruned)
            for e in read_journal(folder / JOURNAL_FILE)
            if e.curve
        ]
    return []
