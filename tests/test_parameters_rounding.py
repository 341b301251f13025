"""Priors of encoded values: at, above and below each float32 that a value is rounded to."""

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from shac.parameters import (
    AbstractHyperParameter,
    DiscreteHP,
    IntegerHP,
    LogIntegerHP,
    LogUniformHP,
    NormalHP,
    ScipyHyperParameter,
    UniformHP,
)
from shac.parameters.rounding import last_integer_below, rounding_boundary

COUNT = 100_000
FEW = [
    DiscreteHP("discrete", list("abcde")),
    IntegerHP("integer", -3, 9),
    IntegerHP("one", 7, 7),
    LogIntegerHP("log", 1, 60),
    LogIntegerHP("log one", 1, 1),
    LogIntegerHP("log five", 5, 5),
    LogIntegerHP("log high", 100, 400),
    ScipyHyperParameter("poisson", scipy.stats.poisson(3)),
    ScipyHyperParameter("poisson moved", scipy.stats.poisson(3, loc=-5)),
    ScipyHyperParameter("randint", scipy.stats.randint(-4, 4)),
]
COARSE = [
    IntegerHP("integer beyond 2**24", 2**24, 2**24 + 10),
    IntegerHP("integer at 2**40", 2**40, 2**40 + 2**19),
    LogIntegerHP("log at 2**30", 2**30, 2**30 + 4000),
    LogIntegerHP("log to 2**53", 2**52, 2**53),
    LogIntegerHP("log of the largest", 2**53 - 1, 2**53),
    UniformHP("uniform at 2**24", 2.0**24, 2.0**24 + 8),
    UniformHP("uniform of one float32", 1.0, math.nextafter(1.0, 2.0)),
    UniformHP("uniform of a few", 1.0, 1 + 2.0**-22),
    UniformHP("uniform beyond float32", -1e300, 1e300),
    UniformHP("uniform in logarithms", math.exp(64), math.exp(64.00003), log_encode=True),
    LogUniformHP("log-uniform", math.exp(64), math.exp(64.00003)),
    LogUniformHP("log-uniform of two", 1e300, math.nextafter(1e300, math.inf)),
    NormalHP("normal at 1e8", 1e8, 3.0),
    NormalHP("normal beyond float32", 0.0, 1e300),
    ScipyHyperParameter("randint beyond 2**24", scipy.stats.randint(2**24, 2**24 + 10)),
    ScipyHyperParameter("scipy normal at 1e8", scipy.stats.norm(1e8, 3.0)),
]


@pytest.mark.parametrize("parameter", FEW + COARSE, ids=lambda parameter: parameter.name)
def test_cdf_is_the_share_below_at_every_number_that_values_are_encoded_as(parameter: AbstractHyperParameter) -> None:
    encoded = np.sort(parameter.encode_array(parameter.quantile((np.arange(COUNT) + 0.5) / COUNT)))
    atoms = np.unique(encoded)[:50]
    with np.errstate(over="ignore"):
        neighbours = [np.nextafter(atoms, np.float32(side)) for side in (-np.inf, np.inf)]
    thresholds = np.concatenate([atoms, *neighbours, np.array([-np.inf, -3e38, 3e38, np.inf], dtype=np.float32)])
    shares = np.searchsorted(encoded, thresholds, side="left") / COUNT
    np.testing.assert_allclose(parameter.cdf(thresholds), shares, atol=2.5 / COUNT)


def test_a_threshold_between_two_encoded_values_asks_the_same_as_the_upper_one() -> None:
    parameter = UniformHP("x", 2.0**24, 2.0**24 + 8)
    assert parameter.cdf([2.0**24 + 2.5]) == parameter.cdf([2.0**24 + 4])
    assert DiscreteHP("x", list("abcd")).cdf([0.5]) == DiscreteHP("x", list("abcd")).cdf([1.0])


def test_the_smallest_deviation_overflows_without_a_warning() -> None:
    assert NormalHP("x", 0.0, 5e-324).cdf([-1.0, 0.0, 1.0]).tolist() == [0.0, 0.0, 1.0]


@given(st.floats(width=32, allow_nan=False), st.floats(allow_nan=False, allow_infinity=False))
def test_values_up_to_the_boundary_round_below_the_threshold(threshold: float, value: float) -> None:
    (boundary,) = rounding_boundary([threshold])
    largest = float(np.finfo(np.float32).max)
    for near in (value, boundary, *np.nextafter(boundary, [-np.inf, np.inf])):
        if math.isfinite(near) and near != boundary:
            assert (np.float32(np.clip(near, -largest, largest)) < threshold) == (near < boundary)


@given(st.floats(-(2.0**52), 2.0**53, width=32) | st.integers(-(2**52), 2**53).map(lambda i: float(np.float32(i))))
def test_the_last_integer_below_is_below_and_its_next_is_not(threshold: float) -> None:
    last = int(last_integer_below([threshold])[0])
    assert np.float32(last) < threshold <= np.float32(last + 1)


@pytest.mark.parametrize("value", [2.5, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "parameter",
    [IntegerHP("x", 0, 9), LogIntegerHP("x", 1, 9), ScipyHyperParameter("x", scipy.stats.poisson(3))],
    ids=lambda parameter: type(parameter).__name__,
)
def test_a_fraction_is_not_encoded_as_an_integer(parameter: AbstractHyperParameter, value: float) -> None:
    with pytest.raises(ValueError, match=r"parameter 'x': expected whole numbers, got "):
        parameter.encode_array([1.0, value])


@pytest.mark.parametrize("value", [np.array([1.0]), np.array([3]), np.True_, np.array(["a"]), object(), {}])
def test_an_argument_that_only_resembles_a_number_is_refused(value: Any) -> None:
    for build in (
        lambda: UniformHP("x", value, 9.0),
        lambda: IntegerHP("x", value, 9),
        lambda: UniformHP("x", 0.0, 1.0, seed=value),
    ):
        with pytest.raises(ValueError, match=r"(parameter 'x': min_value|seed): expected "):
            build()
