"""What rounds that overlap gain and cost: idle evaluators, the best value found, and the time to it.

First the idle share of evaluators, simulated: rounds of 10 evaluations whose times are lognormal. Then searches of 100
evaluations in 10 rounds, with and without an overlap, on problems of `bench_quality.py`: the best values next to each
other, paired by seed, and the simulated time to the value that the search without overlap ends with. Each search is a
line of JSON that is not made again. Exit code 1 where a search is not the one that the engine runs.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import shac
from shac.engine.learning import learn
from shac.engine.plan import SearchArguments, SearchPlan
from shac.engine.proposals import propose
from shac.engine.state import SearchState
from shac.evaluation import derive_seed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.quality.problems import PROBLEMS, Problem, check
else:
    from quality.problems import PROBLEMS, check

FOLDER = Path(__file__).resolve().parent / "results" / "overlap"
PROBLEM_NAMES = (
    *("branin", "hartmann6", "rosenbrock-4", "ackley-5", "mixed-12", "conditional-12"),
    *("ackley-20", "mixed-30", "bbob-f3-5", "bbob-f10-5", "bbob-f15-10", "bbob-f21-5"),
)
BATCH_SIZE, NUM_BATCHES = 10, 10
EVALUATORS = (2, 4, 8, 10)
SIGMAS = (0.5, 1.0)
MOST_IDLE = {2: 0.03, 4: 0.03, 8: 0.10, 10: 0.10}


def ends_of(seconds: Sequence[float], num_evaluators: int, overlap: int, size: int = BATCH_SIZE) -> list[float]:
    """The moment at which each evaluation ends, where each lasts so long and no time is spent between rounds."""
    free = [0.0] * num_evaluators
    ends = [0.0] * len(seconds)
    released, closed, begun = 0, 0.0, 0
    while released < len(seconds):
        for index in range(released, min(begun + size + overlap, len(seconds))):
            begin = max(heapq.heappop(free), closed)
            ends[index] = begin + seconds[index]
            heapq.heappush(free, ends[index])
            released = index + 1
        closed = max(ends[begun : begun + size])
        begun += size
    return ends


def idle_share(num_evaluators: int, sigma: float, overlap: int, num_rounds: int = 2000) -> float:
    """The share of evaluators' time in which they have nothing to do."""
    seconds = np.random.default_rng(0).lognormal(0.0, sigma, num_rounds * BATCH_SIZE)
    ends = ends_of(seconds.tolist(), num_evaluators, overlap)
    return 1.0 - float(seconds.sum()) / (max(ends) * num_evaluators)


def print_idle_shares() -> None:
    """For each overlap; then the smallest with which the idle share is small enough."""
    print("idle share of evaluators, rounds of 10, lognormal times, by overlap L")
    print("evaluators  sigma  " + "".join(f"L={overlap:<6}" for overlap in range(BATCH_SIZE)) + "  enough")
    for num_evaluators in EVALUATORS:
        for sigma in SIGMAS:
            shares = [idle_share(num_evaluators, sigma, overlap) for overlap in range(BATCH_SIZE)]
            enough = [overlap for overlap, share in enumerate(shares) if share <= MOST_IDLE[num_evaluators]]
            cells = "".join(f"{share:<8.1%}" for share in shares)
            print(f"{num_evaluators:>10}  {sigma:>5}  {cells}  {f'L={enough[0]}' if enough else 'none'}")


def space_of(problem: Problem) -> shac.HyperParameterList:
    """The problem's search space."""
    return shac.HyperParameterList(
        [axis.for_shac() for axis in problem.axes],
        conditions={name: {parent: list(values)} for name, (parent, values) in problem.conditions.items()},
    )


def searched(plan: SearchPlan, function: Callable[[dict[str, Any]], float]) -> SearchState:
    """The search of a plan, without folder and workers."""
    assert plan.space is not None, "of a problem"
    state, carried = SearchState.empty(plan.space), []
    while len(state) < plan.total_budget:
        size, ahead = plan.size_of_round(len(state)), plan.size_ahead(len(state))
        stream: list[list[Any]] = []
        while len(stream) < size - len(carried) + ahead:
            part = len(stream) // size
            purpose = f"batch {part}" if part else "batch"
            seed = derive_seed(plan.seed, len(state), purpose=purpose)
            begins = not (part or len(state))
            stream += propose(plan, state, size, seed=seed, threads=1, pending=carried, begins=begins)
        own = [*carried, *stream[: size - len(carried)]]
        carried = stream[size - len(carried) :][:ahead]
        scores = [function(dict(state.space.to_parameters(row))) for row in own]
        state, _ = learn(plan, state.with_points(own, scores), skip_cv_checks=False, threads=1)
    return state


def plan_of(problem: Problem, seed: int, overlap: int) -> SearchPlan:
    """The plan of a search."""
    budget = BATCH_SIZE * NUM_BATCHES
    arguments = SearchArguments.checked(space_of(problem), budget, NUM_BATCHES, "min", 18, seed, None)
    return SearchPlan.resolve(arguments, overlap=overlap)


