"""Slots: one a worker id. A slot runs one evaluation at a time and can be replaced without the others.

`ThreadSlot` is here, with the runner that hands its evaluations to another joblib back end; the slot that
owns a process is in `processes`.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import multiprocessing
import pickle
import queue
import threading
import time
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from shac.evaluation.tasks import Reply
from shac.evaluation.worker import failure, run_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shac.evaluation.tasks import EvaluationSettings, EvaluationTask
    from shac.evaluation.worker import EvaluationFunction

__all__ = ["JoblibRunner", "Runner", "Slot", "ThreadRunner", "ThreadSlot", "timed_out"]


_LOST_NODES = 3  # an evaluation that loses its node so often is the likely reason


class Slot(Protocol):
    """What the pool asks of a worker id's owner; the pool calls it from one thread."""

    worker_id: int

    def submit(self, task: EvaluationTask) -> None:
        """Start an evaluation; the slot must be free."""

    def poll(self) -> Reply | None:
        """Return the evaluation's answer, once, or None while it runs."""

    def waitables(self) -> Sequence[Any]:
        """List what `multiprocessing.connection.wait` can watch for an answer."""

    def deadline(self) -> float | None:
        """Return the moment, in seconds of `time.monotonic`, at which the evaluation has lasted too long, if any."""

    def abandon(self) -> Reply:
        """Abandon the evaluation that has lasted too long, and be free."""

    def stop(self) -> None:
        """Ask for the end, after the evaluation that may be running."""

    def kill(self) -> None:
        """End now; this does not wait."""

    def join(self, timeout: float) -> None:
        """Wait for the end, and force it after `timeout` seconds."""


def timed_out(timeout: float | None, started: float, what_then: str) -> Reply:
    """Put into words that an evaluation has lasted too long.

    Examples
    --------
    >>> timed_out(2.0, 0.0, "; its worker process 7 was killed").error
    'EvaluationTimeout: no result within 2 s; its worker process 7 was killed'
    """
    reason = f"EvaluationTimeout: no result within {timeout:g} s{what_then}"
    return Reply(math.nan, reason, f"{reason}\n", started, time.time())


class ThreadSlot(Slot):
    """A slot that owns a thread.

    The thread is a daemon, because a thread cannot be killed: after Ctrl-C the program ends without
    waiting for the evaluation, and an evaluation that has lasted too long gets an exception, which reaches it when
    it next runs Python code, while another thread takes its place.

    Parameters
    ----------
    worker_id : int
        The evaluator's id.
    make_runner : callable
        Makes what a thread runs: an object that gives the `Reply` of a task when it is called, and raises nothing,
        and whose `close` is the thread's last act.
    timeout : float, optional
        Seconds that an evaluation may last.
    """

    def __init__(self, worker_id: int, make_runner: Callable[[], Runner], timeout: float | None = None) -> None:
        self.worker_id = worker_id
        self._make_runner = make_runner
        self._timeout = timeout
        self._thread: _SlotThread | None = None
        self._submitted = 0.0
        self._deadline: float | None = None

    def submit(self, task: EvaluationTask) -> None:
        if self._thread is None:
            self._thread = _SlotThread(f"shac-evaluator-{self.worker_id}", self._make_runner())
        self._submitted = time.time()
        if self._timeout is not None:
            self._deadline = time.monotonic() + self._timeout
        self._thread.inbox.put(task)

    def poll(self) -> Reply | None:
        assert self._thread is not None, "poll comes after submit"
        return self._thread.take_reply()

    def waitables(self) -> Sequence[Any]:
        assert self._thread is not None, "waitables comes after submit"
        return [self._thread.bell]

    def deadline(self) -> float | None:
        return self._deadline

    def abandon(self) -> Reply:
        thread, self._thread = self._thread, None
        assert thread is not None, "abandon comes after submit"
        thread.abandon()
        return timed_out(self._timeout, self._submitted, "; its thread cannot be killed and is left behind")

    def stop(self) -> None:
        if self._thread is not None:
            self._thread.inbox.put(None)

    def kill(self) -> None:
        self.stop()

    def join(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)
            self._thread.bell.close()
            self._thread = None


