"""Failed evaluations: outcomes like any other, the same on every back end."""

import decimal
import fractions
import logging
import math
import os
import signal
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shac.evaluation import EvaluationSettings, EvaluationTask, EvaluatorPool
from shac.evaluation.worker import as_score, run_evaluation

ALL_BACKENDS = ["loky", "multiprocessing", "threading"]
PROCESS_BACKENDS = ["loky", "multiprocessing"]


def tasks_of(values: list[Any]) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=value), seed=i) for i, value in enumerate(values)]


EXPECTED = {
    "raises": "ValueError: no such depth",
    "raises nothing said": "KeyError",
    "raises unpicklable": "Stubborn: <its message cannot be shown>",
    "none": "TypeError: evaluation_function must return a real number, got None of type NoneType",
    "mapping": "TypeError: evaluation_function must return a real number, got {'x': 0.5} of type dict; return one of",
    "text": "TypeError: evaluation_function must return a real number, got '0.5' of type str",
    "array": "TypeError: evaluation_function must return a real number, got array([1., 2.]) of type ndarray",
    "unpicklable": "TypeError: evaluation_function must return a real number, got <unlocked _thread.lock",
    "nan": "ValueError: evaluation_function must return a finite number, got nan",
    "infinite": "ValueError: evaluation_function must return a finite number, got -inf",
    "huge": "OverflowError: int too large to convert to float",
    "exits": "SystemExit: 3",
    "interrupts": "KeyboardInterrupt",
}


