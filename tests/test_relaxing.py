"""`relax_checks` under every strategy, and the default one where nothing can walk."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pinned
import pytest
import searches
from numpy.typing import NDArray

import shac
from shac.engine.strategy import STRATEGIES

WALKING = ("guided", "pooled")


def rising(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    return float(parameters["x"])


def falling(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    return -float(parameters["x"])


def failed_stages(engine: shac.SHAC, settings: "list[OrderedDict[str, Any]]", stages: int) -> NDArray[np.int64]:
    """Count the classifiers, of the first ones, that refuse each configuration."""
    space = engine._search.space
    X = space.encode_rows([space.to_row(setting) for setting in settings])
    result: NDArray[np.int64] = sum(
        ((model.predict(X) == 0).astype(np.int64) for model in engine.classifiers[:stages]),
        np.zeros(len(X), dtype=np.int64),
    )
    return result


@pytest.mark.parametrize("strategy", pinned.STRATEGIES)
def test_where_nothing_passes_samples_fail_as_few_classifiers_as_they_have_to(strategy: str) -> None:
    space = [shac.UniformHP("x", 0.0, 1.0)]
    named = STRATEGIES[strategy]
    apart = replace(named, trees=replace(named.trees, gaps="lower"))  # classifiers of the two meet in the gap otherwise
    up = searches.engine(rising, space, strategy=apart, save_dir="up")
    down = searches.engine(falling, space, strategy=apart, save_dir="down")
    for engine in (up, down):
        engine.fit(skip_cv_checks=True)
    up.classifiers = [*up.classifiers[:1], *down.classifiers[:1]]
    with pytest.raises(shac.EmptyRegionError):
        up.predict(num_samples=20, seed=1)
    relaxed = up.predict(num_samples=20, seed=1, relax_checks=True)
    assert failed_stages(up, relaxed, 2).tolist() == [1] * 20


def test_predict_is_exact_where_proposals_walk_and_relaxes_only_when_asked_to() -> None:
    for strategy in WALKING:
        engine = pinned.fitted("conditional", strategy, strategy, threads=2)
        strict = engine.predict(num_samples=40, seed=1)
        assert strict.is_exact
        assert not failed_stages(engine, strict, len(engine.classifiers)).any()
        relaxed = engine.predict(num_samples=40, seed=1, relax_checks=True)
        assert relaxed.is_exact == (not failed_stages(engine, relaxed, len(engine.classifiers)).any())


def test_the_papers_search_relaxes_where_samples_are_rarer_than_one_in_two_to_the_classifiers() -> None:
    engine = pinned.fitted("real", "paper", "paper", threads=2)
    assert engine.cascade.volume().upper < 2.0 ** -len(engine.classifiers)
    strict = engine.predict(num_samples=40, seed=1)
    relaxed = engine.predict(num_samples=40, seed=1, relax_checks=True)
    assert not failed_stages(engine, strict, len(engine.classifiers)).any()
    failed = failed_stages(engine, relaxed, len(engine.classifiers))
    assert failed.max() >= 1


@pytest.mark.skipif(
    pinned.RUNS_WITH["xgboost"] != pinned.MADE_WITH["xgboost"],
    reason=f"the tables were made with {pinned.MADE_WITH}, and this is {pinned.RUNS_WITH}",
)
@pytest.mark.parametrize("strategy", pinned.STRATEGIES)
def test_relaxed_searches_give_the_stored_tables(strategy: str) -> None:
    pinned.fitted("conditional", strategy, "fit", threads=1, relax_checks=True)
    pinned.asked_and_told("conditional", strategy, "told", threads=5, relax_checks=True)
    stored = (pinned.TABLES / f"{strategy}-conditional-relaxed.csv").read_bytes()
    assert Path("fit/dataset.csv").read_bytes() == stored
    assert Path("told/dataset.csv").read_bytes() == stored
    assert stored != (pinned.TABLES / f"{strategy}-conditional.csv").read_bytes()


class Squares(shac.AbstractHyperParameter):
    """Has a quantile function, and no `cdf`."""

    def quantile(self, u: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = u**2
        return result


def near_a_point(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    a, b, c = parameters.values()
    return float(abs(a - 0.2) + abs(b - 0.3) + abs(c - 0.7))


def test_the_default_search_of_parameters_with_only_a_quantile_draws_by_rejection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_walk(*arguments: Any, **settings: Any) -> Any:
        raise AssertionError("a walk needs the distribution function")

    monkeypatch.setattr("shac.engine.proposals.slice_sample", no_walk)
    space = [Squares("a"), Squares("b"), shac.UniformHP("c", 0.0, 1.0)]
    shape = {"total_budget": 104, "num_batches": 13}
    fitted = searches.engine(near_a_point, space, save_dir="fit", **shape)
    counts: list[int] = []

    class Count(shac.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            counts.append(len(fitted.classifiers))

    fitted.fit(callbacks=[Count()])
    assert len(fitted.classifiers) == 12
    X = fitted._search.space.encode_rows(fitted.dataset.X)
    for round_index, count in enumerate(counts):
        assert fitted.cascade.prefix(count).accepts(X[8 * round_index : 8 * round_index + 8]).all()
    assert fitted.cascade.prefix(11).accepts(X).mean() < 0.5
    assert min(fitted.dataset.Y) < 0.1 < min(fitted.dataset.Y[:8])
    asked = searches.engine(None, space, save_dir="asked", **shape)
    while settings := asked.ask(8):
        pinned.tell_all(asked, near_a_point, settings)
    assert asked.dataset.to_csv() == fitted.dataset.to_csv()
