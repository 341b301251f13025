"""The slot that owns a process: the 'loky' and 'multiprocessing' back ends.

The slot talks to its one process through a pipe of its own. There is no queue, lock or thread that two
workers share, so that a worker can be killed at any moment without harm to the others; and whoever waits
sits in `multiprocessing.connection.wait`, which Ctrl-C interrupts.

loky and the standard library start the processes; their executors, and pebble's, are not used. loky's ends all its
workers when one dies, which would disturb the other evaluations, and none of them gives one worker an environment of
its own before its interpreter starts, which a GPU pinned to a worker id needs.
"""

from __future__ import annotations

import contextlib
import io
import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shac.evaluation.descendants import kill_with_descendants
from shac.evaluation.memory import exceeds_memory, ran_out_of_memory
from shac.evaluation.slots import Slot, timed_out
from shac.evaluation.tasks import Reply
from shac.evaluation.worker import BEGUN, READY, STOP, WorkerSetup, failure, pickler, serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shac.evaluation.tasks import EvaluationTask

__all__ = ["PROCESS_BACKENDS", "ProcessLimits", "ProcessSlot"]

PROCESS_BACKENDS = ("loky", "multiprocessing")

_REAP_SECONDS = 5.0
_LONGEST_START_SECONDS = 60.0
_MEMORY_CHECK_SECONDS = 0.2
_CONFIG_LOCK = threading.Lock()
if hasattr(os, "register_at_fork"):
    # A worker is forked while the lock is held: a search within an evaluation would wait for it for ever
    os.register_at_fork(after_in_child=_CONFIG_LOCK._at_fork_reinit)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """How long an evaluation may last, what memory it may take, and how long its process is kept.

    Parameters
    ----------
    timeout : float, optional
        Seconds that an evaluation may last. The clock starts when the worker has loaded the evaluation function; a
        start that takes a minute more than that is over as well.
    evaluations_per_worker : int, optional
        Evaluations after which the process is replaced by a fresh one. One that failed always is the last of its
        process: what it left behind would be there for the next. Where memory was not enough and the process was not
        fresh, the evaluation gets one more try in one that is.
    max_memory : int, optional
        Bytes that the process and all that it has started may take while an evaluation runs.
    """

    timeout: float | None = None
    evaluations_per_worker: int | None = None
    max_memory: int | None = None


