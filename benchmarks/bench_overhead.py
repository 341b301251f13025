"""What a search costs beside its evaluations: shac next to Optuna's TPE and CMA-ES, with functions that take no time.

Each search runs in a process of its own, on one thread, after a small one that loads what it needs; all of them take
turns, so that a busy moment of the machine meets everybody. A search asks for a whole batch, and is told its scores one
by one; `shac-fit` evaluates the same batches by `fit` on a thread. What is known of the functions is checked first, and
that `shac` and `shac-fit` find the same; exit code 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.quality.problems import PROBLEMS, CheckError, Problem, check
    from benchmarks.quality.rivals import cma_es, shac_engine, tpe
    from benchmarks.quality.task import Task
else:
    from quality.problems import PROBLEMS, CheckError, check
    from quality.rivals import cma_es, shac_engine, tpe
    from quality.task import Task

NAMES = ("branin", "hartmann6", "ackley-20", "mixed-30", "conditional-12")
NUM_BATCHES = {200: 20, 1900: 19, 10_000: 100}
SERVICE_BUDGET, SERVICE_BATCHES = 400, 20
LONGEST = 600.0  # seconds of a search; what it has told by then is said


@dataclass
class Cost:
    """What a search took beside its evaluations."""

    seconds: float
    told: int
    best: float
    cpu_seconds: float = 0.0  # the function's among them
    peak_mebibytes: float = 0.0
    pairs: list[float] = field(default_factory=list)  # seconds of each ask(1) with its tell


class Clock:
    """Counts the seconds of a search, without those of the function."""

    def __init__(self, task: Task, longest: float) -> None:
        self._function, self._longest = task.function, longest
        self._evaluating = 0.0
        self._started, self._cpu_started = time.perf_counter(), time.process_time()
        self.values: list[float] = []

    def evaluate(self, setting: dict[str, Any]) -> float:
        started = time.perf_counter()
        value = self._function(setting)
        self._evaluating += time.perf_counter() - started
        self.values.append(value)
        return value

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started - self._evaluating

    @property
    def is_over(self) -> bool:
        return self.seconds > self._longest

    def cost(self) -> Cost:
        return Cost(self.seconds, len(self.values), min(self.values), time.process_time() - self._cpu_started)


def run_shac(task: Task, longest: float) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(task, longest)
        engine = shac_engine(task, folder, "guided")
        while not clock.is_over and (batch := engine.ask(task.batch_size)):
            values = [clock.evaluate(dict(setting)) for setting in batch]
            for setting, value in zip(batch, values, strict=True):
                engine.tell(setting, value)
        return clock.cost()


def run_shac_fit(task: Task, longest: float) -> Cost:
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(task, longest)
        engine = shac_engine(task, folder, "guided", lambda _, setting: clock.evaluate(dict(setting)))
        engine.concurrent_evaluators()
        engine.set_num_parallel_evaluators(1)
        engine.fit(max_seconds=longest)
        return clock.cost()


def run_service(task: Task, longest: float) -> Cost:
    """Ask for one configuration at a time."""
    with tempfile.TemporaryDirectory() as folder:
        clock = Clock(task, longest)
        engine = shac_engine(task, folder, "guided")
        pairs = []
        while True:
            before = clock.seconds
            asked = engine.ask()
            if not asked:
                break
            engine.tell(asked[0], clock.evaluate(dict(asked[0])))
            pairs.append(clock.seconds - before)
        cost = clock.cost()
        cost.pairs = pairs
        return cost


def run_optuna(task: Task, longest: float, make_sampler: Callable[[Task], Any]) -> Cost:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = task.problem
    clock = Clock(task, longest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental samplers say so
        study = optuna.create_study(sampler=make_sampler(task))
        while not clock.is_over and len(clock.values) < task.budget:
            trials = []
            for _ in range(task.batch_size):
                trial = study.ask()
                for axis in problem.axes:
                    if problem.counts(axis.name, trial.params):
                        axis.suggest(trial)
                trials.append(trial)
                if clock.is_over:
                    break
            for trial, value in [(trial, clock.evaluate(trial.params)) for trial in trials]:
                study.tell(trial, value)
    return clock.cost()


CONTENDERS: dict[str, Callable[[Task, float], Cost]] = {
    "shac": run_shac,
    "shac-fit": run_shac_fit,
    "service": run_service,
    "tpe": lambda task, longest: run_optuna(task, longest, tpe),
    "cma-es": lambda task, longest: run_optuna(task, longest, cma_es),
}


def run_alone(contender: str, problem: str, budget: int, num_batches: int, seed: int, longest: float) -> Cost:
    """Run a search after a small one; called in a process of its own."""
    function = PROBLEMS[problem].make()
    run = CONTENDERS[contender]
    run(Task(PROBLEMS[problem], function, 40, 4, seed), longest)
    cost = run(Task(PROBLEMS[problem], function, budget, num_batches, seed), longest)
    cost.peak_mebibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return cost


def measure(contender: str, problem: Problem, budget: int, num_batches: int, seed: int, longest: float) -> Cost:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(run_alone, (contender, problem.name, budget, num_batches, seed, longest))


def check_same(costs: dict[str, list[Cost]]) -> None:
    """Raise unless `ask` with `tell` and `fit` found the same."""
    for one, two in zip(costs.get("shac", []), costs.get("shac-fit", []), strict=False):
        if one.told == two.told and one.best != two.best:
            raise CheckError(f"expected the same best value by ask and by fit, got {one.best!r} and {two.best!r}")


def said(cost: Cost, budget: int) -> str:
    part = "" if cost.told == budget else f" ({cost.told:,} told)"
    pairs = sorted(cost.pairs)
    if pairs:
        mean = 1000 * sum(pairs) / len(pairs)
        part += f", a pair: median {1000 * median(pairs):.2f} ms, mean {mean:.2f} ms, largest {1000 * pairs[-1]:.0f} ms"
    return (
        f"{cost.seconds:.2f} s, CPU {cost.cpu_seconds:.2f} s, {cost.peak_mebibytes:.0f} MiB{part}, best {cost.best:.6g}"
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=list(PROBLEMS), default=list(NAMES))
    parser.add_argument("--budgets", nargs="+", type=int, default=[200, 1900])
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds after which a search is stopped")
    parser.add_argument("--json", type=Path, help="append each run to this file, a line of JSON each")
    parser.add_argument("--quick", action="store_true", help="Branin, 40 evaluations, once")
    options = parser.parse_args(arguments)
    if options.quick:
        options.problems, options.budgets, options.repeats = ["branin"], [40], 1
    try:
        for name in options.problems:
            check(PROBLEMS[name])
            for budget in options.budgets:
                compare(options, name, budget)
    except CheckError as error:
        print(f"wrong: {error}", file=sys.stderr)
        return 1
    return 0


def compare(options: argparse.Namespace, name: str, budget: int) -> None:
    costs: dict[str, list[Cost]] = {}
    for repeat in range(options.repeats):
        for contender in options.contenders:
            total, batches = budget, NUM_BATCHES.get(budget, 4)
            if contender == "service":
                if budget != min(options.budgets):
                    continue
                total, batches = (40, 4) if options.quick else (SERVICE_BUDGET, SERVICE_BATCHES)
            cost = measure(contender, PROBLEMS[name], total, batches, repeat, options.longest)
            costs.setdefault(contender, []).append(cost)
            print(f"{name} N={total:,} {contender} seed {repeat}: {said(cost, total)}", flush=True)
            if options.json:
                run = {"problem": name, "budget": total, "contender": contender, "seed": repeat, **vars(cost)}
                run["pairs"] = [round(pair, 6) for pair in cost.pairs]
                with options.json.open("a") as file:
                    file.write(json.dumps(run) + "\n")
    check_same(costs)
    row = ", ".join(
        f"{contender} {median(c.seconds for c in runs):.2f} ({median(c.cpu_seconds for c in runs):.2f} CPU)"
        for contender, runs in costs.items()
    )
    print(f"{name} N={budget:,}, medians of seconds: {row}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
