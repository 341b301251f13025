"""SHACSampler next to SHAC: the best value at the same budget, in the same batches, on four of the quality problems.

Both get the same seeds. Optuna does not know the search space before a trial has finished, so that the sampler's first
batch is another one drawn from the prior; all batches after it are made by the same functions. Values of the
Mann-Whitney test (two-sided) below 0.05 / 4 would be a difference at the level of 5 % over the four problems.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import mannwhitneyu

if TYPE_CHECKING:
    from benchmarks.quality.problems import PROBLEMS
    from benchmarks.quality.rivals import optuna_search, shac_search
    from benchmarks.quality.task import Task
else:
    from quality.problems import PROBLEMS
    from quality.rivals import optuna_search, shac_search
    from quality.task import Task

NAMES = ("branin", "hartmann6", "ackley-5", "mixed-12")
MOST_CLASSIFIERS = 18  # of SHAC, unless told otherwise


def sampler(task: Task) -> Any:
    from shac.integrations.optuna import SHACSampler

    most = min(max(task.num_batches - 1, 1), MOST_CLASSIFIERS)
    return SHACSampler(points_per_classifier=task.batch_size, max_classifiers=most, seed=task.seed)


def compare(name: str, arguments: argparse.Namespace) -> float:
    """Print a problem's row of the table, and return the p-value."""
    problem = PROBLEMS[name]
    function = problem.make()
    best: dict[str, list[float]] = {"SHAC": [], "SHACSampler": []}
    seconds = dict.fromkeys(best, 0.0)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        task = Task(problem, function, arguments.budget, arguments.batches, seed)
        for contender, run in (
            ("SHAC", lambda task: shac_search(task, "guided")),
            ("SHACSampler", lambda task: optuna_search(task, sampler)),
        ):
            started = time.perf_counter()
            best[contender].append(run(task)[-1])
            seconds[contender] += time.perf_counter() - started
    quartiles = {key: np.quantile(values, [0.5, 0.25, 0.75]) for key, values in best.items()}
    p_value = float(mannwhitneyu(best["SHAC"], best["SHACSampler"]).pvalue)
    cells = [f"{median:.5g} ({low:.5g} to {high:.5g})" for median, low, high in quartiles.values()]
    cells += [f"{p_value:.2f}", *(f"{total / arguments.seeds:.1f}" for total in seconds.values())]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return p_value


def main() -> int:
    """Print the table; 1 if a difference is significant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", default=NAMES, choices=[*PROBLEMS], metavar="NAME")
    parser.add_argument("--budget", type=int, default=200)
    parser.add_argument("--batches", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| problem | SHAC | SHACSampler | p | seconds of SHAC | seconds of SHACSampler |\n|---|---|---|---|---|---|")
    p_values = [compare(name, arguments) for name in arguments.problems]
    return int(min(p_values) < 0.05 / len(p_values))


if __name__ == "__main__":
    raise SystemExit(main())
