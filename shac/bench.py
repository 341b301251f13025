"""The sampler on this machine against XGBoost on blocks of rows, on a cascade that is trained first.

The full benchmarks, with more workloads and rivals, are in the source repository.
"""

from __future__ import annotations

import functools
import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.cores import num_cores
from shac.parameters import UniformContinuousHyperParameter
from shac.sampling import Cascade
from shac.space import HyperParameterList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xgboost
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["BenchResult", "run_bench"]

_BLOCK = 65_536
_BATCH_SIZE = 50
_NUM_TREES = 200
_NUM_CHECKED = 20_000
_CANDIDATES = 1_000_000

_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_SCALES = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_CENTRES = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)


@dataclass(frozen=True, slots=True)
class BenchResult:
    """Candidates per second of each way, and what was checked.

    Parameters
    ----------
    rates : dict
        For the label of each way, the rate of each run.
    num_stages, num_checked : int
        Classifiers of the cascade, and rows whose decisions were compared.
    """

    rates: dict[str, list[float]]
    num_stages: int
    num_checked: int

    def table(self) -> str:
        """Write the medians, for people to read."""
        width = max(map(len, self.rates))
        lines = [
            f"Hartmann 6, {self.num_stages} stages of {_NUM_TREES} trees",
            f"the same decisions on all of {self.num_checked:,} rows",
            "",
            f"{'candidates per second':{width}} {'median':>14} {'lowest':>14} {'highest':>14}",
        ]
        lines += [
            f"{label:{width}} {median(runs):>14,.0f} {min(runs):>14,.0f} {max(runs):>14,.0f}"
            for label, runs in self.rates.items()
        ]
        medians = [median(runs) for runs in self.rates.values()]
        for ours, rival, label in zip(medians[::2], medians[1::2], list(self.rates)[::2], strict=True):
            lines.append(f"{label} is {ours / rival:.1f} times as fast as XGBoost")
        return "\n".join(lines)


def run_bench(*, num_stages: int, repeats: int, threads: int | None, say: Callable[[str], object]) -> BenchResult:
    """Train a cascade on a function of six columns, compare decisions, and time both ways to test candidates.

    Parameters
    ----------
    num_stages : int
        Classifiers.
    repeats : int
        Timed runs of each way; they take turns.
    threads : int, optional
        Threads of the second pair of ways; all cores by default.
    say : callable
        Takes a line of progress.

    Returns
    -------
    BenchResult

    Raises
    ------
    RuntimeError
        If a decision differs from XGBoost's.
    """
    space = HyperParameterList([UniformContinuousHyperParameter(f"x{i}", 0.0, 1.0) for i in range(6)])
    models = _train(space, num_stages, say)
    cascade = Cascade(models, space)
    rows = np.random.default_rng(0).random((_NUM_CHECKED, 6), dtype=np.float32)
    if not np.array_equal(cascade.accepts(rows), _passes(models, rows)):
        raise RuntimeError("shac bench: expected XGBoost's decisions, got others; please report this")
    all_cores = num_cores() if threads is None else threads
    ways: dict[str, Callable[[int], object]] = {}
    for count in dict.fromkeys((1, all_cores)):
        suffix = "1 thread" if count == 1 else f"{count} threads"
        ways[f"shac, {suffix}"] = functools.partial(_draw, cascade, count)
        ways[f"XGBoost on blocks of {_BLOCK:,}, {suffix}"] = functools.partial(_reject, models, count)
    rates: dict[str, list[float]] = {label: [] for label in ways}
    for way in ways.values():
        way(-1)  # caches, threads and tables are made before the clock runs
    for repeat in range(repeats):
        say(f"timing: run {repeat + 1} of {repeats}")
        for label, way in ways.items():
            started = time.perf_counter()
            way(repeat)
            rates[label].append(_CANDIDATES / (time.perf_counter() - started))
    return BenchResult(rates, num_stages, _NUM_CHECKED)


def _train(space: HyperParameterList, num_stages: int, say: Callable[[str], object]) -> list[xgboost.XGBClassifier]:
    import xgboost

    models: list[xgboost.XGBClassifier] = []
    for stage in range(num_stages):
        say(f"training stage {stage + 1} of {num_stages}")
        X, _ = Cascade(models, space).sample(_BATCH_SIZE, seed=stage)
        scores = _hartmann6(X)
        labels = (scores < np.median(scores)).astype(int)
        models.append(xgboost.XGBClassifier(n_estimators=_NUM_TREES, n_jobs=1).fit(X, labels))
    return models


def _hartmann6(X: Floats) -> NDArray[Any]:
    distances = (_SCALES * (X[:, None, :].astype(np.float64) - _CENTRES) ** 2).sum(axis=-1)
    scores: NDArray[Any] = -np.exp(-distances) @ _WEIGHTS
    return scores


def _draw(cascade: Cascade, threads: int, repeat: int) -> None:
    # As many samples as candidates: only max_candidates ends the call, so finding samples does not matter.
    cascade.sample(_CANDIDATES, seed=repeat + 1, threads=threads, max_candidates=_CANDIDATES, method="plain")


def _reject(models: Sequence[xgboost.XGBClassifier], threads: int, repeat: int) -> None:
    random = np.random.default_rng(repeat + 1)
    for model in models:
        model.get_booster().set_param({"nthread": threads})
    for begin in range(0, _CANDIDATES, _BLOCK):
        _passes(models, random.random((min(_BLOCK, _CANDIDATES - begin), 6), dtype=np.float32))


def _passes(models: Sequence[xgboost.XGBClassifier], rows: Floats) -> NDArray[np.bool_]:
    """Test a block of rows; only the survivors of a stage meet the next."""
    alive = np.arange(len(rows))
    for model in models:
        keep = model.get_booster().inplace_predict(rows[alive]) > 0.5
        alive = alive[keep]
        if not alive.size:
            break
    passed = np.zeros(len(rows), dtype=np.bool_)
    passed[alive] = True
    return passed
