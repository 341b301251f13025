"""What runs next to the user's function: the evaluation of one task, and the life of a worker process.

One function, `run_evaluation`, turns whatever the user's function does into a `Reply`, on every back end.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from shac.evaluation.cores import limit_loaded_pools
from shac.evaluation.descendants import (
    adopt_orphans,
    end_descendants,
    go_on_without_parent,
    kill_with_descendants,
)
from shac.evaluation.memory import free_gpu_cache
from shac.evaluation.program import Program
from shac.evaluation.reporting import Pruned
from shac.evaluation.running import RUNNING, RunningEvaluation
from shac.evaluation.scores import as_score, as_scores
from shac.evaluation.seeding import seed_generators
from shac.evaluation.tasks import EvaluationSettings, EvaluationTask, Reply

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = [
    "BEGUN",
    "READY",
    "STOP",
    "EvaluationFunction",
    "WorkerSetup",
    "as_score",
    "failure",
    "pickler",
    "run_evaluation",
    "sendable",
    "serve",
]

EvaluationFunction = Callable[[int, OrderedDict[str, Any]], Any]

READY = "ready"
BEGUN = "begun"
STOP = b""

_LONGEST_REASON = 500
_LONGEST_TRACEBACK = 20_000
_PARENT_CHECK_SECONDS = 1.0
_LONGEST_END_SECONDS = 10


@lru_cache(maxsize=1)  # a failed import is looked for again each time
def pickler() -> Any:
    """Return the cloudpickle that joblib works with: a package of its own since joblib 1.6."""
    try:
        from joblib.externals import cloudpickle
    except ImportError:
        import cloudpickle
    return cloudpickle


def failure(error: BaseException, started: float, *, frames_to_hide: int = 0) -> Reply:
    """Put an exception into words, so that it need not be sent anywhere.

    Parameters
    ----------
    error : BaseException
        What was caught.
    started : float
        When the evaluation started, in seconds since the epoch.
    frames_to_hide : int, default 0
        How many of the outermost frames are ours and say nothing to the user.

    Returns
    -------
    Reply
        A failed one.

    Examples
    --------
    >>> failure(ValueError("bad depth"), 0.0).error
    'ValueError: bad depth'
    """
    frames = error.__traceback__
    for _ in range(frames_to_hide):
        frames = frames.tb_next if frames is not None else None
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 - the exception is the user's, and so is its __str__
        message = "<its message cannot be shown>"
    reason = f"{type(error).__name__}: {message}" if message else type(error).__name__
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception:  # noqa: BLE001 - as above; the reason is worth more than a perfect traceback
        text = reason
    if len(text) > _LONGEST_TRACEBACK:
        text = "...\n" + text[-_LONGEST_TRACEBACK:]
    return Reply(math.nan, reason[:_LONGEST_REASON], text, started, time.time())


def run_evaluation(
    function: EvaluationFunction,
    worker_id: int,
    task: EvaluationTask,
    settings: EvaluationSettings,
) -> Reply:
    """Run one evaluation; whatever happens in it, the answer is a `Reply`.

    Parameters
    ----------
    function : callable
        The user's ``evaluation_function(worker_id, parameters)``.
    worker_id : int
        Its first argument.
    task : EvaluationTask
        What to evaluate. The function gets a copy of the parameters, so it may change them.
    settings : EvaluationSettings
        Those of the pool.

    Returns
    -------
    Reply
        The score, or why there is none.

    Examples
    --------
    >>> task = EvaluationTask(0, OrderedDict(x=2.0), seed=1)
    >>> run_evaluation(lambda worker_id, parameters: parameters["x"] * 2, 0, task, EvaluationSettings()).score
    4.0
    """
    parameters = OrderedDict(
        (name, list(value) if type(value) is list else value) for name, value in task.parameters.items()
    )
    running = RunningEvaluation(task.seed, task.directory, settings.gpus_per_evaluation, limits=task.limits)
    token = RUNNING.set(running)
    started, clock = time.time(), time.perf_counter()
    try:
        seed_generators(task.seed, torch=settings.seed_torch)
        value = function(worker_id, parameters)
    except Pruned:
        return Reply(math.nan, None, None, started, started + time.perf_counter() - clock, running.curve, pruned=True)
    except BaseException as error:  # noqa: BLE001 - sys.exit() in one evaluation must not end the search
        return failure(error, started, frames_to_hide=1)._replace(curve=running.curve)
    finally:
        RUNNING.reset(token)
    ended = started + time.perf_counter() - clock  # the wall clock may be set back meanwhile
    try:
        score = as_scores(value, settings.objectives) if settings.objectives else as_score(value)
        return Reply(score, None, None, started, ended, running.curve)
    except Exception as error:  # noqa: BLE001 - a Real of the user's own may raise anything in float()
        reply = failure(error, started)
        # The frames would be ours alone and point away from the return statement that is to blame
        return reply._replace(traceback=f"{reply.error}\n", ended=ended, curve=running.curve)


def sendable(function: EvaluationFunction) -> bytes:
    """Pickle an evaluation function together with the program that it comes from."""
    return bytes(pickler().dumps((Program.of_this_process(), function)))


@dataclass(frozen=True, slots=True)
class WorkerSetup:
    """What a worker process has to know when it starts.

    Parameters
    ----------
    payload : list of bytes
        One entry: what `sendable` made of the evaluation function. The worker takes it out, for what a function carries
        may be large, and would be there twice.
    environment : dict
        Environment variables to set before anything heavy is imported.
    threads : int or None
        Limit for thread pools that are loaded already; None leaves them alone.
    settings : EvaluationSettings
        Those of the pool.
    idle_seconds : float, optional
        How long the worker waits for an evaluation before it ends itself; for ever by default.
    """

    payload: list[bytes]
    environment: dict[str, str]
    threads: int | None
    settings: EvaluationSettings
    idle_seconds: float | None = None


def serve(connection: Connection[Any, Any], setup: WorkerSetup) -> None:
    """Live as a worker process: evaluate what comes until told to stop.

    Parameters
    ----------
    connection : Connection
        The worker's end of the pipe. Receives pairs of a worker id and a task, pickled, or `STOP`; sends
        `READY` once, then for each task `BEGUN`, when all that is loaded once is loaded, and a `Reply`.
    setup : WorkerSetup
        See there.
    """
    os.environ.update(setup.environment)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What an evaluation prints is seen while it runs, in whole lines
            stream.reconfigure(line_buffering=True, write_through=False)
    _become_independent()
    # The parent may be gone at any moment; there is nobody left to tell then
    with contextlib.suppress(EOFError, OSError):
        connection.send(READY)
        _evaluate_what_comes(connection, setup)


def _evaluate_what_comes(connection: Connection[Any, Any], setup: WorkerSetup) -> None:
    settings = setup.settings
    function: EvaluationFunction | None = None
    while connection.poll(setup.idle_seconds):
        message = connection.recv_bytes()
        if message == STOP:
            return
        started = time.time()
        try:
            if function is None:
                if setup.threads is not None:
                    limit_loaded_pools(setup.threads, torch=settings.seed_torch)
                function = _load(setup.payload[0])
                setup.payload.clear()
            worker_id, task = pickler().loads(message)
        except BaseException as error:  # noqa: BLE001 - loading imports the user's modules, and PyTorch
            connection.send(BEGUN)
            reply = failure(error, started, frames_to_hide=1)
        else:
            connection.send(BEGUN)
            reply = run_evaluation(function, worker_id, task, settings)
        # What the evaluation printed would be lost if the worker were killed later
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):
                stream.flush()
        end_descendants()
        free_gpu_cache()
        connection.send(reply)


def _load(payload: bytes) -> EvaluationFunction:
    program, function = pickler().loads(payload)
    program.restore_start_method()
    program.adopt_main(function)
    return function  # type: ignore[no-any-return]


def _become_independent() -> None:
    # Ctrl-C is the pool's to handle. A session of its own keeps the terminal's signals away from the
    # worker, and lets the pool end the worker together with every process that evaluations started.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if hasattr(os, "setsid"):
        with contextlib.suppress(PermissionError):
            os.setsid()
        adopt_orphans()
        go_on_without_parent()
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    # A parent that is killed cannot tell its workers: an evaluation would hold its GPU until it ends
    _wait_for_end(parent)
    while os.getppid() == parent:
        time.sleep(_PARENT_CHECK_SECONDS)
    if os.getpgid(0) == os.getpid():
        _let_another_process_end_this_one()
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _let_another_process_end_this_one() -> None:
    """Fork one that outlives the rest: a process cannot list what it has started while its evaluation goes on."""
    worker = os.getpid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks where there are threads
        child = os.fork()
    if child == 0:
        try:
            os.setsid()
            signal.signal(signal.SIGALRM, lambda *_: _end_without_descendants(worker))
            signal.alarm(_LONGEST_END_SECONDS)
            kill_with_descendants(worker)
        finally:
            os._exit(0)
    time.sleep(_LONGEST_END_SECONDS)
    with contextlib.suppress(OSError):
        os.kill(child, signal.SIGKILL)  # a lock may have been held by a thread that it does not have


def _end_without_descendants(worker: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(worker, signal.SIGKILL)  # it may be stopped
    os._exit(1)


def _wait_for_end(parent: int) -> None:
    """Wait for the end of a process where the system announces it: Linux does, without being asked again and again."""
    if not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(parent)
    except OSError:  # an old kernel, a sandbox, or the parent is gone
        return
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        poller.poll()
    finally:
        os.close(descriptor)
