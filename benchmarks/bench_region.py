"""Seconds for samples of a cascade, by the number of classifiers: region index, 'auto', plain and XGBoost rejection.

Answers come first: every sample must pass `XGBClassifier.predict`, or the run ends with exit code 1. Times hold
compiling the stages, building the index and drawing; each cascade is made anew. "Everything" adds reading the trees
out of the models, over a space that nothing is known of, and is printed with XGBoost's own part of it (`save_raw`)
and, with --many, with what many samples take on each number of threads, in turns. XGBoost's rejection on blocks is
timed for a second and scaled to the candidates that plain rejection took, where it would take minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xgboost

import shac

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.bench_cascade import BLOCK, CheckError, environment, pass_blocks
    from benchmarks.workloads import WORKLOADS, Workload, train_cascade
else:
    from bench_cascade import BLOCK, CheckError, environment, pass_blocks
    from workloads import WORKLOADS, Workload, train_cascade

SMALL = ("branin-20", "branin-100", "hartmann6-20", "hartmann6-50", "mixed30-20", "mixed30-40")
STAGES = (1, 2, 3, 6, 9, 12, 15, 18)


def timed_samples(
    models: Sequence[xgboost.XGBClassifier],
    space: shac.HyperParameterList,
    options: argparse.Namespace,
    method: Literal["auto", "plain", "region"],
) -> tuple[float, shac.SampleReport]:
    """Median seconds from a cascade that nothing is known of to samples, and what the last call reported."""
    seconds = []
    for repeat in range(options.repeats):
        cascade = shac.Cascade(models, space)
        started = time.perf_counter()
        X, report = cascade.sample(options.samples, seed=repeat, threads=2, method=method)
        seconds.append(time.perf_counter() - started)
        check_samples(models, X, options.samples)
    return median(seconds), report


def everything(
    workload: Workload, models: Sequence[xgboost.XGBClassifier], options: argparse.Namespace
) -> dict[str, Any]:
    """Seconds from fitted models to samples, of XGBoost's own part, and of many samples on each number of threads."""
    whole, saved = [], []
    for repeat in range(options.repeats):
        space = workload.space()
        started = time.perf_counter()
        X, _ = shac.Cascade(models, space).sample(options.samples, seed=repeat, threads=2)
        whole.append(time.perf_counter() - started)
        check_samples(models, X, options.samples)
        started = time.perf_counter()
        for model in models:
            model.get_booster().save_raw(raw_format="ubj")
        saved.append(time.perf_counter() - started)
    row: dict[str, Any] = {"everything": median(whole), "save_raw": median(saved)}
    if not options.many:
        return row
    cascade = shac.Cascade(models, workload.space())
    cascade.sample(1, seed=0)
    seconds: dict[int, list[float]] = {threads: [] for threads in options.threads}
    rows: dict[int, NDArray[np.float32]] = {}
    for _ in range(options.repeats):
        for threads, of_threads in seconds.items():
            started = time.perf_counter()
            rows[threads], _ = cascade.sample(options.many, seed=0, threads=threads)
            of_threads.append(time.perf_counter() - started)
    first = next(iter(rows.values()))
    for threads, X in rows.items():
        if not np.array_equal(X, first):
            raise CheckError(f"samples: expected the same on any number of threads, got others on {threads}")
    return row | {"many": options.many, "many_seconds": {threads: min(seconds[threads]) for threads in seconds}}


def check_samples(models: Sequence[xgboost.XGBClassifier], X: NDArray[np.float32], expected: int) -> None:
    if len(X) != expected:
        raise CheckError(f"samples: expected {expected:,}, got {len(X):,}")
    for stage, model in enumerate(models):
        refused = int(np.count_nonzero(model.predict(X) != 1))
        if refused:
            raise CheckError(f"samples: expected all to pass stage {stage}, got {refused:,} that XGBoost rejects")


def seconds_of_xgboost(workload: Workload, models: Sequence[xgboost.XGBClassifier], candidates: int) -> float:
    """Seconds of rejection on blocks for so many candidates, on one thread, scaled from a few blocks."""
    random = np.random.default_rng(0)
    started = time.perf_counter()
    tested = 0
    while tested < candidates and time.perf_counter() - started < 1.0:
        size = min(BLOCK, candidates - tested)
        pass_blocks(models, workload.draw(random, size))
        tested += size
    return (time.perf_counter() - started) * candidates / tested


