"""Restores searches from hostile save folders and counts what came of it.

A restore ends with a `ShacError` and an engine that is as before, or with an engine whose cascade decides as XGBoost
does. Everything else, also a process that dies, computes for ten seconds,
waits for two minutes or takes a gigabyte, is printed, and the exit code is 1.

    python tests/hostile_files.py            every byte of files up to 30 kB; about half an hour
    python tests/hostile_files.py --quick    a sample; seconds
"""

import argparse
import contextlib
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile_inputs as hostile
import numpy as np

import shac

ATTACKS = ("cut", "changed", "sealed", "swapped", "json", "journal", "models", "wild")
QUICK = {"cut": 12, "changed": 12, "sealed": 6, "swapped": 1, "json": 50, "journal": 30, "models": 50, "wild": 1}
FULL = {
    "cut": 8000,  # bytes of each file
    "changed": 8000,
    "sealed": 1000,
    "swapped": 1,
    "json": 10**9,
    "journal": 1000,
    "models": 5000,
    "wild": 1,
}
FOLDER = Path("shac_run")
CURRENT = Path("current.json")
SECONDS_A_CASE = 10
MEMORY = 1 << 30


def score(worker_id: int, parameters: Any) -> float:
    penalty = 0.0 if parameters["activation"] == "relu" else 0.5
    return float(abs(parameters["lr"] - 0.3) + penalty + sum(x * x for x in parameters["m"]) + parameters["n"] / 9)


def space() -> list[Any]:
    return [
        shac.UniformHP("lr", 0.0, 1.0),
        shac.DiscreteHP("activation", ["relu", "gelu", None, 1, True, (1, 2.5)]),
        shac.MultiNormalHP("m", 0.0, 1.0, sample_count=2),
        shac.IntegerHP("n", 0, 9),
    ]


def make_search(folder: Path, *, seed: int, num_batches: int = 4) -> None:
    engine = shac.SHAC(score, space(), 16 * num_batches, num_batches, "min", save_dir=folder, seed=seed)
    engine.concurrent_evaluators()
    engine.fit(skip_cv_checks=True)
    assert len(engine.classifiers) == num_batches - 1


def make_stopped_search(folder: Path) -> None:
    """Stopped within its last batch, so that the journal knows more than the table."""

    class Stop(shac.Callback):
        def on_outcome(self, outcome: Any, logs: Any = None) -> None:
            if outcome.index == 40:
                raise KeyboardInterrupt

    engine = shac.SHAC(score, space(), 48, 3, "min", save_dir=folder, seed=2)
    engine.concurrent_evaluators()
    try:
        engine.fit(skip_cv_checks=True, callbacks=[Stop()])
    except KeyboardInterrupt:
        return
    raise AssertionError("the search ran to its end")


def engine_for(folder: Path, num_batches: int = 4) -> shac.SHAC:
    engine = shac.SHAC(score, None, 16 * num_batches, num_batches, "min", save_dir=folder, seed=None)
    engine.concurrent_evaluators()
    return engine


def state_of(engine: shac.SHAC) -> Any:
    return engine.dataset, engine.classifiers, engine._search._state, engine.seed, engine.parameters


def restore(folder: Path) -> str:
    """Restore, and tell what came of it; raises where it is neither a refusal nor a sound engine."""
    engine = engine_for(folder)
    before = state_of(engine)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            engine.restore_data()
        except Exception as error:
            if not hostile.is_refusal(error):
                raise
            assert all(now is then or now == then for now, then in zip(state_of(engine), before, strict=True))
            return "refused"
    if any("holds no search" in str(warning.message) for warning in caught):
        return "no search"
    check_engine(engine)
    return "restored"


def check_engine(engine: shac.SHAC) -> None:
    assert engine.parameters is not None
    engine.dataset.to_csv()
    assert len(engine.state.accuracies) == len(engine.classifiers)
    X = np.random.default_rng(0).normal(size=(50, engine.parameters.num_columns)).astype(np.float32)
    margins = engine.cascade.margins(X, threads=1)
    for stage, model in enumerate(engine.classifiers):
        expected = model.get_booster().inplace_predict(X, predict_type="margin")
        assert np.array_equal(margins[:, stage], expected, equal_nan=True), f"stage {stage}"
    with contextlib.suppress(shac.EmptyRegionError):
        engine.cascade.draw(1, seed=0, max_candidates=2000, threads=1)


