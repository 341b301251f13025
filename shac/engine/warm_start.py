"""Warm starts: the evaluations of an earlier search, made configurations of this one's space."""

from __future__ import annotations

import csv
import logging
import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shac.dataset import Dataset
from shac.engine.configurations import column_value
from shac.errors import DamagedFileError
from shac.evaluation import derive_seed
from shac.labels import check_objective
from shac.parameters import MISSING
from shac.parameters.base import to_builtin
from shac.store.earlier import EarlierEvaluations
from shac.store.manifest import holds_search, load_search
from shac.store.table import pruned_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from shac.objectives import Objectives
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

    WarmStartSource: TypeAlias = "str | os.PathLike[str] | Dataset | pd.DataFrame | WarmStart"

__all__ = ["WarmStart", "earlier_evaluations"]

_logger = logging.getLogger("shac")

_MOST_DRAWS = 100  # of values that an evaluation lacks, until the constraints are satisfied
_SCORES = ("scores_", "scores")
_MARKS = ("true", "1", "1.0")  # of a pruned evaluation, as frames, SHAC and other programs write it


@dataclass(frozen=True, slots=True)
class WarmStart:
    """Evaluations of an earlier search, and how they are read in the space of another.

    The first round of the new search is drawn as if they were known. They are not part of its budget, nor evaluations
    of its `dataset`, whose best is the best of its own: theirs may be scores of other data. Only their order counts.
    Classifiers that learn from all evaluations learn from them, too, labelled by a median of their own; those of the
    strategies 'paper' and 'ancestor', which learn from one batch each, take them for the batch before the first. The
    surrogate is theirs, on the scale that fits the search's own scores best, and what is left is modelled on top.

    Evaluations outside of the new space are dropped; the log, and the folder's ``manifest.json``, say how many.

    Parameters
    ----------
    source : path-like, Dataset or pandas.DataFrame
        A search's folder or its `dataset`; a CSV file, or a folder with ``dataset.csv``; or a data frame. Tables have a
        column for each column of the space and ``scores``, empty for a failed evaluation. Where they have ``pruned``
        and ``last_value`` (see `Dataset.to_pandas`), what is pruned counts as worse than the rest; other columns do not
        matter.
    rename : mapping, optional
        Names of parameters here, by their names there.
    defaults : mapping, optional
        Values of parameters that are not there, by their names here: those that the earlier search worked with. By
        default they are drawn from the prior.
    objective : {'max', 'min'}, optional
        Of the scores there. By default that of the folder's search, else that of the new search.

    Raises
    ------
    ValueError
        If an argument is none of these.

    Examples
    --------
    >>> WarmStart("last_week", rename={"learning_rate": "lr"}, defaults={"warmup": 0}).rename
    {'learning_rate': 'lr'}
    """

    source: Any
    rename: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    objective: str | None = None

    def __post_init__(self) -> None:
        if not (isinstance(self.source, (str, os.PathLike, Dataset)) or _is_data_frame(self.source)):
            raise ValueError(
                "warm_start: expected a folder, a CSV file, a Dataset, a pandas data frame or a WarmStart, "
                f"got {self.source!r}"
            )
        for name in ("rename", "defaults"):
            if not isinstance(getattr(self, name), Mapping):
                raise ValueError(f"{name}: expected a mapping from names, got {getattr(self, name)!r}")
        if self.objective is not None:
            check_objective(self.objective)

    @classmethod
    def of(cls, warm_start: Any) -> WarmStart | None:
        """Return what `SHAC` is given as a value of this class; None for None."""
        return warm_start if warm_start is None or isinstance(warm_start, cls) else cls(warm_start)


@dataclass(frozen=True, slots=True)
class _Table:
    """Evaluations as they are found: values by the names of their columns."""

    where: str
    names: Sequence[str]
    rows: Sequence[Sequence[Any]]
    scores: Sequence[float]
    objective: str | None = None
    pruned: Sequence[int] = ()
    is_text: bool = False


