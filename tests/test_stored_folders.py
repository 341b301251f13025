"""Save folders that released versions wrote are read for ever; tests/data/v1/README.md tells where they come from."""

import json
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pinned
import pytest
import searches

import shac

STORED = Path(__file__).parent / "data" / "v1"

same_trees = pytest.mark.skipif(
    pinned.RUNS_WITH["xgboost"] != pinned.MADE_WITH["xgboost"],
    reason=f"the searches went on with {pinned.MADE_WITH}, and this is {pinned.RUNS_WITH}",
)


def never(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    raise AssertionError("evaluated again")


def finished() -> shac.SHAC:
    return shac.SHAC(never, None, 24, 3, "min", save_dir="finished")


def paper() -> shac.SHAC:
    return shac.SHAC(never, None, 40, 2, "min", save_dir="paper")


def stopped(evaluate: pinned.Evaluate = pinned.real_score) -> shac.SHAC:
    return pinned.engine_of("real", "guided", "stopped", threads=2, evaluate=evaluate)


def asked_and_told() -> shac.SHAC:
    return pinned.engine_of("mixed", "guided", "asked_and_told", threads=2)


def restored(make: Callable[[], shac.SHAC]) -> shac.SHAC:
    """Restore the search from a copy: the stored folder stays as it is."""
    engine = make()
    shutil.copytree(STORED / engine.save_dir.name, engine.save_dir)
    engine.restore_data()
    return engine


def final(name: str) -> bytes:
    return (STORED / f"{name}.final.csv").read_bytes()


every_folder = pytest.mark.parametrize(
    "make", [finished, paper, stopped, asked_and_told], ids=lambda make: make.__name__
)


@every_folder
def test_the_table_and_the_classifiers_come_back(make: Callable[[], shac.SHAC]) -> None:
    engine = restored(make)
    folder = STORED / make.__name__
    assert engine.dataset.to_csv().encode() == (folder / "dataset.csv").read_bytes()
    assert len(engine.classifiers) == len(list(folder.glob("classifiers/*.ubj"))) >= 1
    expected = json.loads((STORED / f"{make.__name__}.margins.json").read_text())
    X = np.array(expected["X"], dtype=np.float32)  # null is NaN
    margins = engine.cascade.margins(X)
    assert margins.dtype == np.float32
    assert np.array_equal(margins, np.array(expected["margins"], dtype=np.float32))


@every_folder
def test_the_classifiers_predict_settings_that_they_accept(make: Callable[[], shac.SHAC]) -> None:
    engine = restored(make)
    settings = engine.predict(num_samples=10, seed=3)
    assert len(settings) == 10
    space = engine._search.space
    assert engine.cascade.accepts(space.encode_rows([space.to_row(setting) for setting in settings])).all()
    assert engine.predict(num_samples=10, seed=3) == settings


@pytest.mark.parametrize(
    ("make", "strategy", "seed"), [(finished, "guided", 2**63 + 5), (paper, "paper", 13)], ids=["finished", "paper"]
)
def test_a_finished_search_knows_its_strategy_and_its_seed_and_returns_at_once(
    make: Callable[[], shac.SHAC], strategy: str, seed: int
) -> None:
    engine = restored(make)
    named = shac.SHAC(never, engine.parameters, engine.total_budget, engine.num_batches, strategy=strategy)
    trees = replace(named.strategy.trees, gaps="lower", splits="default")
    later = (
        "avoid_repeats",
        "estimate_noise",
        "center_point",
        "shared_stream",
        "repeat_best",
        "quadratic_model",
        "ridge_quadratic",
        "grown_factorization",
    )
    then = replace(named.strategy, trees=trees, **dict.fromkeys(later, False))  # type: ignore[arg-type]  # all bool
    assert (engine.strategy, engine.seed) == (then, seed)
    assert engine.fit().epochs == []
    engine.save_data()
    for name in ("dataset.csv", "parameters.json"):
        assert Path(make.__name__, name).read_bytes() == (STORED / make.__name__ / name).read_bytes()
    written, stored = (searches.read_manifest(folder / make.__name__) for folder in (Path(), STORED))
    old, new = (manifest["settings"].pop("strategy") for manifest in (stored, written))
    assert new == engine.strategy.as_config() == shac.Strategy.from_config(old).as_config()  # it has fewer options now
    # Later versions say more, and the same of this; NaN is not equal to itself
    assert repr({name: written[name] for name in stored}) == repr(stored)


@same_trees
def test_a_search_killed_within_a_round_goes_on_to_the_table_of_an_undisturbed_one() -> None:
    evaluated: list[Any] = []

    def evaluate(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
        evaluated.append(parameters)
        return pinned.real_score(worker_id, parameters)

    engine = restored(lambda: stopped(evaluate))
    assert len(engine.dataset) == 16
    engine.fit()
    assert Path("stopped/dataset.csv").read_bytes() == final("stopped")
    assert len(evaluated) == engine.total_budget - 16 - 5  # five of the round had ended


@same_trees
def test_a_round_asked_and_told_in_part_goes_on_to_the_table_of_an_undisturbed_one() -> None:
    engine = restored(asked_and_told)
    assert len(engine.dataset) == 8
    # Whoever has what was handed out tells the scores of two to this process, which never gave them.
    handed_out = json.loads((STORED / "asked_and_told.handed_out.json").read_text())
    pinned.tell_all(engine, pinned.mixed_score, handed_out[:2])
    left = engine.ask(engine.total_budget)
    assert [dict(setting) for setting in left].count(handed_out[2]) == 1
    assert not any(dict(setting) in handed_out[:2] for setting in left)
    pinned.tell_all(engine, pinned.mixed_score, left[:3])  # the last three of the round
    assert len(engine.dataset) == 16
    again = asked_and_told()  # the rest that is handed out belongs to the old round
    again.restore_data()
    while settings := again.ask(8):
        pinned.tell_all(again, pinned.mixed_score, settings)
    assert Path("asked_and_told/dataset.csv").read_bytes() == final("asked_and_told")


def test_a_search_goes_on_with_the_costs_that_it_began_with() -> None:
    old = restored(finished)
    old.save_data()
    assert old.cascade.costs_version == 1
    assert "costs_version" not in searches.read_manifest(Path("finished"))["settings"]
    new = pinned.fitted("mixed", "pooled", "new", threads=1)
    newest = searches.read_manifest(Path("new"))["settings"]["costs_version"]
    assert newest == new.cascade.costs_version > 1
    again = pinned.engine_of("mixed", "pooled", "new", threads=1)
    again.restore_data()
    assert again.cascade.costs_version == newest


def test_a_search_that_a_later_version_drew_for_is_refused() -> None:
    pinned.engine_of("mixed", "pooled", "new", threads=1, evaluate=pinned.mixed_score).save_data()
    manifest = searches.read_manifest(Path("new"))
    manifest["settings"]["costs_version"] = 99
    searches.write_manifest(Path("new"), manifest)
    with pytest.raises(shac.DamagedFileError, match="costs_version: expected an integer from 1 to 3, got 99"):
        pinned.engine_of("mixed", "pooled", "new", threads=1).restore_data()
