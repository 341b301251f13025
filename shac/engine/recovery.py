"""Where a search stands that was stopped within a round: what the journal has of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shac.errors import DamagedFileError
from shac.store.journal import JournalBatch, JournalEntry, read_batches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from shac.objectives import Objectives
    from shac.space import HyperParameterList

__all__ = [
    "carried_batch",
    "check_scores",
    "has_batches",
    "is_begun",
    "is_programming_error",
    "rows_of",
    "stopped_batch",
]

# What an error of the evaluation function itself is called, rather than of a configuration.
_PROGRAMMING_ERRORS = {
    "AttributeError",
    "ImportError",
    "IndentationError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "TabError",
    "TypeError",
    "UnboundLocalError",
}


def is_programming_error(entries: Sequence[JournalEntry]) -> bool:
    """Whether evaluations all failed for a reason that lies in the function and in no configuration."""
    return all((entry.error or "").partition(":")[0] in _PROGRAMMING_ERRORS for entry in entries)


def rows_of(batch: JournalBatch, space: HyperParameterList, path: Path) -> list[list[Any]]:
    """Read the configurations of a journal's batch.

    Raises
    ------
    DamagedFileError
        If they are none of the search space.
    """
    try:
        return [[c.from_text(text) for c, text in zip(space.columns, row, strict=True)] for row in batch.rows]
    except (ValueError, TypeError, LookupError) as error:
        raise DamagedFileError(f"{path}: expected configurations of the search space: {error}") from error


def stopped_batch(path: Path, first: int) -> tuple[JournalBatch | None, bool, int]:
    """Find the batch of a round in a journal.

    Parameters
    ----------
    path : Path
        The journal.
    first : int
        The number of the round's first evaluation.

    Returns
    -------
    found : JournalBatch or None
        The last one that began with `first`, with what had ended of the same configurations in those before it.
    is_last : bool
        Whether the journal goes on with it.
    attempts : int
        How many batches of the round were given up, since their function was wrong: the round is drawn anew.

    Raises
    ------
    DamagedFileError
        If the journal is damaged.
    """
    found: JournalBatch | None = None
    is_last = False
    attempts = 0
    for batch in read_batches(path):
        is_last = batch.first == first and bool(batch.rows)
        if not is_last:
            continue
        if found is not None and _is_given_up(found):
            found, attempts = None, attempts + 1
        if found is not None:
            known = {tuple(found.rows[index - first]): entry for index, entry in found.entries.items()}
            for position, row in enumerate(batch.rows):
                entry = known.get(tuple(row))
                if entry is not None:
                    batch.entries.setdefault(first + position, replace(entry, index=first + position))
        found = batch
    if found is not None and _is_given_up(found):
        return None, False, attempts + 1
    return found, is_last, attempts


def check_scores(entries: Mapping[int, JournalEntry], objectives: Objectives | None, path: Path) -> None:
    """Check that evaluations of a journal have a score of each objective.

    Raises
    ------
    DamagedFileError
        If one has not.
    """
    for index, entry in entries.items():
        is_right = not isinstance(entry.score, tuple) if objectives is None else _has_length(entry, len(objectives))
        if not is_right:
            count = 1 if objectives is None else len(objectives)
            raise DamagedFileError(
                f"{path}: expected scores of {count} objectives, got {entry.score} of evaluation {index}"
            )


def _has_length(entry: JournalEntry, count: int) -> bool:
    return entry.score is None or entry.pruned or (isinstance(entry.score, tuple) and len(entry.score) == count)


def has_batches(path: Path) -> bool:
    """Return whether a journal has the batch of any round."""
    return path.exists() and next(read_batches(path), None) is not None


def is_begun(path: Path, first: int) -> bool:
    """Return whether a journal has the batch of a round; see `stopped_batch`."""
    return path.exists() and stopped_batch(path, first)[1]


def carried_batch(path: Path, first: int) -> JournalBatch | None:
    """Find what was drawn for a round while the round before it ran, and what has ended of it.

    Parameters
    ----------
    path : Path
        The journal.
    first : int
        The number of the round's first evaluation.

    Returns
    -------
    JournalBatch or None
        None where nothing was: without an overlap, of the first round, or of one that nobody expected.

    Raises
    ------
    DamagedFileError
        If the journal is damaged.
    """
    found: JournalBatch | None = None
    for batch in read_batches(path):
        if not batch.num_ahead or batch.first + batch.num_own != first:
            continue
        part = batch.ahead()
        if found is not None and found.rows == part.rows:
            part.entries.update({**found.entries, **part.entries})
        found = part
    return found


def _is_given_up(batch: JournalBatch) -> bool:
    return batch.first == 0 and batch.failed_whole() and is_programming_error(batch.own_entries())
