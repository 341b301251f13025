"""Time limits and further attempts of evaluations."""

import math
import os
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import psutil
import pytest

from shac.evaluation import EvaluationOutcome, EvaluationTask, EvaluatorPool

ALL_BACKENDS = ["loky", "multiprocessing", "threading"]
PROCESS_BACKENDS = ["loky", "multiprocessing"]


def tasks_of(values: list[Any]) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=value), seed=i) for i, value in enumerate(values)]


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_an_evaluation_that_hangs_is_ended_and_its_id_comes_back(backend: str) -> None:
    def hangs(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        time.sleep(parameters["x"])
        return os.getpid()

    with EvaluatorPool(hangs, num_evaluators=2, backend=backend, evaluation_timeout=1.0) as pool:
        pool.evaluate(tasks_of([0.0, 0.0]))  # the workers are up
        [other, hung, after, last] = pool.evaluate(tasks_of([0.1, 3.0, 0.1, 0.1]))
        again = pool.evaluate(tasks_of([0.1, 0.1]))
    assert [o.failed for o in (other, hung, after, last)] == [False, True, False, False]
    assert str(hung.error).startswith("EvaluationTimeout: no result within 1 s; its ")
    assert math.isnan(hung.score)
    assert 1.0 <= hung.ended - hung.started < 3.0
    assert other.worker_id == 0
    assert hung.worker_id == 1
    assert [(o.worker_id, o.failed) for o in again] == [(0, False), (1, False)]
    if backend != "threading":
        processes = {o.score for o in (other, after, last, *again) if o.worker_id == 0}
        assert processes == {other.score}  # the other worker was not touched


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_the_process_of_a_hung_evaluation_dies_with_all_it_has_started(backend: str, tmp_path: Path) -> None:
    def hangs_with_a_child(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        import subprocess

        child = subprocess.Popen(["sleep", "60"])
        (tmp_path / "note").write_text(f"{os.getpid()} {child.pid}")
        while True:
            pass

    with EvaluatorPool(hangs_with_a_child, num_evaluators=1, backend=backend, evaluation_timeout=1.0) as pool:
        [outcome] = pool.evaluate(tasks_of([0]))
        assert outcome.failed
        for pid in map(int, (tmp_path / "note").read_text().split()):
            deadline = time.monotonic() + 3
            while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                assert time.monotonic() < deadline
                time.sleep(0.01)


def test_a_thread_that_hangs_in_python_code_is_ended() -> None:
    ended = []

    def loops(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        try:
            while parameters["x"]:
                pass
        finally:
            ended.append(parameters["x"])
        return 1.0

    with EvaluatorPool(loops, num_evaluators=1, backend="threading", evaluation_timeout=0.3) as pool:
        outcomes = pool.evaluate(tasks_of([1, 0]))
        deadline = time.monotonic() + 3
        while 1 not in ended:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert [outcome.failed for outcome in outcomes] == [True, False]


def test_the_start_of_a_worker_does_not_count() -> None:
    class SlowToLoad:
        def __call__(self, worker_id: int, parameters: OrderedDict[str, Any]) -> float:
            return 1.0

        def __setstate__(self, state: dict[str, Any]) -> None:
            time.sleep(1.0)

    function = SlowToLoad()
    function.__dict__["x"] = 1
    with EvaluatorPool(function, num_evaluators=1, evaluation_timeout=0.5) as pool:
        [outcome] = pool.evaluate(tasks_of([0]))
    assert outcome.score == 1.0


def test_a_worker_that_never_starts_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    class NeverLoads:
        def __call__(self, worker_id: int, parameters: OrderedDict[str, Any]) -> float:
            return 1.0

        def __setstate__(self, state: dict[str, Any]) -> None:
            time.sleep(60)

    monkeypatch.setattr("shac.evaluation.processes._LONGEST_START_SECONDS", 2.0)
    function = NeverLoads()
    function.__dict__["x"] = 1
    with EvaluatorPool(function, num_evaluators=1, evaluation_timeout=0.5) as pool:
        [outcome] = pool.evaluate(tasks_of([0]))
    assert "and a minute in which its worker started" in str(outcome.error)


def test_an_answer_that_came_in_time_counts_however_late_it_is_looked_for() -> None:
    def quick(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        time.sleep(parameters["x"])
        return 1.0

    def busy(outcome: EvaluationOutcome) -> None:
        if outcome.index == 0:
            time.sleep(1.5)

    with EvaluatorPool(quick, num_evaluators=2, evaluation_timeout=1.0) as pool:
        pool.evaluate(tasks_of([0.0, 0.0]))
        outcomes = pool.evaluate(tasks_of([0.0, 0.3]), on_finished=busy)
    assert not any(outcome.failed for outcome in outcomes)


HOW = {
    "raise": "ValueError: no such depth",
    "nan": "ValueError: evaluation_function must return a finite number, got nan",
    "text": "TypeError: evaluation_function must return a real number",
    "exit": "WorkerDied: .* exited with code 3",
    "kill": "WorkerDied: .* was killed by SIGKILL",
    "segfault": "WorkerDied: .* was killed by SIGSEGV",
    "hang": "EvaluationTimeout: no result within 0.5 s",
}


def fails_so_often(folder: Path, times: int) -> Any:
    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> Any:
        import random

        kind = parameters["x"]
        note = folder / kind
        with note.open("a") as file:
            file.write("!")
        if len(note.read_text()) > times:
            return random.random()
        if kind == "raise":
            raise ValueError("no such depth")
        if kind == "exit":
            os._exit(3)
        if kind == "kill":
            os.kill(os.getpid(), 9)
        if kind == "segfault":
            import ctypes
            import faulthandler

            faulthandler.disable()  # its report would stand among those of pytest
            ctypes.string_at(0)
        if kind == "hang":
            time.sleep(60)
        return math.nan if kind == "nan" else "text"

    return evaluate


@pytest.mark.parametrize("num_evaluators", [1, 3])
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_every_kind_of_failure_is_tried_again_with_its_seed(backend: str, num_evaluators: int, tmp_path: Path) -> None:
    import random

    retried: list[EvaluationOutcome] = []
    with EvaluatorPool(
        fails_so_often(tmp_path, 2),
        num_evaluators=num_evaluators,
        backend=backend,
        evaluation_timeout=0.5,
        max_retries=2,
    ) as pool:
        outcomes = pool.evaluate(tasks_of(list(HOW)), on_retry=retried.append)
    assert [outcome.error for outcome in outcomes] == [None] * len(HOW)
    assert [outcome.attempt for outcome in outcomes] == [3] * len(HOW)
    assert [outcome.score for outcome in outcomes] == [random.Random(i).random() for i in range(len(HOW))]
    assert sorted((o.index, o.attempt) for o in retried) == [(i, n) for i in range(len(HOW)) for n in (1, 2)]
    assert all(o.failed for o in retried)


@pytest.mark.parametrize("num_evaluators", [1, 3])
@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_every_kind_of_failure_has_its_reason(backend: str, num_evaluators: int, tmp_path: Path) -> None:
    import re

    with EvaluatorPool(
        fails_so_often(tmp_path, 9), num_evaluators=num_evaluators, backend=backend, evaluation_timeout=0.5
    ) as pool:
        outcomes = pool.evaluate(tasks_of([*HOW, *HOW]))
        good = pool.evaluate([EvaluationTask(0, OrderedDict(x="good"), seed=0)])
    for outcome, reason in zip(outcomes, [*HOW.values(), *HOW.values()], strict=True):
        assert outcome.failed
        assert re.match(reason, str(outcome.error)), outcome.error
    assert good[0].failed  # it is none of the kinds: text


def test_threads_are_tried_again_as_well() -> None:
    calls = []

    def fails_once(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        calls.append(parameters["x"])
        if calls.count(parameters["x"]) == 1:
            time.sleep(2 if parameters["x"] == 1 else 0)
            raise OSError("busy")
        return 1.0

    with EvaluatorPool(
        fails_once, num_evaluators=1, backend="threading", max_retries=1, evaluation_timeout=0.5
    ) as pool:
        outcomes = pool.evaluate(tasks_of([0, 1]))
    assert [(o.score, o.attempt) for o in outcomes] == [(1.0, 2), (1.0, 2)]
    assert calls == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"evaluation_timeout": 0}, ValueError, "evaluation_timeout must be above 0 and finite, or None, got 0"),
        ({"evaluation_timeout": math.inf}, ValueError, "evaluation_timeout must be above 0 and finite"),
        ({"evaluation_timeout": "1"}, TypeError, "evaluation_timeout must be a number of seconds or None, got '1'"),
        ({"max_retries": -1}, ValueError, "max_retries must be 0 or more, got -1"),
        ({"max_retries": 1.0}, TypeError, "max_retries must be an integer of 0 or more, got 1.0"),
    ],
)
def test_bad_limits_are_refused(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        EvaluatorPool(lambda worker_id, parameters: 0.0, num_evaluators=1, **arguments)
