"""Configurations that a user wants evaluated next, as rows of the search space."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shac.engine.configurations import column_value
from shac.engine.warm_start import completed
from shac.evaluation import derive_seed
from shac.parameters import MISSING

if TYPE_CHECKING:
    from shac.engine.state import SearchState
    from shac.space import HyperParameterList

__all__ = ["rows_to_enqueue", "with_queued"]

_MOST_DRAWS = 100


def rows_to_enqueue(state: SearchState, configurations: Any, *, seed: int, repeat: bool) -> list[list[Any]]:
    """Return configurations as whole rows of the space; what they lack is drawn from the prior.

    Parameters
    ----------
    state : SearchState
    configurations : iterable of mappings
        Values by the names of parameters.
    seed : int
        Of the search.
    repeat : bool
        Whether configurations are taken that were evaluated or are in the queue.

    Returns
    -------
    list of list

    Raises
    ------
    ValueError
        If one is none of the space; names its place, the parameter and the value.
    """
    is_list = isinstance(configurations, Iterable) and not isinstance(configurations, (str, bytes, Mapping))
    if not is_list:
        raise ValueError(f"configurations: expected a list of mappings from names to values, got {configurations!r}")
    known = [*state.rows, *(row for _, row in state.queue)]
    number = len(state.enqueued) + len(state.queue)
    rows: list[list[Any]] = []
    for place, configuration in enumerate(configurations):
        at = f"configurations[{place}]"
        given = _given_values(state.space, configuration, at)
        if not repeat and any(all(row[c] == value for c, value in given.items()) for row in known):
            continue
        rows.append(_whole_row(state.space, given, seed, number + len(rows), at))
    return rows


def with_queued(state: SearchState, rows: list[list[Any]], *, since: int) -> SearchState:
    """Return the state with rows at the end of its queue, for rounds that begin after so many evaluations."""
    return replace(state, queue=(*state.queue, *((since, row) for row in rows)))


def _given_values(space: HyperParameterList, configuration: Any, at: str) -> dict[int, Any]:
    """Return the values of a configuration by their columns."""
    if not isinstance(configuration, Mapping):
        raise ValueError(f"{at}: expected a mapping from names to values, got {configuration!r}")
    given: dict[int, Any] = {}
    for name, value in configuration.items():
        if name not in space:
            raise ValueError(f"{at}: expected names among {[parameter.name for parameter in space]}, got {name!r}")
        place = space.place_of(name)
        width = place.stop - place.start
        is_multiple = len(space[name].columns) > 1 or space[name].column_names() != [name]
        values = value if is_multiple else [value]
        if not isinstance(values, (list, tuple)) or len(values) != width:
            raise ValueError(f"{at}: parameter {name!r}: expected a list of {width} values, got {value!r}")
        try:
            given |= {
                c: column_value(space.columns[c], one)
                for c, one in zip(range(place.start, place.stop), values, strict=True)
            }
        except ValueError as error:
            raise ValueError(f"{at}: {error}") from error
    return given


def _whole_row(space: HyperParameterList, given: dict[int, Any], seed: int, number: int, at: str) -> list[Any]:
    """Return a row that has the values given, and satisfies the constraints."""
    row = [given.get(c, MISSING) for c in range(space.num_columns)]
    gaps = [c for c in range(space.num_columns) if c not in given]
    for attempt in range(_MOST_DRAWS if gaps else 1):
        seed_of_attempt = derive_seed(seed, number, purpose=f"enqueue {attempt}")
        (whole,), (satisfies,) = completed(space, [row], [gaps], seed_of_attempt)
        lost = [c for c in given if whole[c] is MISSING]
        if satisfies and not lost:
            return whole
    if lost:
        name = space.get_parameter_names()[lost[0]]
        raise ValueError(
            f"{at}: parameter {name!r}: expected none, as it does not exist beside the other values, got "
            f"{given[lost[0]]!r}"
        )
    raise ValueError(f"{at}: expected a configuration that satisfies {list(map(str, space.constraints))}, got {given}")
