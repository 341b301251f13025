"""Uniform, log-uniform, normal and integer parameters."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from shac.parameters import (
    AbstractHyperParameter,
    IntegerHP,
    IntegerHyperParameter,
    LogIntegerHP,
    LogIntegerHyperParameter,
    LogUniformHP,
    LogUniformHyperParameter,
    MultiNormalHP,
    MultiUniformHP,
    NormalHP,
    UniformContinuousHyperParameter,
    UniformHP,
)

finite = st.floats(-1e300, 1e300)


@given(st.lists(finite, min_size=2, max_size=2, unique=True), st.floats(0, 1))
def test_uniform_values_stay_between_any_bounds(bounds: list[float], u: float) -> None:
    low, high = sorted(bounds)
    if low < high:  # 0.0 and -0.0 are different floats but equal numbers
        (value,) = UniformHP("x", low, high).quantile(np.array([u]))
        assert low <= value <= high


@given(st.lists(st.floats(1e-300, 1e300), min_size=2, max_size=2, unique=True), st.floats(0, 1))
def test_log_uniform_values_stay_between_any_bounds(bounds: list[float], u: float) -> None:
    low, high = sorted(bounds)
    (value,) = LogUniformHP("x", low, high).quantile(np.array([u]))
    assert low <= value <= high


@given(st.integers(-(2**51), 2**51), st.integers(0, 2**52), st.floats(0, 1))
def test_integers_stay_between_any_bounds(low: int, span: int, u: float) -> None:
    high = min(low + span, 2**53)
    value = IntegerHP("x", low, high).quantile(np.array([u])).tolist()[0]
    assert type(value) is int
    assert low <= value <= high


@given(st.integers(1, 2**53), st.integers(0, 2**53), st.floats(0, 1))
def test_log_integers_stay_between_any_bounds(low: int, span: int, u: float) -> None:
    high = min(low + span, 2**53)
    if high - low < 2**53:
        value = LogIntegerHP("x", low, high).quantile(np.array([u])).tolist()[0]
        assert type(value) is int
        assert low <= value <= high


def test_values_have_more_digits_than_their_encoding() -> None:
    value = UniformHP("x", 0.0, 1.0).quantile(np.array([0.1]))[0]
    assert value == 0.1
    assert UniformHP("x", 0.0, 1.0).encode(value) == np.float32(0.1)


def test_log_encoding_is_the_natural_logarithm_and_leaves_the_values_uniform() -> None:
    parameter = UniformContinuousHyperParameter("x", 1.0, 3.0, log_encode=True)
    assert parameter.quantile(np.array([0.5])).tolist() == [2.0]
    assert parameter.encode(math.e) == 1.0
    assert parameter.decode(0.5) == pytest.approx(math.exp(0.5))


def test_log_uniform_values_have_uniform_logarithms() -> None:
    parameter = LogUniformHyperParameter("x", 1e-4, 1.0)
    np.testing.assert_allclose(parameter.quantile(np.array([0.25, 0.5, 0.75])), [1e-3, 1e-2, 1e-1], rtol=1e-12)
    assert parameter.encode(math.e) == 1.0


def test_every_integer_is_equally_likely() -> None:
    uniforms = (np.arange(4000) + 0.5) / 4000
    values, counts = np.unique(IntegerHyperParameter("x", -2, 5).quantile(uniforms), return_counts=True)
    assert values.tolist() == list(range(-2, 6))
    assert counts.tolist() == [500] * 8


def test_log_integers_fall_off_as_one_over_their_value() -> None:
    parameter = LogIntegerHyperParameter("x", 1, 9)
    uniforms = (np.arange(100_000) + 0.5) / 100_000
    shares = np.bincount(parameter.quantile(uniforms), minlength=10)[1:] / 100_000
    edges = np.log(np.arange(0.5, 10.0))
    np.testing.assert_allclose(shares, np.diff(edges) / (edges[-1] - edges[0]), atol=2e-5)
    np.testing.assert_allclose(
        parameter.cdf(parameter.encode_array(range(1, 10))), np.cumsum([0, *shares[:-1]]), atol=2e-5
    )


@given(st.integers(1, 2**53))
def test_log_integers_decode_to_what_was_encoded_up_to_rounding(value: int) -> None:
    parameter = LogIntegerHyperParameter("x", 1, 2**53)
    decoded = parameter.decode(parameter.encode(value))
    assert abs(decoded - value) <= 0.5 + 4e-6 * value


@pytest.mark.parametrize(
    "parameter, distribution",
    [
        (UniformHP("x", -1.0, 2.0), scipy.stats.uniform(-1.0, 3.0)),
        (NormalHP("x", 1.0, 0.5), scipy.stats.norm(1.0, 0.5)),
        (LogUniformHP("x", 1e-3, 10.0), scipy.stats.loguniform(1e-3, 10.0)),
    ],
    ids=["uniform", "normal", "log-uniform"],
)
def test_samples_follow_the_distribution_of_scipy(parameter: AbstractHyperParameter, distribution: Any) -> None:
    """A p-value below 0.001 comes in one of a thousand seeds."""
    drawn = parameter.sample_array(2000, np.random.default_rng(7))
    assert scipy.stats.kstest(drawn, distribution.cdf).pvalue > 0.001
    assert all(type(value) is float for value in drawn)


@pytest.mark.parametrize("bound", [math.nan, math.inf, -math.inf, "1", None, True, b"1", [1.0], 1j, 10**400])
def test_a_bound_that_is_no_finite_number_is_named(bound: Any) -> None:
    for build in (UniformHP, LogUniformHP, MultiUniformHP):
        with pytest.raises(ValueError, match=r"parameter 'x': min_value: expected a finite number, got"):
            build("x", bound, 1.0)
        with pytest.raises(ValueError, match=r"parameter 'x': max_value: expected a finite number, got"):
            build("x", 1.0, bound)
    for normal in (NormalHP, MultiNormalHP):
        with pytest.raises(ValueError, match=r"parameter 'x': mean: expected a finite number, got"):
            normal("x", bound, 1.0)
        with pytest.raises(ValueError, match=r"parameter 'x': std: expected a finite number, got"):
            normal("x", 1.0, bound)


@pytest.mark.parametrize("bounds", [(1.0, 1.0), (2.0, 1.0), (0.0, -0.0)])
def test_bounds_in_the_wrong_order_are_named(bounds: tuple[float, float]) -> None:
    for build in (UniformHP, LogUniformHP, MultiUniformHP):
        with pytest.raises(ValueError, match=r"expected min_value < max_value, got min_value=.*, max_value="):
            build("x", *bounds)


def test_bounds_too_far_apart_for_float64_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected max_value - min_value to be finite, got inf"):
        UniformHP("x", -1e308, 1e308)


def test_a_logarithm_of_a_bound_that_is_not_positive_is_named() -> None:
    for build in (
        lambda: LogUniformHP("x", 0.0, 1.0),
        lambda: LogUniformHP("x", -1.0, 1.0),
        lambda: UniformHP("x", -1.0, 1.0, log_encode=True),
        lambda: MultiUniformHP("x", -1.0, 1.0, log_encode=True),
    ):
        with pytest.raises(ValueError, match=r"min_value: expected a positive number for logarithms, got"):
            build()


@pytest.mark.parametrize("log_encode", [1, "no", None, 42])
def test_a_log_encode_that_is_no_bool_is_named(log_encode: Any) -> None:
    with pytest.raises(ValueError, match=r"parameter 'x': log_encode: expected True or False, got"):
        UniformHP("x", 0.1, 1.0, log_encode)


@pytest.mark.parametrize("std", [0.0, -1.0])
def test_a_standard_deviation_that_is_not_positive_is_named(std: float) -> None:
    with pytest.raises(ValueError, match=r"parameter 'x': std: expected a positive number, got"):
        NormalHP("x", 0.0, std)


def test_a_normal_prior_beyond_float64_is_named() -> None:
    with pytest.raises(ValueError, match=r"expected mean \+ 10 \* std to be finite, got 1e\+308 and 1e\+308"):
        NormalHP("x", 1e308, 1e308)


@pytest.mark.parametrize("bound", [1.0, True, np.True_, "1", None, math.nan, np.float64(2.0), np.array([1, 2])])
def test_an_integer_bound_that_is_no_integer_is_named(bound: Any) -> None:
    for build in (IntegerHP, LogIntegerHP):
        with pytest.raises(ValueError, match=r"parameter 'x': min_value: expected an integer, got"):
            build("x", bound, 10)
        with pytest.raises(ValueError, match=r"parameter 'x': max_value: expected an integer, got"):
            build("x", 1, bound)


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: IntegerHP("x", 3, 2), r"expected min_value <= max_value, got min_value=3, max_value=2"),
        (lambda: IntegerHP("x", 0, 2**53 + 1), r"expected bounds and a range within 2\*\*53"),
        (lambda: IntegerHP("x", -(2**53), 2**53), r"expected bounds and a range within 2\*\*53"),
        (lambda: LogIntegerHP("x", 0, 2), r"min_value: expected at least 1 for logarithms, got 0"),
    ],
)
def test_integer_bounds_out_of_range_are_named(build: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build()


def test_integer_bounds_of_numpy_are_kept_as_python_integers() -> None:
    parameter = IntegerHP("x", np.int32(1), np.int64(3))  # type: ignore[arg-type]
    assert [type(v) for v in (parameter.min_value, parameter.max_value)] == [int, int]
    assert parameter.sample() in (1, 2, 3)


@pytest.mark.parametrize("value", ["0.5", None, [0.5], 1j])
def test_a_value_that_is_no_number_is_named_and_not_converted(value: Any) -> None:
    for parameter in (UniformHP("x", 0.1, 1.0), LogUniformHP("x", 0.1, 1.0), IntegerHP("x", 0, 1), NormalHP("x", 0, 1)):
        with pytest.raises(ValueError, match=r"parameter 'x': expected "):
            parameter.encode(value)
        with pytest.raises(ValueError, match=r"parameter 'x': expected "):
            parameter.encode_array([0.5, value])
        with pytest.raises(ValueError, match=r"parameter 'x': expected "):
            parameter.to_text(value)


@pytest.mark.parametrize("value", [Fraction(1, 2), np.float32(0.5), np.array(0.5)])
def test_numbers_of_other_kinds_are_encoded(value: Any) -> None:
    assert UniformHP("x", 0.0, 1.0).encode(value) == 0.5


def test_integers_beyond_int64_are_encoded() -> None:
    assert NormalHP("x", 0.0, 1.0).encode_array([2**70, 1]).tolist() == [2.0**70, 1.0]


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_a_logarithm_of_a_value_that_is_not_positive_is_named(value: float) -> None:
    for parameter in (LogUniformHP("x", 0.1, 1.0), UniformHP("x", 0.1, 1.0, log_encode=True), LogIntegerHP("x", 1, 2)):
        with pytest.raises(ValueError, match=r"parameter 'x': expected positive numbers, got"):
            parameter.encode(value)


def test_encoded_values_beyond_float32_are_its_largest_number() -> None:
    """XGBoost refuses infinities in its training data."""
    encoded = UniformHP("x", -1e300, 1e300).encode_array([-1e300, 1e300])
    assert encoded.tolist() == [-np.finfo(np.float32).max, np.finfo(np.float32).max]


def test_decoding_undoes_only_what_rounding_took_past_a_bound() -> None:
    parameter = UniformHP("x", -0.1, 0.1)
    assert float(np.float32(0.1)) > 0.1
    assert [parameter.decode(encoded) for encoded in (-0.1, 0.1)] == [-0.1, 0.1]
    assert parameter.decode(0.25) == 0.25
    logarithmic = LogUniformHP("x", 1e-4, 0.1)
    assert math.exp(logarithmic.encode(1e-4)) < 1e-4
    assert logarithmic.decode(logarithmic.encode(1e-4)) == 1e-4
    assert IntegerHP("x", 0, 2**24 + 3).decode(float(2**24 + 4)) == 2**24 + 3


@pytest.mark.parametrize("encoded", [math.nan, math.inf, 1e30])
def test_an_encoded_number_that_is_no_integer_is_named(encoded: float) -> None:
    for parameter in (IntegerHP("x", 0, 3), LogIntegerHP("x", 1, 3)):
        with pytest.raises(ValueError, match=r"parameter 'x': expected encoded integers, got"):
            parameter.decode(encoded)


@pytest.mark.parametrize("value, text", [(3, "3"), (np.int64(3), "3"), (3.0, "3"), (np.float64(-2.0), "-2")])
def test_whole_numbers_of_any_kind_are_written_as_integers(value: Any, text: str) -> None:
    assert IntegerHP("x", -5, 5).to_text(value) == text


@pytest.mark.parametrize("value", [0.5, math.nan, math.inf])
def test_a_fraction_is_neither_encoded_nor_written_as_an_integer(value: float) -> None:
    for parameter in (IntegerHP("x", 1, 5), LogIntegerHP("x", 1, 5)):
        with pytest.raises(ValueError, match=r"parameter 'x': expected whole numbers, got"):
            parameter.encode(value)
        with pytest.raises(ValueError, match=r"parameter 'x': expected a whole number, got"):
            parameter.to_text(value)


@pytest.mark.parametrize("value", [1, np.float32(0.25), np.float64(0.1), np.int64(4), True])
def test_numbers_of_any_kind_are_written_as_floats(value: Any) -> None:
    assert UniformHP("x", 0.0, 1.0).from_text(UniformHP("x", 0.0, 1.0).to_text(value)) == value


@pytest.mark.parametrize("text", ["", "x", "1.5.2", "0x1"])
def test_text_that_is_no_number_is_refused(text: str) -> None:
    for parameter in (UniformHP("x", 0.0, 1.0), IntegerHP("x", 0, 1)):
        with pytest.raises(ValueError, match=r"invalid literal|could not convert"):
            parameter.from_text(text)
