"""Tables of evaluations as CSV: the one reader and the one writer.

A search's own table is read to the letter; one that comes from elsewhere as other programs write it, or as the
ancestor did.
"""

from __future__ import annotations

import csv
import io
import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from shac.errors import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from shac.objectives import Objectives, Score
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

    Rows = tuple[list[list[Any]], list[Any]]
    Table = tuple[list[list[Any]], list[Any], dict[int, float]]
    ReadField = Callable[[AbstractHyperParameter, str, str], Any]

__all__ = [
    "DATASET_FILE",
    "PARAMETERS_FILE",
    "column_of",
    "header_of",
    "is_header",
    "pruned_columns",
    "read_evaluations",
    "read_table",
    "read_table_text",
    "read_value",
    "table_text",
    "without_pruned",
]

DATASET_FILE = "dataset.csv"
PARAMETERS_FILE = "parameters.json"

_NOT_PRUNED = ["False", ""]


def table_text(
    space: HyperParameterList,
    rows: Sequence[Sequence[Any]],
    scores: Sequence[Score],
    pruned: Mapping[int, float] = MappingProxyType({}),
    *,
    first: int = 0,
    objectives: Objectives | None = None,
) -> str:
    """Write a table: ``id``, the columns, ``scores`` or one of each objective; floats to the last bit.

    Where any evaluation was pruned, ``pruned`` says of each whether it was, and ``last_value`` has what it reported
    last; an underscore follows these names where a parameter has them.

    Parameters
    ----------
    space : HyperParameterList
    rows : sequence of rows
    scores : sequence of float, or of tuples of float
    pruned : mapping of int to float
        Last values of the pruned evaluations, by their numbers.
    first : int
        The number of the first row that is written; without the header, where it is not 0.
    objectives : Objectives, optional
        Where there are several.
    """
    names = ["id", *space.get_parameter_names(), *_score_names(objectives)]
    lines = [] if first else [_csv_line(names + pruned_columns(names) if pruned else names)]
    columns = space.columns
    for index, (row, score) in enumerate(zip(rows[first:], scores[first:], strict=True), start=first):
        fields = [column.to_text(value) for column, value in zip(columns, row, strict=True)]
        numbers = score if isinstance(score, tuple) else (score,)
        fields = [str(index), *fields, *(repr(float(number)) for number in numbers)]
        if pruned:
            fields += ["True", repr(float(pruned[index]))] if index in pruned else _NOT_PRUNED
        lines.append(_csv_line(fields))
    return "".join(lines)


def pruned_columns(names: Sequence[str]) -> list[str]:
    """Return the names of the columns that say which evaluations were pruned, beside others."""
    return [f"{name}_" if name in names else name for name in ("pruned", "last_value")]


def without_pruned(table: bytes, where: str) -> bytes:
    """Return a table as it was before an evaluation was pruned; DamagedFileError if it has no columns that say so."""
    first_line = table.partition(b"\n")[0]
    records = _csv_records(table, where) if b"last_value" in first_line else []
    header = records[0][1] if records else []
    if header[-2:] != pruned_columns(header[:-2]):
        raise DamagedFileError(f"{where}, line 1: expected a header with pruned and last_value, got {header}")
    return "".join(_csv_line(fields[:-2]) for _, fields in records).encode()


