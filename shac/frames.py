"""Rows of values as tables in memory: data frames of pandas, and arrays of objects."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.arrays import without_arrays
from shac.parameters.base import to_builtin
from shac.parameters.conditional import MISSING

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from shac.objectives import Objectives
    from shac.parameters import AbstractHyperParameter

__all__ = ["checked_evaluations", "checked_row", "checked_score", "checked_scores", "data_frame", "object_array"]


def data_frame(
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    scores: Sequence[Any],
    sources: Sequence[str] | None = None,
    pruned: Mapping[int, float] = MappingProxyType({}),
    *,
    objectives: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return a data frame; see `shac.Dataset.to_pandas`, which has the same errors.

    Parameters
    ----------
    names : sequence of str
        Of the columns.
    rows : sequence of rows
    scores : sequence of float, or of tuples of float
    sources : sequence of str, optional
        What the last column says of each row; no such column by default.
    pruned : mapping of int to float
        Last values of the pruned rows; no columns for them where there are none.
    objectives : sequence of str, optional
        Names of several objectives, which have a column each.

    Returns
    -------
    pandas.DataFrame
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError("data frames need pandas: pip install 'shac[pandas]'") from error
    columns = {name: [row[c] for row in rows] for c, name in enumerate(names)}
    series = {
        name: pd.Series([None if value is MISSING else value for value in values], dtype=_dtype(values))
        for name, values in columns.items()
    }
    frame = pd.DataFrame(series)
    names_of_scores = ["scores_" if "scores" in frame else "scores"] if objectives is None else objectives
    columns_of_scores = np.array(scores, dtype=np.float64).reshape(len(rows), len(names_of_scores)).T
    frame = frame.assign(**dict(zip(names_of_scores, columns_of_scores, strict=True)))
    if pruned:
        is_pruned, last = (f"{name}_" if name in frame else name for name in ("pruned", "last_value"))
        frame = frame.assign(**{is_pruned: [i in pruned for i in range(len(rows))]})
        frame = frame.assign(**{last: [pruned.get(i, np.nan) for i in range(len(rows))]})
    return frame if sources is None else frame.assign(**{"source_" if "source" in frame else "source": sources})


def _dtype(values: Sequence[Any]) -> Any:
    """Numbers and bools as such where all are of one kind; everything else stays the Python object that it is."""
    kinds = {type(value) for value in values if value is not MISSING}
    if len(kinds) < len({type(value) for value in values}):
        return float if kinds in ({int}, {float}) else object
    return kinds.pop() if len(kinds) == 1 and kinds <= {bool, int, float} else object


def object_array(rows: Sequence[Sequence[Any]], width: int) -> NDArray[Any]:
    """Values may be tuples, which NumPy would take for one more dimension."""
    array = np.empty((len(rows), width), dtype=object)
    for i, row in enumerate(rows):
        for c, value in enumerate(row):
            array[i, c] = value
    return array


def checked_evaluations(
    columns: Sequence[AbstractHyperParameter],
    X: Iterable[Sequence[Any]],
    Y: Iterable[Any],
    objectives: Objectives | None = None,
) -> tuple[list[list[Any]], list[Any]]:
    """Return rows and scores of Python's own types; ValueError if they differ in number, or are none."""
    rows = [checked_row(row) for row in without_arrays(columns, X)]
    scores = [checked_score(score) if objectives is None else checked_scores(score, objectives) for score in Y]
    if len(rows) != len(scores):
        raise ValueError(f"Y: expected {len(rows)} scores, one for each row of X, got {len(scores)}")
    return rows, scores


def checked_row(row: Iterable[Any]) -> list[Any]:
    """Return a row of Python's own types; ValueError if it is no sequence."""
    if isinstance(row, (str, bytes, Mapping)) or not isinstance(row, Iterable):
        raise ValueError(f"row: expected a sequence of values, got {row!r}")
    return [to_builtin(value) for value in row]


def checked_score(score: Any) -> float:
    """Return a score as a float; ValueError if it is no number."""
    try:
        if not isinstance(score, (str, bytes)):
            return float(score)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"score: expected a number, got {score!r}")


def checked_scores(scores: Any, objectives: Objectives) -> tuple[float, ...]:
    """Return the scores of several objectives, NaN for what has not all of them; ValueError if they are none."""
    if isinstance(scores, float) and math.isnan(scores):
        return objectives.failed
    if isinstance(scores, (str, bytes, Mapping)) or not isinstance(scores, Iterable):
        raise ValueError(f"score: expected a number of each of {objectives.names}, got {scores!r}")
    numbers = tuple(checked_score(score) for score in scores)
    if len(numbers) != len(objectives):
        raise ValueError(f"score: expected a number of each of {objectives.names}, got {scores!r}")
    return numbers if all(map(math.isfinite, numbers)) else objectives.failed