def earlier_evaluations(
    warm_start: WarmStart, space: HyperParameterList, objective: str, seed: int
) -> EarlierEvaluations:
    """Read evaluations as configurations of a space.

    Parameters
    ----------
    warm_start : WarmStart
    space : HyperParameterList
    objective : {'max', 'min'}
        Of the new search.
    seed : int
        Of the values that are drawn.

    Returns
    -------
    EarlierEvaluations

    Raises
    ------
    FileNotFoundError, DamagedFileError
        If there is no such folder or file, or it is damaged.
    ValueError
        If a name is none of the earlier search's or of the space, a default is no value of its parameter, or a dataset
        has the other objective.
    """
    table = _read(warm_start.source)
    if warm_start.objective is None and isinstance(warm_start.source, Dataset) and table.objective != objective:
        raise ValueError(
            f"warm_start: expected a dataset whose objective is {objective!r}, got {table.objective!r}; "
            "WarmStart(dataset, objective=...) says which of its scores are better"
        )
    columns = space.get_parameter_names()
    places = _columns_of(table, warm_start.rename, space)
    defaults = _defaults(warm_start.defaults, space)
    kept: list[int] = []
    rows: list[list[Any]] = []
    gaps: list[list[int]] = []
    dropped: Counter[str] = Counter()
    for index, values in enumerate(table.rows):
        row: list[Any] = []
        for column, name in zip(space.columns, columns, strict=True):
            value = _found(values[places[name]], column) if name in places else MISSING
            try:
                if value is not MISSING:
                    value = column_value(column, value, is_text=table.is_text and value is not None)
            except ValueError:
                dropped[name] += 1
                break
            row.append(defaults.get(name, MISSING) if value is MISSING else value)
        else:
            kept.append(index)
            rows.append(row)
            gaps.append([c for c, value in enumerate(row) if value is MISSING])
    rows, satisfied = completed(space, rows, gaps, derive_seed(seed, 0, purpose="warm start"))
    if not all(satisfied):
        dropped["constraints"] = satisfied.count(False)
    chosen = [i for i, is_kept in enumerate(satisfied) if is_kept]
    new_place = {kept[i]: place for place, i in enumerate(chosen)}
    result = EarlierEvaluations(
        rows=[rows[i] for i in chosen],
        scores=[table.scores[kept[i]] for i in chosen],
        objective=warm_start.objective or table.objective or objective,
        source=table.where,
        pruned=tuple(new_place[i] for i in table.pruned if i in new_place),
        dropped=dict(dropped),
    )
    _tell(result)
    return result


def completed(
    space: HyperParameterList, rows: Sequence[list[Any]], gaps: Sequence[Sequence[int]], seed: int
) -> tuple[list[list[Any]], list[bool]]:
    """Draw from the prior the values that rows lack.

    Parameters
    ----------
    space : HyperParameterList
    rows : sequence of rows
        Flat rows of values.
    gaps : sequence of sequences of int
        The columns of each row that have no value.
    seed : int

    Returns
    -------
    rows : list of rows
    satisfied : list of bool
        Whether each satisfies the constraints.
    """
    random = np.random.default_rng(seed)
    result = [list(row) for row in rows]
    open_rows = list(range(len(result)))
    satisfied = [True] * len(result)
    for _ in range(_MOST_DRAWS):
        if not open_rows:
            break
        drawn = zip(*(parameter.sample_array(len(open_rows), random) for parameter in space), strict=True)
        for i, values in zip(open_rows, drawn, strict=True):
            given = list(rows[i])
            flat = space.codec.flatten(values)
            for c in gaps[i]:
                given[c] = to_builtin(flat[c])
            result[i] = given
        marked = space.codec.mark_missing([result[i] for i in open_rows])
        fits = space.satisfied(marked).tolist() if space.constraints else [True] * len(marked)
        for i, row, fit in zip(open_rows, marked, fits, strict=True):
            result[i], satisfied[i] = row, bool(fit)
        open_rows = [i for i in open_rows if not satisfied[i] and gaps[i]]
    return result, satisfied


def _tell(evaluations: EarlierEvaluations) -> None:
    tell = _logger.info if evaluations.rows else _logger.warning
    tell("warm start: %s", evaluations.describe())


def _read(source: Any) -> _Table:
    if isinstance(source, Dataset):
        if source.parameters is None:
            raise ValueError("warm_start: expected a dataset with a search space, got one without")
        _check_single("a dataset", source.objectives)
        names = source.parameters.get_parameter_names()
        return _Table("a dataset", names, source.X, source.Y, source.objective, [*source.pruned])
    if _is_data_frame(source):
        return _read_frame(source)
    path = Path(source).expanduser().absolute()
    if holds_search(path):
        saved = load_search(path)
        _check_single(str(path), saved.objectives)
        names = saved.space.get_parameter_names()
        return _Table(str(path), names, saved.rows, saved.scores, saved.objective, [*saved.pruned])
    file = path / "dataset.csv" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"warm_start: expected the folder of a search or a table in CSV, got {path}")
    return _read_csv(file)


def _check_single(where: str, objectives: Objectives | None) -> None:
    if objectives is not None:
        raise ValueError(f"warm_start: expected a search with a single objective, got {objectives.as_given} in {where}")


