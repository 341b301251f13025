"""Two objectives at once: what searches find of Pareto fronts that are known, by hypervolume.

SHAC next to Optuna's NSGA-II and TPE, which know several objectives, and random search: 200 evaluations in batches of
10, which are asked for before any of their scores is known. The problems are those of `quality/fronts.py`. The measure
is the hypervolume that the evaluations dominate, as a share of that of the true front, whose range is from 0 to 1 in
each objective, up to the reference point (1.1, 1.1). Pairs are searches of the same problem and seed. Needs the extra
`quality`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import shac

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.quality.axes import draw
    from benchmarks.quality.fronts import FRONT_PROBLEMS, FrontProblem, normalised_hypervolume
else:
    from quality.axes import draw
    from quality.fronts import FRONT_PROBLEMS, normalised_hypervolume

BUDGET, NUM_BATCHES = 200, 20

Losses = list[tuple[float, float]]


def shac_search(problem: FrontProblem, seed: int) -> Losses:
    with tempfile.TemporaryDirectory() as folder:
        space = [axis.for_shac() for axis in problem.axes]
        engine = shac.SHAC(None, space, BUDGET, NUM_BATCHES, ("min", "min"), save_dir=folder, seed=seed)
        engine.set_num_parallel_generators(1)
        while batch := engine.ask(BUDGET // NUM_BATCHES):
            losses = [problem.function(dict(setting)) for setting in batch]
            for setting, found in zip(batch, losses, strict=True):
                engine.tell(setting, found)
        return list(engine.dataset.Y)


def random_search(problem: FrontProblem, seed: int) -> Losses:
    random = np.random.default_rng(seed)
    return [problem.function(draw(problem.axes, random)) for _ in range(BUDGET)]


def optuna_search(problem: FrontProblem, make_sampler: Callable[[], Any]) -> Losses:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions = {axis.name: axis.for_optuna() for axis in problem.axes}
    found: Losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental options say so
        study = optuna.create_study(directions=["minimize", "minimize"], sampler=make_sampler())
        for _ in range(NUM_BATCHES):
            trials = [study.ask(distributions) for _ in range(BUDGET // NUM_BATCHES)]
            batch = [problem.function(trial.params) for trial in trials]
            for trial, losses in zip(trials, batch, strict=True):
                study.tell(trial, losses)
            found += batch
    return found


def nsga2(problem: FrontProblem, seed: int) -> Losses:
    import optuna

    # A generation is two batches: with Optuna's 50 there would be four
    return optuna_search(problem, lambda: optuna.samplers.NSGAIISampler(population_size=20, seed=seed))


def nsga2_default(problem: FrontProblem, seed: int) -> Losses:
    import optuna

    return optuna_search(problem, lambda: optuna.samplers.NSGAIISampler(seed=seed))


def tpe(problem: FrontProblem, seed: int) -> Losses:
    import optuna

    return optuna_search(problem, lambda: optuna.samplers.TPESampler(seed=seed, constant_liar=True))


CONTENDERS: dict[str, Callable[[FrontProblem, int], Losses]] = {
    "shac": shac_search,
    "optuna-tpe": tpe,
    "optuna-nsga2": nsga2_default,
    "optuna-nsga2-20": nsga2,
    "random": random_search,
}


def measure_one(name: str, contenders: list[str], seeds: range) -> dict[str, list[float]]:
    """Return the shares of the true hypervolume of each contender, one for each seed."""
    problem = FRONT_PROBLEMS[name]()
    shares: dict[str, list[float]] = {contender: [] for contender in contenders}
    started = time.perf_counter()
    for seed in seeds:
        for contender in contenders:  # in turns, as the machine may get busier
            shares[contender].append(normalised_hypervolume(problem, CONTENDERS[contender](problem, seed)))
    print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return shares


def measure(
    names: list[str], contenders: list[str], seeds: range, num_processes: int
) -> dict[str, dict[str, list[float]]]:
    """Return what `measure_one` does, by problem."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(num_processes, mp_context=context) as pool:
        found = pool.map(measure_one, names, [contenders] * len(names), [seeds] * len(names))
        return dict(zip(names, found, strict=True))


def mean_ranks(shares: dict[str, dict[str, list[float]]]) -> dict[str, float]:
    """Return the mean rank of each contender over problems and seeds: 1 is the best, equal ones share their ranks."""
    from scipy.stats import rankdata

    ranks = [rankdata(-np.array(list(of_problem.values())), axis=0) for of_problem in shares.values()]
    contenders = next(iter(shares.values()))
    return dict(zip(contenders, np.mean(np.concatenate(ranks, axis=1), axis=1).tolist(), strict=True))


def signs(shares: dict[str, dict[str, list[float]]], rival: str) -> tuple[int, int]:
    """Return how many searches of SHAC are better than a rival's of the same problem and seed, and how many worse."""
    pairs = [pair for found in shares.values() for pair in zip(found["shac"], found[rival], strict=True)]
    return sum(own > other for own, other in pairs), sum(own < other for own, other in pairs)


def table(shares: dict[str, dict[str, list[float]]]) -> list[str]:
    contenders = list(next(iter(shares.values())))
    lines = [
        f"| median share of the true hypervolume | {' | '.join(contenders)} |",
        f"|{'---|' * (len(contenders) + 1)}",
    ]
    for name, found in shares.items():
        lines.append(f"| {name} | {' | '.join(f'{np.median(found[one]):.4f}' for one in contenders)} |")
    ranks = mean_ranks(shares)
    lines.append(f"| mean rank | {' | '.join(f'{ranks[one]:.2f}' for one in contenders)} |")
    if "shac" in contenders:
        for_rivals = ("" if one == "shac" else "{} : {}".format(*signs(shares, one)) for one in contenders)
        lines.append(f"| pairs that SHAC wins : loses | {' | '.join(for_rivals)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=FRONT_PROBLEMS, default=[*FRONT_PROBLEMS])
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=[*CONTENDERS])
    parser.add_argument("--seeds", type=int, default=10, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="problems that are run at once")
    parser.add_argument("--json", type=Path, help="where the shares are written to")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    shares = measure(arguments.problems, arguments.contenders, seeds, arguments.processes)
    print("\n".join(table(shares)))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(shares, indent=1) + "\n")


if __name__ == "__main__":
    main()
