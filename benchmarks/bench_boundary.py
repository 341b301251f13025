"""Whether the default search learns where evaluations fail: three problems, N = 200 in 20 rounds, many seeds.

``python benchmarks/bench_boundary.py [--seeds 20]`` prints a line for each problem: how many searches made all 200
evaluations, how many of those came within 1 % of the best that is feasible, and how many evaluations failed.
"""

import argparse
import contextlib
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import shac


def grows_until_memory_ends(worker_id: int, parameters: Any) -> float:
    """The larger, the better, and half of the space fails."""
    if parameters["x"] > 0.5:
        raise MemoryError("out of memory")
    return float(parameters["x"])


def shrinks_until_it_fails(worker_id: int, parameters: Any) -> float:
    """The smaller, the better, and half of the space fails."""
    if parameters["x"] < 0.5:
        raise MemoryError("out of memory")
    return float(1.0 - parameters["x"])


def feasible_in_a_box(worker_id: int, parameters: Any) -> float:
    """A box of 9 % of the space is feasible; the best is within it, at (0.5, 0.55)."""
    if abs(parameters["x"] - 0.4) > 0.15 or abs(parameters["y"] - 0.6) > 0.15:
        raise MemoryError("out of memory")
    return float(1.0 - (parameters["x"] - 0.5) ** 2 - (parameters["y"] - 0.55) ** 2)


@dataclass(frozen=True)
class Problem:
    """An evaluation function, and the best score that is feasible."""

    name: str
    function: Callable[[int, Any], float]
    best: float


PROBLEMS = [
    Problem("x, failure for x > 0.5", grows_until_memory_ends, 0.5),
    Problem("1 - x, failure for x < 0.5", shrinks_until_it_fails, 0.5),
    Problem("feasible share of 9 %", feasible_in_a_box, 1.0),
]


def search(problem: Problem, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the scores of a search, NaN where an evaluation failed; fewer than 200 where it gave up."""
    space = [shac.UniformHP("x", 0, 1), shac.UniformHP("y", 0, 1)]
    with tempfile.TemporaryDirectory() as folder:
        engine = shac.SHAC(problem.function, space, 200, 20, save_dir=folder, seed=seed)
        engine.concurrent_evaluators()
        with contextlib.suppress(shac.EvaluationError):
            engine.fit(progress=False)
        return np.array(engine.dataset.Y)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    seeds = parser.parse_args().seeds
    logging.getLogger("shac").setLevel(logging.CRITICAL)
    print(f"{'problem':<26} {'complete':>9} {'within 1 %':>11} {'failed (median)':>16}")
    for problem in PROBLEMS:
        runs = [search(problem, seed) for seed in range(seeds)]
        complete = [scores for scores in runs if len(scores) == 200]
        near = [scores for scores in complete if np.nanmax(scores) >= problem.best - 0.01 * abs(problem.best)]
        failed = np.median([np.isnan(scores).sum() for scores in runs])
        print(f"{problem.name:<26} {len(complete):>6}/{seeds} {len(near):>8}/{seeds} {failed:>16.0f}", flush=True)


if __name__ == "__main__":
    main()
