"""Threads and processes of a search: how many there are, and that no result depends on them."""

import os
import sys
from collections import OrderedDict
from typing import Any

import pytest
import searches

import shac
from shac.evaluation import derive_seed


def test_parallelism_defaults_to_the_workers_and_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    engine = searches.engine()
    assert (engine.num_parallel_generators, engine.num_parallel_evaluators) == (4, 4)
    with pytest.warns(UserWarning, match="num_parallel_evaluators: 10 workers share 4 cores"):
        engine.set_num_parallel_evaluators(None)
    with pytest.warns(UserWarning, match="num_parallel_generators: 10 workers share 4 cores"):
        engine.set_num_parallel_generators(None)
    engine.set_num_parallel_generators(3)
    assert engine.num_parallel_generators == 3
    with pytest.raises(ValueError, match="num_parallel_evaluators: expected an integer of at least 1, got 0"):
        engine.set_num_parallel_evaluators(0)
    few = searches.engine(total_budget=6, num_batches=6)
    few.set_num_parallel_generators(None)
    assert few.num_parallel_generators == 1


def test_generator_threads_double_from_round_10_on_within_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    seen: list[int] = []
    draw = shac.Cascade.draw

    def recorded(cascade: shac.Cascade, n: int, **arguments: Any) -> Any:
        seen.append(arguments["threads"])
        return draw(cascade, n, **arguments)

    monkeypatch.setattr(shac.Cascade, "draw", recorded)

    def threads_of_rounds(generators: int, *, limit_memory: bool = False) -> list[int]:
        folder = f"{generators}-{limit_memory}"
        engine = searches.engine(
            lambda worker_id, parameters: 1.0, total_budget=24, num_batches=12, strategy="paper", save_dir=folder
        )
        engine.limit_memory = limit_memory
        engine.set_num_parallel_generators(generators)
        seen.clear()
        engine.fit()
        return list(seen)

    assert threads_of_rounds(2) == [2] * 9 + [4] * 3
    assert threads_of_rounds(4) == [4] * 9 + [6] * 3
    assert threads_of_rounds(4, limit_memory=True) == [4] * 12


def test_evaluators_switch_between_processes_and_threads() -> None:
    engine = searches.engine()
    engine.parallel_evaluators()
    assert engine.evaluator_backend == "loky"
    engine.concurrent_evaluators()
    assert engine.evaluator_backend == "threading"


def test_an_unknown_backend_is_named_when_it_is_set() -> None:
    engine = searches.engine()
    for name in ("evaluator_backend", "generator_backend"):
        with pytest.raises(ValueError, match=f"{name}: expected one of .*'threading'.*, got 'cluster'"):
            setattr(engine, name, "cluster")
    assert engine.evaluator_backend == engine.generator_backend == "threading"


def test_process_backends_evaluate_outside_of_this_process() -> None:
    for backend in ("loky", "multiprocessing"):
        engine = searches.engine(searches.process_id, total_budget=4, num_batches=1, save_dir=backend)
        engine.evaluator_backend = backend
        engine.fit()
        assert os.getpid() not in engine.dataset.Y


def test_every_evaluation_has_the_seed_of_its_number() -> None:
    def seed(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float(shac.evaluation_seed() % 2**32)

    engine = searches.engine(seed, total_budget=6, num_batches=2, seed=3)
    engine.fit()
    assert [float(derive_seed(3, i) % 2**32) for i in range(6)] == engine.dataset.Y


def test_limited_memory_changes_no_sample() -> None:
    free, limited = searches.engine(save_dir="free"), searches.engine(save_dir="limited")
    limited.limit_memory = True
    for search in (free, limited):
        search.fit(skip_cv_checks=True)
    assert free.dataset.X == limited.dataset.X
    assert free.predict(num_samples=20) == limited.predict(num_samples=20)


@pytest.mark.parametrize("value", ["", "abc"])
def test_a_number_of_cores_that_is_none_names_its_variable(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", value)
    with pytest.raises(
        ValueError, match=f"LOKY_MAX_CPU_COUNT: expected an integer, or no such variable, got '{value}'"
    ):
        shac.SHAC(None, [shac.UniformHP("x", 0, 1)], 4, 2)


def test_an_xgboost_that_cannot_be_imported_costs_no_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[int] = []

    def note(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        evaluated.append(worker_id)
        return 0.0

    search = shac.SHAC(note, [shac.UniformHP("x", 0, 1)], 4, 2)
    search.concurrent_evaluators()
    monkeypatch.setitem(sys.modules, "xgboost", None)
    with pytest.raises(ImportError, match="xgboost: expected a package that can be imported, got ModuleNotFoundError"):
        search.fit()
    assert not evaluated
