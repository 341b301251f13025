"""Batches of the cascade's samples: drawn, written to the journal, evaluated, each outcome in the journal at once."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from shac.engine.loop import Batch
from shac.errors import DamagedFileError, EvaluationError
from shac.evaluation import EvaluationTask, derive_seed
from shac.journal import JournalBatch, JournalEntry, as_json_has_it, read_batches
from shac.parameters import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shac.callbacks import CallbackList
    from shac.engine.shac import SHAC
    from shac.evaluation import EvaluationOutcome, EvaluatorPool
    from shac.journal import Journal
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["EvaluatedSamples", "named_values", "rows_of", "stopped_batch"]

_logger = logging.getLogger("shac")

_FIRST_DOUBLED_ROUND = 10


@dataclass(slots=True)
class _Plan:
    """Settings of a batch, and what the journal knows of them."""

    rows: list[list[Any]]
    seeds: list[int]
    entries: dict[int, JournalEntry]


class EvaluatedSamples:
    """Samples of the engine's cascade, evaluated in its pool.

    Parameters
    ----------
    engine : SHAC
        Whose cascade is sampled.
    pool : EvaluatorPool
        Runs the evaluations.
    journal : Journal
        Gets every evaluation as soon as it ends. If a search was stopped within a batch, this gives its settings and
        seeds back and what is evaluated of it, and only the rest runs.
    relax_checks : bool
        As of `SHAC.fit`.

    Attributes
    ----------
    num_ended : int
        Evaluations of the search that have ended, those of the present batch among them.
    """

    def __init__(self, engine: SHAC, pool: EvaluatorPool, journal: Journal, *, relax_checks: bool) -> None:
        self._engine = engine
        self._pool = pool
        self._journal = journal
        self._relax_checks = relax_checks
        self._is_first = True
        self.num_ended = len(engine.dataset)

    def next_batch(self, round_index: int, size: int, callbacks: CallbackList) -> Batch:
        """Draw and evaluate the batch of a round.

        Raises
        ------
        EvaluationError
            If every evaluation fails; the engine's dataset is as before the round.
        """
        engine = self._engine
        first = len(engine.dataset)
        started = time.perf_counter()
        plan = self._stopped_batch(first, size) or self._new_batch(first, size, round_index)
        settings = [engine.dataset.prepare_parameter(row) for row in plan.rows]
        drawn = time.perf_counter()
        callbacks.on_evaluation_begin(settings)
        self._evaluate(first, plan, settings, callbacks)
        entries = [plan.entries[index] for index in range(first, first + len(settings))]
        scores = [math.nan if entry.score is None else entry.score for entry in entries]
        failures = [asdict(entry) for entry in entries if entry.score is None]
        callbacks.on_evaluation_ended(scores, {"failures": failures})
        if len(failures) == len(entries):
            raise EvaluationError(
                f"evaluation_function: all {size} evaluations of round {round_index + 1} failed; the {first} before "
                f"them are saved in {engine.save_dir}. The first failure:\n{failures[0]['traceback']}"
            )
        return Batch(plan.rows, scores, {"sampling": drawn - started, "evaluating": time.perf_counter() - drawn})

    def _new_batch(self, first: int, size: int, round_index: int) -> _Plan:
        engine = self._engine
        rows = engine.draw_rows(
            size,
            seed=derive_seed(engine.seed, first, purpose="batch"),
            threads=self._threads(round_index + 1),
            relax_checks=self._relax_checks,
        )
        seeds = [derive_seed(engine.seed, index) for index in range(first, first + len(rows))]
        self._begin(first, rows, seeds)
        return _Plan(rows, seeds, {})

    def _stopped_batch(self, first: int, size: int) -> _Plan | None:
        """Take up the batch within which the search was stopped; only the first one of a `fit` can be that."""
        if not self._is_first:
            return None
        self._is_first = False
        found, is_last = stopped_batch(self._journal.path, first)
        if found is None:
            return None
        columns = self._engine.dataset.parameters.columns  # type: ignore[union-attr]  # there is a space by now
        rows = rows_of(found, columns, self._journal.path)[:size]
        plan = _Plan(rows, found.seeds[:size], {i: e for i, e in found.entries.items() if i < first + size})
        if found.failed_whole():
            plan.entries = {}  # `fit` has raised then; whoever calls it again has mended the cause
            is_last = False
        if not is_last:
            self._begin(first, rows, plan.seeds)
            for entry in plan.entries.values():
                self._journal.record(entry)
        _logger.info("%d of %d evaluations of this batch are in the journal already", len(plan.entries), len(rows))
        return plan

    def _begin(self, first: int, rows: list[list[Any]], seeds: list[int]) -> None:
        columns = self._engine.dataset.parameters.columns  # type: ignore[union-attr]  # there is a space by now
        texts = [[column.to_text(value) for column, value in zip(columns, row, strict=True)] for row in rows]
        self._journal.begin_batch(first, texts, seeds)

    def _evaluate(self, first: int, plan: _Plan, settings: list[Any], callbacks: CallbackList) -> None:
        self.num_ended = first + len(plan.entries)

        def entry_of(outcome: EvaluationOutcome) -> JournalEntry:
            return _entry(outcome, named_values(self._engine.search_space(), plan.rows[outcome.index - first]))

        def finish(outcome: EvaluationOutcome) -> None:
            entry = entry_of(outcome)
            self._journal.record(entry)
            plan.entries[outcome.index] = entry
            self.num_ended += 1
            callbacks.on_outcome(outcome)

        self._pool.evaluate(
            [
                EvaluationTask(index, setting, seed)
                for index, (setting, seed) in enumerate(zip(settings, plan.seeds, strict=True), start=first)
                if index not in plan.entries
            ],
            on_finished=finish,
            on_retry=lambda outcome: self._journal.record(entry_of(outcome), is_final=False),
        )

    def _threads(self, round_number: int) -> int:
        """Later rounds reject far more candidates, and get twice the threads where there are cores for them."""
        import joblib

        threads = self._engine.num_parallel_generators
        if round_number < _FIRST_DOUBLED_ROUND or self._engine.limit_memory:
            return threads
        return max(threads, min(2 * threads, int(joblib.cpu_count())))


def stopped_batch(path: Path, first: int) -> tuple[JournalBatch | None, bool]:
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
        The last one that began with `first`, with what had ended of the same settings in those before it.
    is_last : bool
        Whether the journal goes on with it.

    Raises
    ------
    DamagedFileError
        If the journal is damaged.
    """
    found: JournalBatch | None = None
    is_last = False
    for batch in read_batches(path):
        is_last = batch.first == first and bool(batch.rows)
        if not is_last:
            continue
        if found is not None and not found.failed_whole():
            known = {tuple(found.rows[index - first]): entry for index, entry in found.entries.items()}
            for position, row in enumerate(batch.rows):
                entry = known.get(tuple(row))
                if entry is not None:
                    batch.entries.setdefault(first + position, replace(entry, index=first + position))
        found = batch
    return found, is_last


