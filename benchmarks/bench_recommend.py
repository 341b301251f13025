"""What to use of a search that is over: `recommend(5)` beside its last batch, `predict(5)` and its best five scores.

Searches of 200 evaluations in 20 batches, by the default strategy, of problems whose true values are known. For each of
them the median true value of five configurations, and over the seeds the median of those. Exit code 1 where
`recommend` is worse than the last batch, or not better than `predict`. Searches are kept in a folder and not made
again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import shac

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from benchmarks.quality.problems import PROBLEMS, Problem, check
else:
    from quality.problems import PROBLEMS, check

USUAL = ("hartmann6", "branin", "ackley-5", "mixed-12", "mixed-30", "conditional-12")
EXACT_SECONDS = 60.0


def search_of(problem: Problem, function: Callable[[dict[str, Any]], float], seed: int, folder: Path) -> shac.SHAC:
    """The search, as it is kept in the folder, or made now."""
    space = shac.HyperParameterList(
        [axis.for_shac() for axis in problem.axes],
        conditions={name: {parent: list(values)} for name, (parent, values) in problem.conditions.items()},
    )
    search = shac.SHAC(None, space, 200, 20, "min", save_dir=folder / f"{problem.name}-{seed}", seed=seed)
    if search.save_dir.exists():
        search.restore_data()
    while batch := search.ask(search.num_workers):
        for configuration in batch:
            search.tell(configuration, function(dict(configuration)))
    return search


def values_of(configurations: Iterable[Mapping[str, Any]], function: Callable[[dict[str, Any]], float]) -> list[float]:
    return [function(dict(configuration)) for configuration in configurations]


def figures_of(search: shac.SHAC, function: Callable[[dict[str, Any]], float], seed: int) -> dict[str, float]:
    recommended = search.recommend(5)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        predicted = search.predict(num_samples=5, seed=seed, max_seconds=EXACT_SECONDS)
    return {
        "recommend": float(np.median(values_of((one.configuration for one in recommended), function))),
        "last batch": float(np.median(search.dataset.Y[-search.num_workers :])),
        "predict": float(np.median(values_of(predicted, function))),
        "best five": float(np.median([score for _, score in search.top(5)])),
        "first": function(dict(recommended[0].configuration)),
        "best": search.best_score,
        "new": sum(not one.is_evaluated for one in recommended),
        "exact": float(predicted.is_exact),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=[*PROBLEMS], default=[*USUAL], metavar="NAME")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="of the searches; a temporary one by default")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="bench-recommend-"))
    worse = 0
    for name in options.problems:
        problem = PROBLEMS[name]
        check(problem)
        function = problem.make()
        runs = [figures_of(search_of(problem, function, s, folder), function, s) for s in range(options.seeds)]
        median = {key: float(np.median([run[key] for run in runs])) for key in runs[0]}
        wins = sum(run["recommend"] <= run["last batch"] for run in runs)
        new, exact = sum(run["new"] for run in runs) / len(runs), sum(run["exact"] for run in runs)
        figures = ", ".join(f"{key} {median[key]:.6g}" for key in [*median][:6])
        print(
            f"{name}: {figures}; at least the last batch in {wins} of {len(runs)}, {new:.1f} of 5 not evaluated, "
            f"predict exact in {exact:.0f} of {len(runs)}",
            flush=True,
        )
        worse += median["recommend"] > median["last batch"] or median["recommend"] >= median["predict"]
    return int(bool(worse))


if __name__ == "__main__":
    sys.exit(main())