@pytest.mark.parametrize("backend", ALL_BACKENDS)
def test_what_an_evaluation_does_wrong_is_its_outcome(backend: str, caplog: pytest.LogCaptureFixture) -> None:
    def misbehaves(worker_id: int, parameters: OrderedDict[str, Any]) -> Any:
        class StubbornError(Exception):
            def __init__(self, one: int, two: int) -> None:
                self.lock = threading.Lock()

            def __str__(self) -> str:
                raise RuntimeError

        StubbornError.__name__ = "Stubborn"
        kind = parameters["x"]
        if kind == "raises":
            raise ValueError("no such depth")
        if kind == "raises nothing said":
            raise KeyError
        if kind == "raises unpicklable":
            raise StubbornError(1, 2)
        if kind == "exits":
            sys.exit(3)
        if kind == "interrupts":
            raise KeyboardInterrupt
        return {
            "none": None,
            "mapping": {"x": 0.5},
            "text": "0.5",
            "array": np.array([1.0, 2.0]),
            "unpicklable": threading.Lock(),
            "nan": math.nan,
            "infinite": -math.inf,
            "huge": 10**400,
            "good": 1.5,
        }[kind]

    kinds = [*EXPECTED, "good"]
    with (
        caplog.at_level(logging.WARNING, "shac"),
        EvaluatorPool(misbehaves, num_evaluators=2, backend=backend) as pool,
    ):
        outcomes = pool.evaluate(tasks_of(kinds))
    for kind, outcome in zip(EXPECTED, outcomes, strict=False):
        assert outcome.failed
        assert math.isnan(outcome.score)
        assert str(outcome.error).startswith(EXPECTED[kind]), kind
        assert outcome.started <= outcome.ended
        assert outcome.traceback is not None
        assert str(outcome.error).split(":", maxsplit=1)[0] in outcome.traceback
    assert not outcomes[-1].failed
    assert outcomes[-1].score == 1.5
    assert "no such depth" in caplog.text
    assert len(caplog.records) == len(EXPECTED)
    # The traceback begins with the user's own function
    first = str(outcomes[0].traceback).splitlines()
    assert first[0] == "Traceback (most recent call last):"
    assert first[1].endswith("in misbehaves")


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_worker_that_dies_fails_one_evaluation_and_its_id_comes_back(backend: str, tmp_path: Path) -> None:
    def may_die(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        name = parameters["x"]
        if name == "exit":
            os._exit(7)
        if name == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "abort":
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        (tmp_path / name).touch()
        deadline = time.monotonic() + 60
        while not (tmp_path / waits_for[name]).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return os.getpid()

    # The first evaluation outlasts all others, and the last two run at the same time.
    waits_for = {"long": "last good", "good": "good", "last good": "last good", "left": "right", "right": "left"}
    with EvaluatorPool(may_die, num_evaluators=2, backend=backend) as pool:
        [long, exits, kills, aborts, *good] = pool.evaluate(
            tasks_of(["long", "exit", "kill", "abort", "good", "last good"])
        )
        again = pool.evaluate(tasks_of(["left", "right"]))
    assert not long.failed
    assert long.worker_id == 0
    for dead, how in (
        (exits, "exited with code 7"),
        (kills, "was killed by SIGKILL"),
        (aborts, "by SIGTERM"),
    ):
        assert dead.worker_id == 1
        assert math.isnan(dead.score)
        assert how in str(dead.error)
        assert str(dead.error).startswith("WorkerDied: worker process ")
        assert str(dead.error) in str(dead.traceback)
        assert dead.started <= dead.ended
    assert [outcome.worker_id for outcome in good] == [1, 1]
    assert [outcome.worker_id for outcome in again] == [0, 1]
    assert again[0].score == long.score  # the other worker was left alone
    assert again[1].score == good[0].score == good[1].score


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_the_death_of_a_worker_is_noticed_when_what_it_started_lives_on(backend: str, tmp_path: Path) -> None:
    note = tmp_path / "note"

    def dies_as_a_parent(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        child = os.fork()
        if child == 0:
            time.sleep(60)  # holds the worker's pipe open
        note.write_text(str(child))
        os._exit(1)

    with EvaluatorPool(dies_as_a_parent, num_evaluators=1, backend=backend) as pool:
        start = time.perf_counter()
        [outcome] = pool.evaluate(tasks_of([0]))
        assert time.perf_counter() - start < 30
    assert "exited with code 1" in str(outcome.error)
    child = int(note.read_text())
    deadline = time.monotonic() + 10
    while psutil.pid_exists(child) and psutil.Process(child).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "a process that the evaluation had started is still there"
        time.sleep(0.01)


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_worker_that_dies_between_batches_costs_no_evaluation(backend: str) -> None:
    with EvaluatorPool(lambda worker_id, parameters: os.getpid(), num_evaluators=1, backend=backend) as pool:
        [before] = pool.evaluate(tasks_of([0]))
        process = psutil.Process(int(before.score))
        process.kill()
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        [after] = pool.evaluate(tasks_of([0]))
    assert not after.failed
    assert after.score != before.score


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_parameters_that_cannot_be_pickled_fail_their_evaluation_only(backend: str) -> None:
    with EvaluatorPool(lambda worker_id, parameters: 1.0, num_evaluators=1, backend=backend) as pool:
        outcomes = pool.evaluate(tasks_of([threading.Lock(), 0, threading.Lock()]))
    assert [outcome.error for outcome in outcomes] == [
        "TypeError: cannot pickle '_thread.lock' object",
        None,
        "TypeError: cannot pickle '_thread.lock' object",
    ]


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_function_that_cannot_be_loaded_in_the_worker_says_why(backend: str) -> None:
    class Broken:
        def __call__(self, worker_id: int, parameters: OrderedDict[str, Any]) -> float:
            return 0.0

        def __setstate__(self, state: dict[str, Any]) -> None:
            raise ImportError("no module named telepathy")

    broken = Broken()
    broken.__dict__["x"] = 1  # without a state there is nothing to set
    with EvaluatorPool(broken, num_evaluators=1, backend=backend) as pool:
        outcomes = pool.evaluate(tasks_of([0, 1]))
    assert [outcome.error for outcome in outcomes] == ["ImportError: no module named telepathy"] * 2


def test_a_worker_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with EvaluatorPool(lambda worker_id, parameters: 0.0, num_evaluators=1, backend="multiprocessing") as pool:
        monkeypatch.setattr("shac.evaluation.processes.serve", lambda connection, setup: os._exit(5))
        [outcome] = pool.evaluate(tasks_of([0]))
        monkeypatch.undo()
        [later] = pool.evaluate(tasks_of([0]))
    assert "exited with code 5 while it started" in str(outcome.error)
    assert not later.failed


def test_long_messages_and_tracebacks_are_cut() -> None:
    def shouts(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        raise ValueError("a" * 10**6)

    reply = run_evaluation(shouts, 0, tasks_of([0])[0], EvaluationSettings())
    assert len(str(reply.error)) == 500
    assert len(str(reply.traceback)) < 25_000


def test_the_cause_of_an_exception_is_in_the_traceback() -> None:
    def looks_up(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        try:
            return {}[parameters["x"]]
        except KeyError as error:
            raise ValueError("no such depth") from error

    reply = run_evaluation(looks_up, 0, tasks_of(["depth"])[0], EvaluationSettings())
    assert "KeyError: 'depth'" in str(reply.traceback)
    assert "direct cause" in str(reply.traceback)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300) | st.booleans())
def test_real_numbers_are_scores(value: float) -> None:
    assert as_score(value) == float(value)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_numpy_and_torch_numbers_are_scores(value: float) -> None:
    for number in (
        np.float32(value),
        np.float64(value),
        np.array(value),
        np.array([[value]]),
        torch.tensor(value, requires_grad=True),
        torch.tensor([value]),
    ):
        assert as_score(number) == value


def test_other_kinds_of_numbers_are_scores() -> None:
    assert as_score(np.int8(-3)) == -3.0
    assert as_score(np.array([3.0]).all()) == 1.0
    assert as_score(fractions.Fraction(1, 4)) == 0.25


@pytest.mark.parametrize(
    "value",
    [None, "1", b"1", 1j, np.complex128(1), [1.0], (), {}, np.array([]), np.array(["1"]), decimal.Decimal(1)],
)
def test_everything_else_is_no_score(value: object) -> None:
    with pytest.raises(TypeError, match=r"evaluation_function must return a real number, got .* of type"):
        as_score(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.array(np.inf)])
def test_a_number_that_is_not_finite_is_no_score(value: object) -> None:
    with pytest.raises(ValueError, match="evaluation_function must return a finite number, got"):
        as_score(value)


def test_a_value_without_a_repr_is_named_by_its_type() -> None:
    class Shy:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(TypeError, match="got a value without a repr of type Shy"):
        as_score(Shy())