def rows_of(batch: JournalBatch, columns: Sequence[AbstractHyperParameter], path: Path) -> list[list[Any]]:
    """Read the settings of a journal's batch.

    Raises
    ------
    DamagedFileError
        If they are none of the search space.
    """
    try:
        return [[c.from_text(text) for c, text in zip(columns, row, strict=True)] for row in batch.rows]
    except (ValueError, TypeError, LookupError) as error:
        raise DamagedFileError(f"{path}: expected settings of the search space: {error}") from error


def named_values(space: HyperParameterList, row: list[Any]) -> dict[str, Any]:
    """Name the values of a setting as a journal has them; what is missing has no name."""
    return {
        name: as_json_has_it(value, column.to_text)
        for name, column, value in zip(space.get_parameter_names(), space.columns, row, strict=True)
        if value is not MISSING
    }


def _entry(outcome: EvaluationOutcome, parameters: dict[str, Any]) -> JournalEntry:
    return JournalEntry(
        index=outcome.index,
        parameters=parameters,
        score=None if outcome.failed else outcome.score,
        error=outcome.error,
        traceback=outcome.traceback,
        worker_id=outcome.worker_id,
        seed=outcome.seed,
        attempt=outcome.attempt,
        started=outcome.started,
        ended=outcome.ended,
    )