def run_workload(name: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    workload = WORKLOADS[name]
    models, space = train_cascade(workload)
    rows = []
    print(f"\n{name}: seconds for {options.samples:,} samples, compiling and building included")
    print(
        f"{'stages':>6}{'auto':>9}{'takes':>8}{'region':>9}{'plain':>9}{'XGBoost':>11}{'boxes':>8}{'draws':>8}"
        f"{'volume, at least':>18}{'at most':>10}"
    )
    for num_stages in options.stages:
        some = models[:num_stages]
        auto, chosen = timed_samples(some, space, options, "auto")
        volume = shac.Cascade(some, space).volume()
        row: dict[str, Any] = {
            "workload": name,
            "stages": num_stages,
            "auto": auto,
            "chosen": chosen.method,
            "volume": list(volume),
        }
        plain, plain_report = timed_samples(some, space, options, "plain")
        row |= {"plain": plain, "xgboost": seconds_of_xgboost(workload, some, plain_report.candidates)}
        boxes, draws, region = "", "", ""
        if not name.startswith("mixed") or num_stages <= 2:
            seconds, report = timed_samples(some, space, options, "region")
            row |= {"region": seconds, "boxes": report.boxes, "draws_per_sample": report.draws_per_sample}
            boxes, draws, region = str(report.boxes), f"{report.draws_per_sample:.1f}", f"{seconds:.3f}"
        print(
            f"{num_stages:>6}{auto:>9.3f}{chosen.method:>8}{region:>9}{plain:>9.3f}{row['xgboost']:>11,.1f}"
            f"{boxes:>8}{draws:>8}{volume.lower:>18.3g}{volume.upper:>10.3g}",
            flush=True,
        )
        rows.append(row)
    row = everything(workload, models, options)
    print(
        f"everything, from {len(models)} fitted models: {row['everything']:.3f}, of it save_raw {row['save_raw']:.3f}"
    )
    if options.many:
        seconds = row["many_seconds"]
        slowest = seconds[options.threads[0]]
        each = ", ".join(f"{value:.3f} on {threads} ({slowest / value:.2f})" for threads, value in seconds.items())
        print(f"{options.many:,} samples, seconds by threads (times faster): {each}")
    return [*rows, {"workload": name, "stages": len(models), **row}]


def seconds_to_prove_empty(name: str) -> float:
    """Prove that nothing passes a full cascade and a stage that accepts the corner farthest from its region."""
    workload = WORKLOADS[name]
    models, space = train_cascade(workload)
    X = workload.draw(np.random.default_rng(1), 20_000)
    centre = shac.Cascade(models, space).sample(20, seed=0)[0].mean(axis=0)
    far = np.abs(X - centre).sum(axis=1)
    last = xgboost.XGBClassifier(n_estimators=50, n_jobs=1).fit(X, far > np.quantile(far, 0.9))
    cascade = shac.Cascade([*models, last], space)
    started = time.perf_counter()
    try:
        cascade.sample(1, seed=0)
    except shac.EmptyRegionError:
        return time.perf_counter() - started
    raise CheckError(f"{name}: expected an empty region, got a sample")


def draw_plot(rows: Sequence[dict[str, Any]], path: Path) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(row["workload"] for row in rows))
    figure, axes = plt.subplots(2, 3, figsize=(12, 7), sharex=True, sharey=True, layout="constrained")
    ways = (("xgboost", "XGBoost on blocks", "#999999"), ("plain", "plain", "#d1813b"), ("auto", "auto", "#2b6ca3"))
    for axis, name in zip(axes.flat, names, strict=False):
        for key, label, colour in ways:
            points = [(row["stages"], row[key] / 1000) for row in rows if row["workload"] == name and row.get(key)]
            axis.semilogy(*zip(*points, strict=True), "o-", label=label, color=colour, markersize=4)
        axis.set_title(name)
        axis.set_xticks(range(0, 19, 3))
        axis.grid(alpha=0.3)
    for axis in axes[-1]:
        axis.set_xlabel("classifiers")
    for axis in axes[:, 0]:
        axis.set_ylabel("seconds a sample")
    axes.flat[0].legend()
    figure.savefig(path, dpi=120)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"all of {', '.join(SMALL)} by default")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument(
        "--many", type=int, default=0, help="samples to draw on each number of threads; by default none"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="those numbers; 1 and 2 by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stages", type=int, nargs="*", default=STAGES)
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the results to this file")
    parser.add_argument("--plot", type=Path, metavar="PATH", help="write a picture of them (needs matplotlib)")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.workloads if name not in WORKLOADS]
    if unknown:
        parser.error(f"WORKLOAD: expected some of {', '.join(WORKLOADS)}, got {', '.join(unknown)}")
    options.workloads = options.workloads or list(SMALL)
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    setting = environment()
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    rows: list[dict[str, Any]] = []
    empty: dict[str, float] = {}
    try:
        for name in options.workloads:
            rows += run_workload(name, options)
        for name in options.workloads:
            if name.startswith(("branin", "hartmann")) and 18 in options.stages:
                empty[name] = seconds_to_prove_empty(name)
                print(f"{name}: an empty region proven in {empty[name]:.3f} s")
    except CheckError as error:
        print(f"CHECK FAILED: {error}", file=sys.stderr)
        return 1
    if options.json is not None:
        document = {"environment": setting, "results": rows, "seconds_to_prove_empty": empty}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    if options.plot is not None:
        draw_plot(rows, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
