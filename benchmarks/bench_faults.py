"""Faults: what a search loses when it is killed, when evaluations fail in every way, and when a node goes away.

Every line of the table is checked, and one that is not as it must be ends the run with exit code 1:

- searches that are killed with SIGKILL at random moments and taken up again until they are done: no evaluation of the
  journal may be lost or run again, and the table must be that of a search that nobody disturbed, byte for byte;
- evaluations of which one in ten each raises, gives NaN, ends its process, crashes, or hangs: all in the journal with
  the right reason, and no process left;
- a search on a Dask scheduler with two workers, one of which is killed midway;
- 10,000 evaluations of an instant function: memory, descriptors and processes before and after;
- what an evaluation costs besides itself, next to joblib.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter, OrderedDict
from pathlib import Path
from statistics import median
from typing import Any

import joblib
import psutil
from joblib.externals import loky

import shac
from shac.evaluation import EvaluationTask, EvaluatorPool, derive_seed
from shac.store.journal import read_journal

FULL = {"searches": 20, "failures": 200, "instant": 10_000, "overhead": 2000}
QUICK = {"searches": 3, "failures": 20, "instant": 1000, "overhead": 200}
KINDS = ("raise", "nan", "exit", "segfault", "hang")
REASONS = {
    "raise": "ValueError: this one raises",
    "nan": "ValueError: evaluation_function must return a finite number, got nan",
    "exit": "exited with code 3",
    "segfault": "was killed by SIGSEGV",
    "hang": "EvaluationTimeout: no result within",
}
TIMEOUT = 2.0
LONGEST_OVERHEAD = 0.002  # seconds an evaluation; --quick is too short to be held to it


def bowl(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Last about 15 ms, longer for some, so that a kill meets batches in every state."""
    time.sleep(0.005 + 0.02 * (parameters["x"] % 1))
    return float((parameters["x"] - 1) ** 2 + (parameters["y"] - 2) ** 2)


def new_search(folder: Path, function: Any = bowl, **settings: Any) -> shac.SHAC:
    space = [shac.UniformHP("x", -5.0, 5.0), shac.UniformHP("y", -5.0, 5.0)]
    settings = {"total_budget": 100, "num_batches": 10, "objective": "min", "seed": 0, **settings}
    engine = shac.SHAC(function, space, save_dir=folder, **settings)
    engine.set_num_parallel_evaluators(2)
    return engine


def run_search(folder: Path, seed: int) -> None:
    """Run or take up a search; the life of a process that will be killed."""
    engine = new_search(folder, seed=seed)
    if (folder / "manifest.json").exists():
        engine.restore_data()
    engine.fit(skip_cv_checks=True)


def killed_searches(num_searches: int, folder: Path) -> list[tuple[str, str, bool]]:
    generator = random.Random(0)
    kills = lost = twice = different = 0
    for seed in range(num_searches):
        whole, killed = folder / f"whole{seed}", folder / f"killed{seed}"
        new_search(whole, seed=seed).fit(skip_cv_checks=True)
        known: dict[int, Any] = {}
        journal = killed / "journal.jsonl"
        while True:
            process = subprocess.Popen([sys.executable, __file__, "--search", str(killed), "--seed", str(seed)])
            begun = len(known)
            until = begun + generator.randrange(3, 40)  # evaluations, so that every kill meets a search at work
            deadline = time.monotonic() + 60
            while process.poll() is None and time.monotonic() < deadline:
                if journal.exists() and len(read_journal(journal)) >= until:
                    time.sleep(generator.uniform(0, 0.03))
                    process.kill()
                    break
                time.sleep(0.002)
            code = process.wait()
            now = {entry.index: entry for entry in read_journal(journal)}
            lost += sum(index not in now for index in known)
            twice += sum(index in now and now[index] != entry for index, entry in known.items())
            known = now
            if code == 0:
                break
            if code != -signal.SIGKILL:
                raise SystemExit(f"a search ended with code {code}")
            kills += 1
        recorded = Counter(
            line["index"] for line in map(json.loads, journal.read_text().splitlines()) if line["kind"] == "evaluation"
        )
        twice += sum(count - 1 for count in recorded.values())
        lost += 100 - len(recorded)
        different += (whole / "dataset.csv").read_bytes() != (killed / "dataset.csv").read_bytes()
    title = f"{num_searches} searches of 100 evaluations, killed {kills} times with SIGKILL"
    return [
        (f"{title}: finished evaluations lost", str(lost), lost == 0),
        ("... finished evaluations run twice", str(twice), twice == 0),
        ("... tables unlike the undisturbed one", str(different), different == 0),
    ]


