"""Which part of the region classifiers keep under a strategy given by its name."""

from typing import Any

import pytest

import shac
from shac.engine.strategy import STRATEGIES


def reals(count: int) -> list[shac.AbstractHyperParameter]:
    return [shac.MultiUniformHP("x", 0.0, 1.0, sample_count=count)]


def kept_share(
    parameters: Any, batch_size: int, strategy: str | shac.Strategy | None = None, **arguments: Any
) -> tuple[float, float] | None:
    search = shac.SHAC(None, parameters, 20 * batch_size, 20, strategy=strategy, **arguments)
    return search.strategy.kept_share


@pytest.mark.parametrize(
    ("num_columns", "batch_size", "power"),
    [
        (2, 100, 1),
        (5, 100, 1),
        (20, 10, 1),
        (40, 10, 1),
        (20, 4, 1),
        (6, 10, 1.2),
        (20, 15, 1.5),
        (10, 10, 2),
        (10, 100, 2),
        (20, 20, 2),
        (15, 100, 3),
        (50, 100, 4),
    ],
)
def test_the_default_keeps_less_of_a_region_of_many_reals_and_large_batches(
    num_columns: int, batch_size: int, power: float
) -> None:
    assert kept_share(reals(num_columns), batch_size) == pytest.approx((0.75**power, 0.4**power))


def test_a_batch_counts_as_often_as_a_classifier_waits_for_it() -> None:
    assert kept_share(reals(10), 5) == (0.75, 0.4)
    assert kept_share(reals(10), 5, max_classifiers=9) == pytest.approx((0.75**2, 0.4**2))


@pytest.mark.parametrize(
    "other",
    [
        shac.DiscreteHP("k", [1, 2, 3]),
        shac.IntegerHP("k", 1, 64),
        shac.LogIntegerHP("k", 1, 64),
        shac.MultiDiscreteHP("k", [1, 2, 3], sample_count=2),
    ],
    ids=lambda parameter: type(parameter).__name__,
)
def test_the_shares_stay_where_a_parameter_has_few_values(other: shac.AbstractHyperParameter) -> None:
    assert kept_share([*reals(10), other], 20) == (0.75, 0.4)


@pytest.mark.parametrize(
    "other",
    [shac.LogUniformHP("k", 1e-5, 1.0), shac.NormalHP("k", 0.0, 1.0), shac.IntegerHP("k", 1, 10**6)],
    ids=lambda parameter: type(parameter).__name__,
)
def test_numbers_of_any_prior_and_integers_of_a_wide_range_are_reals(other: shac.AbstractHyperParameter) -> None:
    assert kept_share([*reals(9), other], 20) == pytest.approx((0.75**2, 0.4**2))


def test_the_shares_stay_where_a_parameter_can_be_missing_or_has_no_quantile_function() -> None:
    class Halves(shac.AbstractHyperParameter):
        def sample(self) -> float:
            return float(self.random.random() / 2)

    space = shac.HyperParameterList(
        [*reals(10), shac.IntegerHP("steps", 1, 1000), shac.UniformHP("k", 0.0, 1.0)],
        conditions={"k": {"steps": list(range(1, 501))}},
    )
    assert kept_share(space, 20) == (0.75, 0.4)
    assert kept_share([*reals(10), Halves("k")], 20) == (0.75, 0.4)


@pytest.mark.parametrize("strategy", STRATEGIES.values(), ids=STRATEGIES)
def test_a_strategy_that_is_no_name_is_used_as_it_is(strategy: shac.Strategy) -> None:
    assert kept_share(reals(10), 20, strategy) == strategy.kept_share


@pytest.mark.parametrize("name", ["paper", "pooled"])
def test_strategies_without_a_share_get_none(name: str) -> None:
    assert kept_share(reals(10), 20, name) is None


def test_a_restored_search_goes_on_with_its_own_shares_whatever_its_name_stands_for() -> None:
    def search(strategy: str | shac.Strategy | None) -> shac.SHAC:
        made = shac.SHAC(lambda worker_id, setting: sum(setting["x"]), reals(10), 60, 3, strategy=strategy, seed=1)
        made.concurrent_evaluators()
        return made

    search(STRATEGIES["guided"]).fit()
    again, named = search(None), search("guided")
    for engine in (again, named):
        engine.restore_data()
        assert engine.strategy.kept_share == (0.75, 0.4)
