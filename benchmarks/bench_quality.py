"""How good the configurations are that a search finds: shac next to other searches at equal budgets and batches.

Every run is a line of JSON in `<folder>/<problem>.jsonl`: the best value after each batch. A run that is there already
is not made again, so that figures grow from call to call, and a stopped call goes on. What is known of the answers is
checked first; exit code 1 where it is wrong. `--report` makes the table, the ranks and the pictures of all that is
there; `--page` puts the figures into the tables of a page, and pictures beside it; `--against` compares the runs with
those of an earlier version, in another folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.quality.observations import Observations
    from benchmarks.quality.page import draw_pictures, refreshed
    from benchmarks.quality.problems import PROBLEMS, CheckError, check
    from benchmarks.quality.report import compared, read_results, read_seconds, write_report
    from benchmarks.quality.rivals import CONTENDERS
    from benchmarks.quality.task import Task
else:
    from quality.observations import Observations
    from quality.page import draw_pictures, refreshed
    from quality.problems import PROBLEMS, CheckError, check
    from quality.report import compared, read_results, read_seconds, write_report
    from quality.rivals import CONTENDERS
    from quality.task import Task

FOLDER = Path(__file__).resolve().parent / "results" / "quality"
NUM_BATCHES = {50: 10, 100: 10, 200: 20, 400: 20, 1900: 19}
QUICK = {"problems": ["branin"], "budgets": [40], "contenders": ["random", "shac-paper", "shac-guided"], "seeds": 2}


def known_runs(path: Path) -> dict[tuple[str, int, int], int]:
    """The number of batches of the runs that a file has, by contender, budget and seed."""
    if not path.exists():
        return {}
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    return {(run["contender"], run["budget"], run["seed"]): run["batches"] for run in runs}


def wanted_runs(options: argparse.Namespace) -> Iterator[tuple[str, int, str, int]]:
    """Runs seed by seed, so that a call that is stopped leaves as many of each."""
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        for name in options.problems:
            for budget in options.budgets:
                for contender in options.contenders:
                    if budget <= CONTENDERS[contender].largest_budget:
                        yield name, budget, contender, seed


def make_runs(options: argparse.Namespace) -> None:
    functions: dict[str, Any] = {}
    options.folder.mkdir(parents=True, exist_ok=True)
    for name, budget, contender, seed in wanted_runs(options):
        path = options.folder / f"{name}.jsonl"
        num_batches = options.batches or NUM_BATCHES.get(budget, 4)
        known = known_runs(path).get((contender, budget, seed))
        if known is not None and known != num_batches:
            raise CheckError(f"{path}: expected a folder of its own for runs in {num_batches} batches, got {known}")
        if known is not None:
            continue
        problem = PROBLEMS[name]
        if name not in functions:
            check(problem)
            functions[name] = problem.make()
        watched = Observations(functions[name], seed) if problem.is_noisy else None
        task = Task(problem, watched or functions[name], budget, num_batches, seed)
        started = time.perf_counter()
        best = CONTENDERS[contender].run(task)
        if watched is not None:
            best = watched.true_values_of_incumbents(task.num_batches)
        if len(best) != task.num_batches:
            raise CheckError(f"{contender}: expected {task.num_batches} batches, got {len(best)}")
        seconds = time.perf_counter() - started
        run = {
            "problem": name,
            "contender": contender,
            "budget": budget,
            "batches": task.num_batches,
            "seed": seed,
            "best": [float(f"{value:.8g}") for value in best],
            "seconds": round(seconds, 2),
            "package": f"{CONTENDERS[contender].package} {version(CONTENDERS[contender].package)}",
        }
        with path.open("a") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{name:16} {budget:5} {contender:14} seed {seed:2}  {best[-1]:14.6g}  {seconds:6.1f} s", flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    usual = [name for name, contender in CONTENDERS.items() if not contender.is_variant]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", nargs="+", choices=[*PROBLEMS], default=[*PROBLEMS], metavar="NAME")
    parser.add_argument("--budgets", nargs="+", type=int, default=[200], metavar="N")
    parser.add_argument("--batches", type=int, help="of every run; those of a budget are kept in a folder of their own")
    parser.add_argument("--contenders", nargs="+", choices=[*CONTENDERS], default=usual, metavar="NAME")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0, help="of the runs, and of those that are reported")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--report", action="store_true", help="make the report of what is there, run nothing")
    parser.add_argument("--page", type=Path, help="Markdown whose tables get the figures of what is there, run nothing")
    parser.add_argument("--against", type=Path, metavar="FOLDER", help="compare with the runs of a folder, run nothing")
    parser.add_argument("--quick", action="store_true", help="everything small: a few seconds")
    options = parser.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if options.page is not None:
        results = read_results(options.folder, [*PROBLEMS], options.first_seed)
        seconds = read_seconds(options.folder, [*PROBLEMS], options.first_seed)
        options.page.write_text(refreshed(options.page.read_text(), results, seconds))
        draw_pictures(options.page.with_suffix(".png"), results)
        return 0
    if options.against is not None:
        folders = (options.folder, options.against)
        lines = compared(*(read_results(folder, options.problems, options.first_seed) for folder in folders))
        print("\n".join(lines))
        if not lines:
            wanted = f"runs of the same problems and budgets, seeds from {options.first_seed} on"
            print(f"expected {wanted}, in both {folders[0]} and {folders[1]}, got none", file=sys.stderr)
        return 0 if lines else 1
    try:
        if not options.report:
            make_runs(options)
        write_report(options.folder, options.problems, options.first_seed)
    except CheckError as error:
        print(f"CHECK FAILED: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
