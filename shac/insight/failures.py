"""Evaluations that gave no score, and why."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shac.errors import DamagedFileError
from shac.files import read_file

if TYPE_CHECKING:
    from pathlib import Path

    from shac.dataset import Dataset

__all__ = ["Failure", "list_failures"]

JOURNAL_FILE = "journal.jsonl"
_MOST_BYTES = 1 << 29
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
    failed = [index for index, score in enumerate(dataset.Y) if not math.isfinite(score)]
    reasons = _reasons(folder / JOURNAL_FILE) if failed and folder is not None else {}
    return [
        Failure(index, dict(dataset.prepare_parameter(dataset.X[index])), *reasons.get(index, (_UNKNOWN, "")))
        for index in failed
    ]


def _reasons(journal: Path) -> dict[int, tuple[str, str]]:
    """Reasons and tracebacks by evaluation; lines that tell of no failure, or are torn, are passed over."""
    try:
        lines = read_file(journal, _MOST_BYTES).decode("utf-8", errors="replace").splitlines()
    except (OSError, DamagedFileError):
        return {}
    reasons: dict[int, tuple[str, str]] = {}
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        match entry:
            case {"index": int(index), "error": str(error)}:
                reasons[index] = error, str(entry.get("traceback") or "")
    return reasons
