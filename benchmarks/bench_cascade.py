"""Candidates a second through a full cascade: shac next to XGBoost, in one run.

Answers come first: margins and decisions must be XGBoost's and samples must not depend on the number of threads, or the
run ends with exit code 1. Then every contender draws rows from the same prior and tests them, in turns, so that a noisy
moment of the machine meets all of them; each has one thread, but for the row that says two.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

import shac
from shac.export import export_forest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from benchmarks.workloads import WORKLOADS, Workload, train_cascade

    Floats = NDArray[np.float32]
else:
    from workloads import WORKLOADS, Workload, train_cascade

BLOCK = 65_536
SEARCH_STEP = 10_000_000  # candidates between two lines of progress
MORE_ON_THRESHOLDS = 0.25  # of the rows drawn from the prior

FULL: dict[str, int] = {"rows": 1_000_000, "samples": 1000, "repeats": 5, "stages": 18}
QUICK: dict[str, int] = {"rows": 20_000, "samples": 1000, "repeats": 2, "stages": 6}


class CheckError(Exception):
    """An answer is not XGBoost's, or depends on the number of threads."""


@dataclass(frozen=True)
class Contender:
    """One way to test candidates; `run` draws and tests so many of them."""

    key: str
    label: str
    candidates: int
    run: Callable[[int, int], object]


def check_margins(stage: int, margins: Floats, expected: Floats) -> None:
    """Raise unless the margins of a stage are XGBoost's to the last bit."""
    if margins.tobytes() == expected.tobytes():
        return
    if margins.shape != expected.shape:
        raise CheckError(f"margins of stage {stage}: expected shape {expected.shape}, got {margins.shape}")
    wrong = np.flatnonzero(margins.view(np.uint32) != expected.view(np.uint32))
    raise CheckError(
        f"margins of stage {stage}: expected XGBoost's to the last bit, got {wrong.size:,} of {margins.size:,} "
        f"different; the first in row {wrong[0]}: {margins[wrong[0]]!r} instead of {expected[wrong[0]]!r}"
    )


def check_decisions(what: str, decisions: NDArray[Any], expected: NDArray[Any]) -> int:
    """Count the decisions that were compared; raise if one differs."""
    if decisions.shape != expected.shape:
        raise CheckError(f"{what}: expected shape {expected.shape}, got {decisions.shape}")
    different = np.count_nonzero(decisions != expected)
    if different:
        raise CheckError(f"{what}: expected XGBoost's decisions, got {different:,} of {expected.size:,} different")
    return expected.size


def check_same_samples(one: Floats, two: Floats) -> None:
    """Raise unless 1 and 2 threads gave the same samples."""
    if one.shape != two.shape or one.tobytes() != two.tobytes():
        equal = np.count_nonzero((one == two).all(axis=1)) if one.shape == two.shape else 0
        raise CheckError(f"samples: expected the same from 1 and from 2 threads, got {equal:,} of {len(one):,} equal")


def rows_to_check(
    workload: Workload, models: Sequence[xgboost.XGBClassifier], count: int, random: np.random.Generator
) -> Floats:
    """Draw `count` rows from the prior, and a share more on thresholds of all stages or one float to either side."""
    rows = workload.draw(random, count + int(count * MORE_ON_THRESHOLDS))
    moved = rows[count:]
    forests = [export_forest(model) for model in models]
    for column in range(rows.shape[1]):
        thresholds = np.concatenate([f.value[(f.left >= 0) & (f.feature == column)] for f in forests])
        if thresholds.size:
            chosen = random.choice(np.unique(thresholds), len(moved))
            side = random.choice(np.array([-np.inf, 0, np.inf], dtype=np.float32), len(moved))
            moved[:, column] = np.where(side == 0, chosen, np.nextafter(chosen, side))
    return rows


