"""Configurations that are handed out, as values, and how one that comes back is known again."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shac.parameters import MISSING
from shac.parameters.base import to_builtin
from shac.store.journal import as_json_has_it
from shac.store.table import read_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["Configuration", "Trial", "WaitingTrials", "are_alike", "column_value", "named_values", "row_of"]


class Configuration(OrderedDict[str, Any]):
    """What is evaluated: the values of the parameters by their names, and the number of the trial.

    Attributes
    ----------
    number : int
        Of the trial, by which `SHAC.tell` knows it.
    """

    number: int


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration of a round.

    Parameters
    ----------
    number : int
        Different from that of every other trial that waits for its score. In a search whose rounds are not overtaken
        it is the number of the evaluation.
    first : int
        First evaluation of the round that it was drawn in; with an overlap, of the one that it belongs to.
    position : int
        In the round's stream.
    row : list
        Flat row of values.
    asked : float
        When it was handed out, in seconds since the epoch.
    """

    number: int
    first: int
    position: int
    row: list[Any] = field(compare=False)
    asked: float = field(compare=False, default=0.0)


class WaitingTrials:
    """Trials that wait for their scores, in the order in which they were handed out; none is looked for one by one.

    Parameters
    ----------
    trials : iterable of Trial
    """

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._trials = dict.fromkeys(trials)
        self._by_number = {trial.number: trial for trial in self._trials}

    def __iter__(self) -> Iterator[Trial]:
        return iter(self._trials)

    def __len__(self) -> int:
        return len(self._trials)

    def __contains__(self, trial: Trial) -> bool:
        return trial in self._trials

    def numbered(self, number: int) -> Trial | None:
        """Return the trial of a number, if one waits."""
        return self._by_number.get(number)

    def add(self, trial: Trial) -> None:
        """Add a trial."""
        self._trials[trial] = None
        self._by_number.setdefault(trial.number, trial)

    def discard(self, trial: Trial) -> None:
        """Take a trial away, if it waits."""
        if trial in self._trials:
            del self._trials[trial]
            if self._by_number.get(trial.number) == trial:
                del self._by_number[trial.number]


def named_values(space: HyperParameterList, row: list[Any]) -> dict[str, Any]:
    """Name the values of a configuration as a journal has them; what is missing has no name."""
    return {
        name: as_json_has_it(value, column.to_text)
        for name, column, value in zip(space.get_parameter_names(), space.columns, row, strict=True)
        if value is not MISSING
    }


def row_of(space: HyperParameterList, parameters: Any) -> list[Any]:
    """Return the flat row of a configuration that was handed out.

    Raises
    ------
    ValueError
        If it is none.
    """
    if isinstance(parameters, Mapping):
        row = space.flat_row(parameters)
    elif isinstance(parameters, Sequence) and not isinstance(parameters, (str, bytes)):
        row = list(parameters)
    else:
        raise ValueError(f"parameters: expected a configuration that ask() gave, got {parameters!r}")
    return [to_builtin(value) for value in row]


def column_value(column: AbstractHyperParameter, value: Any, *, is_text: bool = False) -> Any:
    """Return a value as a column has it: numbers of its own type, and inside its range.

    Parameters
    ----------
    column : AbstractHyperParameter
    value : object
        Also 16.0 for 16, as tables have it.
    is_text : bool
        Whether it is the text of a CSV file.

    Raises
    ------
    ValueError
        If it is none of the column; names the parameter and the value.
    """
    value = value if is_text else to_builtin(value)
    try:
        result = read_value(column, value, "") if is_text else _exact_value(column, value)
        encoded = column.encode(result)
        low, high = getattr(column, "min_value", None), getattr(column, "max_value", None)
        inside = math.isfinite(encoded) and (low is None or high is None or low <= result <= high)
    except (ValueError, TypeError, LookupError, OverflowError):
        inside = False
    if not inside:
        raise ValueError(f"parameter {column.name!r}: expected a value of {column!r}, got {value!r}")
    return result


def _exact_value(column: AbstractHyperParameter, value: Any) -> Any:
    try:
        return column.from_text(column.to_text(value))
    except ValueError:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise
        return read_value(column, repr(float(value)), "")


def are_alike(a: Any, b: Any) -> bool:
    """Whether values are equal but for the kind of a sequence or of a number, and a number's last digits."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(are_alike, a, b))
    if isinstance(a, bool) or isinstance(b, bool) or not (isinstance(a, int | float) and isinstance(b, int | float)):
        return type(a) is type(b) and bool(a == b)
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=0.0)