def read_table_text(
    table: str | bytes, space: HyperParameterList, *, where: str, objectives: Objectives | None = None
) -> Table:
    """Read what `table_text` wrote.

    Parameters
    ----------
    table : str or bytes
        The table; bytes are UTF-8.
    space : HyperParameterList
        The search space.
    where : str
        Where the table comes from, for error messages.
    objectives : Objectives, optional
        Where there are several.

    Returns
    -------
    rows : list of list
    scores : list of float, or of tuples of float
    pruned : dict of int to float
        Last values of the pruned evaluations.

    Raises
    ------
    DamagedFileError
        If the table is not one of this space; names the line, the column and what came.
    """
    records = _csv_records(table, where)
    score_names = _score_names(objectives)
    names = ["id", *space.get_parameter_names(), *score_names]
    header = records[0][1] if records else []
    marks = header[len(names) :]
    if header[: len(names)] != names or marks not in ([], pruned_columns(names)):
        raise DamagedFileError(f"{where}, line 1: expected the header {names}, got {header}")
    rows: list[list[Any]] = []
    scores: list[Any] = []
    pruned: dict[int, float] = {}
    end = len(names) - len(score_names)
    for index, (line, fields) in enumerate(records[1:]):
        at = f"{where}, line {line}"
        if len(fields) != len(header):
            raise DamagedFileError(f"{at}: expected {len(header)} fields, got {len(fields)}")
        if fields[0] != str(index):
            raise DamagedFileError(f"{at}, column 'id': expected {index}, got {fields[0]!r}")
        rows.append(
            [
                _read_exactly(c.from_text, c.to_text, field, f"{at}, column {name!r}")
                for c, field, name in zip(space.columns, fields[1:end], names[1:end], strict=True)
            ]
        )
        numbers = tuple(
            _read_exactly(float, repr, field, f"{at}, column {name!r}")
            for field, name in zip(fields[end : len(names)], score_names, strict=True)
        )
        scores.append(numbers[0] if objectives is None else numbers)
        if marks and fields[-2:] != _NOT_PRUNED:
            if fields[-2] != "True" or not all(map(math.isnan, numbers)):
                raise DamagedFileError(f"{at}: expected a pruned evaluation, with nan as its score, got {fields}")
            pruned[index] = _read_exactly(float, repr, fields[-1], f"{at}, column {marks[1]!r}")
    return rows, scores, pruned


def _score_names(objectives: Objectives | None) -> tuple[str, ...]:
    return ("scores",) if objectives is None else objectives.names


def is_header(text: str, columns: Sequence[str] = ()) -> bool:
    r"""Return whether a text is a table without rows, or the beginning of one.

    Parameters
    ----------
    text : str
    columns : sequence of str, optional
        Of a search space, behind which the names of several objectives may stand.

    Examples
    --------
    >>> is_header("id,x,scores\n"), is_header("id,x,scores\n0,0.5,1.0\n"), is_header("image,label\n")
    (True, False, False)
    """
    if not text:
        return True
    begins = text.startswith("id,") and (text.endswith("scores\n") or bool(columns))
    records = _csv_records(text, "") if begins else []
    if len(records) != 1:
        return False
    return text.endswith("scores\n") or records[0][1][: len(columns) + 1] == ["id", *columns]


