"""How a pool ends: closed, interrupted, forgotten or killed, it leaves no process behind."""

import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

import shac
from shac.evaluation import EvaluationTask, EvaluatorPool

ALL_BACKENDS = ["loky", "multiprocessing", "threading"]
PROCESS_BACKENDS = ["loky", "multiprocessing"]


def tasks_of(values: list[Any]) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=value), seed=i) for i, value in enumerate(values)]


_of_others: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def _only_processes_of_the_test_count() -> None:
    """Tests before may have left some, such as the workers that joblib keeps for later."""
    _of_others.clear()
    _of_others.update(psutil.Process().children(recursive=True))


def workers() -> list[psutil.Process]:
    # The resource trackers of multiprocessing and loky live as long as the interpreter
    return [
        child
        for child in psutil.Process().children(recursive=True)
        if child not in _of_others
        and child.status() != psutil.STATUS_ZOMBIE
        and "resource_tracker" not in " ".join(child.cmdline())
    ]


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_a_closed_pool_has_no_process_and_takes_no_evaluation(backend: str) -> None:
    with EvaluatorPool(lambda worker_id, parameters: 1.0, num_evaluators=2, backend=backend) as pool:
        pool.evaluate(tasks_of([0, 1]))
        assert len(workers()) == (0 if backend == "threading" else 2)
    assert workers() == []
    pool.close()
    with pytest.raises(RuntimeError, match="evaluate must not be called after close"):
        pool.evaluate(tasks_of([0]))


def test_a_worker_that_is_closed_ends_in_order(tmp_path: Path) -> None:
    note = tmp_path / "note"

    def registers(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        import atexit

        atexit.register(note.write_text, "flushed")
        return 0.0

    with EvaluatorPool(registers, num_evaluators=1) as pool:
        pool.evaluate(tasks_of([0]))
    assert note.read_text() == "flushed"


def test_a_worker_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaves_a_thread(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        import threading

        threading.Thread(target=time.sleep, args=(60,)).start()
        return 0.0

    monkeypatch.setattr("shac.evaluation.pool._CLOSE_SECONDS", 0.3)
    start = time.perf_counter()
    with EvaluatorPool(leaves_a_thread, num_evaluators=1) as pool:
        pool.evaluate(tasks_of([0]))
    assert time.perf_counter() - start < 5
    assert workers() == []


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_an_exception_of_the_listener_kills_all_workers_at_once(backend: str) -> None:
    def sleeps(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        time.sleep(parameters["x"])
        return 0.0

    def fails(outcome: object) -> None:
        raise OSError("disk full")

    pool = EvaluatorPool(sleeps, num_evaluators=2, backend=backend)
    start = time.perf_counter()
    with pytest.raises(OSError, match="disk full"):
        pool.evaluate(tasks_of([0, 8, 8, 8]), on_finished=fails)
    assert time.perf_counter() - start < 7
    assert workers() == []
    pool.close()
    with pytest.raises(RuntimeError, match="after close"):
        pool.evaluate(tasks_of([0]))


def test_a_pool_that_nobody_closes_ends_when_it_is_collected() -> None:
    pool = EvaluatorPool(lambda worker_id, parameters: 1.0, num_evaluators=1)
    pool.evaluate(tasks_of([0]))
    assert len(workers()) == 1
    del pool
    gc.collect()
    assert workers() == []


def test_evaluate_within_evaluate_is_refused() -> None:
    pool = EvaluatorPool(lambda worker_id, parameters: 1.0, num_evaluators=1, backend="threading")
    with pool, pytest.raises(RuntimeError, match="evaluate must not be called while it runs"):
        pool.evaluate(tasks_of([0]), on_finished=lambda outcome: pool.evaluate(tasks_of([1])))


# No guard for __main__ in these scripts: a worker must not run them again
SCRIPT = """
import os, signal, subprocess, sys, time
from collections import OrderedDict
from pathlib import Path
from shac.evaluation import EvaluationTask, EvaluatorPool

backend, folder = sys.argv[1], Path(sys.argv[2])

def evaluate(worker_id, parameters):
    if parameters["x"]:
        if backend != "threading":
            subprocess.Popen(["sleep", "60"])
        (folder / f"note{worker_id}").write_text("started")
        time.sleep(parameters["x"])
    return worker_id + 10.0

pool = EvaluatorPool(evaluate, num_evaluators=2, backend=backend)
tasks = [EvaluationTask(i, OrderedDict(x=x), seed=i) for i, x in enumerate(eval(sys.argv[3]))]
print([outcome.score for outcome in pool.evaluate(tasks)])
"""


@contextmanager
def running(backend: str, folder: Path, lengths: list[float]) -> Iterator[subprocess.Popen[str]]:
    script = folder / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    package = Path(next(iter(shac.__path__))).parent
    with subprocess.Popen(
        [sys.executable, str(script), backend, str(folder), repr(lengths)],
        env={**os.environ, "PYTHONPATH": str(package)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Any, what: str, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def both_run(folder: Path) -> bool:
    return (folder / "note0").exists() and (folder / "note1").exists()


def gone(processes: list[psutil.Process]) -> bool:
    return not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes)


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_a_script_without_a_guard_or_a_close_runs_and_ends(backend: str, tmp_path: Path) -> None:
    with running(backend, tmp_path, [0, 0]) as process:
        output, errors = process.communicate(timeout=20)
    assert output == "[10.0, 11.0]\n", errors
    assert errors == ""
    assert process.returncode == 0


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_ctrl_c_ends_a_search_with_all_its_processes(backend: str, tmp_path: Path) -> None:
    with running(backend, tmp_path, [60, 60, 60]) as process:
        wait_for(lambda: both_run(tmp_path), "the evaluations have not started")
        family = psutil.Process(process.pid).children(recursive=True)
        # Two workers and two sleeps; loky has two trackers besides
        assert len(family) == {"loky": 6, "multiprocessing": 4, "threading": 0}[backend]
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        _, errors = process.communicate(timeout=30)  # the evaluations would last 60
    assert process.returncode in {-signal.SIGINT, 130}
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert errors.count("Traceback") == 1  # the workers have nothing to say
    wait_for(lambda: gone(family), f"still there: {family}", 10.0)


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_workers_end_when_the_search_is_killed(backend: str, tmp_path: Path) -> None:
    with running(backend, tmp_path, [60, 60]) as process:
        wait_for(lambda: both_run(tmp_path), "the evaluations have not started")
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        wait_for(lambda: gone(family), f"still there: {family}", 5.0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a signal at the parent's end")
@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_worker_that_is_stopped_when_its_search_is_killed_ends_too(backend: str, tmp_path: Path) -> None:
    with running(backend, tmp_path, [60, 60]) as process:
        wait_for(lambda: both_run(tmp_path), "the evaluations have not started")
        family = psutil.Process(process.pid).children(recursive=True)
        for worker in [process for process in family if "resource_tracker" not in " ".join(process.cmdline())]:
            worker.suspend()  # as a worker is while what it has started is killed
        process.kill()
        process.wait()
        wait_for(lambda: gone(family), f"still there: {family}", 10.0)
