"""Worker processes that are replaced: after so many evaluations, after a failure, and when memory was not enough."""

from collections import OrderedDict
from typing import Any

import pytest
from evaluations import leak, process_id, too_large

import shac
from shac.evaluation import EvaluationTask, EvaluatorPool

PROCESS_BACKENDS = ["loky", "multiprocessing"]


def tasks(count: int) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=float(i)), seed=i) for i in range(count)]


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_process_is_replaced_after_so_many_evaluations(backend: str) -> None:
    with EvaluatorPool(process_id, num_evaluators=1, backend=backend, evaluations_per_worker=2) as pool:
        ids = [outcome.score for outcome in pool.evaluate([task for task in tasks(9) if task.index not in (2, 5)])]
    assert len(ids) == 7
    assert [ids[0] == ids[1], ids[2] == ids[3], ids[4] == ids[5]] == [True] * 3
    assert len(set(ids)) == 4


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_process_ends_with_an_evaluation_that_failed(backend: str) -> None:
    with EvaluatorPool(process_id, num_evaluators=1, backend=backend) as pool:
        outcomes = pool.evaluate(tasks(8))
    ids = [o.score if o.error is None else float(o.error.rpartition(" ")[2]) for o in outcomes]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert ids[3] == ids[4] == ids[5] != ids[6] == ids[7]


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_evaluations_that_leak_until_memory_ends_spoil_none(backend: str) -> None:
    with EvaluatorPool(leak, num_evaluators=2, backend=backend) as pool:
        assert [outcome.error for outcome in pool.evaluate(tasks(16))] == [None] * 16


def test_an_evaluation_that_is_too_large_fails_once_in_a_fresh_process_and_alone() -> None:
    with EvaluatorPool(too_large, num_evaluators=1) as pool:
        outcomes = pool.evaluate(tasks(6))
    assert [outcome.error is None for outcome in outcomes] == [True, True, True, False, True, True]
    assert "MemoryError" in str(outcomes[3].error)
    assert outcomes[3].attempt == 1


def test_what_one_evaluation_leaves_in_its_process_does_not_fail_the_next() -> None:
    active: list[int] = []

    def with_an_active_run(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        if active:
            raise RuntimeError("a run is active already")
        active.append(1)
        if parameters["x"] > 0.8:
            raise ValueError("a bad configuration")
        active.clear()
        return float(parameters["x"])

    search = shac.SHAC(with_an_active_run, [shac.UniformHP("x", 0, 1)], 20, 2, seed=0)
    search.set_num_parallel_evaluators(2)
    history = search.fit()
    assert 0 < len(history.failures) < 10
    assert {failure["error"] for failure in history.failures} == {"ValueError: a bad configuration"}


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2"])
def test_a_wrong_number_of_evaluations_is_refused_when_the_engine_is_made(wrong: Any) -> None:
    with pytest.raises(ValueError, match="evaluations_per_worker: expected an integer of at least 1"):
        shac.SHAC(None, [shac.UniformHP("x", 0, 1)], 4, 2, evaluations_per_worker=wrong)
