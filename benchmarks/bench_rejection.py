"""Plain rejection through full cascades: shac next to everything that a user could write, on all workloads in one run.

Decisions come first: the candidates that shac accepts are compared with the same candidates filtered by XGBoost, and
so are the answers of every rival, or the run ends with exit code 1. Then all contenders draw from the same prior and
test, in turns, on one thread each. Levels of vector instructions that this machine has are timed as well.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

import shac
from shac.sampling.extension import core

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xgboost
    from numpy.typing import NDArray

    from benchmarks.bench_cascade import BLOCK, CheckError, check_decisions, environment, pass_blocks, pass_rows
    from benchmarks.onedal import OneDalModels
    from benchmarks.workloads import WORKLOADS, Workload, cache_folder, fingerprint, train_cascade

    Floats = NDArray[np.float32]
    Say = Callable[[str], None]
else:
    from bench_cascade import BLOCK, CheckError, check_decisions, environment, pass_blocks, pass_rows
    from onedal import OneDalModels
    from workloads import WORKLOADS, Workload, cache_folder, fingerprint, train_cascade

STEP = 500_000  # candidates whose decisions are compared at a time


def compare_decisions(models: Sequence[xgboost.XGBClassifier], cascade: shac.Cascade, count: int, say: Say) -> int:
    """Filter the first `count` candidates of a seed through XGBoost; raise unless shac accepts the same ones."""
    prior = cascade.prefix(0)
    accepted = 0
    for first in range(0, count, STEP):
        step = min(STEP, count - first)
        rows = prior.draw(step, seed=7, first_candidate=first, values=False).X
        expected = rows[pass_blocks(models, rows)]
        draw = cascade.draw(
            step, seed=7, first_candidate=first, max_candidates=step, threads=2, method="plain", values=False
        )
        if draw.X.tobytes() != expected.tobytes():
            raise CheckError(
                f"candidates {first:,} to {first + step:,}: expected the {len(expected):,} that XGBoost accepts, "
                f"got {len(draw.X):,} samples"
            )
        accepted += len(expected)
        if (first // STEP) % 10 == 9:
            say(f"decisions: {first + step:,} candidates compared")
    return accepted


class CompiledModels:
    """The models as C code that tl2cgen writes and a C compiler compiles; libraries are cached."""

    def __init__(self, workload: Workload, models: Sequence[xgboost.XGBClassifier], say: Say) -> None:
        import tl2cgen
        import treelite

        self._matrix = tl2cgen.DMatrix
        self._predictors = []
        folder = cache_folder() / f"{workload.name}-{fingerprint(workload)[:16]}"
        for stage, model in enumerate(models):
            library = folder / f"{stage:02}.so"
            if not library.exists():
                say(f"compiling stage {stage + 1} of {len(models)} with tl2cgen")
                loaded = treelite.frontend.from_xgboost(model.get_booster())
                settings = {"parallel_comp": 4} if workload.batch_size > 500 else {}
                tl2cgen.export_lib(loaded, toolchain="gcc", libpath=library, params=settings, verbose=False)
            self._predictors.append(tl2cgen.Predictor(library, nthread=1, verbose=False))

    def pass_blocks(self, rows: Floats) -> NDArray[np.bool_]:
        """Test blocks of rows; only the survivors of a stage meet the next."""
        passed = np.zeros(len(rows), dtype=np.bool_)
        for start in range(0, len(rows), BLOCK):
            alive = np.arange(start, min(start + BLOCK, len(rows)))
            block = rows[start : start + BLOCK]
            for predictor in self._predictors:
                keep = predictor.predict(self._matrix(block)).ravel() > 0.5
                alive, block = alive[keep], block[keep]
                if not alive.size:
                    break
            passed[alive] = True
        return passed


def plain_forest(cascade: shac.Cascade) -> Callable[[int], object]:
    """The core's exact forests without tables: a plain walk through the trees in C++."""
    sampler = core.PlainSampler(cascade.compiled_stages, cascade.space.num_columns, use_tables=False)
    return lambda count: sampler.sample(seed=1, count=count, max_candidates=count, threads=1)


def count_for(run: Callable[[int], object], seconds: float) -> int:
    """Candidates that keep a contender busy for about so many seconds."""
    run(1)  # compiles what is compiled once
    count = 1
    while True:
        started = time.perf_counter()
        run(count)
        elapsed = time.perf_counter() - started
        if elapsed > seconds / 10:
            return max(1, int(count * seconds / elapsed))
        count *= 4


def contenders(
    workload: Workload, models: Sequence[xgboost.XGBClassifier], cascade: shac.Cascade, say: Say
) -> dict[str, Callable[[int], object]]:
    def sample(threads: int, relax: int = 0) -> Callable[[int], object]:
        return lambda count: cascade.sample(
            count, seed=1, threads=threads, relax=relax, max_candidates=count, method="plain"
        )

    def blocks(passes: Callable[[Floats], object]) -> Callable[[int], object]:
        def run(count: int) -> None:
            random = np.random.default_rng(1)
            for start in range(0, count, BLOCK):
                passes(workload.draw(random, min(BLOCK, count - start)))

        return run

    ways: dict[str, Callable[[int], object]] = {
        "shac": sample(1),
        "shac, 2 threads": sample(2),
        "shac, relax=1": sample(1, relax=1),
        "XGBoost on blocks": blocks(lambda rows: pass_blocks(models, rows)),
        "C++ forest": plain_forest(cascade),
        "predict a row": lambda count: pass_rows(models, workload.draw(np.random.default_rng(1), count), stop=False),
    }
    rows = workload.draw(np.random.default_rng(2), BLOCK)
    try:
        onedal = OneDalModels(models)
    except ImportError as error:
        say(f"without oneDAL: {error}")
    else:
        different = int((onedal.pass_blocks(rows) != pass_blocks(models, rows)).sum())
        say(f"{different:,} of {len(rows):,} decisions of oneDAL differ from XGBoost's")
        ways["oneDAL on blocks"] = blocks(onedal.pass_blocks)
    try:
        compiled = CompiledModels(workload, models, say)
    except ImportError as error:
        say(f"without tl2cgen: {error}")
        return ways
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_decisions("tl2cgen", compiled.pass_blocks(rows), pass_blocks(models, rows))
    ways["tl2cgen on blocks"] = blocks(compiled.pass_blocks)
    return ways


