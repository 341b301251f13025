"""What a journal says of evaluations, as values."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from shac.errors import DamagedFileError

__all__ = ["JournalBatch", "JournalEntry", "batch_of", "entry_of"]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One evaluation of the journal, or a failed attempt at one.

    Parameters
    ----------
    index : int
        The evaluation's number in the search.
    parameters : dict
        Value of each column. A value of a class that JSON does not have is its CSV text.
    score : float, tuple of float or None
        None when it failed; a tuple, which is a list in the file, of several objectives.
    error, traceback : str or None
        Why it failed, else None.
    worker_id : int
        The evaluator that ran it.
    seed : int
        Its seed.
    attempt : int
        1, and one more for each retry.
    started, ended : float
        Seconds since the epoch.
    curve : list of [int, float]
        What it reported: steps and values. Not written where it reported nothing.
    pruned : bool
        Whether it was ended because it was worse than others; its score is then what it reported last. Not written
        where it was not.
    seconds : float or None
        How long it took, where whoever made it said so; not written where nobody did.
    """

    index: int
    parameters: dict[str, Any]
    score: float | tuple[float, ...] | None
    error: str | None
    traceback: str | None
    worker_id: int
    seed: int
    attempt: int
    started: float
    ended: float
    curve: list[list[Any]] = field(default_factory=list)
    pruned: bool = False
    seconds: float | None = None

    @property
    def duration(self) -> float:
        """How long it took, in seconds, one that was pruned until then."""
        return float(self.ended - self.started if self.seconds is None else self.seconds)

    @property
    def last_value(self) -> float | None:
        """What a pruned evaluation reported last, NaN where it reported nothing; None where it was not pruned."""
        if not self.pruned:
            return None
        return float(self.score) if isinstance(self.score, (float, int)) else math.nan

    def as_record(self) -> dict[str, Any]:
        """Return what a line says of it."""
        record = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        if isinstance(self.score, tuple):
            record["score"] = list(self.score)
        for name in ("curve", "pruned"):
            if not record[name]:
                del record[name]
        if self.seconds is None:
            del record["seconds"]
        return record


@dataclass(frozen=True, slots=True)
class JournalBatch:
    """A batch of the journal, and what has ended of it.

    Parameters
    ----------
    first : int
        The number of its first evaluation.
    rows : list of list of str
        CSV texts of each configuration.
    seeds : list of int
        Seed of each evaluation.
    entries : dict
        The evaluations that ended, by their number in the search.
    num_ahead : int
        How many of them, the last ones, belong to the next batch.
    """

    first: int
    rows: list[list[str]]
    seeds: list[int]
    entries: dict[int, JournalEntry] = field(default_factory=dict)
    num_ahead: int = 0

    @property
    def num_own(self) -> int:
        """Evaluations that belong to the batch itself."""
        return len(self.rows) - self.num_ahead

    def own_entries(self) -> list[JournalEntry]:
        """Return how evaluations ended that belong to the batch itself."""
        return [entry for index, entry in self.entries.items() if index < self.first + self.num_own]

    def failed_whole(self) -> bool:
        """Return whether all evaluations that belong to it ended, and none with a score or pruned."""
        entries = self.own_entries()
        return len(entries) == self.num_own and all(entry.score is None and not entry.pruned for entry in entries)

    def ahead(self) -> JournalBatch:
        """Return the part of it that belongs to the next batch."""
        first = self.first + self.num_own
        entries = {index: entry for index, entry in self.entries.items() if index >= first}
        return JournalBatch(first, self.rows[self.num_own :], self.seeds[self.num_own :], entries)


def batch_of(first: int, rows: list[Any], seeds: list[Any], num_ahead: Any, where: str) -> JournalBatch:
    """Make a batch of what a line says.

    Raises
    ------
    DamagedFileError
        If it is none.
    """
    if not (all(map(_is_row, rows)) and all(map(_is_seed, seeds)) and first >= 0):
        raise DamagedFileError(f"{where}: expected texts of configurations and seeds, got others")
    if len(rows) != len(seeds):
        raise DamagedFileError(f"{where}: expected a seed for each of {len(rows)} rows, got {len(seeds)}")
    if type(num_ahead) is not int or not 0 <= num_ahead <= len(rows):
        raise DamagedFileError(f"{where}: expected at most {len(rows)} configurations ahead, got {num_ahead!r}")
    return JournalBatch(first, rows, seeds, num_ahead=num_ahead)


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and all(isinstance(text, str) for text in row)


def _is_point(point: Any) -> bool:
    return isinstance(point, list) and len(point) == 2 and type(point[0]) is int and type(point[1]) in (int, float)


def _is_seed(seed: Any) -> bool:
    return type(seed) is int and seed >= 0


def entry_of(record: dict[str, Any], where: str) -> JournalEntry:
    """Make an entry of what a line says.

    Raises
    ------
    DamagedFileError
        If it is none.
    """
    fields = {name: value for name, value in record.items() if name != "kind"}
    given = {"curve": [], "pruned": False, "seconds": None, **fields}
    if given.keys() != _TYPES.keys() or not all(type(given[name]) in types for name, types in _TYPES.items()):
        raise DamagedFileError(f"{where}: expected an evaluation, got {record}")
    if not all(map(_is_point, given["curve"])):
        raise DamagedFileError(f"{where}: expected steps and values of a curve, got others")
    if isinstance(given["score"], list):
        if not given["score"] or not all(type(number) in (float, int) for number in given["score"]):
            raise DamagedFileError(f"{where}: expected a number of each objective, got {given['score']}")
        given["score"] = tuple(given["score"])
    return JournalEntry(**given)


# Of the fields of an entry, as JSON gives them back.
_TYPES: dict[str, tuple[type, ...]] = {
    "index": (int,),
    "parameters": (dict,),
    "score": (float, int, list, type(None)),
    "error": (str, type(None)),
    "traceback": (str, type(None)),
    "worker_id": (int,),
    "seed": (int,),
    "attempt": (int,),
    "started": (float, int),
    "ended": (float, int),
    "curve": (list,),
    "pruned": (bool,),
    "seconds": (float, int, type(None)),
}