class Runner(Protocol):
    """What a slot's thread runs."""

    def __call__(self, task: EvaluationTask) -> Reply:
        """Run one evaluation and wait for it; raises nothing."""

    def close(self) -> None:
        """Let go of what it holds."""


class _SlotThread(threading.Thread):
    """A thread with its own way in and out, so that one left behind cannot disturb the one in its place."""

    def __init__(self, name: str, runner: Runner) -> None:
        super().__init__(name=name, daemon=True)
        self._runner = runner
        self._reply: Reply | None = None
        self.inbox: queue.SimpleQueue[EvaluationTask | None] = queue.SimpleQueue()
        # A pipe, not an event: the pool waits for threads and processes in the same way
        self.bell, self._bell_button = multiprocessing.Pipe(duplex=False)
        self.start()

    def run(self) -> None:
        # What `abandon` raises may come late, on the way out of the evaluation
        with contextlib.suppress(_AbandonedError), self._bell_button:
            while (task := self.inbox.get()) is not None:
                self._reply = self._runner(task)
                try:
                    self._bell_button.send_bytes(b"!")
                except OSError:
                    break  # nobody waits any more
        self._runner.close()

    def take_reply(self) -> Reply | None:
        if not self.bell.poll():
            return None
        self.bell.recv_bytes()
        reply, self._reply = self._reply, None
        return reply

    def abandon(self) -> None:
        self.inbox.put(None)
        self.bell.close()
        if self.ident is not None:
            # The only way into a running thread; without it an endless loop would keep a core for ever
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.ident), ctypes.py_object(_AbandonedError))


class _AbandonedError(BaseException):
    """Raised in an evaluation that nobody waits for any more."""


class ThreadRunner:
    """Runs evaluations in the thread that calls it.

    Parameters
    ----------
    worker_id : int
        The evaluator's id.
    function : callable
        The evaluation function.
    settings : EvaluationSettings
        Those of the pool.
    """

    def __init__(self, worker_id: int, function: EvaluationFunction, settings: EvaluationSettings) -> None:
        self._worker_id = worker_id
        self._function = function
        self._settings = settings

    def __call__(self, task: EvaluationTask) -> Reply:
        """Run one evaluation."""
        return run_evaluation(self._function, self._worker_id, task, self._settings)

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


class JoblibRunner:
    """Runs evaluations of one slot on a back end of joblib; one that a node takes with it when it is lost runs again.

    Parameters
    ----------
    make_backend : callable
        Gives what joblib takes as `backend`: a name, or an object.
    make_jobs : callable
        Gives what joblib runs for a task: jobs of which the next is run where one gives no `Reply`.
    """

    def __init__(self, make_backend: Callable[[], Any], make_jobs: Callable[[EvaluationTask], Iterable[Any]]) -> None:
        self._make_backend = make_backend
        self._make_jobs = make_jobs
        self._parallel: Any = None

    def __call__(self, task: EvaluationTask) -> Reply:
        """Run one evaluation and wait for it."""
        import joblib

        started = time.time()
        error: BaseException = RuntimeError("the back end lost the evaluation")
        for _ in range(_LOST_NODES):
            try:
                jobs = iter(self._make_jobs(task))
                first = next(jobs)
                if self._parallel is None:
                    backend = self._make_backend()
                    # Two jobs for one task: with one, joblib runs the task itself instead of on the back end
                    self._parallel = joblib.Parallel(n_jobs=2, backend=backend).__enter__()
            except BaseException as reason:  # noqa: BLE001 - pickling calls methods of the user's values
                return failure(reason, started)
            try:
                for job in chain([first], jobs):
                    [reply] = self._parallel([job])
                    if reply is not None:
                        return reply  # type: ignore[no-any-return]
            except BaseException as reason:  # noqa: BLE001 - what goes wrong in the evaluation itself is a reply
                error = reason
                self.close()
                if isinstance(error, pickle.PicklingError):
                    break
        return failure(error, started)

    def close(self) -> None:
        """Let the back end release what it holds; it starts again with the next evaluation."""
        parallel, self._parallel = self._parallel, None
        if parallel is not None:
            with contextlib.suppress(Exception):  # a broken back end may fail to end as well
                parallel.__exit__(None, None, None)
