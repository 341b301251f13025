"""Evaluation functions of the tests; here, because worker processes import this module by its name."""

import builtins
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from typing import Any

import numpy as np
import psutil

import shac
from shac.evaluation import nodes

FREE = 2_000_000_000  # bytes that a worker may take beyond those that it has
LEAK = 500_000_000

LEAVES = """
import multiprocessing, os, subprocess, sys, time
SECONDS = os.environ["SECONDS_OF_SLEEP"]
def leave(worker_id, parameters):
    for options in ({}, {"start_new_session": True}):
        subprocess.Popen(["sleep", SECONDS + "1"], **options)
        # Its parent ends at once, and leaves it to the system
        subprocess.run(["sh", "-c", f"sleep {SECONDS}2 &"], **options)
    multiprocessing.Process(target=time.sleep, args=(300,)).start()
    while parameters["waits"]:
        time.sleep(0.1)
    if parameters["dies"]:
        os._exit(3)
    return 1.0
"""
# Tells the processes of these tests from those of others that run at the same time
SECONDS = os.environ.setdefault("SECONDS_OF_SLEEP", str(os.getpid()))
SLEEPS = {("sleep", f"{SECONDS}1"), ("sleep", f"{SECONDS}2")}


def leave(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    names: dict[str, Any] = {}
    exec(LEAVES, names)
    return float(names["leave"](worker_id, parameters))


def inner(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    return float(parameters["y"])


def outer(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    search = shac.SHAC(inner, [shac.UniformHP("y", 0, 1)], 4, 2, save_dir=tempfile.mkdtemp(), seed=1)
    search.evaluator_backend = parameters["inner"]
    search.fit(progress=False)
    return search.best_score


def limit_memory() -> None:
    """Let this process take some memory more than it has, once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + FREE, hard))


def accuracy_and_seconds(worker_id: int, parameters: OrderedDict[str, Any]) -> tuple[float, float]:
    """An accuracy that costs seconds: its front is where all columns but the first are 0.3."""
    first, *rest = parameters.values()
    away = sum((value - 0.3) ** 2 for value in rest)
    return 1 - (1 - first) ** 2 - away, first + away


def process_id(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    if parameters["x"] in (2.0, 5.0):
        raise ValueError(f"process {os.getpid()}")
    return float(os.getpid())


def leak(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Keep half a gigabyte for ever."""
    limit_memory()
    kept = getattr(builtins, "_kept", [])
    builtins._kept = kept  # type: ignore[attr-defined]
    kept.append(np.ones(LEAK // 8))
    return 1.0


def too_large(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    if parameters["x"] == 3.0:
        limit_memory()
        np.ones(10 * FREE // 8)
    return float(os.getpid())


def grow(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Take so many megabytes; a negative number of them in a process of its own."""
    size = int(parameters["megabytes"])
    if size < 0:
        program = f"import time; kept = b'1' * {-size * 1_000_000}; time.sleep(60)"
        subprocess.run([sys.executable, "-c", program], check=True)
    kept = np.ones(max(size, 0) * 125_000)
    if size > 1000:
        time.sleep(60)
    return float(len(kept))


def memory_of_payload(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    return float(psutil.Process().memory_info().rss)


def pid_only(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    return float(os.getpid())


def num_payloads() -> int:
    """Count the evaluation functions that this node of a cluster keeps."""
    return len(nodes._payloads)


def note(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Write one line each time, and fail the first two times."""
    lines = shac.evaluation_dir() / "lines"
    with lines.open("a") as file:
        file.write(f"{parameters['x']!r}\n")
    if len(lines.read_text().splitlines()) < 3:
        raise RuntimeError("preempted")
    return float(parameters["x"])


def reports_or_fails(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Score by a saw of seven teeth, with a curve that leads there; fail by one of thirteen."""
    score = parameters["rate"] * 7 % 1
    for step in range(3):
        shac.report(step, score * (step + 1) / 3)
    if parameters["rate"] * 13 % 1 > 0.8:
        raise ValueError("too large")
    return float(score)
