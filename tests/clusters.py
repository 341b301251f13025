"""Real clusters on the loopback interface for the tests."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import searches

TESTS = str(Path(searches.__file__).parent)
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([TESTS, *filter(None, [os.environ.get("PYTHONPATH")])]),
    "DASK_DISTRIBUTED__WORKER__DAEMON": "True",
}


@dataclass
class DaskProcesses:
    """A scheduler and its workers, each a process of its own."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def add_worker(self, *options: str, nanny: bool = False) -> "subprocess.Popen[bytes]":
        kind = [] if nanny else ["--no-nanny"]
        worker = start("worker", self.address, *kind, "--nthreads", "1", "--no-dashboard", *options)
        self.workers.append(worker)
        return worker


def start(what: str, *options: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "distributed.cli.dask_" + what, *options]
    return subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=Path(f"dask-{what}.log").open("ab")
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def dask_cluster(num_workers: int, *options: str, nanny: bool = False) -> Iterator[DaskProcesses]:
    """Start a scheduler and workers of one thread each, and end them."""
    port = free_port()
    scheduler = start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show")
    cluster = DaskProcesses(f"tcp://127.0.0.1:{port}", scheduler)
    try:
        for _ in range(num_workers):
            cluster.add_worker(*options, nanny=nanny)
        wait_until_it_listens(port)
        yield cluster
    finally:
        for process in [*cluster.workers, scheduler]:
            process.terminate()
        for process in [*cluster.workers, scheduler]:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until_it_listens(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, "the scheduler has not started"
            time.sleep(0.05)
        else:
            return
