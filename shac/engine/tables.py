"""Batches of settings that somebody evaluated before, and the tables that hold them."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

from shac.engine.loop import Batch
from shac.errors import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shac.callbacks import CallbackList
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["EvaluatedTable", "read_table"]


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
    try:
        rows, scores = _read_rows(file, space)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{file}: expected a table in CSV: {error}") from error
    if len(rows) < num_rows:
        raise ValueError(
            f"dataset_path: expected at least {num_rows} rows, the total budget, got {len(rows)} in {file}"
        )
    if not presort:
        return rows[:num_rows], scores[:num_rows]
    sign = 1.0 if objective == "max" else -1.0
    order = sorted(range(len(rows)), key=lambda i: sign * scores[i] if math.isfinite(scores[i]) else -math.inf)
    return [rows[i] for i in order[-num_rows:]], [scores[i] for i in order[-num_rows:]]


def _read_rows(file: Path, space: HyperParameterList) -> tuple[list[list[Any]], list[float]]:
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
    return rows, scores


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
