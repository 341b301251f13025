"""Evaluations that gave no score, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.objectives import have_scores
from shac.store.journal import JOURNAL_FILE, read_failures

if TYPE_CHECKING:
    from pathlib import Path

    from shac.dataset import Dataset

__all__ = ["Failure", "list_failures"]

_UNKNOWN = "no reason is on record"


@dataclass(frozen=True, slots=True)
class Failure:
    """An evaluation without a usable score.

    Parameters
    ----------
    index : int
        Its number in the search.
    parameters : dict
        The configuration.
    reason : str
        One line.
    traceback : str
        Empty where none is on record.
    """

    index: int
    parameters: dict[str, Any]
    reason: str
    traceback: str


def list_failures(dataset: Dataset, folder: Path | None) -> list[Failure]:
    """List the dataset's evaluations without a finite score, with what the folder's journal says of them.

    Parameters
    ----------
    dataset : Dataset
        Whose scores count.
    folder : Path, optional
        Save folder; its journal may be missing.

    Returns
    -------
    list of Failure
    """
    failed = np.flatnonzero(~have_scores(dataset.Y)).tolist()
    reasons = read_failures(folder / JOURNAL_FILE) if failed and folder is not None else {}
    return [
        Failure(index, dict(dataset.prepare_parameter(dataset.X[index])), *reasons.get(index, (_UNKNOWN, "")))
        for index in failed
    ]
