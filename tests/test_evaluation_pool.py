"""The evaluator pool: who runs what, under which worker id, with which seed."""

import os
import random
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from joblib.parallel import BACKENDS, LokyBackend, ThreadingBackend

from shac.evaluation import EvaluationOutcome, EvaluationTask, EvaluatorPool, evaluation_seed

ALL_BACKENDS = ["loky", "multiprocessing", "threading"]
PROCESS_BACKENDS = ["loky", "multiprocessing"]

# Evaluation functions are nested in their tests: those are pickled by value, so that worker processes
# need not be able to import this file


def tasks_of(values: list[Any]) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=value), seed=1000 + i) for i, value in enumerate(values)]


def scores_of(outcomes: list[EvaluationOutcome]) -> list[float]:
    return [outcome.score for outcome in outcomes]


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_outcomes_come_in_task_order_with_everything_about_the_evaluation(backend: str) -> None:
    def slow_when_small(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        time.sleep(0.15 - parameters["x"] / 20)
        return float(parameters["x"] * 10)

    tasks = [EvaluationTask(7 + i, OrderedDict(x=i), seed=i) for i in range(3)]
    before = time.time()
    with EvaluatorPool(slow_when_small, num_evaluators=3, backend=backend) as pool:
        outcomes = pool.evaluate(tasks)
    assert scores_of(outcomes) == [0.0, 10.0, 20.0]
    assert [outcome.index for outcome in outcomes] == [7, 8, 9]
    assert [outcome.parameters for outcome in outcomes] == [task.parameters for task in tasks]
    assert [outcome.worker_id for outcome in outcomes] == [0, 1, 2]
    assert [outcome.seed for outcome in outcomes] == [0, 1, 2]
    for outcome in outcomes:
        assert not outcome.failed
        assert outcome.error is None
        assert outcome.traceback is None
        assert before <= outcome.started < outcome.ended <= time.time() + 0.1


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_no_two_live_evaluations_share_a_worker_id(backend: str, tmp_path: Path) -> None:
    log = tmp_path / "log"

    def of_random_length(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        start = time.perf_counter_ns()
        time.sleep(parameters["x"])
        with log.open("a") as file:
            file.write(f"{worker_id} {start} {time.perf_counter_ns()} {parameters['x']}\n")
        return 0.0

    generator = random.Random(1)
    lengths = [generator.uniform(0.005, 0.1) for _ in range(400)]
    with EvaluatorPool(of_random_length, num_evaluators=4, backend=backend) as pool:
        outcomes = pool.evaluate(tasks_of(lengths))
    assert not any(outcome.failed for outcome in outcomes)
    lines = [line.split() for line in log.read_text().splitlines()]
    intervals = sorted((int(worker_id), int(start), int(end)) for worker_id, start, end, _ in lines)
    assert len(intervals) == 400
    assert {worker_id for worker_id, _, _ in intervals} == {0, 1, 2, 3}
    for (left_id, _, left_end), (right_id, right_start, _) in pairwise(intervals):
        assert left_id != right_id or left_end <= right_start
    # No evaluator waits for the others: in fixed groups of four, none begins before the group before it has ended
    times = {float(length): (int(start), int(end)) for _, start, end, length in lines}
    groups = [[times[length] for length in lengths[i : i + 4]] for i in range(0, 400, 4)]
    began_early = sum(start < max(end for _, end in before) for before, group in pairwise(groups) for start, _ in group)
    assert began_early > 200


def test_the_lowest_free_worker_id_takes_the_next_evaluation() -> None:
    last_has_run = threading.Event()

    def runs(worker_id: int, parameters: OrderedDict[str, Any]) -> bool:
        if parameters["x"] == "last":
            last_has_run.set()
        return parameters["x"] != "long" or last_has_run.wait(timeout=60)

    with EvaluatorPool(runs, num_evaluators=3, backend="threading") as pool:
        outcomes = pool.evaluate(tasks_of(["long", "short", "long", "short", "last"]))
    assert scores_of(outcomes) == [1.0] * 5
    assert [outcome.worker_id for outcome in outcomes] == [0, 1, 2, 1, 1]


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_results_do_not_depend_on_the_number_of_evaluators(backend: str) -> None:
    def draws(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        # On threads only the seed is an evaluation's own
        if backend == "threading":
            return float(np.random.default_rng(evaluation_seed()).random())
        return random.random() + np.random.random()  # noqa: NPY002

    results = []
    for num_evaluators in (1, 2, 4):
        with EvaluatorPool(draws, num_evaluators=num_evaluators, backend=backend) as pool:
            results.append(scores_of(pool.evaluate(tasks_of(list(range(12))))))
    assert results[0] == results[1] == results[2]
    assert len(set(results[0])) == 12


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_each_evaluation_starts_with_all_generators_seeded(backend: str) -> None:
    import torch

    def draws(worker_id: int, parameters: OrderedDict[str, Any]) -> Any:
        import torch

        return [random.random, np.random.random, lambda: torch.rand(()).item(), evaluation_seed][parameters["x"]]()

    seed = 2**63 - 5
    tasks = [EvaluationTask(i, OrderedDict(x=i), seed=seed) for i in range(4)]
    with EvaluatorPool(draws, num_evaluators=1, backend=backend, seed_torch=True) as pool:
        outcomes = pool.evaluate(tasks)
    assert [outcome.error for outcome in outcomes] == [None] * 4
    generator = torch.Generator().manual_seed(seed)
    assert scores_of(outcomes) == [
        random.Random(seed).random(),
        np.random.RandomState(seed % 2**32).random_sample(),
        torch.rand((), generator=generator).item(),
        float(seed),
    ]


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_lambdas_and_closures_run_in_processes(backend: str) -> None:
    offset = 3.0
    functions: list[Callable[[int, OrderedDict[str, Any]], float]] = [
        lambda worker_id, parameters: parameters["x"] + offset,
        lambda worker_id, parameters: parameters["f"](2.0) + offset,
    ]
    task = EvaluationTask(0, OrderedDict(x=1.0, f=lambda x: x * 2), seed=0)
    for function, expected in zip(functions, (4.0, 7.0), strict=True):
        with EvaluatorPool(function, num_evaluators=1, backend=backend) as pool:
            assert scores_of(pool.evaluate([task])) == [expected]


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_workers_live_from_batch_to_batch_and_load_the_function_once(backend: str) -> None:
    class Counter:
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, worker_id: int, parameters: OrderedDict[str, Any]) -> float:
            self.calls += 1
            return self.calls if parameters["x"] else os.getpid()

    with EvaluatorPool(Counter(), num_evaluators=1, backend=backend) as pool:
        first = pool.evaluate(tasks_of([0, 0]))
        second = pool.evaluate(tasks_of([0, 1]))
    assert first[0].score == first[1].score == second[0].score
    assert second[1].score == 4
    assert (first[0].score == os.getpid()) == (backend == "threading")


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_an_evaluation_function_may_change_its_parameters(backend: str) -> None:
    def changes(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        parameters["layers"].append(4)
        del parameters["x"]
        return float(len(parameters["layers"]))

    task = EvaluationTask(0, OrderedDict(x=1, layers=[1, 2]), seed=0)
    with EvaluatorPool(changes, num_evaluators=1, backend=backend) as pool:
        [outcome] = pool.evaluate([task])
    assert outcome.score == 3.0
    assert outcome.parameters == task.parameters == OrderedDict(x=1, layers=[1, 2])


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_every_outcome_is_announced_in_the_calling_thread_as_soon_as_it_is_there(backend: str, tmp_path: Path) -> None:
    def waits_until_the_other_is_heard(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        deadline = time.monotonic() + 60
        while parameters["x"] == "waits" and not (tmp_path / "1").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return float((tmp_path / "1").exists())

    heard: list[tuple[int, threading.Thread]] = []

    def hears(outcome: EvaluationOutcome) -> None:
        heard.append((outcome.index, threading.current_thread()))
        (tmp_path / str(outcome.index)).touch()

    with EvaluatorPool(waits_until_the_other_is_heard, num_evaluators=2, backend=backend) as pool:
        outcomes = pool.evaluate(tasks_of(["waits", "ends"]), on_finished=hears)
    assert heard == [(1, threading.current_thread()), (0, threading.current_thread())]
    assert scores_of(outcomes) == [1.0, 0.0]


def test_evaluations_on_threads_run_at_once_and_share_the_function() -> None:
    barrier = threading.Barrier(3)
    seen = []

    def meets(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        barrier.wait(timeout=5)
        seen.append(worker_id)
        return 0.0

    with EvaluatorPool(meets, num_evaluators=3, backend="threading") as pool:
        assert not any(outcome.failed for outcome in pool.evaluate(tasks_of([0, 1, 2])))
    assert sorted(seen) == [0, 1, 2]


def test_no_tasks_give_no_outcomes_and_start_no_worker() -> None:
    with EvaluatorPool(lambda worker_id, parameters: 0.0, num_evaluators=2) as pool:
        assert pool.evaluate([]) == []


@pytest.fixture
def registered_backend() -> Iterator[Callable[[str, Any], None]]:
    names = []

    def register(name: str, factory: Any) -> None:
        joblib.register_parallel_backend(name, factory)
        names.append(name)

    yield register
    for name in names:
        del BACKENDS[name]


def test_a_back_end_of_threads_that_is_registered_with_joblib_runs_the_evaluations(
    registered_backend: Callable[[str, Any], None],
) -> None:
    class OtherThreads(ThreadingBackend):  # type: ignore[misc]
        pass

    registered_backend("other_threads", OtherThreads)
    barrier = threading.Barrier(2)
    names = []

    def meets(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        if parameters["x"] < 2:
            barrier.wait(timeout=5)
        names.append(threading.current_thread().name)
        if parameters["x"] == 2:
            raise ValueError("no such depth")
        return random.random() * 0 + evaluation_seed()

    with EvaluatorPool(meets, num_evaluators=2, backend="other_threads") as pool:
        outcomes = pool.evaluate(tasks_of([0, 1, 2, 3, 4]))
    assert [outcome.error for outcome in outcomes] == [None, None, "ValueError: no such depth", None, None]
    assert [outcome.worker_id for outcome in outcomes[:2]] == [0, 1]
    assert outcomes[4].score == 1004
    assert not any(name.startswith("shac") for name in names)


def test_a_back_end_of_processes_that_is_registered_with_joblib_runs_the_evaluations(
    registered_backend: Callable[[str, Any], None],
) -> None:
    class OtherProcesses(LokyBackend):  # type: ignore[misc]
        pass

    registered_backend("other_processes", OtherProcesses)

    def pid_or_death(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        if parameters["x"] == 1:
            os._exit(3)
        return os.getpid()

    with EvaluatorPool(pid_or_death, num_evaluators=1, backend="other_processes") as pool:
        outcomes = pool.evaluate(tasks_of([0, 1, 2]))
    assert [outcome.failed for outcome in outcomes] == [False, True, False]
    assert "exited with code 3" in str(outcomes[1].error)  # the process next to the back end's own, which lives on
    assert os.getpid() not in scores_of(outcomes)


@pytest.mark.parametrize("method", ["spawn"])
def test_the_start_method_of_multiprocessing_can_be_chosen(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOBLIB_START_METHOD", method)

    def is_fresh(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float("hypothesis" not in sys.modules)

    import hypothesis  # noqa: F401 - so that a forked process would have it

    with EvaluatorPool(is_fresh, num_evaluators=1, backend="multiprocessing") as pool:
        assert scores_of(pool.evaluate(tasks_of([0]))) == [1.0]


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"num_evaluators": 0}, ValueError, "num_evaluators must be 1 or more, got 0"),
        ({"num_evaluators": 1.5}, TypeError, "num_evaluators must be an integer of 1 or more, got 1.5"),
        ({"num_evaluators": True}, TypeError, "num_evaluators must be an integer of 1 or more, got True"),
        (
            {"threads_per_evaluator": 0, "backend": "threading"},
            ValueError,
            "threads_per_evaluator must be 1 or more, got 0",
        ),
        ({"threads_per_evaluator": 0}, ValueError, "threads_per_evaluator must be 1 or more, got 0"),
        (
            {"threads_per_evaluator": 2, "limit_threads": False},
            ValueError,
            "threads_per_evaluator must be None with limit_threads=False, got 2",
        ),
        (
            {"backend": "thread"},
            ValueError,
            "backend must be a name that is registered with joblib, .*got 'thread'",
        ),
        ({"backend": None}, TypeError, "backend must be a string, got NoneType"),
        ({"backend": "threading", "pin_gpus": True}, ValueError, "pin_gpus must be False unless"),
        ({"function": 3}, TypeError, "function must be callable, got int"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    settings: dict[str, Any] = {"function": lambda worker_id, parameters: 0.0, "num_evaluators": 1}
    with pytest.raises(error, match=message):
        EvaluatorPool(**{**settings, **arguments})


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_function_that_cannot_be_pickled_is_refused_at_once(backend: str) -> None:
    lock = threading.Lock()
    with pytest.raises(TypeError, match=f"cloudpickle can send to the '{backend}' back end, got TypeError.*lock"):
        EvaluatorPool(lambda worker_id, parameters: lock.locked(), num_evaluators=1, backend=backend)
