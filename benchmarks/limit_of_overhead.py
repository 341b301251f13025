"""What a search cannot take less than: XGBoost's trees alone, waits for the disk, and as many calls of NumPy.

A search of the default strategy is run once and watched: the points and labels of each training, how often it waits for
the disk, and its calls of NumPy and of the core by Python. Then, with nothing of this library, the same trees are
trained by a bare booster (and compared with the search's to the last byte), as many lines are written to a file and put
on the disk, and as many calls made of NumPy's cheapest function. Processor seconds, and for the disk those of the clock
beside them; medians.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import numpy as np  # noqa: E402 - behind the number of threads
import xgboost  # noqa: E402

from shac import training  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.quality.problems import PROBLEMS
    from benchmarks.quality.rivals import shac_engine
    from benchmarks.quality.task import Task
else:
    from quality.problems import PROBLEMS
    from quality.rivals import shac_engine
    from quality.task import Task

NAMES = ("branin", "hartmann6", "ackley-20", "mixed-30", "conditional-12")
NUM_BATCHES = {200: 20, 1900: 19}
ARRAYS = ("numpy", "shac._core")


class Watch:
    """Runs a search, and keeps what it asks of others."""

    def __init__(self, task: Task) -> None:
        self.trained: list[tuple[Any, Any, dict[str, Any], int, bytes]] = []
        self.calls: Counter[str] = Counter()
        self.waits = 0
        own_boosted, own_sync = training._boosted, os.fsync

        def boosted(X: Any, labels: Any, seed: int, trees: training.TreeSettings) -> Any:
            booster = own_boosted(X, labels, seed, trees)
            settings = {"objective": "binary:logistic", "nthread": 1, "seed": seed % (2**31 - 1)}
            settings.update(trees.arguments(len(X)))
            num_trees = settings.pop("n_estimators")
            self.trained.append((X.copy(), labels.copy(), settings, num_trees, bytes(booster.save_raw("ubj"))))
            return booster

        def sync(descriptor: int) -> None:
            self.waits += 1
            own_sync(descriptor)

        training._boosted, os.fsync = boosted, sync  # type: ignore[assignment]
        try:
            sys.setprofile(self._count)
            run(task)
        finally:
            sys.setprofile(None)
            training._boosted, os.fsync = own_boosted, own_sync

    def _count(self, _: Any, event: str, function: Any) -> None:
        if event == "c_call":
            owner = getattr(function, "__self__", None)
            module = getattr(function, "__module__", None) or type(owner).__module__
            if module.startswith(ARRAYS) or isinstance(owner, (np.ndarray, np.ufunc, np.random.Generator)):
                self.calls["arrays"] += 1
            self.calls["all"] += 1


def run(task: Task) -> None:
    """Run a search by `ask` and `tell`."""
    with tempfile.TemporaryDirectory() as folder:
        engine = shac_engine(task, folder, "guided")
        while batch := engine.ask(task.batch_size):
            for setting, value in [(setting, task.function(dict(setting))) for setting in batch]:
                engine.tell(setting, value)


def train(watch: Watch) -> list[bytes]:
    """Train all classifiers of a search by a bare booster."""
    files = []
    for X, labels, settings, num_trees, _ in watch.trained:
        points = xgboost.DMatrix(X, label=labels, nthread=1)
        booster = xgboost.Booster(settings, [points])
        for tree in range(num_trees):
            booster.update(points, tree)
        files.append(bytes(booster.save_raw("ubj")))
    return files


def wait_for_disk(times: int) -> None:
    """Write a line to a file and put it on the disk, so often."""
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "lines").open("ab", buffering=0) as file:
        for _ in range(times):
            file.write(b"x" * 200 + b"\n")
            os.fsync(file.fileno())


def call_numpy(times: int) -> None:
    """Add two small arrays, so often."""
    one = np.zeros(10)
    for _ in range(times):
        np.add(one, one, one)


def seconds_of(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return processor seconds, and seconds of the clock."""
    processor, clock = [], []
    for _ in range(repeats):
        began, started = time.perf_counter(), time.process_time()
        work()
        processor.append(time.process_time() - started)
        clock.append(time.perf_counter() - began)
    return median(processor), median(clock)


def main() -> int:
    """Print a line for each problem."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", default=list(NAMES))
    parser.add_argument("--budget", type=int, choices=list(NUM_BATCHES), default=200)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for name in options.problems:
        problem = PROBLEMS[name]
        task = Task(problem, problem.make(), options.budget, NUM_BATCHES[options.budget], 0)
        run(Task(problem, task.function, 40, 4, 0))
        watch = Watch(task)
        if train(watch) != [file for *_, file in watch.trained]:
            print(f"wrong: {name}: expected the trees of the search", file=sys.stderr)
            return 1
        whole, clock = seconds_of(lambda task=task: run(task), options.repeats)
        trees, _ = seconds_of(lambda watch=watch: train(watch), options.repeats)
        disk, disk_clock = seconds_of(lambda watch=watch: wait_for_disk(watch.waits), options.repeats)
        arrays, _ = seconds_of(lambda watch=watch: call_numpy(watch.calls["arrays"]), options.repeats)
        print(
            f"{name} N={options.budget}: search {whole:.2f} s ({clock:.2f} by the clock), "
            f"{len(watch.trained)} trainings {trees:.2f} s, "
            f"{watch.waits} waits for the disk {disk:.2f} s ({disk_clock:.2f} by the clock), "
            f"{watch.calls['arrays']:,} calls for arrays {arrays:.2f} s; {watch.calls['all']:,} calls of C",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
