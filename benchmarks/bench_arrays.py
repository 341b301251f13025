"""Given rows through cascades: margins of all stages and which rows pass, shac next to XGBoost, oneDAL and tl2cgen.

Answers come first: margins must be XGBoost's to the last bit and no decision may differ, or the run ends with exit code
1. How many decisions of a rival differ from XGBoost's is told. Then all contenders take turns on the same rows, on one
thread each. With --levels everything is run again for each level of vector instructions, in a process of its own.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
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

    from benchmarks.bench_cascade import (
        CheckError,
        check_decisions,
        check_margins,
        environment,
        pass_blocks,
        rows_to_check,
    )
    from benchmarks.bench_rejection import CompiledModels
    from benchmarks.onedal import OneDalModels
    from benchmarks.workloads import WORKLOADS, Workload, train_cascade

    Floats = NDArray[np.float32]
    Say = Callable[[str], None]
else:
    from bench_cascade import CheckError, check_decisions, check_margins, environment, pass_blocks, rows_to_check
    from bench_rejection import CompiledModels
    from onedal import OneDalModels
    from workloads import WORKLOADS, train_cascade

FIRST_STAGES = 4


def margins_of(models: Sequence[xgboost.XGBClassifier], rows: Floats) -> list[Floats]:
    return [model.get_booster().inplace_predict(rows, predict_type="margin") for model in models]


def check_answers(models: Sequence[xgboost.XGBClassifier], cascades: Sequence[shac.Cascade], rows: Floats) -> int:
    """Compare margins and decisions of every form of the cascade on rows of either order; give the decisions."""
    expected = margins_of(models, rows)
    passed = pass_blocks(models, rows)
    compared = 0
    for cascade in cascades:
        for ordered in (rows, np.asfortranarray(rows)):
            margins = cascade.margins(ordered)
            for stage, of_stage in enumerate(expected):
                check_margins(stage, np.ascontiguousarray(margins[:, stage]), of_stage)
            compared += check_decisions("rows that pass", cascade.accepts(ordered), passed)
            compared += check_decisions("rows that are dropped", cascade.dropped_at(ordered) == -1, passed)
    return compared


def rivals_of(
    workload: Workload, models: Sequence[xgboost.XGBClassifier], rows: Floats, wanted: Sequence[str], say: Say
) -> dict[str, Any]:
    """Make those of the wanted rivals that are installed, and tell how many of their decisions differ."""
    makers: dict[str, Callable[[], Any]] = {
        "oneDAL": lambda: OneDalModels(models),
        "tl2cgen": lambda: CompiledModels(workload, models, say),
    }
    rivals: dict[str, Any] = {}
    passed = pass_blocks(models, rows)
    for name in wanted:
        try:
            rivals[name] = makers[name]()
        except ImportError as error:
            say(f"without {name}: {error}")
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            different = int((rivals[name].pass_blocks(rows) != passed).sum())
        say(f"{workload.name}: {different:,} of {len(rows):,} decisions of {name} differ from XGBoost's")
    return rivals


def in_turns(ways: dict[str, Callable[[], object]], num_rows: int, repeats: int) -> dict[str, list[float]]:
    """Nanoseconds a row of every contender and repeat."""
    nanoseconds: dict[str, list[float]] = {name: [] for name in ways}
    for run in ways.values():
        run()
    for _ in range(repeats):
        for name, run in ways.items():
            started = time.perf_counter()
            run()
            nanoseconds[name].append((time.perf_counter() - started) / num_rows * 1e9)
    return nanoseconds


def run_workload(name: str, num_stages: int, options: argparse.Namespace, say: Say) -> dict[str, Any]:
    workload = dataclasses.replace(WORKLOADS[name], num_stages=num_stages)
    models, space = train_cascade(workload, say)
    random = np.random.default_rng(3)
    trees, tables = shac.Cascade(models, space), shac.Cascade(models, space)
    _ = tables.compiled_stages  # so that they are asked first
    compared = check_answers(models, (trees, tables), rows_to_check(workload, models, options.check, random))
    rows = workload.draw(random, options.rows)
    by_columns = np.asfortranarray(rows)
    rivals = rivals_of(workload, models, rows, options.rivals, say)
    margins: dict[str, Callable[[], object]] = {
        "shac": lambda: trees.margins(rows, threads=1),
        "shac, columns": lambda: trees.margins(by_columns, threads=1),
        "XGBoost": lambda: margins_of(models, rows),
    }
    if "oneDAL" in rivals:
        margins["oneDAL"] = lambda: rivals["oneDAL"].probabilities(rows)
    accepts: dict[str, Callable[[], object]] = {
        "shac": lambda: tables.accepts(rows, threads=1),
        "shac, columns": lambda: tables.accepts(by_columns, threads=1),
        "shac, no tables": lambda: trees.accepts(rows, threads=1),
        "XGBoost": lambda: pass_blocks(models, rows),
    }
    for rival, compiled in rivals.items():
        accepts[rival] = lambda compiled=compiled: compiled.pass_blocks(rows)
    result: dict[str, Any] = {"workload": name, "stages": num_stages, "decisions_compared": compared}
    print(f"\n{name}, {num_stages} stages: 0 of {compared:,} decisions different, margins equal to the bit")
    for what, ways in (("margins", margins), ("accepts", accepts)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runs = in_turns(ways, len(rows), options.repeats)
        middle = {way: median(times) for way, times in runs.items()}
        result[what] = {"nanoseconds": runs, "median": middle}
        for way, times in runs.items():
            print(
                f"  {what} {way:<17}{middle[way]:>10,.1f} ns a row  ({min(times):,.1f} to {max(times):,.1f})"
                f"{middle[way] / middle['shac']:>10,.2f} x shac"
            )
    return result


def run_levels(options: argparse.Namespace, arguments: Sequence[str]) -> list[dict[str, Any]]:
    """Run everything for each level of vector instructions."""
    results = []
    for level in core.simd_levels():
        print(f"\nlevel {level}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "level.json"
            command = [sys.executable, __file__, *options.workloads, *arguments, "--json", str(path)]
            subprocess.run(command, env={**os.environ, "SHAC_SIMD": level}, check=True)
            results += [{"level": level, **result} for result in json.loads(path.read_text())["results"]]
    return results


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"of {', '.join(WORKLOADS)}; all by default")
    parser.add_argument("--rows", type=int, default=65_536, help="rows that are timed")
    parser.add_argument("--check", type=int, default=100_000, help="rows whose answers are compared first")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each contender")
    parser.add_argument("--stages", type=int, nargs="+", default=[FIRST_STAGES, 18], help="lengths of the cascades")
    parser.add_argument("--rivals", nargs="*", default=["oneDAL", "tl2cgen"], help="besides XGBoost, if installed")
    parser.add_argument("--levels", action="store_true", help="run all for every level of vector instructions")
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
    if options.levels:
        repeated = ["--rows", str(options.rows), "--check", str(options.check), "--repeats", str(options.repeats)]
        repeated += ["--stages", *map(str, options.stages), "--rivals", *options.rivals]
        results = run_levels(options, repeated)
    else:
        print(", ".join(f"{name} {value}" for name, value in setting.items()))
        try:
            results = [
                run_workload(name, stages, options, say) for name in options.workloads for stages in options.stages
            ]
        except CheckError as error:
            print(f"CHECK FAILED: {error}", file=sys.stderr)
            return 1
    if options.json is not None:
        document = {"environment": setting, "results": results}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