def resume(folder: Path) -> str:
    """Go on from the journal; the first batch of an unfinished search is taken from it."""
    engine = engine_for(folder, num_batches=3)
    try:
        engine.restore_data()
        engine.fit(skip_cv_checks=True)
    except Exception as error:
        if not hostile.is_refusal(error):
            raise
        return "refused"
    assert len(engine.dataset) == engine.total_budget
    check_engine(engine)
    return "restored"


def cases_of(attack: str, sound: Path, other: Path, count: int) -> Iterator[hostile.Case]:
    generator = random.Random(attack)
    files = hostile.files_of(sound)
    match attack:
        case "cut":
            return hostile.truncations(files, count, generator)
        case "changed":
            return hostile.flips(files, count, generator)
        case "sealed":
            return hostile.sealed_bytes(files, count, generator)
        case "swapped":
            return hostile.swaps(files, hostile.files_of(other))
        case "json":
            return hostile.anything_in_json(files, count, generator)
        case "journal":
            return hostile.anything_in_the_journal(files, count, generator)
        case "models":
            return hostile.broken_models(files, count, generator)
    return hostile.wild_files(files)


def run_attack(attack: str, folders: list[Path], count: int, skip: int) -> None:
    """Try cases in this process, which may die of one; `supervise` reads what is printed and written."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    sound = folders[2] if attack == "journal" else folders[0]
    files = hostile.files_of(sound)
    outcomes: Counter[str] = Counter()
    is_sound = False
    for number, case in enumerate(cases_of(attack, sound, folders[1], count)):
        if number < skip:
            continue
        if not is_sound:
            shutil.rmtree(FOLDER, ignore_errors=True)
            shutil.copytree(sound, FOLDER)
        case.apply(FOLDER)
        CURRENT.write_text(json.dumps([number, case.name, outcomes]))
        signal.setitimer(signal.ITIMER_PROF, SECONDS_A_CASE)  # of computing, on a busy machine as on any
        signal.setitimer(signal.ITIMER_REAL, 12 * SECONDS_A_CASE)
        try:
            outcomes[resume(FOLDER) if attack == "journal" else restore(FOLDER)] += 1
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            outcomes["wrong"] += 1
            print(f"{case.name}: {error!r:.300}", file=sys.stderr, flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for name in case.files:
            (FOLDER / name).write_bytes(files[name])
        is_sound = bool(case.files) and attack != "journal"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps([outcomes, peak]))


def supervise(attack: str, folders: list[Path], count: int) -> tuple[Counter[str], int]:
    """Run an attack in processes of its own, a new one behind each case that one died of."""
    outcomes: Counter[str] = Counter()
    skip = 0
    with tempfile.TemporaryDirectory() as work:
        while True:
            command = [sys.executable, str(Path(__file__).resolve()), "--attack", attack, "--worker"]
            command += [*map(str, folders), str(count), str(skip)]
            done = subprocess.run(command, cwd=work, stdout=subprocess.PIPE, text=True, check=False)
            if done.returncode == 0:
                last, peak = json.loads(done.stdout)
                return outcomes + Counter(last), int(peak)
            skip, name, before = json.loads((Path(work) / CURRENT).read_text())
            print(f"{name}: the process ended with {done.returncode}", file=sys.stderr, flush=True)
            outcomes += Counter(before) + Counter(["wrong"])
            skip += 1


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a sample of each attack")
    parser.add_argument("--attack", choices=ATTACKS, action="append", help="only this one; may be given again")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--worker", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        *folders, count, skip = arguments.worker
        run_attack(arguments.attack[0], [Path(folder) for folder in folders], int(count), int(skip))
        return 0
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / name for name in ("sound", "other", "stopped")]
        make_search(folders[0], seed=0)
        make_search(folders[1], seed=1, num_batches=3)
        make_stopped_search(folders[2])
        for attack in arguments.attack or ATTACKS:
            outcomes, peak = supervise(attack, folders, (QUICK if arguments.quick else FULL)[attack])
            figures[attack] = {"inputs": outcomes.total(), **outcomes, "peak_mib": peak}
            print(f"{attack:<10}{json.dumps(figures[attack])}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(entry.get("wrong") for entry in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
