"""Worker processes that are replaced: after so many evaluations, after a failure, and when memory was not enough."""

import re
import resource
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from evaluations import grow, leak, memory_of_payload, pid_only, process_id, too_large

import shac
from shac.evaluation import EvaluationTask, EvaluatorPool
from shac.evaluation.memory import free_gpu_cache

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


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_an_evaluation_above_the_limit_of_memory_fails_alone(backend: str) -> None:
    limit = 1_000_000_000
    with EvaluatorPool(grow, num_evaluators=2, backend=backend, max_memory_per_evaluation=limit) as pool:
        outcomes = pool.evaluate(
            [
                replace(task, parameters=OrderedDict(megabytes=m))
                for task, m in zip(tasks(6), [10, 1500, 10, 10, -1500, 10], strict=True)
            ]
        )
    assert [outcome.error is None for outcome in outcomes] == [True, False, True, True, False, True]
    for outcome in (outcomes[1], outcomes[4]):  # one by itself, one by a process that it has started
        assert re.fullmatch(
            r"MemoryLimitExceeded: \d+ MiB, more than max_memory_per_evaluation, 954 MiB; "
            r"its worker process \d+ was killed",
            str(outcome.error),
        )


def test_what_evaluations_before_it_left_is_not_charged_to_an_evaluation() -> None:
    with EvaluatorPool(leak, num_evaluators=1, max_memory_per_evaluation=1_500_000_000) as pool:
        outcomes = pool.evaluate(tasks(6))
    assert [outcome.error for outcome in outcomes] == [None] * 6


def test_threads_have_no_limit_of_memory() -> None:
    with pytest.raises(ValueError, match="max_memory_per_evaluation must be None unless evaluations run on processes"):
        EvaluatorPool(process_id, num_evaluators=1, backend="threading", max_memory_per_evaluation=1)


def test_a_function_that_carries_much_is_told_of_and_kept_once_in_each_worker() -> None:
    data = np.ones(30_000_000)

    def carries(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return memory_of_payload(worker_id, parameters) + 0 * float(data[0])

    with pytest.warns(UserWarning, match="evaluation_function: it carries 240 MB, of which each of 1 workers gets"):
        pool = EvaluatorPool(carries, num_evaluators=1)
    with pool:
        first, second = (outcome.score for outcome in pool.evaluate(tasks(2)))
    assert 240e6 < second < 240e6 + 200e6  # the interpreter has the rest
    assert second < first + 20e6


def is_flat(backend: str, evaluations: int) -> None:
    """Replace a process after each evaluation, and look at descriptors, memory and processes of this one."""
    this = psutil.Process()
    with EvaluatorPool(pid_only, num_evaluators=2, backend=backend, evaluations_per_worker=1) as pool:
        seen = []
        for _ in range(3):
            outcomes = pool.evaluate(tasks(evaluations // 3))
            assert [outcome.error for outcome in outcomes] == [None] * (evaluations // 3)
            assert len({outcome.score for outcome in outcomes}) == evaluations // 3
            seen.append((this.num_fds(), this.memory_info().rss))
            assert not [child for child in this.children() if child.status() == psutil.STATUS_ZOMBIE]
    assert seen[-1][0] <= seen[0][0]
    assert seen[-1][1] < seen[0][1] + 20e6


@pytest.mark.parametrize(("backend", "evaluations"), [("multiprocessing", 120), ("loky", 24)])
def test_descriptors_memory_and_processes_stay_flat_while_workers_are_replaced(backend: str, evaluations: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        is_flat(backend, evaluations)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_memory_that_pytorch_caches_on_the_gpu_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    freed: list[str] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: freed.append("cache"))
    free_gpu_cache()
    assert freed == ["cache"]


def test_a_gpu_that_an_error_has_made_unusable_ends_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", fails)
    free_gpu_cache()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and PyTorch sees none")
def test_an_idle_worker_holds_no_gpu_memory_of_its_last_evaluation() -> None:
    def takes_and_frees(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        import torch

        share = torch.cuda.get_device_properties(0).total_memory // 2
        return float(torch.zeros(share, dtype=torch.uint8, device="cuda")[:1].sum())

    before = torch.cuda.mem_get_info(0)[0]
    with EvaluatorPool(takes_and_frees, num_evaluators=1) as pool:
        assert [outcome.error for outcome in pool.evaluate(tasks(2))] == [None] * 2
        assert before - torch.cuda.mem_get_info(0)[0] < torch.cuda.get_device_properties(0).total_memory // 8
