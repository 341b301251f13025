"""Parameters of users' own, lists of values, and distributions of scipy.stats."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.typing import ArrayLike, NDArray

from shac.files import dump_json
from shac.parameters import (
    AbstractHyperParameter,
    AbstractMultiHyperParameter,
    DiscreteHP,
    DiscreteHyperParameter,
    MultiDiscreteHP,
    MultiNormalHP,
    MultiUniformHP,
    ScipyHyperParameter,
    UniformHP,
    get_parameter,
    registry,
    set_custom_parameter_class,
)


class Triangular(AbstractHyperParameter):
    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        return np.sqrt(u)

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        below: NDArray[np.float64] = np.clip(encoded, 0, 1) ** 2
        return below


class Dice(AbstractHyperParameter):
    def sample(self) -> Any:
        return self.random.integers(1, 7)


class Word(AbstractHyperParameter):
    def sample(self) -> Any:
        return self.random.choice(["short", "longer"])

    def encode_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:
        return np.array([len(value) for value in values], dtype=np.float32)


@pytest.fixture(autouse=True)
def _forget_custom_classes(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_custom_classes", {})
    return iter(())


def test_a_class_with_a_quantile_samples_through_it() -> None:
    parameter = Triangular("x", seed=1)
    assert parameter.has_quantile
    assert 0 < parameter.sample() < 1
    drawn = np.array(parameter.sample_array(4000, np.random.default_rng(1)))
    assert (drawn < 0.5).mean() == pytest.approx(0.25, abs=0.03)


def test_a_class_with_only_sample_draws_from_the_given_generator() -> None:
    parameter = Dice("x", seed=1)
    assert not parameter.has_quantile
    own = parameter.random
    first, again = (parameter.sample_array(50, np.random.default_rng(4)) for _ in range(2))
    assert first == again
    assert set(first) == {1, 2, 3, 4, 5, 6}
    assert all(type(value) is int for value in first)
    assert parameter.random is own


def test_the_own_generator_comes_back_after_an_error() -> None:
    class Broken(AbstractHyperParameter):
        def sample(self) -> Any:
            raise RuntimeError("no sample")

    parameter = Broken("x")
    own = parameter.random
    with pytest.raises(RuntimeError, match="no sample"):
        parameter.sample_array(1, np.random.default_rng(0))
    assert parameter.random is own


def test_a_subclass_that_changes_only_sample_is_not_drawn_by_the_quantile_it_inherits() -> None:
    class Rounded(UniformHP):
        def sample(self) -> Any:
            return round(super().sample(), 1)

    class Halved(Rounded):
        def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
            return super().quantile(u) / 2

    assert not Rounded("x", 0.0, 1.0).has_quantile
    assert Halved("x", 0.0, 1.0).has_quantile
    assert all(value == round(value, 1) for value in Rounded("x", 0.0, 1.0, seed=0).sample_array(9))


def test_a_class_with_neither_says_so() -> None:
    class Nothing(AbstractHyperParameter):
        pass

    for call in (Nothing("x").sample, lambda: Nothing("x").sample_array(2)):
        with pytest.raises(NotImplementedError, match="Nothing: expected a class that defines quantile or sample"):
            call()
    with pytest.raises(NotImplementedError, match="Nothing defines no quantile"):
        Nothing("x").quantile(np.array([0.5]))
    with pytest.raises(NotImplementedError, match="Nothing defines no cdf"):
        Nothing("x").cdf(np.array([0.5]))


def test_values_without_a_text_of_their_own_ask_for_one() -> None:
    parameter = Word("x")
    assert parameter.encode("short") == 5.0
    with pytest.raises(ValueError, match=r"parameter 'x': expected numbers, got 'short'; .* defines to_text"):
        parameter.to_text("short")


def test_a_custom_class_is_found_by_its_name_once_it_is_made_known() -> None:
    with pytest.raises(ValueError, match=r"got 'Dice'; make a class of your own known with set_custom_parameter_class"):
        get_parameter("Dice")
    set_custom_parameter_class(Dice)
    assert get_parameter("Dice") is Dice
    assert get_parameter("Dice").load_from_config(Dice("x", seed=3).get_config()) == Dice("x", seed=3)


def test_classes_are_found_by_name_and_alias() -> None:
    assert get_parameter("DiscreteHyperParameter") is DiscreteHyperParameter
    assert get_parameter("DiscreteHP") is DiscreteHyperParameter
    assert get_parameter("MultiNormalContinuousHyperParameter") is MultiNormalHP


@pytest.mark.parametrize(
    "name", ["AbstractHyperParameter", "AbstractMultiHyperParameter", "get_parameter", "", "os", None, ["x"]]
)
def test_what_is_no_parameter_class_is_not_found(name: Any) -> None:
    with pytest.raises(ValueError, match=r"name: expected one of \[.*'DiscreteHP'.*\], got"):
        get_parameter(name)


@pytest.mark.parametrize("cls", [int, "Dice", None, Dice("x")])
def test_only_parameter_classes_can_be_made_known(cls: Any) -> None:
    with pytest.raises(ValueError, match="cls: expected a subclass of AbstractHyperParameter"):
        set_custom_parameter_class(cls)


def test_a_custom_class_cannot_take_a_name_of_the_package() -> None:
    class UniformHP(AbstractHyperParameter):
        pass

    with pytest.raises(ValueError, match="cls: expected a name that the package does not use, got 'UniformHP'"):
        set_custom_parameter_class(UniformHP)


def test_a_multi_parameter_has_a_column_for_each_value() -> None:
    parameter = MultiDiscreteHP("layers", [16, 32, None], sample_count=3)
    assert parameter.num_columns == 3
    assert parameter.column_names() == ["layers_1", "layers_2", "layers_3"]
    assert parameter.columns == (parameter.marginal,) * 3
    assert isinstance(parameter.marginal, DiscreteHyperParameter)
    assert parameter.encode([32, 16, None]) == [1.0, 0.0, 2.0]
    assert parameter.decode([1.0, 0.0, 2.0]) == [32, 16, None]


def test_a_multi_parameter_samples_lists() -> None:
    parameter = MultiUniformHP("x", 0.0, 1.0, sample_count=2, seed=5)
    assert len(parameter.sample()) == 2
    lists = parameter.sample_array(3, np.random.default_rng(0))
    assert [len(values) for values in lists] == [2, 2, 2]
    assert len({value for values in lists for value in values}) == 6


def test_a_multi_parameter_takes_its_log_encoding_and_seed_by_name_or_place() -> None:
    parameter = MultiUniformHP("x", 0.1, 1.0, True, 2, 9)  # noqa: FBT003 - the place is what is tested
    assert parameter == MultiUniformHP("x", 0.1, 1.0, log_encode=True, sample_count=2, seed=9)
    assert parameter.encode([0.1, 1.0]) == pytest.approx([math.log(0.1), 0.0])


def test_a_multi_parameter_of_a_custom_marginal_follows_it() -> None:
    class Throws(AbstractMultiHyperParameter):
        def __init__(self, name: str, sample_count: int = 1, seed: int | None = None) -> None:
            super().__init__(Dice(name, seed=seed), sample_count)

    parameter = Throws("x", 2)
    assert not parameter.has_quantile
    assert Throws.load_from_config(parameter.get_config()) == parameter
    assert parameter.sample_array(3, np.random.default_rng(1)) == parameter.sample_array(3, np.random.default_rng(1))


@pytest.mark.parametrize("values", [[0.5], [0.5] * 3, []])
def test_a_list_of_another_length_is_named(values: list[float]) -> None:
    parameter = MultiUniformHP("x", 0.0, 1.0, sample_count=2)
    with pytest.raises(ValueError, match="parameter 'x': expected 2 values, got"):
        parameter.encode(values)
    with pytest.raises(ValueError, match="parameter 'x': expected 2 encoded values, got"):
        parameter.decode(values)


@pytest.mark.parametrize("count", [0, -1])
def test_a_count_below_one_is_named(count: int) -> None:
    with pytest.raises(ValueError, match=f"parameter 'x': sample_count: expected at least 1, got {count}"):
        MultiDiscreteHP("x", [1], sample_count=count)


@pytest.mark.parametrize("count", [1.0, True, "2", None])
def test_a_count_that_is_no_integer_is_named(count: Any) -> None:
    with pytest.raises(ValueError, match="parameter 'x': sample_count: expected an integer, got"):
        MultiNormalHP("x", 0.0, 1.0, sample_count=count)


def test_a_distribution_of_scipy_gives_its_own_values() -> None:
    parameter = ScipyHyperParameter("x", scipy.stats.beta(2.0, 5.0, scale=3.0))
    uniforms = np.array([0.1, 0.9])
    np.testing.assert_array_equal(parameter.quantile(uniforms), scipy.stats.beta(2.0, 5.0, scale=3.0).ppf(uniforms))
    assert parameter.cdf([0.75]) == pytest.approx(scipy.stats.beta(2.0, 5.0, scale=3.0).cdf(0.75))
    assert type(parameter.sample()) is float


def test_a_discrete_distribution_gives_integers_and_a_cdf_below_them() -> None:
    parameter = ScipyHyperParameter("x", scipy.stats.binom(3, 0.5))
    assert parameter.quantile(np.array([0.05, 0.3, 0.6, 0.95])).tolist() == [0, 1, 2, 3]
    assert parameter.cdf([0.0, 0.5, 1.0, 3.0, 3.5]) == pytest.approx([0, 1 / 8, 1 / 8, 7 / 8, 1])
    assert parameter.encode(2) == 2.0
    assert parameter.decode(1.9) == 2
    assert parameter.to_text(np.float64(2.0)) == "2"
    assert type(parameter.from_text("2")) is int


def test_arguments_of_numpy_can_be_saved() -> None:
    parameter = ScipyHyperParameter("x", scipy.stats.norm(np.float64(1.0), scale=np.array(2.0)))
    assert dump_json(parameter.get_config(), "x")
    assert ScipyHyperParameter.load_from_config(parameter.get_config()).encode(1.5) == 1.5
    assert ScipyHyperParameter.load_from_config(parameter.get_config()) == parameter


class Unnamed(scipy.stats.rv_continuous):  # type: ignore[misc, unused-ignore]
    def _cdf(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    "distribution, message",
    [
        (scipy.stats.norm, "expected a frozen scipy.stats distribution"),
        (0.5, "expected a frozen scipy.stats distribution, got 0.5"),
        (scipy.stats.multivariate_normal([0.0, 0.0]), "expected a frozen scipy.stats distribution"),
        (Unnamed(a=0.0, b=1.0, name="mine")(), "expected one that scipy.stats has by name, got Unnamed named 'mine'"),
        (Unnamed(a=0.0, b=1.0, name="norm")(), "expected one that scipy.stats has by name, got Unnamed named 'norm'"),
        (scipy.stats.rv_discrete(values=([1, 2], [0.5, 0.5]))(), "expected one that scipy.stats has by name"),
        (scipy.stats.norm([0.0, 1.0]), "expected numbers as arguments"),
        (scipy.stats.norm(scale=-1.0), r"expected a finite quantile function, got \[nan"),
        (scipy.stats.poisson(3, loc=0.5), r"expected integers below 2\*\*53 in magnitude"),
    ],
    ids=["not frozen", "a number", "many dimensions", "own", "own in disguise", "values", "arrays", "scale", "loc"],
)
def test_a_distribution_that_cannot_be_used_or_saved_is_named(distribution: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"parameter 'x': distribution: {message}"):
        ScipyHyperParameter("x", distribution)


@pytest.mark.parametrize("name", ["os", "norm_gen", "kstest", "__name__", 3])
def test_a_config_cannot_name_anything_but_a_distribution(name: Any) -> None:
    config = {"name": "x", "distribution": {"name": name, "args": [], "kwds": {}}, "seed": None}
    with pytest.raises(ValueError, match=r"parameter 'x': distribution: expected a name of scipy\.stats, got"):
        ScipyHyperParameter.load_from_config(config)


def test_aliases_are_the_classes_themselves() -> None:
    assert DiscreteHP is DiscreteHyperParameter
