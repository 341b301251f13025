"""What pruning and overlap save: the time to a regret in a simulated cluster of 4 workers.

Searches of 200 evaluations, next to Optuna's TPE with its pruners: on small networks whose learning curves are known
(`quality/curves.py`), and on tables of trainings (`quality/tables.py`) that have how long these took, but no curves, so
that only waiting can be saved. The clock is that of the trainings, and nobody waits for it. A search is a line of JSON,
which is not made again. Exit code 1 where a simulated search is not the one that `SHAC.fit` makes.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import shac

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.bench_overlap import ends_of
    from benchmarks.quality.curves import NETWORKS, NUM_EPOCHS
    from benchmarks.quality.tables import TABLES
    from benchmarks.simulation import (
        OptunaSearch,
        Problem,
        RandomSearch,
        Run,
        Search,
        SHACSearch,
        network_problem,
        run,
        shac_engine,
        table_problem,
    )
else:
    from bench_overlap import ends_of
    from quality.curves import NETWORKS, NUM_EPOCHS
    from quality.tables import TABLES
    from simulation import (
        OptunaSearch,
        Problem,
        RandomSearch,
        Run,
        Search,
        SHACSearch,
        network_problem,
        run,
        shac_engine,
        table_problem,
    )

FOLDER = Path(__file__).resolve().parent / "results" / "pruning"
BUDGET, NUM_BATCHES, NUM_WORKERS = 200, 20, 4
OVERLAP = BUDGET // NUM_BATCHES // 2  # the guide's rule: a round has fewer than five evaluations for each worker
TABLE_NAMES = tuple(TABLES)

Begin = Callable[[Problem, int, int, str], Search]  # with a budget, a seed and an empty folder


def with_shac(**options: Any) -> Begin:
    """Return what begins a search with these options of `SHACSearch`."""
    return lambda problem, budget, seed, folder: SHACSearch(
        problem, budget, seed, folder, num_batches=NUM_BATCHES, **options
    )


def with_tpe(pruner: str | None = None) -> Begin:
    """Return what begins a study with a pruner of Optuna's, as it is by default."""

    def begin(problem: Problem, budget: int, seed: int, folder: str) -> Search:
        import optuna

        return OptunaSearch(problem, budget, seed, pruner=None if pruner is None else getattr(optuna.pruners, pruner))

    return begin


CONTENDERS: dict[str, Begin] = {
    "random": lambda problem, budget, seed, folder: RandomSearch(problem, budget, seed),
    "SHAC": with_shac(),
    "SHAC, overlap": with_shac(overlap=OVERLAP),
    "SHAC, asked": with_shac(is_asynchronous=True),
    "SHAC, asked, cost-aware": with_shac(is_asynchronous=True, cost_aware=True),
    "TPE": with_tpe(),
    # Where there are no curves, the others would be these again
    "SHAC, median": with_shac(pruning="median"),
    "SHAC, halving": with_shac(pruning="halving"),
    "SHAC, overlap, median": with_shac(overlap=OVERLAP, pruning="median"),
    "SHAC, overlap, halving": with_shac(overlap=OVERLAP, pruning="halving"),
    "SHAC, asked, median": with_shac(is_asynchronous=True, pruning="median"),
    "SHAC, asked, cost-aware, median": with_shac(is_asynchronous=True, cost_aware=True, pruning="median"),
    "TPE, MedianPruner": with_tpe("MedianPruner"),
    "TPE, SuccessiveHalvingPruner": with_tpe("SuccessiveHalvingPruner"),
}
WITHOUT_CURVES = tuple(itertools.islice(CONTENDERS, 6))
RIVALS = {True: "TPE, MedianPruner", False: "TPE"}  # by whether there are curves


@functools.cache
def problem_of(name: str) -> Problem:
    """Return a problem by its name."""
    return network_problem(name) if name in NETWORKS else table_problem(name)


