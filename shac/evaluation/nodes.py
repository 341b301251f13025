"""What runs on the nodes of a cluster: each evaluation in a process of its own next to the cluster's worker.

The process is that of `ProcessSlot`, and with it the rules for failures: an evaluation that crashes or lasts too long
costs that process, never the cluster's worker, and the reason comes back. It is kept for the next evaluation and ends
itself when none comes, or with the worker that started it.
"""

from __future__ import annotations

import functools
import math
import sys
import threading
import time
from dataclasses import dataclass
from multiprocessing import connection, util
from typing import TYPE_CHECKING

from shac.evaluation.processes import ProcessLimits, ProcessSlot
from shac.evaluation.tasks import EvaluationSettings, Reply
from shac.evaluation.worker import WorkerSetup

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "SMALL_PAYLOAD",
    "NodeJob",
    "forget_search",
    "has_payload",
    "keep_payload",
    "own_version",
    "run_on_node",
    "run_sent_job",
]

SMALL_PAYLOAD = 100_000  # bytes that travel with each evaluation rather than be asked for

_LOOK_SECONDS = 0.2
_IDLE_SECONDS = 60.0
_KILL_BEFORE_MULTIPROCESSING_JOINS = 100


@dataclass(frozen=True, slots=True)
class NodeJob:
    """One evaluation, as it is sent to a node.

    Parameters
    ----------
    search : str
        Names the pool that sent it.
    function : str
        Tells the evaluation function from others.
    payload : bytes or None
        What `sendable` made of the evaluation function; None where the node should have it.
    message : bytes
        The worker id and the `EvaluationTask`, pickled.
    environment : dict
        Limits of threads; empty for what the node has.
    threads : int or None
        The same limit for pools that are loaded already.
    settings : EvaluationSettings
        Those of the pool.
    limits : ProcessLimits
        What ends an evaluation, or its process.
    """

    search: str
    function: str
    payload: bytes | None
    message: bytes
    environment: dict[str, str]
    threads: int | None
    settings: EvaluationSettings
    limits: ProcessLimits


_lock = threading.Lock()
_idle: dict[str, list[ProcessSlot]] = {}
_running: dict[str, set[ProcessSlot]] = {}
_forgotten: set[str] = set()
_payloads: dict[str, bytes] = {}


def run_on_node(job: NodeJob) -> Reply | None:
    """Run one evaluation and wait for it.

    Parameters
    ----------
    job : NodeJob
        What to run.

    Returns
    -------
    Reply or None
        A failed one also when the process dies, lasts too long, or the search is gone. None if the job comes without
        its function, and the node does not have it.
    """
    key = f"{job.search} {job.function}"
    with _lock:
        idle = _idle.get(key)
        slot = idle.pop() if idle else None
        payload = job.payload or _payloads.get(key)
        if payload is not None and len(payload) > SMALL_PAYLOAD and job.search not in _forgotten:
            _payloads[key] = payload
    if slot is None:
        if payload is None:
            return None
        _kill_at_exit()
        setup = WorkerSetup([payload], job.environment, job.threads, job.settings, idle_seconds=_IDLE_SECONDS)
        slot = ProcessSlot("loky", -1, setup, job.limits)
    started = time.time()
    reply: Reply | None = None
    with _lock:
        _running.setdefault(job.search, set()).add(slot)
    try:
        slot.send(job.message)
        while (reply := slot.poll()) is None:
            deadline = slot.deadline()
            if deadline is not None and time.monotonic() >= deadline:
                reply = slot.abandon()
                break
            if job.search in _forgotten or _is_cancelled():
                break
            connection.wait(slot.waitables(), _LOOK_SECONDS)
    finally:
        with _lock:
            _running[job.search].discard(slot)
            is_kept = reply is not None and job.search not in _forgotten
            if is_kept:
                _idle.setdefault(key, []).append(slot)
        if not is_kept:
            slot.kill()
            slot.join(0.0)
    if reply is not None:
        return reply
    reason = "SearchEnded: the search that asked for this evaluation has ended"
    return Reply(math.nan, reason, f"{reason}\n", started, time.time())


def own_version() -> str:
    """Return the version of this package."""
    return str(sys.modules["shac"].__version__)


def run_sent_job(job: bytes, version: str) -> Reply | None:
    """Run a pickled `NodeJob`; travels with its code, since a cluster may hang on what its worker cannot import.

    Parameters
    ----------
    job : bytes
        The job, pickled.
    version : str
        This package's version where the search runs.

    Raises
    ------
    ImportError
        If the node does not have this package, or not in that version.
    """
    import pickle

    try:
        import shac
    except ImportError as error:
        raise ImportError(f"the node must have shac {version} installed, got {error}") from error
    if shac.__version__ != version:
        raise ImportError(f"the node must have shac {version} installed, got {shac.__version__}")
    from shac.evaluation.nodes import run_on_node

    return run_on_node(pickle.loads(job))  # noqa: S301 - joblib sent it, which pickles all that it sends


# What is said to be of no module is pickled by value
run_sent_job.__module__ = "__main__"


def has_payload(search: str, function: str) -> bool:
    """Return whether this node has an evaluation function; see `NodeJob`."""
    return f"{search} {function}" in _payloads


def keep_payload(search: str, function: str, payload: bytes) -> None:
    """Keep an evaluation function on this node until `forget_search`; see `NodeJob`."""
    with _lock:
        if search not in _forgotten:
            _payloads[f"{search} {function}"] = payload


def forget_search(search: str) -> None:
    """End what this node runs and keeps for a search, within a second.

    Parameters
    ----------
    search : str
        See `NodeJob`.
    """
    with _lock:
        _forgotten.add(search)
        kept = [slot for key in list(_idle) if key.startswith(f"{search} ") for slot in _idle.pop(key)]
        for key in [key for key in _payloads if key.startswith(f"{search} ")]:
            del _payloads[key]
    for slot in kept:
        slot.kill()
        slot.join(0.0)


def _is_cancelled() -> bool:
    """Return whether Dask has dropped the task that runs in this thread: its client is gone, killed perhaps."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        worker = distributed.get_worker()
        task = worker.state.tasks.get(worker.get_current_task())
    except (ValueError, AttributeError):  # not in a task of Dask
        return False
    return task is None or task.state in ("cancelled", "released", "forgotten")


def _all_slots() -> Iterator[ProcessSlot]:
    for slots in [*_idle.values(), *_running.values()]:
        yield from list(slots)


@functools.cache
def _kill_at_exit() -> None:
    util.Finalize(None, _kill_all, exitpriority=_KILL_BEFORE_MULTIPROCESSING_JOINS)


def _kill_all() -> None:
    for slot in _all_slots():
        slot.kill()
