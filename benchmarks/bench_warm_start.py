"""What a search gains from an earlier one of nearly the same function.

The earlier search has 100 evaluations of the function with all numbers moved by 5 % of their range, and three times its
scores. The searches that follow have 60 evaluations in 6 rounds: without it, with `warm_start`, and with `warm_start`
and the three best configurations of the earlier one enqueued. To see what a warm start may cost, they also begin with a
search of a function that has nothing to do with theirs: the negative of it. Exit code 1 where a search evaluates
something before what is enqueued.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import shac

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.quality.problems import PROBLEMS, Problem, check
else:
    from quality.problems import PROBLEMS, check

NAMES = ("hartmann6", "mixed-12")
EARLIER_BUDGET, BUDGET, NUM_BATCHES = 100, 60, 6
MOVED, SCALE, NUM_ENQUEUED = 0.05, 3.0, 3

Function = "Callable[[dict[str, Any]], float]"


def moved(problem: Problem, function: Callable[[dict[str, Any]], float]) -> Callable[[dict[str, Any]], float]:
    """The function with all numbers moved, so that its optimum is elsewhere, and larger scores."""
    ranges = {axis.name: axis.high - axis.low for axis in problem.axes if hasattr(axis, "high")}

    def result(setting: dict[str, Any]) -> float:
        return SCALE * function(
            {name: v + MOVED * ranges[name] if name in ranges else v for name, v in setting.items()}
        )

    return result


def searched(
    problem: Problem,
    function: Callable[[dict[str, Any]], float],
    budget: int,
    folder: Path,
    seed: int,
    *,
    earlier: Path | None = None,
    enqueued: list[dict[str, Any]] | None = None,
) -> shac.SHAC:
    """Search on this thread."""
    space = [axis.for_shac() for axis in problem.axes]
    batches = budget * NUM_BATCHES // BUDGET
    search = shac.SHAC(None, space, budget, batches, "min", save_dir=folder, seed=seed, warm_start=earlier)
    search.enqueue(enqueued or [])
    while configurations := search.ask(budget // batches):
        for configuration in configurations:
            search.tell(configuration, function(dict(configuration)))
    if (
        enqueued
        and [dict(search.dataset.prepare_parameter(row)) for row in search.dataset.X[: len(enqueued)]] != enqueued
    ):
        sys.exit(f"{problem.name}: the first evaluations are not those that were enqueued")
    return search


def contenders(problem: Problem, seed: int, scratch: Path) -> dict[str, list[float]]:
    """The scores of each search, by its name."""
    function = problem.make()
    target = scratch / "earlier"
    earlier = searched(problem, moved(problem, function), EARLIER_BUDGET, target, seed + 1000)
    other = scratch / "other"
    searched(problem, lambda setting: -function(setting), EARLIER_BUDGET, other, seed + 1000)
    best = [dict(configuration) for configuration, _ in earlier.top(NUM_ENQUEUED)]
    variants: dict[str, dict[str, Any]] = {
        "without": {},
        "warm start": {"earlier": target},
        "warm start and enqueued": {"earlier": target, "enqueued": best},
        "enqueued": {"enqueued": best},
        "unrelated": {"earlier": other},
    }
    return {
        name: searched(problem, function, BUDGET, scratch / name, seed, **arguments).dataset.Y
        for name, arguments in variants.items()
    }


def main() -> None:
    """Print the best scores after each round but the first, medians over the seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("problems", nargs="*", default=NAMES, help="problems of bench_quality.py")
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    for name in arguments.problems:
        problem = PROBLEMS[name]
        check(problem)
        started = time.perf_counter()
        found: dict[str, list[list[float]]] = {}
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as scratch:
                for variant, scores in contenders(problem, seed, Path(scratch)).items():
                    found.setdefault(variant, []).append(np.minimum.accumulate(scores).tolist())
        print(f"{name}, best score after so many evaluations, median of {arguments.seeds} seeds; final scores better")
        print(f"{'':26}{'10':>9}{'20':>9}{'40':>9}{'60':>9}   better than without")
        for variant, curves in found.items():
            values = np.array(curves)
            medians = "".join(f"{np.median(values[:, n - 1]):9.3f}" for n in (10, 20, 40, 60))
            wins = int((values[:, -1] < np.array(found["without"])[:, -1]).sum())
            print(f"{variant:26}{medians}   {wins} of {len(values)}")
        print(f"{time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