def is_the_search_of_the_engine() -> bool:
    """Compare a search with that of `SHAC`."""
    problem = PROBLEMS["branin"]
    function = problem.make()
    with tempfile.TemporaryDirectory() as folder:
        engine = shac.SHAC(
            lambda _, parameters: function(dict(parameters)), space_of(problem), 100, 10, "min", save_dir=folder, seed=0
        )
        engine.concurrent_evaluators()
        engine.fit(overlap=5, progress=False)
        return list(engine.state.rows) == list(searched(plan_of(problem, 0, 5), function).rows)


def make_runs(names: Sequence[str], overlaps: Sequence[int], seeds: int, until: float) -> None:
    """Run what is not there yet."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    known = {(name, run["overlap"], run["seed"]) for name in names for run in read_runs(name)}
    for name in names:
        check(PROBLEMS[name])
    functions = {name: PROBLEMS[name].make() for name in names}
    for seed, name, overlap in itertools.product(range(seeds), names, overlaps):
        if (name, overlap, seed) in known:
            continue
        if time.monotonic() > until:
            return
        state = searched(plan_of(PROBLEMS[name], seed, overlap), functions[name])
        with (FOLDER / f"{name}.jsonl").open("a") as file:
            file.write(json.dumps({"overlap": overlap, "seed": seed, "scores": state.scores.tolist()}) + "\n")


def read_runs(name: str) -> list[dict[str, Any]]:
    """The runs of a problem."""
    path = FOLDER / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def time_to(
    scores: Sequence[float], target: float, seed: int, sigma: float, num_evaluators: int, overlap: int
) -> float:
    """The simulated moment at which a value is reached that is not above the target; infinite where none is."""
    seconds = np.random.default_rng(seed).lognormal(0.0, sigma, len(scores)).tolist()
    ends = ends_of(seconds, num_evaluators, overlap)
    return min((end for end, score in zip(ends, scores, strict=True) if score <= target), default=np.inf)


def report(names: Sequence[str], overlaps: Sequence[int]) -> None:
    """Medians by problem, paired tests, and the times to a value."""
    from scipy.stats import wilcoxon

    others = [overlap for overlap in overlaps if overlap]
    differences: dict[int, list[float]] = {overlap: [] for overlap in others}
    ratios: dict[tuple[int, int, float], list[float]] = {}
    print(
        f"\nbest of {BATCH_SIZE * NUM_BATCHES} evaluations: median, and p of Wilcoxon's test against L=0, "
        "paired by seed, two-sided"
    )
    for name in names:
        best = {(run["overlap"], run["seed"]): min(run["scores"]) for run in read_runs(name)}
        traces = {(run["overlap"], run["seed"]): run["scores"] for run in read_runs(name)}
        seeds = [seed for (overlap, seed) in best if not overlap and all((o, seed) in best for o in others)]
        if not seeds:
            continue
        without = np.array([best[0, seed] for seed in seeds])
        line = f"{name:<20} {len(seeds)} seeds  L=0 {np.median(without):<12.6g}"
        for overlap in others:
            found = np.array([best[overlap, seed] for seed in seeds])
            p = wilcoxon(found, without).pvalue if (found != without).any() else 1.0
            line += f"  L={overlap} {np.median(found):<12.6g} p={p:.3f} worse in {np.mean(found > without):.0%}"
            scale = np.ptp(np.concatenate([found, without])) or 1.0
            differences[overlap] += ((found - without) / scale).tolist()
            for num_evaluators in EVALUATORS:
                for sigma in SIGMAS:
                    for seed in seeds:
                        target = max(best[0, seed], best[overlap, seed])
                        times = [time_to(traces[o, seed], target, seed, sigma, num_evaluators, o) for o in (0, overlap)]
                        ratios.setdefault((overlap, num_evaluators, sigma), []).append(times[1] / times[0])
        print(line)
    for overlap in others:
        if differences[overlap]:
            p = wilcoxon(differences[overlap], alternative="greater").pvalue
            print(
                f"all problems: L={overlap} worse than L=0 in {np.mean(np.array(differences[overlap]) > 0):.0%} of "
                f"{len(differences[overlap])} pairs, better in {np.mean(np.array(differences[overlap]) < 0):.0%}; "
                f"p of worse, one-sided: {p:.3f}"
            )
    print("\ntime to the worse of both final values, with overlap over without: geometric mean")
    for (overlap, num_evaluators, sigma), values in sorted(ratios.items()):
        print(f"L={overlap}  {num_evaluators:>2} evaluators  sigma {sigma}: {np.exp(np.mean(np.log(values))):.3f}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", nargs="*", default=list(PROBLEM_NAMES), choices=list(PROBLEMS))
    parser.add_argument("--overlaps", nargs="*", type=int, default=[0, 5])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=15.0, help="after which no search begins")
    options = parser.parse_args(arguments)
    if not is_the_search_of_the_engine():
        print("the searches are not those of the engine", file=sys.stderr)
        return 1
    until = time.monotonic() + 60 * options.minutes
    print_idle_shares()
    make_runs(options.problems, options.overlaps, options.seeds, until)
    report(options.problems, options.overlaps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
