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
    engine = searches.engine(searches.branin_in_steps, **PRUNED, save_dir="pruned")
    engine.evaluator_backend = "ray"
    engine.set_num_parallel_evaluators(2)
    engine.fit(overlap=4)
"""
PRUNED = {"total_budget": 30, "num_batches": 3, "pruning": "median"}


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Run the script once, as a cluster takes long to start; returns its folder and what it printed."""
    folder = tmp_path_factory.mktemp("ray")
    script = folder / "search.py"
    text = SCRIPT.replace('"lost"', repr(str(folder / "lost"))).replace("**PRUNED", f"**{PRUNED}")
    script.write_text(textwrap.dedent(text))
    environment = {**clusters.ENVIRONMENT, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, str(script)]
    done = subprocess.run(
        command, check=False, cwd=folder, env=environment, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_failures_and_lost_nodes_on_ray_are_those_of_processes(searched: tuple[Path, str]) -> None:
    folder, printed = searched
    lines = [line for line in printed.splitlines() if line[:1].isdigit()]
    expected = [
        "exited with code 3",
        "was killed by SIGSEGV",
        "EvaluationTimeout: no result within 2 s",
        "ValueError: no such depth",
        "None",
        "None",
    ]
    assert len(lines) == len(expected), printed
    for index, (line, reason) in enumerate(zip(lines, expected, strict=True)):
        assert line.startswith(f"{index} True ")
        assert reason in line
    searches.engine(total_budget=20, num_batches=2, save_dir="undisturbed").fit(skip_cv_checks=True)
    assert (folder / "shac_run/dataset.csv").read_bytes() == Path("undisturbed/dataset.csv").read_bytes()


def test_overlapping_rounds_that_prune_on_ray_have_the_table_of_one_on_threads(searched: tuple[Path, str]) -> None:
    folder, _ = searched
    engine = searches.engine(searches.branin_in_steps, **PRUNED, save_dir="one")
    engine.fit(overlap=4)
    assert engine.state.pruned
    assert (folder / "pruned/dataset.csv").read_bytes() == Path("one/dataset.csv").read_bytes()