def first_failures(accepted: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Stage at which each row is dropped, -1 where all stages accept; `accepted` has a column for each stage."""
    failures = np.where(accepted.all(axis=1), -1, np.argmin(accepted, axis=1))
    return failures.astype(np.int32)


def check_answers(
    models: Sequence[xgboost.XGBClassifier], cascade: shac.Cascade, rows: Floats, say: Callable[[str], None]
) -> int:
    """Compare margins, decisions and the rivals' decisions on `rows`; give the number of decisions compared."""
    say(f"comparing margins and decisions of {len(models)} stages on {len(rows):,} rows")
    margins = cascade.margins(rows)
    accepted = np.empty(margins.shape, dtype=np.bool_)
    compared = 0
    for stage, model in enumerate(models):
        expected = model.get_booster().inplace_predict(rows, predict_type="margin")
        check_margins(stage, margins[:, stage], expected)
        accepted[:, stage] = model.predict(rows) == 1
        alone = shac.Cascade([model], cascade.space).accepts(rows)
        compared += check_decisions(f"decisions of stage {stage}", alone, accepted[:, stage])
    compared += check_decisions("stage that drops a row", cascade.dropped_at(rows), first_failures(accepted))
    passed: NDArray[np.bool_] = np.all(accepted, axis=1)
    check_decisions("the rival on blocks", pass_blocks(models, rows), passed)
    some = np.arange(0, len(rows), len(rows) // 100)
    for stop in (True, False):
        check_decisions("the rival on single rows", pass_rows(models, rows[some], stop=stop), passed[some])
    return compared


def check_threads(
    models: Sequence[xgboost.XGBClassifier], cascade: shac.Cascade, count: int, seed: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Compare the samples that 1 and 2 threads find; give the candidates and seconds that it took."""
    (one, candidates, seconds), (two, *_, seconds_two) = (
        find_samples(cascade, count, seed, threads, say) for threads in (1, 2)
    )
    check_same_samples(one, two)
    for stage, model in enumerate(models):
        check_decisions(f"samples tested by stage {stage}", np.ones(count, dtype=np.int64), model.predict(one))
    return {"samples": count, "candidates": candidates, "seconds": {"1 thread": seconds, "2 threads": seconds_two}}


def find_samples(
    cascade: shac.Cascade, count: int, seed: int, threads: int, say: Callable[[str], None]
) -> tuple[Floats, int, float]:
    """Draw samples in steps, with a line of progress for each: plain rejection may take minutes."""
    started = time.perf_counter()
    found: list[Floats] = []
    missing, candidates = count, 0
    while missing:
        draw = cascade.draw(
            missing,
            seed=seed,
            threads=threads,
            first_candidate=candidates,
            max_candidates=SEARCH_STEP,
            method="plain",
            values=False,
        )
        found.append(draw.X)
        missing -= len(draw.X)
        candidates = draw.next_candidate
        say(f"threads={threads}: {count - missing:,} of {count:,} samples from {candidates:,} candidates")
    return np.concatenate(found), candidates, time.perf_counter() - started


def pass_rows(models: Sequence[xgboost.XGBClassifier], rows: Floats, *, stop: bool) -> NDArray[np.bool_]:
    """Test one row at a time, as the known Python implementation does."""
    passed = np.ones(len(rows), dtype=np.bool_)
    for i in range(len(rows)):
        for model in models:
            if model.predict(rows[i : i + 1])[0] != 1:
                passed[i] = False
                if stop:
                    break
    return passed


def pass_blocks(models: Sequence[xgboost.XGBClassifier], rows: Floats) -> NDArray[np.bool_]:
    """Test blocks of rows; only the survivors of a stage meet the next."""
    passed = np.zeros(len(rows), dtype=np.bool_)
    for start in range(0, len(rows), BLOCK):
        alive = np.arange(start, min(start + BLOCK, len(rows)))
        block = rows[start : start + BLOCK]
        for model in models:
            keep = model.get_booster().inplace_predict(block) > 0.5
            alive, block = alive[keep], block[keep]
            if not alive.size:
                break
        passed[alive] = True
    return passed


def contenders(
    workload: Workload, models: Sequence[xgboost.XGBClassifier], cascade: shac.Cascade, *, quick: bool
) -> list[Contender]:
    def sample(threads: int) -> Callable[[int, int], object]:
        # As many samples as candidates: only max_candidates ends the call, so finding samples does not matter.
        return lambda count, seed: cascade.sample(
            count, seed=seed, threads=threads, max_candidates=count, method="plain"
        )

    def blocks(count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        for start in range(0, count, BLOCK):
            pass_blocks(models, workload.draw(random, min(BLOCK, count - start)))

    def single(*, stop: bool) -> Callable[[int, int], object]:
        return lambda count, seed: pass_rows(models, workload.draw(np.random.default_rng(seed), count), stop=stop)

    smaller = 10 if quick else 1
    calls = len(models)
    return [
        Contender("shac", "shac, 1 thread", 1_000_000 // smaller, sample(1)),
        Contender("shac_2_threads", "shac, 2 threads", 1_000_000 // smaller, sample(2)),
        Contender("xgboost_blocks", f"XGBoost on blocks of {BLOCK:,}, early exit", 8 * BLOCK // smaller, blocks),
        Contender(
            "predict_stopping", f"XGBClassifier.predict a row, up to {calls} calls", 1000 // smaller, single(stop=True)
        ),
        Contender("predict_all", f"XGBClassifier.predict a row, all {calls} calls", 200 // smaller, single(stop=False)),
    ]


def measure(ways: Sequence[Contender], repeats: int, seed: int, say: Callable[[str], None]) -> dict[str, list[float]]:
    """Candidates a second of every contender and repeat."""
    rates: dict[str, list[float]] = {way.key: [] for way in ways}
    for way in ways:
        way.run(max(1, way.candidates // 10), seed)
    for repeat in range(repeats):
        say(f"timing: repeat {repeat + 1} of {repeats}")
        for way in ways:
            started = time.perf_counter()
            way.run(way.candidates, seed + repeat)
            rates[way.key].append(way.candidates / (time.perf_counter() - started))
    return rates


def print_table(ways: Sequence[Contender], rates: dict[str, list[float]]) -> None:
    width = max(len(way.label) for way in ways)
    print(f"{'candidates a second':<{width}} {'median':>12} {'lowest':>12} {'highest':>12} {'shac, 1 thread is':>18}")
    for way in ways:
        runs = rates[way.key]
        ratio = f"{median(rates['shac']) / median(runs):,.2f} x"
        print(f"{way.label:<{width}} {median(runs):>12,.0f} {min(runs):>12,.0f} {max(runs):>12,.0f} {ratio:>18}")


def environment() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "shac": shac.__version__,
        "xgboost": xgboost.__version__,
        "numpy": np.__version__,
    }


def run(options: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """Check, time, print, and give everything that was found."""
    workload = dataclasses.replace(WORKLOADS[options.workload], num_stages=options.stages)
    models, space = train_cascade(workload, say)
    cascade = shac.Cascade(models, space)
    setting = environment()
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    print(f"{workload.name}: T_c = {workload.batch_size}, {len(models)} stages of {workload.num_trees} trees")

    rows = rows_to_check(workload, models, options.rows, np.random.default_rng(options.seed))
    compared = check_answers(models, cascade, rows, say)
    print(f"margins: {len(models) * len(rows):,} equal to XGBoost's to the last bit")
    print(f"decisions: 0 of {compared:,} different from XGBClassifier.predict")
    search = check_threads(models, cascade, options.samples, options.seed, say)
    seconds = search["seconds"]
    print(
        f"samples: the same {search['samples']:,} from 1 thread ({seconds['1 thread']:.1f} s) and 2 threads "
        f"({seconds['2 threads']:.1f} s), {search['candidates']:,} candidates"
    )

    ways = contenders(workload, models, cascade, quick=options.quick)
    rates = measure(ways, options.repeats, options.seed, say)
    print_table(ways, rates)
    middle = {key: median(runs) for key, runs in rates.items()}
    speedup = middle["shac_2_threads"] / middle["shac"]
    print(f"shac on 2 threads: {speedup:.2f} times 1 thread")
    return {
        "environment": setting,
        "workload": {"name": workload.name, "batch_size": workload.batch_size, "stages": len(models)},
        "checks": {
            "rows": len(rows),
            "margins": len(models) * len(rows),
            "decisions": compared,
            "different_decisions": 0,
            "search": search,
        },
        "candidates_per_second": rates,
        "median": middle,
        "shac_is_times_as_fast_as": {key: middle["shac"] / rate for key, rate in middle.items() if key != "shac"},
        "shac_2_threads_to_1": speedup,
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=sorted(WORKLOADS), default="hartmann6-50")
    for name, meaning in (
        ("rows", "rows whose margins and decisions are checked"),
        ("samples", "samples that 1 and 2 threads must agree on"),
        ("repeats", "timed runs of each contender"),
        ("stages", "classifiers of the cascade"),
    ):
        parser.add_argument(
            f"--{name}", type=int, help=f"{meaning} (default {FULL[name]:,}, with --quick {QUICK[name]:,})"
        )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="everything small: a few seconds")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results to this file")
    options = parser.parse_args(arguments)
    for name, default in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, default)
        lowest, highest = {"rows": (100, 10**9), "stages": (1, 18)}.get(name, (1, 10**9))
        if not lowest <= getattr(options, name) <= highest:
            parser.error(f"--{name}: expected {lowest} to {highest:,}, got {getattr(options, name)}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # the checks may take minutes, also into a pipe
    started = time.perf_counter()

    def say(message: str) -> None:
        print(f"[{time.perf_counter() - started:6.1f} s] {message}", file=sys.stderr, flush=True)

    try:
        results = run(options, say)
    except CheckError as error:
        print(f"CHECK FAILED: {error}", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    say("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
