import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shac.files import dump_json, parse_json
from shac.parameters import DiscreteHP, DiscreteHyperParameter, MultiDiscreteHP

LOOKALIKES = [True, 1, 1.0, "1", "True", "1.0", None, "None", "", 0, False, 0.0, -0.0, "0", "nan", math.nan, math.inf]

scalar_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["'1'", "#0:1", '"', "\r"]),
)
any_values = st.one_of(scalar_values, st.tuples(scalar_values, st.tuples(scalar_values)))
value_lists = st.lists(any_values, min_size=1, max_size=8, unique_by=lambda v: (type(v), repr(v)))


def written(value: Any) -> tuple[type, str]:
    return type(value), repr(value)


def test_encoding_is_the_place_in_the_list() -> None:
    parameter = DiscreteHyperParameter("x", ["b", "a", None])
    assert parameter.encode_array(["a", None, "b"]).tolist() == [1.0, 2.0, 0.0]
    assert parameter.encode("a") == 1.0
    assert parameter.decode(2) is None


def test_values_that_compare_equal_but_differ_in_type_are_kept_apart() -> None:
    parameter = DiscreteHyperParameter("x", LOOKALIKES)
    assert parameter.encode_array(LOOKALIKES).tolist() == list(range(len(LOOKALIKES)))
    assert [written(v) for v in parameter.decode_array(np.arange(len(LOOKALIKES)))] == [written(v) for v in LOOKALIKES]


def test_a_tuple_with_names_is_another_value_than_the_plain_one() -> None:
    class Size(NamedTuple):
        height: int
        width: int

    parameter = DiscreteHyperParameter("size", [(1, 2), Size(1, 2), (1.0, 2)])
    assert [parameter.encode(value) for value in parameter.values] == [0.0, 1.0, 2.0]
    assert type(parameter.decode(1.0)) is Size


@given(values=value_lists)
def test_any_values_come_back_from_text_and_json(values: list[Any]) -> None:
    parameter = DiscreteHyperParameter("x", values)
    texts = [parameter.to_text(value) for value in values]
    assert [written(parameter.from_text(text)) for text in texts] == [written(value) for value in values]
    config = parse_json(dump_json(parameter.get_config(), "config"), "config")
    again = DiscreteHyperParameter.load_from_config(config)
    assert [written(value) for value in again.values] == [written(value) for value in values]
    assert [again.to_text(value) for value in values] == texts


@pytest.mark.parametrize(
    "values, texts",
    [
        (["sgd", 3, 0.1, None], ["sgd", "3", "0.1", "None"]),
        ([1, "1"], ["1", "'1'"]),
        ([True, "True", "'True'"], ["True", "#1:'True'", "#2:'True'"]),
        (["1", 1, "'1'", "#0:'1'"], ["#0:#0:'1'", "1", "#2:'1'", "#3:#0:'1'"]),
    ],
)
def test_text_is_plain_where_it_is_unique_and_marked_elsewhere(values: list[Any], texts: list[str]) -> None:
    parameter = DiscreteHyperParameter("x", values)
    assert [parameter.to_text(value) for value in values] == texts
    assert [parameter.from_text(text) for text in texts] == values


def test_numpy_scalars_become_values_of_python_even_inside_tuples() -> None:
    scalars = [np.int32(3), np.float64(0.5), np.True_, np.str_("a"), (np.int8(1), (np.float32(0.25),))]
    parameter = DiscreteHyperParameter("x", scalars)
    assert [written(value) for value in parameter.values] == [written(v) for v in (3, 0.5, True, "a", (1, (0.25,)))]
    assert parameter.encode(np.int64(3)) == 0.0
    assert parameter.encode(0.5) == 1.0
    assert DiscreteHyperParameter("x", np.arange(3)).values == [0, 1, 2]  # type: ignore[arg-type]