def is_the_search_of_fit(name: str, pruning: str | None, overlap: int) -> bool:
    """Whether a simulated search has the table that `SHAC.fit` makes, and without pruning also its clock."""
    problem, budget, num_batches = problem_of(name), 40, 4

    def train(_: int, parameters: Mapping[str, Any]) -> float:
        for step, loss in enumerate(problem.train(parameters).losses, start=1):
            shac.report(step, loss)
        return loss

    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        search = SHACSearch(problem, budget, 0, folder, num_batches=num_batches, overlap=overlap, pruning=pruning)
        done = run(search, problem, NUM_WORKERS)
        engine = shac_engine(problem, budget, num_batches, 0, other, train, pruning=pruning)
        engine.concurrent_evaluators()
        engine.set_num_parallel_evaluators(2)
        engine.fit(overlap=overlap, progress=False)
    if engine.dataset.to_csv() != search.engine.dataset.to_csv():
        return False
    if pruning is not None:
        return bool(engine.state.pruned) and np.isinf(done.losses).sum() == len(engine.state.pruned)
    trainings = [problem.train(engine.dataset.prepare_parameter(row)) for row in engine.dataset.X]
    seconds = [training.seconds * len(training.losses) for training in trainings]
    return np.allclose(sorted(ends_of(seconds, NUM_WORKERS, overlap, budget // num_batches)), done.ends)


def record_of(name: str, contender: str, seed: int) -> dict[str, Any]:
    """Make a search, and return what is kept of it: when it improved, and what it took."""
    started = time.process_time()
    problem = problem_of(name)
    with tempfile.TemporaryDirectory() as folder:
        done: Run = run(CONTENDERS[contender](problem, BUDGET, seed, folder), problem, NUM_WORKERS)
    best = np.minimum.accumulate(done.losses)
    improved = np.flatnonzero(np.diff(best, prepend=np.inf) < 0)
    return {
        "problem": name,
        "contender": contender,
        "seed": seed,
        "improved": [[float(f"{done.ends[i]:.6g}"), done.losses[i]] for i in improved],
        "end": done.ends[-1],
        "steps": sum(done.num_steps),
        "busy": done.seconds / (NUM_WORKERS * done.ends[-1]),
        "pruned": int(np.isinf(done.losses).sum()),
        "cpu_seconds": round(time.process_time() - started, 2),
    }


def make_runs(names: Sequence[str], seeds: range, until: float) -> None:
    """Make the searches that are not there yet, until so much processor time has passed."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = {(name, kept["contender"], kept["seed"]) for name in names for kept in read_runs(name)}
    for seed, name in itertools.product(seeds, names):
        for contender in CONTENDERS if name in NETWORKS else WITHOUT_CURVES:
            if (name, contender, seed) in known:
                continue
            if time.process_time() > until:
                return
            record = record_of(name, contender, seed)
            with (FOLDER / f"{name}.jsonl").open("a") as file:
                file.write(json.dumps(record) + "\n")


def read_runs(name: str) -> list[dict[str, Any]]:
    """The runs of a problem."""
    path = FOLDER / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def time_to(record: Mapping[str, Any], target: float) -> float:
    """When a search had a loss that is not above the target; infinite where it never had."""
    return next((end for end, loss in record["improved"] if loss <= target), np.inf)


def sign_test(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """How often ours is smaller, and larger, and how likely such a split is where both are alike."""
    from scipy.stats import binomtest

    pairs = list(zip(ours, theirs, strict=True))
    smaller, larger = sum(a < b for a, b in pairs), sum(a > b for a, b in pairs)
    p = binomtest(smaller, smaller + larger).pvalue if smaller + larger else 1.0
    return f"{smaller}:{larger} p={p:.3f}"


def report(names: Sequence[str], first_seed: int) -> None:
    """Print a table for each problem: medians over seeds, and sign tests against the rival by seed."""
    for name in names:
        runs: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
        for kept in read_runs(name):
            if kept["seed"] >= first_seed:
                runs[kept["contender"]][kept["seed"]] = kept
        contenders = [contender for contender in CONTENDERS if contender in runs]
        seeds = sorted(set.intersection(*(set(found) for found in runs.values()))) if runs else []
        if seeds:
            print_problem(name, {contender: [runs[contender][seed] for seed in seeds] for contender in contenders})


def print_problem(name: str, runs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Print the table of a problem."""
    problem = problem_of(name)
    finals = {contender: [kept["improved"][-1][1] for kept in found] for contender, found in runs.items()}
    regret = float(np.median(finals["random"])) - problem.optimum
    targets = [problem.optimum + share * regret for share in (1.0, 0.25)]
    times = {c: [[time_to(kept, target) for kept in found] for target in targets] for c, found in runs.items()}
    whole = float(np.median([kept["end"] for kept in runs["random"]]))
    rival = RIVALS[problem.has_curves]
    most_steps = BUDGET * (NUM_EPOCHS if problem.has_curves else 1)
    print(
        f"\n{name}: {len(finals['random'])} seeds; random search ends after {whole:.4g} s with a regret of {regret:.4g}"
    )
    print("times as shares of that; in brackets in how many searches; smaller:larger than", rival)
    head = ("steps", "busy", "end", "to its regret", "", "to a quarter", "", "regret/1", "")
    print(f"{'':<30}" + "".join(f"{cell:<18}" for cell in head))
    for contender, found in runs.items():
        cells = [
            f"{np.median([kept['steps'] for kept in found]) / most_steps:.0%}",
            f"{np.median([kept['busy'] for kept in found]):.0%}",
            f"{np.median([kept['end'] for kept in found]) / whole:.2f}",
        ]
        for of_target, of_rival in zip(times[contender], times[rival], strict=True):
            reached = np.isfinite(of_target).sum()
            cells.append(f"{np.median(of_target) / whole:.3f} ({reached})")
            cells.append("" if contender == rival else sign_test(of_target, of_rival))
        cells.append(f"{(np.median(finals[contender]) - problem.optimum) / regret:.3f}")
        cells.append("" if contender == rival else sign_test(finals[contender], finals[rival]))
        print(f"{contender:<30}" + "".join(f"{cell:<18}" for cell in cells))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="*", default=[*NETWORKS, *TABLE_NAMES], choices=[*NETWORKS, *TABLES])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60.0, help="of processor time, after which no search begins")
    options = parser.parse_args(arguments)
    for pruning, overlap in ((None, 0), (None, OVERLAP), ("median", OVERLAP), ("halving", 0)):
        if not is_the_search_of_fit("digits-mlp", pruning, overlap):
            print(f"pruning={pruning}, overlap={overlap}: not the search that fit() makes", file=sys.stderr)
            return 1
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    make_runs(options.problems, seeds, time.process_time() + 60 * options.minutes)
    report(options.problems, options.first_seed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
