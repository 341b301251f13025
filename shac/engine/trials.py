"""The trials of one round: numbered, drawn, handed out, told, and taken up again from the journal.

A round's configurations are a stream: those that a user has enqueued, then the proposals that its seed gives; `fit`
evaluates the first W of them. A trial is in one of three states: handed out, told, or part of the dataset. The W trials
that are told first close the round, and enter the dataset in the order in which they were handed out, so that a search
whose rounds are asked for as a whole is the search of `fit`, whatever the order of the tellings.

With an overlap L, the first L configurations of the next round are drawn from the same stream, behind the round's own,
and handed out with them: the trials *ahead*. They are in the journal with the round that drew them. Each trial belongs
to one round then, whoever ends first, so that the table does not depend on it. Of the next round they are the
*carried* trials, and its own stream begins behind them.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from shac.engine.configurations import Trial, WaitingTrials, are_alike, named_values, row_of
from shac.engine.recovery import carried_batch, check_scores, rows_of, stopped_batch
from shac.evaluation import derive_seed
from shac.store.journal import JournalEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.objectives import Score
    from shac.store.journal import Journal, JournalBatch

__all__ = ["Proposer", "Round"]

_OUTSIDE_STREAM = 2**32  # positions of trials that another process had handed out beyond the round


class Proposer(Protocol):
    """Draws the configurations of a round; see `shac.engine.proposals.propose`."""

    def __call__(
        self, state: SearchState, n: int, *, seed: int, pending: Sequence[list[Any]] = (), begins: bool = False
    ) -> list[list[Any]]:
        """Return `n` flat rows of values; `pending` are drawn already and not known to the state."""


class Round:
    """An open round.

    Scores are in the journal as soon as they are told. A process that is stopped within a round loses none: the next
    one finds them there.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
        Where the round begins.
    propose : callable
        Draws rows.
    handed_out : iterable of Trial
        Trials of rounds before that wait for their scores.
    is_shared : bool
        Whether a process before this one may have handed out trials of the round.
    """

    def __init__(
        self,
        plan: SearchPlan,
        state: SearchState,
        propose: Proposer,
        handed_out: Iterable[Trial] = (),
        *,
        is_shared: bool = False,
    ) -> None:
        self.first = len(state)
        self.size = plan.size_of_round(self.first)
        self.num_ahead = plan.size_ahead(self.first)
        self.handed_out = WaitingTrials(handed_out)
        self.told: dict[Trial, JournalEntry] = {}
        self.told_ahead: dict[Trial, JournalEntry] = {}
        self._plan, self._state, self._propose, self._is_shared = plan, state, propose, is_shared
        self._carried: list[list[Any]] = []
        self._stream: list[list[Any]] = []
        self._given = {trial.position for trial in handed_out if trial.first == self.first}
        self._first_free = 0  # no position before it can still be handed out
        self._batch: dict[Trial, int] = {}  # as the journal has it, with their places
        self._seeds: list[int] = []
        self._told_outside: Counter[str] = Counter()  # rows of the journal that the round's part of the stream lacks
        self._attempt = 0
        self._queued: list[list[Any]] | None = None

    @property
    def is_full(self) -> bool:
        """Whether the scores that close the round are told."""
        return len(self.told) >= self.size > 0

    @property
    def is_evaluated(self) -> bool:
        """Whether all of the batch are told that belong to the round."""
        return len(self.told) >= min(self.size, len(self._batch))

    @property
    def num_left(self) -> int:
        """How many trials can still be handed out."""
        if self._plan.overlap:
            return self.size + self.num_ahead - len(self._given)
        return self._plan.total_budget - self.first - len(self.told) - len(self.handed_out)

    def recover(self, path: Path, *, find_in_stream: bool) -> bool:
        """Take up the batch that a search was stopped within, and what has ended of it.

        Parameters
        ----------
        path : Path
            The journal.
        find_in_stream : bool
            Whether to draw the stream and find the batch in it, which handing out more than the batch needs.

        Returns
        -------
        bool
            Whether the journal's last batch is that of this round.

        Raises
        ------
        DamagedFileError
            If the journal is damaged, or of another space.
        """
        if not path.exists():
            return False
        found, is_last, self._attempt = stopped_batch(path, self.first)
        check_scores({} if found is None else found.entries, self._plan.objectives, path)
        if self._plan.overlap:
            return self._recover_overlapping(path, found) and is_last
        if found is None:
            return False
        rows = rows_of(found, self._state.space, path)[: self.size]
        positions = self._positions_of(rows) if find_in_stream else list(range(len(rows)))
        self._seeds = found.seeds[: self.size]
        for index, (row, position) in enumerate(zip(rows, positions, strict=True)):
            trial = Trial(self.first + index, self.first, position, row, time.time())
            self._batch[trial] = index
            entry = found.entries.get(trial.number)
            if entry is not None:
                self._given.add(position)
                self.told[trial] = entry
                if position >= _OUTSIDE_STREAM:
                    self._told_outside[repr(row)] += 1
        return is_last

    def _recover_overlapping(self, path: Path, found: JournalBatch | None) -> bool:
        """Take up what the round before drew ahead, and the round's own batch; returns whether there is one."""
        space = self._state.space
        carried = carried_batch(path, self.first)
        entries: dict[int, JournalEntry] = {}
        if carried is not None:
            self._carried = rows_of(carried, space, path)[: self.size]
            entries = {index: e for index, e in carried.entries.items() if index < self.first + self.size}
            check_scores(entries, self._plan.objectives, path)
        if found is not None:
            rows = rows_of(found, space, path)
            num_own = len(rows) - found.num_ahead
            if num_own != self.size:  # of a search with other rounds: what was drawn for them is not what comes next
                rows = rows[: min(num_own, self.size)]
            self.size = min(num_own, self.size)
            self.num_ahead = len(rows) - self.size
            self._batch = {self._trial_of(position, row): position for position, row in enumerate(rows)}
            self._seeds = found.seeds[: len(rows)]
            entries |= {index: e for index, e in found.entries.items() if index < self.first + len(rows)}
        for index, entry in entries.items():
            self._take(self._trial(index - self.first), entry)
            self._given.add(index - self.first)
        return found is not None

    def begin(self, journal: Journal) -> list[tuple[Trial, int]]:
        """Write the round's batch to the journal, and what is told of it.

        Returns
        -------
        list of (Trial, int)
            The trials that are not told, with their seeds.
        """
        if not self._batch:
            self._set_batch([self._trial(position) for position in range(self.size + self.num_ahead)])
        self._write_batch(journal)
        return self.open_trials()

    def open_trials(self) -> list[tuple[Trial, int]]:
        """Return the trials of the batch that are not told, with their seeds."""
        told = {*self.told, *self.told_ahead}
        return [(t, seed) for t, seed in zip(self._batch, self._seeds, strict=True) if t not in told]

    def batch_rows(self) -> list[list[Any]]:
        """Return the rows of the batch that belong to the round."""
        return [trial.row for trial in itertools.islice(self._batch, self.size)]

    def hand_out(self) -> Trial:
        """Return the next trial of the round's stream."""
        position = self._next_position()
        trial = self._trial(position)
        self._given.add(position)
        number = next(n for n in itertools.count(trial.number) if self.handed_out.numbered(n) is None)
        trial = replace(trial, number=number, asked=time.time())
        self.handed_out.add(trial)
        return trial

    def find(self, parameters: Any) -> Trial:
        """Find a trial that waits for its score, handed out here or by a process that was stopped within the round.

        Parameters
        ----------
        parameters : Configuration, int, mapping or sequence
            What has a number, or is one, is found by that; anything else by its values: the same ones, or those that a
            trip through JSON or an array makes of them.

        Raises
        ------
        ValueError
            If there is none.
        """
        number = parameters if type(parameters) is int else getattr(parameters, "number", None)
        if number is not None and (known := self.handed_out.numbered(number)) is not None:
            return known
        positions = range(self.size + self.num_ahead)
        waiting = [*self.handed_out, *(self._trial(p) for p in positions if p not in self._given)]
        if number is not None:
            mine = waiting if self._is_shared else [*self.handed_out]
            found = [trial for trial in mine if trial.number == number]
        else:
            row = row_of(self._state.space, parameters)
            found = [trial for trial in waiting if repr(trial.row) == repr(row)]  # tells 1 from True and from 1.0
            found = found or [trial for trial in waiting if are_alike(trial.row, row)]
        if not found:
            what = repr(row) if number is None else f"number {number}"
            raise ValueError(
                f"parameters: expected a configuration that ask() gave and whose score is not told yet, got {what}; "
                "fit_dataset takes evaluations that come from elsewhere"
            )
        trial: Trial = found[0]
        if trial not in self.handed_out:
            self._given.add(trial.first + trial.position - self.first)
            self.handed_out.add(trial)
        return trial

    def tell(self, trial: Trial, entry: JournalEntry, journal: Journal, *, taken: float = 0.0) -> None:
        """Take how a trial ended; it is in the journal, behind a batch that holds it, when this returns."""
        if is_new := trial not in self._batch:
            self._set_batch(self._batch_with(trial))
        if is_new or journal.is_new:  # somebody has moved the folder away, and the journal with it
            self._write_batch(journal)
        entry = self._in_batch(trial, entry)
        journal.record(entry, taken=taken)
        self.handed_out.discard(trial)
        self._take(trial, entry)

    def retry(self, trial: Trial, entry: JournalEntry, journal: Journal) -> None:
        """Write down a failed attempt at a trial that is made again."""
        journal.record(self._in_batch(trial, entry), is_final=False)

    def entry(
        self,
        trial: Trial,
        score: Score | None,
        curve: Sequence[tuple[int, float]] = (),
        seconds: float | None = None,
    ) -> JournalEntry:
        """Describe a score that is told by hand; NaN is a failed evaluation, None one that was pruned."""
        pruned = score is None
        if score is None:
            score = curve[-1][1] if curve else 0.0
        failed = isinstance(score, float) and math.isnan(score)
        return JournalEntry(
            index=trial.number,
            parameters=named_values(self._state.space, trial.row),
            score=None if failed else score,
            error="told as failed" if failed else None,
            traceback=None,
            worker_id=0,
            seed=0,
            attempt=1,
            started=trial.asked,
            ended=time.time(),
            curve=[list(point) for point in curve],
            pruned=pruned,
            seconds=seconds,
        )

    def known_when_drawn(self, trial: Trial) -> int:
        """Return how many evaluations were over when a trial was drawn."""
        is_carried = trial.first == self.first and trial.position < len(self._carried)
        return max(0, self.first - self._plan.batch_size) if is_carried else min(trial.first, self.first)

    def close(self) -> tuple[list[list[Any]], list[Score], list[JournalEntry]]:
        """Return the rows, scores and entries of the trials that were told, in the order of handing out."""
        told = sorted(self.told, key=lambda trial: (trial.first, trial.position))
        entries = [self.told[trial] for trial in told]
        failed = self._plan.failed_score
        scores = [failed if entry.score is None or entry.pruned else entry.score for entry in entries]
        return [trial.row for trial in told], scores, entries

    def _take(self, trial: Trial, entry: JournalEntry) -> None:
        (self.told_ahead if trial.first > self.first else self.told)[trial] = entry

    def _trial(self, position: int) -> Trial:
        if self._plan.overlap and self._batch:
            return next(itertools.islice(self._batch, position, None))
        return self._trial_of(position, self._row(position))

    def _trial_of(self, position: int, row: list[Any]) -> Trial:
        is_ahead = bool(self._plan.overlap) and position >= self.size
        begin = self.size if is_ahead else 0
        return Trial(self.first + position, self.first + begin, position - begin, row, time.time())

    def _row(self, position: int) -> list[Any]:
        if position < len(self._carried):
            return self._carried[position]
        index = position - len(self._carried)
        self._draw_up_to(index + 1)
        return self._stream[index]

    def _draw_up_to(self, count: int) -> None:
        """Draw the stream in parts of a round each, the first of them that of `fit`.

        Never in one draw of another size: the number wanted decides how the cascade draws, and so what.
        """
        if self._queued is None:
            self._queued = self._queue_of_round()
            self._stream += self._queued
        while len(self._stream) < count:
            part = (len(self._stream) - len(self._queued)) // self.size
            purpose = f"batch {part}" if part else "batch"
            if self._attempt:
                purpose += f", attempt {self._attempt + 1}"
            seed = derive_seed(self._plan.seed, self.first, purpose=purpose)
            pending = [*self._carried, *(self._stream if self._plan.strategy.avoid_repeats else self._queued)]
            begins = not (part or self._attempt or self.first)
            self._stream += self._propose(self._state, self.size, seed=seed, pending=pending, begins=begins)

    def _queue_of_round(self) -> list[list[Any]]:
        """Return the configurations that a user wants evaluated next and that nobody has been given."""
        given = Counter(repr(row) for row in [*self._carried, *(trial.row for trial in self.handed_out)])
        queued: list[list[Any]] = []
        for since, row in self._state.queue:
            if given[repr(row)]:
                given[repr(row)] -= 1
            elif since <= self.first:
                queued.append(list(row))
        return queued[: self.size + self.num_ahead - len(self._carried)]

    def _next_position(self) -> int:
        while self._first_free in self._given:
            self._first_free += 1
        for position in (i for i in itertools.count(self._first_free) if i not in self._given):
            if position < self.size or not self._told_outside[text := repr(self._row(position))]:
                return position
            self._told_outside[text] -= 1  # another process handed it out, and its score is told
            self._given.add(position)
        raise AssertionError("unreachable: positions do not end")

    def _positions_of(self, rows: list[list[Any]]) -> list[int]:
        """Return a position of its own for each row of the journal: equal configurations are as many trials.

        One of another part of the stream, or of an earlier round, has its place in the journal behind all of these.
        """
        self._draw_up_to(self.size)
        free: dict[str, list[int]] = {}
        for position, row in reversed([*enumerate(self._stream)]):
            free.setdefault(repr(row), []).append(position)
        return [
            free[repr(row)].pop() if free.get(repr(row)) else _OUTSIDE_STREAM + index for index, row in enumerate(rows)
        ]

    def _batch_with(self, trial: Trial) -> list[Trial]:
        """Return a round's batch for the journal: that of `fit` where it suffices, else what is told first."""
        batch = [self._trial(position) for position in range(self.size + self.num_ahead)]
        told = [trial, *self.told, *self.told_ahead]
        if all(entry in batch for entry in told):
            return batch
        told.sort(key=lambda entry: (entry.first, entry.position))
        return (told + [entry for entry in batch if entry not in told])[: self.size]

    def _set_batch(self, batch: list[Trial]) -> None:
        self._batch = {trial: index for index, trial in enumerate(batch)}
        self._seeds = [derive_seed(self._plan.seed, self.first + index) for index in range(len(batch))]

    def _write_batch(self, journal: Journal) -> None:
        texts = [[c.to_text(v) for c, v in zip(self._state.space.columns, t.row, strict=True)] for t in self._batch]
        journal.begin_batch(self.first, texts, self._seeds, num_ahead=self.num_ahead)
        for trial, entry in self.told.items():
            if trial.position >= len(self._carried):  # the batch that drew the others has how they ended
                journal.record(self._in_batch(trial, entry))

    def _in_batch(self, trial: Trial, entry: JournalEntry) -> JournalEntry:
        index = self._batch[trial]
        return replace(entry, index=self.first + index, seed=self._seeds[index])
