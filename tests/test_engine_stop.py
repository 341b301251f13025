"""How a search stops: Ctrl-C and SIGTERM, with real processes."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from pathlib import Path
from typing import Any

import psutil
import pytest
import searches

import shac
from shac.evaluation import StopSignals, TerminatedError
from shac.store.journal import read_journal
from shac.training import train_classifier

SCRIPT = """
import sys, time
sys.path.insert(0, {tests!r})
import searches

def evaluate(worker_id, parameters):
    with open("calls", "a") as file:
        file.write("!")
    time.sleep(0.05 if len(open("calls").read()) <= 12 else 60)
    return searches.branin(worker_id, parameters)

engine = searches.engine(evaluate)
engine.evaluator_backend = {backend!r}
engine.set_num_parallel_evaluators(2)
engine.fit(skip_cv_checks=True)
"""


def start(backend: str) -> "subprocess.Popen[str]":
    script = textwrap.dedent(SCRIPT.format(tests=str(Path(searches.__file__).parent), backend=backend))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    try:
        while not _twelve_are_written_and_two_run():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        error.add_note(process.communicate()[1])
        raise
    return process


def _twelve_are_written_and_two_run() -> bool:
    calls = Path("calls")
    return calls.exists() and len(calls.read_text()) == 14 and len(read_journal(Path("shac_run/journal.jsonl"))) == 12


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_search_with_all_that_has_ended_saved(backend: str, number: signal.Signals) -> None:
    process = start(backend)
    family = psutil.Process(process.pid).children(recursive=True)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
    _, errors = process.communicate(timeout=30)  # the two that run would last 60
    deadline = time.monotonic() + 10
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family):
        assert time.monotonic() < deadline, family
        time.sleep(0.01)
    name = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}[number]
    saved = (
        f"{name} stopped the search: 12 of 60 evaluations are done and saved in {Path('shac_run').absolute()}; to go on"
    )
    assert saved in errors
    assert process.returncode in ((143,) if number == signal.SIGTERM else (130, -signal.SIGINT))
    assert "leaked" not in errors
    assert errors.count("Traceback") == (number == signal.SIGINT)
    assert len(read_journal(Path("shac_run/journal.jsonl"))) == 12
    again = searches.engine()
    again.restore_data()
    again.fit(skip_cv_checks=True)
    whole = searches.engine(save_dir="whole")
    whole.fit(skip_cv_checks=True)
    assert Path("shac_run/dataset.csv").read_bytes() == Path("whole/dataset.csv").read_bytes()


def test_a_signal_while_an_evaluation_is_written_down_waits_until_it_is() -> None:
    recorded = []
    with pytest.raises(KeyboardInterrupt), StopSignals() as signals:  # noqa: PT012 - the order matters
        with signals.held():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.05)
            recorded.append(1)
        recorded.append(2)
    assert recorded == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_sigterm_gives_the_exit_code_that_shells_give_it() -> None:
    with pytest.raises(TerminatedError) as caught, StopSignals():  # noqa: PT012 - the signal takes a moment
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.05)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_handlers_of_the_user_are_left_alone() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with StopSignals():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.05)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_while_signals_wait_ends_at_sigterm() -> None:
    """What Python forgets during a fork, or handles as the search does, a pool that ends its workers waits for."""
    with StopSignals() as signals, signals.held():
        for _ in range(100):
            child = os.fork()
            if not child:
                time.sleep(60)
                os._exit(0)
            os.kill(child, signal.SIGTERM)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGTERM
    assert signal.SIGTERM not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_forked_within_a_search_has_the_handlers_from_before() -> None:
    with StopSignals(), StopSignals():
        child = os.fork()
        if not child:
            restored = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
            os._exit(restored == (signal.default_int_handler, signal.SIG_DFL))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL


def test_a_search_in_another_thread_leaves_signals_alone() -> None:
    import threading

    engine = searches.engine(total_budget=20, num_batches=2)
    thread = threading.Thread(target=engine.fit)
    thread.start()
    thread.join()
    assert len(engine.dataset) == 20


def test_failures_are_listed_in_the_history_with_their_reasons() -> None:
    calls = iter(range(100))

    def evaluate(worker_id: int, parameters: Any) -> float:
        number = next(calls)
        if number in {3, 14}:
            raise OSError(f"no GPU {number}")
        return float(number)

    engine = searches.engine(evaluate, total_budget=20, num_batches=2)
    engine.set_num_parallel_evaluators(1)
    history = engine.fit()
    assert [(f["index"], f["error"], f["attempt"]) for f in history.failures] == [
        (3, "OSError: no GPU 3", 1),
        (14, "OSError: no GPU 14", 1),
    ]
    assert list(history.failures[0]["parameters"].values()) == engine.dataset.X[3]


def test_engines_take_the_limits_and_check_them() -> None:
    calls = iter(range(100))

    def fails_every_second_time(worker_id: int, parameters: Any) -> float:
        if next(calls) % 2 == 0:
            raise OSError("busy")
        return 1.0

    engine = searches.engine(fails_every_second_time, total_budget=10, num_batches=1, max_retries=1)
    engine.set_num_parallel_evaluators(1)
    assert engine.fit().failures == []
    lines = Path("shac_run/journal.jsonl").read_text().splitlines()
    assert sum('"kind":"retry"' in line for line in lines) == 10
    assert [e.attempt for e in read_journal(Path("shac_run/journal.jsonl"))] == [2] * 10
    for settings, message in [
        (
            {"evaluation_timeout": -1},
            "evaluation_timeout: expected a finite number of seconds above 0, or None, got -1",
        ),
        ({"max_retries": -1}, "max_retries: expected an integer of at least 0, got -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            searches.engine(save_dir="other", **settings)
    made = shac.TorchSHAC(searches.branin, searches.branin_space(), 10, 1, 0, evaluation_timeout=5, max_retries=2)
    assert (made.evaluation_timeout, made.max_retries) == (5.0, 2)


def test_a_search_leaves_no_warning_about_what_it_holds() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        engine = searches.engine(total_budget=20, num_batches=2)
        engine.parallel_evaluators()
        engine.fit()


@pytest.mark.parametrize("by", ["fit", "tell"])
def test_an_engine_that_is_stopped_while_it_trains_goes_on_as_if_it_had_not_been(
    by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go_on(search: shac.SHAC) -> None:
        if by == "fit":
            search.fit(skip_cv_checks=True)
            return
        while settings := search.ask(10):
            for setting in settings:
                search.tell(setting, searches.branin(0, setting), skip_cv_checks=True)

    undisturbed = searches.engine(save_dir="undisturbed")
    go_on(undisturbed)
    train = train_classifier
    calls = []

    def stopped(*arguments: Any, **settings: Any) -> Any:
        calls.append(1)
        if len(calls) in (2, 3, 5):
            raise KeyboardInterrupt
        return train(*arguments, **settings)

    monkeypatch.setattr("shac.engine.learning.train_classifier", stopped)
    search = searches.engine()
    messages = []
    while len(search.dataset) < 60:
        try:
            go_on(search)
        except KeyboardInterrupt as error:
            messages.append((len(search.dataset) + 10, str(error)))
    assert len(messages) == 3
    if by == "fit":
        assert all(f"stopped the search: {done} of 60 evaluations are done" in text for done, text in messages)
    assert search.dataset.to_csv() == undisturbed.dataset.to_csv()
    assert [m.get_booster().save_raw() for m in search.classifiers] == [
        m.get_booster().save_raw() for m in undisturbed.classifiers
    ]