def kind_of(index: int) -> str:
    """Make one in ten of each kind, in turns; the other half is good."""
    return (*KINDS, *["good"] * len(KINDS))[index * 7 % 10]


def index_of_running(num_evaluations: int) -> int:
    """Find the number of the evaluation that is running by its seed, which is all that an evaluation knows of it."""
    seeds = [derive_seed(0, index) for index in range(num_evaluations)]
    return seeds.index(shac.evaluation_seed())


def misbehave(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    kind = kind_of(index_of_running(1000))
    if kind == "raise":
        raise ValueError("this one raises")
    if kind == "exit":
        os._exit(3)
    if kind == "segfault":
        import ctypes

        ctypes.string_at(0)
    if kind == "hang":
        time.sleep(3600)
    return float("nan") if kind == "nan" else float(parameters["x"])


def failures(num_evaluations: int, folder: Path) -> list[tuple[str, str, bool]]:
    # One batch: later ones would learn to keep away from failures
    engine = new_search(
        folder / "failures",
        misbehave,
        total_budget=num_evaluations,
        num_batches=1,
        evaluation_timeout=TIMEOUT,
    )
    history = engine.fit(skip_cv_checks=True)
    entries = read_journal(folder / "failures/journal.jsonl")
    counts: Counter[str] = Counter()
    wrong = 0
    for entry in entries:
        kind = kind_of(entry.index)
        counts[kind] += 1
        wrong += entry.error is not None if kind == "good" else REASONS[kind] not in str(entry.error)
    listed = len(history.failures) == num_evaluations - counts["good"]
    left = len(remaining_processes())
    title = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    return [
        (
            f"{num_evaluations} evaluations ({title}): in the journal",
            str(len(entries)),
            len(entries) == num_evaluations,
        ),
        ("... with a wrong reason", str(wrong), wrong == 0),
        ("... failures listed in the history", str(len(history.failures)), listed),
        ("... processes left", str(left), left == 0),
    ]


def remaining_processes() -> list[psutil.Process]:
    """Children other than the resource trackers of multiprocessing and loky, which live as long as the interpreter."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]


def lost_node(folder: Path) -> list[tuple[str, str, bool]]:
    try:
        import distributed
    except ImportError:
        return [("Dask search with a worker killed midway", "skipped: distributed is not installed", True)]
    new_search(folder / "whole-dask").fit(skip_cv_checks=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}

    def start(what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options, "--no-dashboard"]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    processes = [start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-show")]
    processes += [start("worker", address, "--no-nanny", "--nthreads", "1") for _ in range(2)]

    class KillOne(shac.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 5:
                processes[1].kill()

    try:
        with distributed.Client(address, timeout="30s", set_as_default=False) as client:
            client.wait_for_workers(2)
            engine = new_search(folder / "dask")
            engine.evaluator_backend = "dask"
            engine.evaluator_cluster = client
            history = engine.fit(skip_cv_checks=True, callbacks=[KillOne()])
        died = processes[1].wait(5) == -signal.SIGKILL
    finally:
        for process in processes:
            process.terminate()
            process.wait()
    same = (folder / "dask/dataset.csv").read_bytes() == (folder / "whole-dask/dataset.csv").read_bytes()
    complete = len(read_journal(folder / "dask/journal.jsonl"))
    return [
        ("Dask, one of two workers killed midway: evaluations done of 100", str(complete), died and complete == 100),
        ("... failed because of it", str(len(history.failures)), not history.failures),
        ("... table equal to the undisturbed one", "yes" if same else "no", same),
    ]


def instant(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    return float(parameters["x"])


def many(num_evaluations: int, folder: Path, *, is_timed: bool) -> list[tuple[str, str, bool]]:
    """Run a search of instant evaluations in batches of at least 1,000, and look at this process after each."""
    process = psutil.Process()
    seen: list[tuple[int, int, int]] = []

    class Look(shac.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            size = process.memory_info().rss + sum(child.memory_info().rss for child in remaining_processes())
            seen.append((size, process.num_fds(), len(remaining_processes())))

    num_batches = max(2, num_evaluations // 1000)
    engine = new_search(folder / "many", instant, total_budget=num_evaluations, num_batches=num_batches)
    began = time.perf_counter()
    history = engine.fit(skip_cv_checks=True, callbacks=[Look()])
    seconds = time.perf_counter() - began
    # Workers start in the first batch
    each = sum(history.history["evaluating_seconds"][1:]) / (num_evaluations - num_evaluations // num_batches)
    grown = (seen[-1][0] - seen[1][0]) / 2**20
    per_evaluation = grown * 2**20 / num_evaluations
    flat = seen[-1][1:] == seen[0][1:]
    return [
        (
            f"{num_evaluations} instant evaluations in {num_batches} batches: ms an evaluation with the journal",
            f"{1000 * each:.2f} (search {seconds:.1f} s)",
            not is_timed or each < LONGEST_OVERHEAD,
        ),
        (
            "... growth from the second batch to the last: MiB, all processes",
            f"{grown:.1f} ({per_evaluation:.0f} bytes an evaluation)",
            grown < 32,
        ),
        ("... descriptors and processes, first batch and last", f"{seen[0][1:]} {seen[-1][1:]}", flat),
    ]


def overhead(num_evaluations: int, *, is_timed: bool) -> list[tuple[str, str, bool]]:
    """Compare with joblib where each evaluation is a task of its own, as it is here, in turns."""
    tasks = [EvaluationTask(i, OrderedDict(x=float(i)), seed=i) for i in range(num_evaluations)]
    settings = [task.parameters for task in tasks]
    rows = []
    for backend in ("loky", "multiprocessing", "threading"):
        ours, theirs = [], []
        with (
            EvaluatorPool(instant, num_evaluators=2, backend=backend) as pool,
            joblib.Parallel(n_jobs=2, backend=backend, batch_size=1) as parallel,
        ):
            pool.evaluate(tasks[:10])
            parallel(joblib.delayed(instant)(0, setting) for setting in settings[:10])
            for _ in range(5):
                began = time.perf_counter()
                pool.evaluate(tasks)
                middle = time.perf_counter()
                parallel(joblib.delayed(instant)(0, setting) for setting in settings)
                ours.append((middle - began) / num_evaluations)
                theirs.append((time.perf_counter() - middle) / num_evaluations)
        mine, joblibs = median(ours), median(theirs)
        text = f"{1000 * mine:.3f} / {1000 * joblibs:.3f} = {mine / joblibs:.2f}"
        is_right = not is_timed or mine < LONGEST_OVERHEAD
        rows.append((f"ms an evaluation besides itself, {backend}: shac / joblib", text, is_right))
    loky.get_reusable_executor().shutdown(wait=True)  # joblib keeps its workers
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help="everything small")
    parser.add_argument("--search", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.search is not None:
        run_search(arguments.search, arguments.seed)
        return 0
    sizes = QUICK if arguments.quick else FULL
    all_right = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in (
            lambda: killed_searches(sizes["searches"], folder),
            lambda: failures(sizes["failures"], folder),
            lambda: lost_node(folder),
            lambda: many(sizes["instant"], folder, is_timed=not arguments.quick),
            lambda: overhead(sizes["overhead"], is_timed=not arguments.quick),
        ):
            for title, value, is_right in part():
                print(f"{'ok  ' if is_right else 'FAIL'} {title:<100} {value}", flush=True)
                all_right &= is_right
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
