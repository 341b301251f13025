"""What holds for every parameter that the package has."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from shac.files import dump_json, parse_json
from shac.parameters import (
    AbstractHyperParameter,
    DiscreteHyperParameter,
    IntegerHyperParameter,
    LogIntegerHyperParameter,
    LogUniformHyperParameter,
    MultiDiscreteHyperParameter,
    MultiNormalContinuousHyperParameter,
    MultiUniformContinuousHyperParameter,
    NormalContinuousHyperParameter,
    ScipyHyperParameter,
    UniformContinuousHyperParameter,
    get_parameter,
)

GRID = 2**52  # candidates are made of (k + 1/2) / GRID

SCALARS: list[AbstractHyperParameter] = [
    DiscreteHyperParameter("one", ["only"]),
    DiscreteHyperParameter("kinds", [None, "a", True, 1, 1.0, "1", float("nan"), (1, "x")]),
    DiscreteHyperParameter("many", list(range(1000))),
    UniformContinuousHyperParameter("unit", 0.0, 1.0),
    UniformContinuousHyperParameter("thin", 1e6, 1e6 + 1.0),
    UniformContinuousHyperParameter("tiny", -1e-45, 1e-45),
    UniformContinuousHyperParameter("huge", -8e307, 8e307),
    UniformContinuousHyperParameter("signs", -0.3, 0.1),
    UniformContinuousHyperParameter("logs", 1e-5, 0.1, log_encode=True),
    NormalContinuousHyperParameter("standard", 0.0, 1.0),
    NormalContinuousHyperParameter("narrow", 1e3, 1e-3),
    LogUniformHyperParameter("rate", 1e-8, 1e-1),
    LogUniformHyperParameter("wide", 5e-324, 1e308),
    LogUniformHyperParameter("neighbours", 1.0, np.nextafter(1.0, 2.0)),
    IntegerHyperParameter("depth", -3, 12),
    IntegerHyperParameter("single", 7, 7),
    IntegerHyperParameter("long", 0, 2**52),
    LogIntegerHyperParameter("width", 1, 4096),
    LogIntegerHyperParameter("far", 1000, 2**50),
    ScipyHyperParameter("gamma", scipy.stats.gamma(2.0, scale=3.0)),
    ScipyHyperParameter("poisson", scipy.stats.poisson(mu=4)),
]
MULTIS: list[AbstractHyperParameter] = [
    MultiDiscreteHyperParameter("layers", [16, 32, None], sample_count=3),
    MultiUniformContinuousHyperParameter("momenta", 1e-3, 1.0, log_encode=True, sample_count=2),
    MultiNormalContinuousHyperParameter("offsets", 0.5, 2.0, sample_count=4),
]


def named(parameters: list[AbstractHyperParameter]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("parameter", parameters, ids=[p.name for p in parameters])


def candidates(k: NDArray[np.int64]) -> NDArray[np.float64]:
    return (k + 0.5) / GRID


def encoded_at(parameter: AbstractHyperParameter, k: NDArray[np.int64]) -> NDArray[np.float32]:
    return parameter.encode_array(parameter.quantile(candidates(k)))


@named(SCALARS)
@given(data=st.data())
def test_encoded_values_never_fall_as_the_uniform_rises(parameter: AbstractHyperParameter, data: st.DataObject) -> None:
    far_apart = data.draw(st.lists(st.integers(0, GRID - 1), min_size=1, max_size=20))
    next_to_each_other = [k + i for k in far_apart for i in range(32) if k + i < GRID]
    encoded = encoded_at(parameter, np.unique([0, *next_to_each_other, GRID - 1]))
    assert encoded.dtype == np.float32
    assert np.isfinite(encoded).all()
    assert (encoded[1:] >= encoded[:-1]).all()


@named(SCALARS)
def test_encoded_values_never_fall_next_to_an_edge(parameter: AbstractHyperParameter) -> None:
    """Around the uniforms where float32 takes its next number, an error in the last bit of a logarithm would show."""
    thresholds = encoded_at(parameter, np.random.default_rng(2).integers(0, GRID, 100))
    low, high = np.zeros(100, dtype=np.int64), np.full(100, GRID - 1)
    while (low < high).any():
        middle = (low + high) // 2
        reached = encoded_at(parameter, middle) >= thresholds
        low, high = np.where(reached, low, np.minimum(middle + 1, high)), np.where(reached, middle, high)
    window = (low[:, np.newaxis] + np.arange(-50, 50)).clip(0, GRID - 1)
    encoded = encoded_at(parameter, window.ravel()).reshape(window.shape)
    assert (encoded[:, 1:] >= encoded[:, :-1]).all()


@pytest.mark.parametrize("place", [np.exp(-2.0), 1 - np.exp(-2.0), np.exp(-32.0), 0.5, 0.25])
def test_the_normal_quantile_does_not_fall_where_its_formula_changes(place: float) -> None:
    k = int(place * GRID) + np.arange(-50_000, 50_000)
    for parameter in (NormalContinuousHyperParameter("x", 0.0, 1.0), NormalContinuousHyperParameter("x", -7.0, 1e-3)):
        assert (np.diff(encoded_at(parameter, k[k >= 0])) >= 0).all()


@named(SCALARS)
def test_a_value_does_not_depend_on_the_array_that_it_is_computed_in(parameter: AbstractHyperParameter) -> None:
    uniforms = candidates(np.random.default_rng(1).integers(0, GRID, (101, 3)))
    whole = parameter.quantile(uniforms[:, 1])
    alone = [parameter.quantile(uniforms[i : i + 1, 1])[0] for i in range(101)]
    assert repr(whole.tolist()) == repr(np.array(alone, dtype=whole.dtype).tolist())
    assert (parameter.encode_array(whole) == [parameter.encode_array(whole[i : i + 1])[0] for i in range(101)]).all()


# The two floats of "neighbours" are already rounded, in float64, before they are encoded.
@named([p for p in SCALARS if p.name != "neighbours"])
def test_cdf_is_the_share_of_uniforms_below_a_threshold(parameter: AbstractHyperParameter) -> None:
    count = 4096
    encoded = parameter.encode_array(parameter.quantile((np.arange(count) + 0.5) / count))
    with np.errstate(over="ignore"):
        above = np.nextafter(encoded[::41], np.float32(np.inf))
    thresholds = np.unique(np.concatenate([encoded[::37], above]))
    shares = np.array([(encoded < threshold).mean() for threshold in thresholds])
    assert np.abs(parameter.cdf(thresholds) - shares).max() <= 1.01 / count + 1e-6


@named(SCALARS)
def test_cdf_goes_from_zero_to_one(parameter: AbstractHyperParameter) -> None:
    assert parameter.cdf(np.array([-np.inf, np.inf], dtype=np.float32)).tolist() == [0.0, 1.0]


@named(SCALARS)
def test_values_that_a_classifier_cannot_tell_apart_decode_alike(parameter: AbstractHyperParameter) -> None:
    encoded = encoded_at(parameter, np.linspace(0, GRID - 1, 999).astype(np.int64))
    decoded = parameter.decode_array(encoded)
    again = parameter.encode_array(decoded)
    # The decoded float64 is within float32 rounding of what was encoded.
    np.testing.assert_allclose(again, encoded, rtol=3e-7, atol=1e-44)


@named([p for p in SCALARS if hasattr(p, "min_value") and p.name != "huge"])
def test_drawn_and_decoded_values_are_inside_the_bounds(parameter: Any) -> None:
    drawn = parameter.quantile(np.array([0.0, 0.5 / GRID, 0.5, 1 - 0.5 / GRID, 1.0]))
    decoded = parameter.decode_array(parameter.encode_array([parameter.min_value, *drawn, parameter.max_value]))
    for value in (*drawn, *decoded):
        assert parameter.min_value <= value <= parameter.max_value


@named(SCALARS)
def test_text_gives_every_value_back_to_the_last_bit(parameter: AbstractHyperParameter) -> None:
    for value in parameter.sample_array(200, np.random.default_rng(5)):
        back = parameter.from_text(parameter.to_text(value))
        assert (type(back), repr(back)) == (type(value), repr(value))


@named(SCALARS)
def test_scalar_and_array_encodings_agree(parameter: AbstractHyperParameter) -> None:
    for value in parameter.sample_array(20, np.random.default_rng(6)):
        encoded = parameter.encode(value)
        assert type(encoded) is (int if isinstance(parameter, DiscreteHyperParameter) else float)
        assert encoded == parameter.encode_array([value])[0]
        assert repr(parameter.decode(encoded)) == repr(parameter.decode_array([encoded]).tolist()[0])


@named(SCALARS + MULTIS)
def test_samples_are_values_of_python_and_follow_the_seed(parameter: AbstractHyperParameter) -> None:
    first, second = copy.deepcopy(parameter), copy.deepcopy(parameter)
    first.set_seed(11)
    second.set_seed(11)
    drawn = [first.sample() for _ in range(5)]
    assert repr(drawn) == repr([second.sample() for _ in range(5)])
    assert "np." not in repr(drawn)
    first.set_seed(11)
    assert repr(drawn[0]) == repr(first.sample())


@named(SCALARS + MULTIS)
def test_a_given_generator_leaves_the_own_one_alone(parameter: AbstractHyperParameter) -> None:
    own, other = copy.deepcopy(parameter), copy.deepcopy(parameter)
    own.set_seed(3)
    other.set_seed(3)
    own.sample_array(7, np.random.default_rng(0))
    assert repr(own.sample_array(3)) == repr(other.sample_array(3))
    assert own.sample_array(0) == []


@named(SCALARS + MULTIS)
def test_a_config_survives_json_and_builds_the_same_parameter(parameter: AbstractHyperParameter) -> None:
    config = parse_json(dump_json(parameter.get_config(), "config"), "config")
    again = get_parameter(type(parameter).__name__).load_from_config(config)
    assert again == parameter
    assert repr(again) == repr(parameter)
    assert hash(again) == hash(parameter)
    assert again.column_names() == parameter.column_names()


@named(SCALARS + MULTIS)
def test_a_parameter_can_be_sent_to_another_process(parameter: AbstractHyperParameter) -> None:
    again = pickle.loads(pickle.dumps(parameter))  # noqa: S301 - own bytes
    assert again == parameter
    assert repr(again.sample_array(3, np.random.default_rng(0))) == repr(
        parameter.sample_array(3, np.random.default_rng(0))
    )


@named(SCALARS)
def test_a_scalar_parameter_is_its_own_column(parameter: AbstractHyperParameter) -> None:
    assert parameter.columns == (parameter,)
    assert parameter.num_columns == 1
    assert parameter.column_names() == [parameter.name]
    assert parameter.has_quantile


@pytest.mark.parametrize("name", ["", None, 3, b"x", ["x"]])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match=r"name: expected a non-empty string, got"):
        UniformContinuousHyperParameter(name, 0.0, 1.0)


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, [1]])
def test_a_bad_seed_is_refused_and_changes_nothing(seed: Any) -> None:
    with pytest.raises(ValueError, match=r"seed: expected None or an integer of at least 0, got"):
        UniformContinuousHyperParameter("x", 0.0, 1.0, seed=seed)
    parameter = UniformContinuousHyperParameter("x", 0.0, 1.0, seed=4)
    with pytest.raises(ValueError, match="seed"):
        parameter.set_seed(seed)
    assert parameter.seed == 4
    assert parameter.sample() == UniformContinuousHyperParameter("x", 0.0, 1.0, seed=4).sample()


def test_a_seed_of_numpy_can_be_saved() -> None:
    parameter = UniformContinuousHyperParameter("x", 0.0, 1.0, seed=np.int64(7))  # type: ignore[arg-type]
    assert type(parameter.get_config()["seed"]) is int


def test_parameters_that_differ_in_type_value_or_seed_are_not_equal() -> None:
    parameter = DiscreteHyperParameter("x", [1, 2])
    assert parameter == DiscreteHyperParameter("x", [1, 2])
    for other in (
        DiscreteHyperParameter("x", [1.0, 2.0]),
        DiscreteHyperParameter("x", [True, 2]),
        DiscreteHyperParameter("y", [1, 2]),
        DiscreteHyperParameter("x", [1, 2], seed=0),
        MultiDiscreteHyperParameter("x", [1, 2]),
        "x",
    ):
        assert parameter != other
