"""Searches on Ray: a real local cluster of its processes."""

import subprocess
import sys
import textwrap
from pathlib import Path

import clusters
import pytest
import searches

pytest.importorskip("ray", reason="needs the extra 'ray'")

pytestmark = pytest.mark.slow

SCRIPT = """
import os, signal, sys, time
from collections import OrderedDict
import searches
from shac.evaluation import EvaluationTask, EvaluatorPool

def misbehaves(worker_id, parameters):
    kind = parameters["x"]
    if kind == "exit":
        os._exit(3)
    if kind == "node":  # what runs the evaluation is lost, once, with the node
        if not os.path.exists("lost"):
            open("lost", "w").close()
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(10)
    if kind == "segfault":
        import ctypes
        import faulthandler
        faulthandler.disable()  # its report would stand among those of pytest
        ctypes.string_at(0)
    if kind == "hang":
        time.sleep(60)
    if kind == "raise":
        raise ValueError("no such depth")
    return 1.0

if __name__ == "__main__":
    kinds = ["exit", "segfault", "hang", "raise", "node", "good"]
    tasks = [EvaluationTask(i, OrderedDict(x=kind), seed=i) for i, kind in enumerate(kinds)]
    with EvaluatorPool(misbehaves, num_evaluators=2, backend="ray", evaluation_timeout=2.0) as pool:
        for outcome in pool.evaluate(tasks):
            print(outcome.index, outcome.worker_id in (0, 1), outcome.error)
    engine = searches.engine(total_budget=20, num_batches=2)
    engine.evaluator_backend = "ray"
    engine.set_num_parallel_evaluators(2)
    engine.fit(skip_cv_checks=True)
"""


def test_failures_and_lost_nodes_on_ray_are_those_of_processes(tmp_path: Path) -> None:
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SCRIPT.replace('"lost"', repr(str(tmp_path / "lost")))))
    environment = {**clusters.ENVIRONMENT, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, str(script)]
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line[:1].isdigit()]
    expected = [
        "exited with code 3",
        "was killed by SIGSEGV",
        "EvaluationTimeout: no result within 2 s",
        "ValueError: no such depth",
        "None",
        "None",
    ]
    assert len(lines) == len(expected), done.stdout
    for index, (line, reason) in enumerate(zip(lines, expected, strict=True)):
        assert line.startswith(f"{index} True ")
        assert reason in line
    searches.engine(total_budget=20, num_batches=2, save_dir="undisturbed").fit(skip_cv_checks=True)
    assert Path("shac_run/dataset.csv").read_bytes() == Path("undisturbed/dataset.csv").read_bytes()
