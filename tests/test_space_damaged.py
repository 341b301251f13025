"""Configs with anything in the place of anything: a space, or a ValueError."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import scipy.stats

from shac.files import dump_json
from shac.parameters import (
    AbstractHyperParameter,
    DiscreteHP,
    IntegerHP,
    LogIntegerHP,
    LogUniformHP,
    MultiDiscreteHP,
    MultiNormalHP,
    MultiUniformHP,
    NormalHP,
    ScipyHyperParameter,
    UniformHP,
    get_parameter,
)
from shac.space import HyperParameterList

ANYTHING = [
    None, True, 0, -1, 1.5, float("nan"), "", "abc", "1", [], {}, [[1]], [None], {"a": [1]}, (1, 2), 10**400, -(10**30),
]  # fmt: skip
PARAMETERS = [
    DiscreteHP("x", [1, 2]),
    UniformHP("x", 0.1, 1.0),
    NormalHP("x", 0.0, 1.0),
    LogUniformHP("x", 0.1, 1.0),
    IntegerHP("x", 1, 3),
    LogIntegerHP("x", 1, 3),
    MultiDiscreteHP("x", [1], 2),
    MultiUniformHP("x", 0.0, 1.0, sample_count=2),
    MultiNormalHP("x", 0.0, 1.0, 2),
    ScipyHyperParameter("x", scipy.stats.beta(2, b=3, loc=1)),
    ScipyHyperParameter("x", scipy.stats.poisson(2)),
]


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from places(entry, (*way, key))


def replaced(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    if not way:
        return new
    copy = value.copy()
    copy[way[0]] = replaced(copy[way[0]], way[1:], new)
    return copy


def without(value: Any, way: tuple[Any, ...]) -> Any:
    copy = value.copy()
    if len(way) == 1:
        del copy[way[0]]
    else:
        copy[way[0]] = without(copy[way[0]], way[1:])
    return copy


@pytest.mark.parametrize("parameter", PARAMETERS, ids=lambda parameter: type(parameter).__name__)
def test_a_config_with_anything_in_any_place_is_a_space_or_a_value_error(parameter: AbstractHyperParameter) -> None:
    config = json.loads(dump_json(HyperParameterList([parameter]).get_config(), "config"))
    assert HyperParameterList.load_from_config(config) == HyperParameterList([parameter])
    ways = list(places(config))
    hostile = [replaced(config, way, value) for way in ways for value in ANYTHING]
    hostile += [without(config, way) for way in ways if way]
    refused = 0
    for damaged in hostile:
        try:
            space = HyperParameterList.load_from_config(damaged)
        except ValueError:
            refused += 1
            continue
        assert space.fingerprint()
        assert repr(space)
    assert refused > len(hostile) / 2


def test_an_argument_of_a_distribution_beyond_float64_is_named() -> None:
    with pytest.raises(ValueError, match="parameter 'x': distribution: expected numbers of float64: "):
        ScipyHyperParameter("x", scipy.stats.norm(loc=10**400))


def test_a_count_that_would_eat_the_memory_is_named() -> None:
    with pytest.raises(ValueError, match="parameter 'x': sample_count: expected at most 65536, got 1000000000"):
        MultiDiscreteHP("x", [1], sample_count=10**9)


@pytest.mark.parametrize("name", [["x"], {}, None, 3])
def test_a_class_is_only_found_by_text(name: Any) -> None:
    with pytest.raises(ValueError, match="name: expected one of"):
        get_parameter(name)


def test_a_name_of_numpy_can_be_saved_and_one_that_no_file_holds_is_refused() -> None:
    assert type(UniformHP(np.str_("x"), 0.0, 1.0).name) is str
    with pytest.raises(ValueError, match="name: expected text that UTF-8 can hold, got"):
        UniformHP("\ud800", 0.0, 1.0)


def test_a_value_of_too_many_digits_is_refused_before_it_is_searched() -> None:
    with pytest.raises(ValueError, match="parameter 'x': values: expected values that can be written: "):
        DiscreteHP("x", [10**5000])


@pytest.mark.parametrize("value", [5, None, "ab", {"a": 1, "b": 2}, {1, 2}, np.array(3.0)])
def test_the_value_of_a_multi_parameter_is_a_list(value: Any) -> None:
    with pytest.raises(ValueError, match="parameter 'x': expected a list of 2 values, got"):
        HyperParameterList([MultiUniformHP("x", 0.0, 1.0, sample_count=2)]).to_row({"x": value})
