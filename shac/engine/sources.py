"""Where the batches of a search come from: the cascade's samples, evaluated, or a table of evaluated settings."""

from __future__ import annotations

import csv
import logging
import math
import time
from typing import TYPE_CHECKING, Any

from shac.engine.loop import Batch
from shac.errors import DamagedFileError, EvaluationError
from shac.evaluation import EvaluationTask, derive_seed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shac.callbacks import CallbackList
    from shac.engine.shac import SHAC
    from shac.evaluation import EvaluatorPool
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["EvaluatedSamples", "EvaluatedTable", "read_table"]

_logger = logging.getLogger("shac")

_FIRST_DOUBLED_ROUND = 10


class EvaluatedSamples:
    """Samples of the engine's cascade, evaluated in its pool.

    Parameters
    ----------
    engine : SHAC
        Whose cascade is sampled.
    pool : EvaluatorPool
        Runs the evaluations.
    relax_checks : bool
        As of `SHAC.fit`.
    """

    def __init__(self, engine: SHAC, pool: EvaluatorPool, *, relax_checks: bool) -> None:
        self._engine = engine
        self._pool = pool
        self._relax_checks = relax_checks

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
        rows = engine.draw_rows(
            size,
            seed=derive_seed(engine.seed, first, purpose="batch"),
            threads=self._threads(round_index + 1),
            relax_checks=self._relax_checks,
        )
        settings = [engine.dataset.prepare_parameter(row) for row in rows]
        drawn = time.perf_counter()
        callbacks.on_evaluation_begin(settings)
        outcomes = self._pool.evaluate(
            (
                EvaluationTask(index, setting, derive_seed(engine.seed, index))
                for index, setting in enumerate(settings, start=first)
            ),
            callbacks.on_outcome,
        )
        scores = [outcome.score for outcome in outcomes]
        callbacks.on_evaluation_ended(scores)
        if all(outcome.failed for outcome in outcomes):
            raise EvaluationError(
                f"evaluation_function: all {size} evaluations of round {round_index + 1} failed; the {first} before "
                f"them are saved in {engine.save_dir}. The first failure:\n{outcomes[0].traceback}"
            )
        return Batch(rows, scores, {"sampling": drawn - started, "evaluating": time.perf_counter() - drawn})

    def _threads(self, round_number: int) -> int:
        """Later rounds reject far more candidates, and get twice the threads where there are cores for them."""
        import joblib

        threads = self._engine.num_parallel_generators
        if round_number < _FIRST_DOUBLED_ROUND or self._engine.limit_memory:
            return threads
        return max(threads, min(2 * threads, int(joblib.cpu_count())))


class EvaluatedTable:
    """Batches of settings that somebody evaluated before.

    Parameters
    ----------
    rows, scores : sequence
        In the order of the batches; row i is the engine's evaluation i.
    """

    def __init__(self, rows: Sequence[Sequence[Any]], scores: Sequence[float], num_workers: int) -> None:
        self._rows, self._scores, self._num_workers = rows, scores, num_workers

    def next_batch(self, round_index: int, size: int, callbacks: CallbackList) -> Batch:  # noqa: ARG002  # a protocol
        """Give the next rows of the table."""
        begin = round_index * self._num_workers
        return Batch(self._rows[begin : begin + size], self._scores[begin : begin + size], {})


def read_table(
    path: Path, space: HyperParameterList, *, num_rows: int, presort: bool, objective: str
) -> tuple[list[list[Any]], list[float]]:
    """Read settings and scores that come from elsewhere.

    Parameters
    ----------
    path : Path
        A CSV file, or a folder with ``dataset.csv``. The header names the space's columns and ``scores``, in any
        order; other columns are ignored. An empty score is a failed evaluation.
    space : HyperParameterList
        The search space.
    num_rows : int
        Rows wanted.
    presort : bool
        Whether to order the rows from the worst score to the best, so that each batch is better than the one before.
        Of a longer table the best `num_rows` are taken then, else the first.
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.

    Returns
    -------
    rows : list of list
    scores : list of float

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError
        If the header lacks a column, or a field is no value of its parameter.
    ValueError
        If the table has too few rows.
    """
    file = path / "dataset.csv" if path.is_dir() else path
    with file.open(newline="", encoding="utf-8") as lines:
        table = csv.DictReader(lines, strict=True)
        names = [*space.get_parameter_names(), "scores"]
        missing = [name for name in names if name not in (table.fieldnames or ())]
        if missing:
            raise DamagedFileError(f"{file}: expected a header with {names}, got one without {missing}")
        rows, scores = [], []
        for line in table:
            place = f"{file}, line {table.line_num}"
            rows.append(
                [_value(c, line[n], f"{place}, column {n!r}") for c, n in zip(space.columns, names, strict=False)]
            )
            scores.append(_score(line["scores"], f"{place}, column 'scores'"))
    if len(rows) < num_rows:
        raise ValueError(
            f"dataset_path: expected at least {num_rows} rows, the total budget, got {len(rows)} in {file}"
        )
    if not presort:
        return rows[:num_rows], scores[:num_rows]
    sign = 1.0 if objective == "max" else -1.0
    order = sorted(range(len(rows)), key=lambda i: sign * scores[i] if math.isfinite(scores[i]) else -math.inf)
    return [rows[i] for i in order[-num_rows:]], [scores[i] for i in order[-num_rows:]]


def _value(column: AbstractHyperParameter, text: str | None, place: str) -> Any:
    """Read a field as the package writes it, or as other programs write numbers (1 for 1.0, 16.0 for 16)."""
    try:
        return column.from_text(text or "")
    except ValueError as error:
        try:
            value = column.decode(column.encode(float(text or "")))
        except ValueError:
            raise DamagedFileError(f"{place}: {error}") from error
    if value != float(text or ""):
        raise DamagedFileError(f"{place}: expected a value of {column!r}, got {text!r}")
    return value


def _score(text: str | None, place: str) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError as error:
        raise DamagedFileError(f"{place}: expected a number, got {text!r}") from error