def measure(ways: dict[str, Callable[[int], object]], repeats: int, seconds: float) -> dict[str, list[float]]:
    """Candidates a second of every contender and repeat, in turns."""
    counts = {name: count_for(run, seconds) for name, run in ways.items()}
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            started = time.perf_counter()
            run(counts[name])
            rates[name].append(counts[name] / (time.perf_counter() - started))
    return rates


def rate_of_level(name: str, level: str) -> float:
    """Candidates a second under a level of vector instructions, in a process of its own."""
    code = f"import bench_rejection; print(bench_rejection.own_rate({name!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={**os.environ, "SHAC_SIMD": level},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def own_rate(name: str) -> float:
    models, space = train_cascade(WORKLOADS[name])
    cascade = shac.Cascade(models, space)

    def run(count: int) -> object:
        return cascade.sample(count, seed=1, threads=1, max_candidates=count, method="plain")

    count = count_for(run, 0.5)
    rates = []
    for _ in range(3):
        started = time.perf_counter()
        run(count)
        rates.append(count / (time.perf_counter() - started))
    return median(rates)


def run_workload(name: str, options: argparse.Namespace, say: Say) -> dict[str, Any]:
    workload = WORKLOADS[name]
    models, space = train_cascade(workload, say)
    started = time.perf_counter()
    cascade = shac.Cascade(models, space)
    exported = time.perf_counter()
    stages = cascade.compiled_stages
    compiled = time.perf_counter()
    say(f"{name}: exported in {exported - started:.2f} s, compiled in {compiled - exported:.2f} s")
    accepted = compare_decisions(models, cascade, options.rows, say)
    ways = contenders(workload, models, cascade, say)
    rates = measure(ways, options.repeats, options.seconds)
    middle = {way: median(runs) for way, runs in rates.items()}
    levels = {level: rate_of_level(name, level) for level in core.simd_levels()} if options.levels else {}
    print(f"\n{name}: T_c = {workload.batch_size}, {len(models)} stages, {space.num_columns} columns")
    print(f"  0 of {options.rows:,} decisions different from XGBoost's ({accepted:,} candidates accepted)")
    print(
        f"  compiled in {compiled - exported:.2f} s to {sum(s.num_tables for s in stages)} tables and "
        f"{sum(s.num_trees for s in stages)} trees, {sum(s.num_bytes for s in stages) / 1e6:.2f} MB"
    )
    for way, runs in rates.items():
        print(
            f"  {way:<20}{median(runs):>14,.0f} candidates/s  ({min(runs):,.0f} to {max(runs):,.0f})"
            f"{middle['shac'] / middle[way]:>14,.1f} x"
        )
    for level, rate in levels.items():
        print(f"  shac, SIMD {level:<9}{rate:>14,.0f} candidates/s")
    return {
        "workload": name,
        "batch_size": workload.batch_size,
        "columns": space.num_columns,
        "decisions_compared": options.rows,
        "different_decisions": 0,
        "accepted": accepted,
        "compile_seconds": compiled - exported,
        "table_bytes": sum(s.num_bytes for s in stages),
        "candidates_per_second": rates,
        "median": middle,
        "ratio_to_xgboost_on_blocks": middle["shac"] / middle["XGBoost on blocks"],
        "simd_levels": levels,
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--rows", type=int, default=10_000_000, help="candidates whose decisions are compared")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each contender")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of a timed run")
    parser.add_argument("--levels", action="store_true", help="time every level of vector instructions, too")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results to this file")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"WORKLOAD: expected some of {', '.join(WORKLOADS)}, got {', '.join(unknown)}")
    options.workloads = options.workloads or list(WORKLOADS)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    started = time.perf_counter()

    def say(message: str) -> None:
        print(f"[{time.perf_counter() - started:6.1f} s] {message}", file=sys.stderr, flush=True)

    setting = environment()
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    results = []
    try:
        results.extend(run_workload(name, options, say) for name in options.workloads)
    except CheckError as error:
        print(f"CHECK FAILED: {error}", file=sys.stderr)
        return 1
    print(f"\n{'workload':<16}{'shac, candidates/s':>20}{'XGBoost on blocks':>20}{'ratio':>9}{'2 threads':>11}")
    for result in results:
        middle = result["median"]
        print(
            f"{result['workload']:<16}{middle['shac']:>20,.0f}{middle['XGBoost on blocks']:>20,.0f}"
            f"{result['ratio_to_xgboost_on_blocks']:>9,.0f}{middle['shac, 2 threads'] / middle['shac']:>11.2f}"
        )
    if options.json is not None:
        document = {"environment": setting, "results": results}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