class ProcessSlot(Slot):
    """A slot that owns a process, started with the first evaluation and again whenever it has died.

    Parameters
    ----------
    backend : str
        ``"loky"``: a fresh interpreter that does not run the user's script again. ``"multiprocessing"``:
        the standard library's start method (``JOBLIB_START_METHOD`` selects another), which is fork on
        Linux up to Python 3.13.
    worker_id : int
        The evaluator's id.
    setup : WorkerSetup
        What the process is told when it starts.
    limits : ProcessLimits
        What ends an evaluation, or the process.
    """

    def __init__(self, backend: str, worker_id: int, setup: WorkerSetup, limits: ProcessLimits) -> None:
        self.worker_id = worker_id
        self._backend = backend
        self._setup = setup
        self._limits = limits
        self._num_evaluated = 0  # by the process
        self._process: Any = None
        self._connection: Any = None
        self._starting = threading.Lock()
        self._killed = False
        self._ready = False
        self._begun = False
        self._resent = False
        self._message = b""
        self._unsent: Reply | None = None
        self._submitted = 0.0
        self._deadline: float | None = None
        self._next_check = 0.0

    def submit(self, task: EvaluationTask) -> None:
        self._submitted = time.time()
        self._resent = False
        try:
            self._message = pickler().dumps((self.worker_id, task))
        except Exception as error:  # noqa: BLE001 - pickling calls methods of the user's values
            self._unsent = failure(error, self._submitted)
            return
        self._send()

    def send(self, message: bytes) -> None:
        """Start an evaluation that is pickled already: a pair of a worker id and a task."""
        self._submitted = time.time()
        self._resent = False
        self._message = message
        self._send()

    def poll(self) -> Reply | None:
        if self._unsent is not None:
            reply, self._unsent = self._unsent, None
            return reply
        # Asked before the pipe is read: what a process sent before its end is in the pipe by then. The
        # pipe alone is no proof of life, for processes that an evaluation has started may hold it open.
        alive = self._process.is_alive()
        try:
            while self._connection.poll():
                message = self._connection.recv()
                if message == READY:
                    self._ready = True
                elif message == BEGUN:
                    self._begun = True
                    if self._limits.timeout is not None:
                        self._deadline = time.monotonic() + self._limits.timeout
                else:
                    answer = self._take(Reply(*message))
                    if answer is not None:
                        return answer
                    alive = True
        except (EOFError, OSError):
            return self._died()
        return self._checked_memory() if alive else self._died()

    def _checked_memory(self) -> Reply | None:
        limit = self._limits.max_memory
        if limit is None or self._process is None or time.monotonic() < self._next_check:
            return None
        pid = self._process.pid
        used = exceeds_memory(pid, limit)
        self._next_check = time.monotonic() + _MEMORY_CHECK_SECONDS
        if used is None:
            return None
        was_fresh = self._num_evaluated == 0
        self._replace()
        if not was_fresh:  # what evaluations before it left behind may be the most of it
            self._send()
            return None
        reason = (
            f"MemoryLimitExceeded: {used / 2**20:.0f} MiB, more than max_memory_per_evaluation, "
            f"{limit / 2**20:.0f} MiB; its worker process {pid} was killed"
        )
        return Reply(math.nan, reason, f"{reason}\n", self._submitted, time.time())

    def _replace(self) -> None:
        """End the process, at once, since it may hold a GPU's memory; the next evaluation starts another."""
        self._end_process_group()
        self._process.join(_REAP_SECONDS)
        self._forget()

    def _take(self, reply: Reply) -> Reply | None:
        """Note what an answer says of its process; None where the evaluation is tried again in a fresh one."""
        was_fresh = self._num_evaluated == 0
        self._num_evaluated += 1
        if reply.error is not None or self._num_evaluated == self._limits.evaluations_per_worker:
            self._replace()
        if reply.error is None or was_fresh or not ran_out_of_memory(reply.error):
            return reply
        self._send()
        return None

    def waitables(self) -> Sequence[Any]:
        return [] if self._unsent is not None else [self._connection, self._process.sentinel]

    def deadline(self) -> float | None:
        return self._deadline

    def abandon(self) -> Reply:
        process, begun = self._process, self._begun
        self._replace()
        where = "" if begun else " and a minute in which its worker started"
        return timed_out(self._limits.timeout, self._submitted, f"{where}; its worker process {process.pid} was killed")

    def stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._connection.send_bytes(STOP)

    def kill(self) -> None:
        # Ctrl-C may come while the process starts: only when it has can it be ended
        with self._starting:
            self._killed = True
        if self._process is not None and self._process.pid is not None:
            self._end_process_group()

    def join(self, timeout: float) -> None:
        if self._process is None:
            return
        if self._process.pid is not None:
            self._process.join(timeout)
            if self._process.is_alive():
                self._end_process_group()
                self._process.join(_REAP_SECONDS)
        self._forget()

    def _send(self) -> None:
        self._begun = False
        if self._limits.timeout is not None:
            self._deadline = time.monotonic() + _LONGEST_START_SECONDS + self._limits.timeout
        if self._process is None:
            self._start()
        # If the worker ends just now, the next poll finds out and says why
        with contextlib.suppress(OSError):
            self._connection.send_bytes(self._message)

    def _start(self) -> None:
        if self._backend == "loky":
            from joblib.externals.loky.backend import get_context

            context = get_context("loky")
            options: dict[str, Any] = {"env": self._setup.environment}
        else:
            context = multiprocessing.get_context(os.environ.get("JOBLIB_START_METHOD", "").strip() or None)
            options = {}
        self._connection, worker_end = context.Pipe(duplex=True)
        self._process = context.Process(
            target=serve,
            args=(worker_end, self._setup),
            name=f"shac-evaluator-{self.worker_id}",
            daemon=False,  # evaluations may start processes of their own: PyTorch's data loaders do
            **options,
        )
        self._ready = False
        self._num_evaluated = 0
        errors: list[BaseException] = []

        # A thread of its own, for two reasons. Ctrl-C reaches only the main thread, so it cannot come
        # between the start of the process and the note of its id. And a fork copies the OpenMP state of
        # the forking thread: one that has trained a model leaves the child with a team of threads that
        # do not exist, and its first parallel region waits for them for ever; a new thread has no team.
        def start() -> None:
            try:
                with self._starting:
                    if not self._killed:
                        self._launch()
            except BaseException as error:  # noqa: BLE001 - raised again where it belongs
                errors.append(error)
            finally:
                worker_end.close()

        starter = threading.Thread(target=start, daemon=True)
        starter.start()
        starter.join()
        if errors:
            self._forget()
            raise errors[0]

    def _launch(self) -> None:
        if self._backend == "loky":
            _start_trackers()  # they would unblock the signal when the first worker starts them
        if hasattr(signal, "pthread_sigmask"):
            # The new process inherits this: Ctrl-C in a terminal must not reach it half awake
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        with warnings.catch_warnings():
            # From Python 3.12 on a fork with threads around is a warning: the user has chosen fork
            warnings.filterwarnings("ignore", message=".*fork", category=DeprecationWarning)
            with _children_allowed(), _standard_streams():
                self._process.start()

    def _died(self) -> Reply | None:
        process = self._process
        process.join(1.0)  # the pipe may break a moment before the process is gone
        code = process.exitcode
        self._end_process_group()
        process.join(_REAP_SECONDS)
        self._forget()
        if self._ready and not self._begun and not self._resent:
            # It died idle, between two batches perhaps: a new worker takes the evaluation
            self._resent = True
            self._send()
            return None
        if code is None:
            how = "closed its pipe"
        elif code < 0:
            how = f"was killed by {_signal_name(-code)}"
        else:
            how = f"exited with code {code}"
        if code == -getattr(signal, "SIGKILL", 9):
            how += " (which the system does when memory runs out)"
        when = "during the evaluation" if self._ready else "while it started; its error stream has the reason"
        reason = f"WorkerDied: worker process {process.pid} {how} {when}"
        return Reply(math.nan, reason, f"{reason}\n", self._submitted, time.time())

    def _end_process_group(self) -> None:
        pid = self._process.pid
        if self._process.is_alive():
            kill_with_descendants(pid)
        elif hasattr(os, "killpg"):  # its number may be another's by now, but not while a group has it
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        # A worker that has only just started does not lead its group yet
        if self._process.is_alive():
            with contextlib.suppress(OSError):
                if hasattr(signal, "SIGKILL"):
                    os.kill(pid, signal.SIGKILL)
                else:
                    self._process.terminate()

    def _forget(self) -> None:
        self._connection.close()
        self._connection = self._process = None


@contextlib.contextmanager
def _children_allowed() -> Iterator[None]:
    """Let a daemonic process, as Dask's workers are, start one.

    The standard library forbids it because such a child would outlive its parent, which an evaluator does not.
    """
    config: dict[str, Any] = getattr(multiprocessing.current_process(), "_config", {})
    with _CONFIG_LOCK:
        is_daemon = config.pop("daemon", None)
        try:
            yield
        finally:
            if is_daemon is not None:
                config["daemon"] = is_daemon


@contextlib.contextmanager
def _standard_streams() -> Iterator[None]:
    """Let what starts a process flush the standard streams; a program without a console has none."""
    missing = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    for name in missing:
        setattr(sys, name, io.StringIO())
    try:
        yield
    finally:
        for name in missing:
            setattr(sys, name, None)


def _start_trackers() -> None:
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_resource_tracker

    resource_tracker.ensure_running()
    loky_resource_tracker.ensure_running()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
