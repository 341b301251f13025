"""What evaluations start: processes of any kind, which end with the evaluation, or with the worker that ran it.

A worker leads a process group, but data loaders, launchers and shells may start groups and sessions of their own, or
leave children to the system. On Linux a worker takes in such orphans, so that all that it has started, and nothing
else, descends from it.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from multiprocessing import forkserver, resource_tracker
from typing import TYPE_CHECKING, Any

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["adopt_orphans", "descendants_of", "end_descendants", "go_on_without_parent", "kill_with_descendants"]

_SET_PARENT_DEATH_SIGNAL = 1
_SET_CHILD_SUBREAPER = 36
_SECONDS_TO_DIE = 2.0


def adopt_orphans() -> None:
    """Let this process be the parent of descendants whose parent has ended, where the system has such a thing."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def go_on_without_parent() -> None:
    """Let this process go on when its parent ends while it is stopped, where the system has such a thing.

    A worker is stopped while what it has started is killed, and who does that may be killed itself, at any moment.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGCONT), 0, 0, 0)


def descendants_of(pid: int) -> list[psutil.Process]:
    """List the processes that a process has started, and those that they have; empty if it is gone."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.Error:
        return []


def kill_with_descendants(pid: int) -> None:
    """Kill a worker and what its evaluations have started, in its process group or out of it."""
    if hasattr(signal, "SIGSTOP"):
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGSTOP)  # it starts nothing more, and takes in what its descendants leave
    deadline = time.monotonic() + _SECONDS_TO_DIE
    while started := [process for process in descendants_of(pid) if process.pid != os.getpid() and _is_alive(process)]:
        _kill_all(started)  # what they started while they were listed is seen the next time
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def _kill_all(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error, OSError):
            process.kill()


def end_descendants() -> None:
    """Kill what this process has started and has not ended, and wait for it; called between two evaluations.

    What belongs to `multiprocessing` and to loky themselves, and serves the next evaluation as well, lives on.
    """
    if not psutil.Process().children():
        return
    with _no_signals_of_children():
        _shut_down_loky()
        deadline = time.monotonic() + _SECONDS_TO_DIE
        while True:
            spared = _servants()
            left = [
                process
                for child in psutil.Process().children()
                if child.pid not in spared
                for process in (child, *descendants_of(child.pid))
            ]
            _kill_all(left)
            multiprocessing.active_children()  # takes note of the end of its own
            for process in left:
                with contextlib.suppress(ChildProcessError, OSError):
                    os.waitpid(process.pid, getattr(os, "WNOHANG", 0))
            if not left or time.monotonic() > deadline:
                return
            time.sleep(0.005)


def _servants() -> set[Any]:
    trackers = [resource_tracker._resource_tracker]
    loky_tracker = sys.modules.get("joblib.externals.loky.backend.resource_tracker")
    if loky_tracker is not None:
        trackers.append(loky_tracker._resource_tracker)
    return {
        *(getattr(tracker, "_pid", None) for tracker in trackers),
        getattr(forkserver._forkserver, "_forkserver_pid", None),
    }


def _shut_down_loky() -> None:
    """End the processes that joblib keeps for the next call in the way that it can go on from."""
    module = sys.modules.get("joblib.externals.loky.reusable_executor")
    executor = getattr(module, "_executor", None)
    if executor is not None:
        with contextlib.suppress(Exception):  # a broken one is killed with the others
            executor.shutdown(wait=True, kill_workers=True)


@contextlib.contextmanager
def _no_signals_of_children() -> Iterator[None]:
    """Keep away handlers such as that of PyTorch's data loaders, which raises when one of their workers is killed."""
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGCHLD, handler)