def read_table(
    path: Path,
    space: HyperParameterList,
    *,
    num_rows: int,
    most_rows: int | None = None,
    presort: bool,
    objective: str,
    objectives: Objectives | None = None,
) -> Rows:
    """Read configurations and scores that come from elsewhere.

    Parameters
    ----------
    path : Path
        A CSV file, or a folder with ``dataset.csv``. The header names the space's columns and ``scores``, in any
        order; other columns are ignored. An empty score is a failed evaluation.
    space : HyperParameterList
        The search space.
    num_rows : int
        Rows wanted.
    most_rows : int, optional
        Rows that are taken where there are more; `num_rows` by default.
    presort : bool
        Whether to order the rows from the worst score to the best, so that each batch is better than the one before.
        Of a longer table the best `most_rows` are taken then, else the first.
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.
    objectives : Objectives, optional
        Where there are several, whose names the header has instead of ``scores``.

    Returns
    -------
    rows : list of list
    scores : list of float, or of tuples of float

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
    rows, scores = read_evaluations(file, space, read_value, objectives=objectives)
    if len(rows) < num_rows:
        what = "the total budget" if most_rows in (None, num_rows) else "those of a round"
        raise ValueError(f"dataset_path: expected at least {num_rows} rows, {what}, got {len(rows)} in {file}")
    count = num_rows if most_rows is None else most_rows
    if not presort:
        return rows[:count], scores[:count]
    sign = 1.0 if objective == "max" else -1.0
    order = sorted(range(len(rows)), key=lambda i: sign * scores[i] if math.isfinite(scores[i]) else -math.inf)
    return [rows[i] for i in order[-count:]], [scores[i] for i in order[-count:]]


def read_evaluations(
    file: Path,
    space: HyperParameterList,
    read_field: ReadField,
    *,
    by_position: bool = False,
    objectives: Objectives | None = None,
) -> Rows:
    """Read a table whose header names the space's columns and ``scores``, in any order, among others.

    Parameters
    ----------
    file : Path
        UTF-8, with or without a byte-order mark.
    space : HyperParameterList
    read_field : callable
        Reads a column's field; its third argument says where it stands, for error messages.
    by_position : bool
        Whether the columns but ``id`` and ``scores`` are those of the space in order, whatever their names are.
    objectives : Objectives, optional
        See `read_table`.

    Returns
    -------
    rows : list of list
    scores : list of float
        NaN where the field is empty.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFileError
        If the header lacks a column, or a field is no value of its parameter.
    """
    score_names = _score_names(objectives)
    names = [*space.get_parameter_names(), *score_names]
    rows: list[list[Any]] = []
    scores: list[Any] = []
    headers = names
    if by_position:
        headers = [*(name for name in header_of(file) if name not in ("id", "scores")), "scores"]
        if len(headers) != len(names):
            raise DamagedFileError(
                f"{file}: expected {len(names) - 1} columns beside id and scores, got {headers[:-1]}"
            )
    for line, fields in _dict_records(file, headers):
        at = f"{file}, line {line}"
        rows.append(
            [read_field(c, fields[n], f"{at}, column {n!r}") for c, n in zip(space.columns, headers, strict=False)]
        )
        numbers = tuple(_score(fields[name], f"{at}, column {name!r}") for name in score_names)
        scores.append(numbers[0] if objectives is None else numbers)
    return rows, scores


def header_of(file: Path) -> list[str]:
    """Return the names of a table's columns; see `read_evaluations`."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            return next(csv.reader(lines, strict=True), [])
    except (csv.Error, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{file}: expected a table in CSV: {error}") from error


def column_of(file: Path, name: str) -> list[str]:
    """Return the fields of one column; see `read_evaluations`."""
    return [fields[name] for _, fields in _dict_records(file, [name])]


def _dict_records(file: Path, names: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            table = csv.DictReader(lines, strict=True, restval="")
            missing = [name for name in names if name not in (table.fieldnames or ())]
            if missing:
                raise DamagedFileError(f"{file}: expected a header with {names}, got one without {missing}")
            for fields in table:
                yield table.line_num, fields
    except (csv.Error, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{file}: expected a table in CSV: {error}") from error


def read_value(column: AbstractHyperParameter, text: str, at: str) -> Any:
    """Read a field as the package writes it, or as other programs write numbers (1 for 1.0, 16.0 for 16).

    Raises
    ------
    DamagedFileError
        If it is no value of the column; begins with `at`.
    """
    try:
        return column.from_text(text)
    except ValueError as error:
        try:
            value = column.decode(column.encode(float(text)))
        except ValueError:
            raise DamagedFileError(f"{at}: {error}") from error
    if value != float(text):
        raise DamagedFileError(f"{at}: expected a value of {column!r}, got {text!r}")
    return value


def _score(text: str, at: str) -> float:
    if not text:
        return math.nan
    try:
        return float(text)
    except ValueError as error:
        raise DamagedFileError(f"{at}: expected a number, got {text!r}") from error


def _csv_line(fields: Sequence[str]) -> str:
    """Quote what a reader takes for the end of a line; `csv` only does where the terminator has both characters."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _csv_records(table: str | bytes, where: str) -> list[tuple[int, list[str]]]:
    """Split a table into records, with the numbers of the lines that they begin on."""
    records, line = [], 1
    try:
        text = table if isinstance(table, str) else table.decode("utf-8-sig")  # spreadsheets write a byte-order mark
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        for fields in reader:
            records.append((line, fields))
            line = reader.line_num + 1
    except (UnicodeDecodeError, csv.Error) as error:
        if isinstance(error, UnicodeDecodeError):
            line = error.object.count(b"\n", 0, error.start) + 1
        raise DamagedFileError(f"{where}, line {line}: expected a table in CSV: {error}") from error
    if records and not text.endswith("\n"):  # what is left of a score of 1.25 may read 1.2
        raise DamagedFileError(f"{where}, line {records[-1][0]}: expected an end of the line, got the end of the file")
    return records


def _read_exactly(from_text: Callable[[str], Any], to_text: Callable[[Any], str], field: str, at: str) -> Any:
    """Read a field that is, to the letter, what is written for its value; Python also reads 1_0 and other digits."""
    try:
        value = from_text(field)
        written = to_text(value)
    except (ValueError, TypeError, LookupError) as error:  # a user's class may raise any of them
        raise DamagedFileError(f"{at}: {error}") from error
    if written != field:
        raise DamagedFileError(f"{at}: expected {written!r}, which stands for {value!r}, got {field!r}")
    return value
