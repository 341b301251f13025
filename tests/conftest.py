import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

# Threads of OpenMP that wait for work leave the core to others: spinning, they make a busy machine stand still.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell's background jobs ignore Ctrl-C, and so would all processes that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What a test starts inherits this, and is found by it even when its parent has ended.
MARK = ("SHAC_TEST_PROCESS", str(os.getpid()))
os.environ.update([MARK])

SECONDS_TO_END = 30.0


@pytest.fixture(autouse=True)
def _work_in_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test writes lands in the repository."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """Fail a test that leaves a process; those of fixtures that live longer were there before it."""
    before = _processes_of_tests()
    yield
    _end_kept_workers_of_joblib()
    deadline = time.monotonic() + SECONDS_TO_END
    while (left := _processes_of_tests() - before) and time.monotonic() < deadline:
        time.sleep(0.02)
    lines = [_describe(process) for process in left]
    for process in left:
        process.kill()
    assert not lines, f"processes left: {lines}"


def _processes_of_tests() -> set[psutil.Process]:
    return {process for process in _found_processes() if _counts(process)}


def _found_processes() -> Iterator[psutil.Process]:
    """Yield what has the mark, and children that were started without it."""
    if not sys.platform.startswith("linux"):
        yield from psutil.Process().children(recursive=True)
        yield from filter(_is_marked, psutil.process_iter())
        return
    # psutil takes six milliseconds for it, before and after each of four thousand tests.
    mark = "=".join(MARK).encode() + b"\0"
    parent = b" %d " % os.getpid()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, psutil.Error):
            stat = (folder / "stat").read_bytes()
            if mark in (folder / "environ").read_bytes() or stat.rpartition(b")")[2][2:].startswith(parent):
                yield psutil.Process(int(folder.name))


def _is_marked(process: psutil.Process) -> bool:
    try:
        return bool(process.environ().get(MARK[0]) == MARK[1])
    except psutil.Error:
        return False


def _counts(process: psutil.Process) -> bool:
    try:
        # The resource trackers of multiprocessing and loky, and a server of forks, live as long as the interpreter
        command = " ".join(process.cmdline())
        return process.status() != psutil.STATUS_ZOMBIE and not any(
            word in command for word in ("resource_tracker", "forkserver")
        )
    except psutil.Error:
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid}: {' '.join(process.cmdline())}"
    except psutil.Error:
        return str(process.pid)


def _end_kept_workers_of_joblib() -> None:
    """Joblib keeps its workers for the next call, and they know only the modules of the test that started them."""
    kept = sys.modules.get("joblib.externals.loky.reusable_executor")
    if kept is not None and kept._executor is not None:
        kept._executor.shutdown(wait=True, kill_workers=True)
