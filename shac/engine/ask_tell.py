"""Rounds whose evaluations somebody else runs: settings are asked for, and scores told."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.callbacks import CallbackList
from shac.engine.loop import Batch, complete_round
from shac.engine.samples import named_values, rows_of, stopped_batch
from shac.errors import EvaluationError
from shac.evaluation import derive_seed
from shac.journal import JOURNAL_FILE, Journal, JournalEntry

if TYPE_CHECKING:
    from collections import OrderedDict

    from shac.engine.shac import SHAC
    from shac.space import HyperParameterList

__all__ = ["AskTell"]

_logger = logging.getLogger("shac")

_BEYOND_STREAM = 2**32  # places of settings that another process had asked for beyond the round


@dataclass(frozen=True, slots=True)
class _Handed:
    """A setting that somebody evaluates: the round it was drawn in, by its first evaluation, and its place there."""

    first: int
    place: int
    row: list[Any] = field(compare=False)
    asked: float = field(compare=False)


class AskTell:
    """The open round of an engine.

    Scores are in the journal as soon as they are told. A process that is stopped within a round loses none: `restore`
    of another one finds them there, as `fit` does.

    A round's settings are the stream of samples that `fit` would draw for it; `fit` takes the first W of them. A
    setting is in one of three states: handed out, told, or part of the dataset. The W settings that are told first
    close the round, and enter the dataset in the order in which they were handed out, so that a search whose rounds
    are asked for as a whole is the search of `fit`, whatever the order of the tellings.

    Parameters
    ----------
    engine : SHAC
        Whose dataset and classifiers grow.
    """

    def __init__(self, engine: SHAC) -> None:
        self._engine = engine
        self._first = -1
        self._relax_checks = False
        self._stream: list[list[Any]] = []
        self._given: set[int] = set()  # places of the stream
        self._handed_out: list[_Handed] = []
        self._told: list[tuple[_Handed, float]] = []
        self._written: list[_Handed] = []  # the settings of the journal's batch
        self._told_beyond: Counter[str] = Counter()  # settings of the journal that the round's part does not have

    def check_idle(self) -> None:
        """Raise unless no score of an open round would be lost by another way to go on.

        Raises
        ------
        ValueError
            If scores of an unfinished round are told.
        """
        if self._told:
            raise ValueError(
                f"tell: expected the round to be finished before fit goes on, got {len(self._told)} of "
                f"{self._round_size()} scores; ask and tell can finish it"
            )

    def ask(self, n: int, *, relax_checks: bool) -> list[OrderedDict[str, Any]]:
        """Hand out the next settings; see `SHAC.ask`."""
        engine = self._engine
        self._relax_checks = relax_checks
        self._open()
        if self._told and len(self._told) == self._round_size():  # a process was stopped before it took them in
            self._close(skip_cv_checks=False)
            self._open()
        left = engine.total_budget - len(engine.dataset) - len(self._told) - len(self._handed_out)
        handed = [self._hand_out(self._next_place()) for _ in range(min(n, left))]
        return [engine.dataset.prepare_parameter(entry.row) for entry in handed]

    def tell(self, parameters: Mapping[str, Any] | Sequence[Any], score: float, *, skip_cv_checks: bool) -> None:
        """Take a score; see `SHAC.tell`."""
        self._open()
        space = self._engine.search_space()
        row = [_plain(value) for value in _row_of(space, parameters)]
        value = _checked_score(score)
        handed = self._find(row)
        self._write_down(handed, value)
        self._handed_out.remove(handed)
        self._told.append((handed, value))
        if len(self._told) == self._round_size():
            self._close(skip_cv_checks=skip_cv_checks)

    def _open(self) -> None:
        """Begin a round where the dataset has grown since the last one began."""
        engine = self._engine
        if self._first != len(engine.dataset):
            self._first = len(engine.dataset)
            self._stream, self._given, self._written, self._told_beyond = [], set(), [], Counter()
            if engine.ownership.known is not None and not self._told:
                self._take_up()

    def _take_up(self) -> None:
        """Take up the round that another process was stopped within."""
        engine = self._engine
        path = engine.save_dir / JOURNAL_FILE
        found, _ = stopped_batch(path, self._first) if path.exists() else (None, False)
        if found is None or found.failed_whole():
            return
        rows = rows_of(found, engine.search_space().columns, path)[: self._round_size()]
        self._draw_up_to(self._round_size())
        places = self._places_of(rows)
        for position, (row, place) in enumerate(zip(rows, places, strict=True)):
            self._written.append(_Handed(self._first, place, row, time.time()))
            entry = found.entries.get(self._first + position)
            if entry is not None:
                self._given.add(place)
                self._told.append((self._written[-1], math.nan if entry.score is None else entry.score))
                if place >= _BEYOND_STREAM:
                    self._told_beyond[repr(row)] += 1
        _logger.info("%d scores of this round are in the journal already", len(self._told))

    def _places_of(self, rows: list[list[Any]]) -> list[int]:
        """Give each row of the journal a place of its own: equal settings are as many evaluations.

        A setting of another part of the stream, or of an earlier round, keeps its place in the journal.
        """
        free: dict[str, list[int]] = {}
        for place, row in reversed([*enumerate(self._stream)]):
            free.setdefault(repr(row), []).append(place)
        return [
            free[repr(row)].pop() if free.get(repr(row)) else _BEYOND_STREAM + position
            for position, row in enumerate(rows)
        ]

    def _write_down(self, handed: _Handed, score: float) -> None:
        """Put a score into the journal, behind a batch that holds its setting."""
        engine, space = self._engine, self._engine.search_space()
        if engine.ownership.known is None:
            engine.save_data()  # what another process finds the round in
        with Journal(engine.save_dir / JOURNAL_FILE, space.fingerprint()) as journal:
            if handed not in self._written:
                self._written = self._batch_with(handed)
                texts = [[c.to_text(v) for c, v in zip(space.columns, e.row, strict=True)] for e in self._written]
                seeds = [derive_seed(engine.seed, self._first + i) for i in range(len(texts))]
                journal.begin_batch(self._first, texts, seeds)
                for earlier, value in self._told:
                    journal.record(self._entry(earlier, value))
            journal.record(self._entry(handed, score))

    def _batch_with(self, handed: _Handed) -> list[_Handed]:
        """Give a round's settings for the journal: those of `fit` where they suffice, else what is told first."""
        size = self._round_size()
        self._draw_up_to(size)
        batch = [_Handed(self._first, place, row, handed.asked) for place, row in enumerate(self._stream[:size])]
        told = [handed, *(earlier for earlier, _ in self._told)]
        if all(entry in batch for entry in told):
            return batch
        told.sort(key=lambda entry: (entry.first, entry.place))
        return (told + [entry for entry in batch if entry not in told])[:size]

    def _entry(self, handed: _Handed, score: float) -> JournalEntry:
        engine = self._engine
        position = self._written.index(handed)
        failed = math.isnan(score)
        return JournalEntry(
            index=self._first + position,
            parameters=named_values(engine.search_space(), handed.row),
            score=None if failed else score,
            error="told as failed" if failed else None,
            traceback=None,
            worker_id=0,
            seed=derive_seed(engine.seed, self._first + position),
            attempt=1,
            started=handed.asked,
            ended=time.time(),
        )

    def _round_size(self) -> int:
        return min(self._engine.num_workers, self._engine.total_budget - self._first)

    def _next_place(self) -> int:
        for place in (i for i in itertools.count() if i not in self._given):
            self._draw_up_to(place + 1)
            text = repr(self._stream[place])
            if place < self._round_size() or not self._told_beyond[text]:
                return place
            self._told_beyond[text] -= 1  # another process handed it out, and its score is told
            self._given.add(place)
        raise AssertionError("unreachable: places do not end")

    def _hand_out(self, place: int) -> _Handed:
        self._given.add(place)
        handed = _Handed(self._first, place, self._stream[place], time.time())
        self._handed_out.append(handed)
        return handed

    def _draw_up_to(self, count: int) -> None:
        """Draw the stream in parts of a round each, the first of them that of `fit`.

        Never in one draw of another size: the number wanted decides how the cascade draws, and so what.
        """
        engine, size = self._engine, self._round_size()
        while len(self._stream) < count:
            part = len(self._stream) // size
            self._stream += engine.draw_rows(
                size,
                seed=derive_seed(engine.seed, self._first, purpose=f"batch {part}" if part else "batch"),
                threads=engine.num_parallel_generators,
                relax_checks=self._relax_checks,
            )

    def _find(self, row: list[Any]) -> _Handed:
        """Find a setting among those handed out, in this process or by one that was stopped within the round."""
        wanted = repr(row)  # tells 1 from True and from 1.0
        for handed in self._handed_out:
            if repr(handed.row) == wanted:
                return handed
        size = self._round_size()
        self._draw_up_to(size)
        for place in range(size):
            if place not in self._given and repr(self._stream[place]) == wanted:
                return self._hand_out(place)
        raise ValueError(
            f"parameters: expected a setting that ask() gave and whose score is not told yet, got {row!r}; "
            "fit_dataset takes evaluations that come from elsewhere"
        )

    def _close(self, *, skip_cv_checks: bool) -> None:
        engine = self._engine
        told = sorted(self._told, key=lambda entry: (entry[0].first, entry[0].place))
        self._told = []
        scores = [score for _, score in told]
        if all(math.isnan(score) for score in scores):
            self._first = -1
            raise EvaluationError(
                f"tell: all {len(told)} evaluations of round {len(engine.dataset) // engine.num_workers + 1} failed; "
                f"the {len(engine.dataset)} before them are saved in {engine.save_dir}"
            )
        callbacks = CallbackList()
        callbacks.set_engine(engine)
        batch = Batch([handed.row for handed, _ in told], scores, {})
        try:
            complete_round(engine, batch, skip_cv_checks=skip_cv_checks, callbacks=callbacks)
        except BaseException:
            self._first = -1  # the scores are in the journal: the next call takes them up there
            raise


def _row_of(space: HyperParameterList, parameters: Any) -> list[Any]:
    if isinstance(parameters, Mapping):
        return space.to_row(parameters)
    if isinstance(parameters, Sequence) and not isinstance(parameters, (str, bytes)):
        return list(parameters)
    raise ValueError(f"parameters: expected a setting that ask() gave, got {parameters!r}")


def _plain(value: Any) -> Any:
    """Give the Python number of NumPy's: settings that went through an array are still the same."""
    return value.item() if isinstance(value, np.generic) else value


def _checked_score(score: Any) -> float:
    try:
        if not isinstance(score, (str, bytes)):
            number = float(score)
            return number if math.isfinite(number) else math.nan
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"score: expected a number, NaN for a failed evaluation, got {score!r}")