@pytest.mark.parametrize("shapes", [[(1, 2), (3, 4)], [(3, 3)], [(1,), (1, 2)], [(), ((),)]])
def test_tuples_are_values_and_not_rows_of_an_array(shapes: list[tuple[Any, ...]]) -> None:
    parameter = DiscreteHyperParameter("kernel", shapes)
    assert parameter.decode_array(np.arange(len(shapes))).tolist() == shapes
    assert parameter.sample() in shapes


def test_any_hashable_object_can_be_a_value_in_memory() -> None:
    class Layer:
        pass

    layers = [Layer, Layer(), frozenset({1}), print]
    parameter = DiscreteHyperParameter("layer", layers)
    assert [parameter.decode(parameter.encode(layer)) for layer in layers] == layers


@pytest.mark.parametrize("generous", [lambda: (v for v in "ab"), lambda: ("a", "b"), lambda: np.array(["a", "b"])])
def test_values_may_be_any_ordered_iterable(generous: Any) -> None:
    assert DiscreteHyperParameter("x", generous()).values == ["a", "b"]


@pytest.mark.parametrize("values", ["abc", b"abc", 3, None, {1, 2}, frozenset(), {1: 2}, np.array(3)])
def test_values_without_an_order_of_their_own_are_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"parameter 'x': values: expected a sequence of values, got"):
        DiscreteHyperParameter("x", values)


@pytest.mark.parametrize(
    "values", [[1, 1], [math.nan, 0, np.float64("nan")], ["a", "b", "a"], [(1,), (1,)], [None] * 2]
)
def test_a_value_that_comes_twice_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match=r"parameter 'x': values: expected different values, got .* twice"):
        DiscreteHyperParameter("x", values)


@pytest.mark.parametrize("value", [[1], {}, (1, [2]), np.zeros(2)])
def test_a_value_that_is_not_hashable_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"values: expected hashable values, got"):
        DiscreteHyperParameter("x", ["ok", value])


def test_an_empty_list_is_refused() -> None:
    with pytest.raises(ValueError, match="expected at least one value, got an empty sequence"):
        DiscreteHyperParameter("x", [])


@pytest.mark.parametrize("value", ["c", 1.0, True, [1], "1", (1,), None, np.float64(1.0)])
def test_a_value_of_no_place_is_named(value: Any) -> None:
    parameter = DiscreteHyperParameter("x", [1, 2])
    for call in (parameter.encode, parameter.to_text):
        with pytest.raises(ValueError, match=r"parameter 'x': expected one of \[1, 2\], got "):
            call(value)


@pytest.mark.parametrize("encoded", [-1.0, 2.0, 0.5, math.nan, math.inf, -math.inf, 1e30])
def test_a_place_outside_the_list_is_named(encoded: float) -> None:
    with pytest.raises(ValueError, match=r"parameter 'x': expected whole numbers from 0 to 1, got"):
        DiscreteHyperParameter("x", ["a", "b"]).decode_array(np.array([0.0, encoded]))


def test_unknown_text_is_named() -> None:
    with pytest.raises(ValueError, match=r"parameter 'x': expected one of \['a', 'b'\], got 'A'"):
        DiscreteHyperParameter("x", ["a", "b"]).from_text("A")


def test_values_are_equally_likely() -> None:
    """A chi-squared statistic of 4 degrees of freedom is above 18.5 in one of a thousand seeds."""
    drawn = DiscreteHyperParameter("x", list("abcde")).sample_array(10_000, np.random.default_rng(3))
    counts = np.array([drawn.count(value) for value in "abcde"])
    assert ((counts - 2000) ** 2 / 2000).sum() < 18.5


def test_the_config_is_a_copy() -> None:
    parameter = DiscreteHP("x", [1, 2])
    parameter.get_config()["values"].append(3)
    assert parameter.get_config()["values"] == [1, 2]


def test_a_multi_parameter_has_the_same_checks() -> None:
    with pytest.raises(ValueError, match="expected different values, got 1 twice"):
        MultiDiscreteHP("x", [1, 1], sample_count=2)