def _read_frame(frame: Any) -> _Table:
    names = [str(name) for name in frame.columns]
    score = next((name for name in _SCORES if name in names), None)
    if score is None:
        raise ValueError(f"warm_start: expected a data frame with a column 'scores', got {names}")
    rows = [list(values) for values in frame.itertuples(index=False, name=None)]
    scores = [_score(row[names.index(score)], "warm_start: column 'scores'") for row in rows]
    return _Table("a data frame", names, rows, scores, pruned=_pruned_rows(names, rows, scores))


def _read_csv(file: Path) -> _Table:
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            records = list(csv.reader(lines, strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise DamagedFileError(f"{file}: expected a table in CSV: {error}") from error
    names = records[0] if records else []
    if "scores" not in names or any(len(record) != len(names) for record in records[1:]):
        raise DamagedFileError(f"{file}: expected a table with a column 'scores', got one with {names}")
    place = names.index("scores")
    try:
        scores = [_score(record[place], f"{file}, column 'scores'") for record in records[1:]]
    except ValueError as error:
        raise DamagedFileError(str(error)) from error
    pruned = _pruned_rows(names, records[1:], scores)
    return _Table(str(file), names, records[1:], scores, pruned=pruned, is_text=True)


def _score(value: Any, at: str) -> float:
    try:
        return math.nan if value is None or value == "" else float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{at}: expected a number, got {value!r}") from None


def _pruned_rows(names: Sequence[str], rows: Sequence[Sequence[Any]], scores: Sequence[float]) -> list[int]:
    """Return the rows without a score that are marked as pruned; a mark without the last values is another column."""
    parameters = [name for name in names if f"{name}_" in names]  # of a mark's name, behind which its own has moved
    mark, last_value = pruned_columns(parameters)
    if mark not in names or last_value not in names:
        return []
    place = names.index(mark)
    return [i for i, row in enumerate(rows) if str(row[place]).lower() in _MARKS and math.isnan(scores[i])]


def _columns_of(table: _Table, rename: Mapping[str, str], space: HyperParameterList) -> dict[str, int]:
    """Return where the values of the space's columns stand in a table's rows."""
    columns = space.get_parameter_names()
    known = {*columns, *(parameter.name for parameter in space)}
    wrong = [new for new in rename.values() if new not in known]
    if wrong:
        raise ValueError(f"rename: expected names of the search space as new ones, among {sorted(known)}, got {wrong}")
    used: set[str] = set()
    places: dict[str, int] = {}
    for place, name in enumerate(table.names):
        head, _, number = name.rpartition("_")
        if name in rename:
            used.add(name)
            places[rename[name]] = place
        elif head in rename and number.isdigit():  # a column of a multi-parameter
            used.add(head)
            places[f"{rename[head]}_{number}"] = place
        elif name not in rename.values():
            places.setdefault(name, place)
    if missing := [old for old in rename if old not in used]:
        raise ValueError(f"rename: expected names of {table.where}, among {list(table.names)}, got {missing}")
    places = {name: place for name, place in places.items() if name in columns}
    if not places:
        raise ValueError(f"warm_start: expected columns of the search space, {columns}, got {list(table.names)}")
    return places


def _defaults(defaults: Mapping[str, Any], space: HyperParameterList) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in defaults.items():
        if name not in space:
            raise ValueError(f"defaults: expected names among {[p.name for p in space]}, got {name!r}")
        place = space.place_of(name)
        width = place.stop - place.start
        values = list(value) if width > 1 and isinstance(value, (list, tuple)) else [value]
        if len(values) != width:
            raise ValueError(f"defaults: expected {width} values of {name!r}, got {value!r}")
        for column, column_name, one in zip(
            space.columns[place], space.get_parameter_names()[place], values, strict=True
        ):
            try:
                result[column_name] = column_value(column, one)
            except ValueError as error:
                raise ValueError(f"defaults: {error}") from error
    return result


def _found(value: Any, column: AbstractHyperParameter) -> Any:
    """Return a value of a table, or MISSING: frames have None and NaN where there is none, files an empty text.

    Each of the three is None where that is a value of the parameter.
    """
    choices = getattr(column, "values", None) or ()
    if value is MISSING or (value == "" and "" in choices):
        return value
    if value is None or value == "" or (isinstance(value, float) and math.isnan(value)):
        return None if any(choice is None for choice in choices) else MISSING
    return value


def _is_data_frame(source: Any) -> bool:
    return hasattr(source, "columns") and hasattr(source, "itertuples")
