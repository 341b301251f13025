"""The workloads of the benchmarks: fixed functions, and cascades trained on their nested halves.

A workload trains each stage on points that all stages before it accept, as a search does, so that the full cascade
keeps about one candidate in 2**18. Trained stages are cached under `.cache/benchmarks` of the repository, or in the
folder that the environment variable SHAC_BENCHMARK_CACHE names.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost

import shac

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

__all__ = ["WORKLOADS", "Workload", "cache_folder", "fingerprint", "train_cascade"]

MAX_ATTEMPTS = 20
SLACK = 16  # a region may be so many times smaller than 2**-stages before its last stage is trained again


@dataclass(frozen=True)
class Workload:
    """A function to minimise over uniform columns, and how its cascade is trained.

    Parameters
    ----------
    name : str
        Its key in `WORKLOADS`.
    function : callable
        Takes rows, gives a score for each.
    columns : tuple of (float, float) or int
        Lowest and highest value of each uniform column; the number of values of each discrete one.
    batch_size : int
        T_c, the points that a stage is trained on.
    num_stages, num_trees : int
        Classifiers of the cascade, and trees of each.
    seed : int
        Of the points that the stages are trained on.
    """

    name: str
    function: Callable[[Floats], NDArray[np.float64]]
    columns: tuple[tuple[float, float] | int, ...]
    batch_size: int
    num_stages: int = 18
    num_trees: int = 200
    seed: int = 0

    def space(self) -> shac.HyperParameterList:
        return shac.HyperParameterList(
            [
                shac.DiscreteHP(f"d{i}", list(range(column)))
                if isinstance(column, int)
                else shac.UniformHP(f"x{i}", *column)
                for i, column in enumerate(self.columns)
            ]
        )

    def draw(self, random: np.random.Generator, count: int) -> Floats:
        """Draw rows from the prior as fast as NumPy does; other rows than the sampler's, of the same distribution."""
        rows = random.random((count, len(self.columns)), dtype=np.float32)
        low, high = np.array([(0, c) if isinstance(c, int) else c for c in self.columns], dtype=np.float32).T
        rows *= high - low
        rows += low
        discrete = [i for i, column in enumerate(self.columns) if isinstance(column, int)]
        if discrete:
            rows[:, discrete] = np.floor(rows[:, discrete])
        return rows


def branin(X: Floats) -> NDArray[np.float64]:
    """Branin's function; its three minima are 0.3979."""
    x, y = X.astype(np.float64).T
    valley = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    scores: NDArray[np.float64] = valley**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10
    return scores


def hartmann6(X: Floats) -> NDArray[np.float64]:
    """Hartmann's function of six columns; its minimum is -3.3224."""
    weights = np.array([1.0, 1.2, 3.0, 3.2])
    scales = np.array(
        [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    )
    centres = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    distances = (scales * (X[:, None, :].astype(np.float64) - centres) ** 2).sum(axis=-1)
    scores: NDArray[np.float64] = -np.exp(-distances) @ weights
    return scores


def mixed(X: Floats) -> NDArray[np.float64]:
    """Twenty discrete columns of five values whose neighbours interact, and a bowl of ten uniform ones."""
    random = np.random.default_rng(20)
    interactions = random.normal(size=(20, 5, 5))
    centre = random.uniform(0.2, 0.8, size=10)
    choices = X[:, :20].astype(np.intp)
    scores: NDArray[np.float64] = 4.0 * ((X[:, 20:].astype(np.float64) - centre) ** 2).sum(axis=1)
    for i in range(20):
        scores += interactions[i, choices[:, i], choices[:, (i + 1) % 20]]
    return scores


def valley(X: Floats) -> NDArray[np.float64]:
    """Rosenbrock's function over [-2, 2] in any number of columns, with the logarithm taken to tame its tails."""
    x = X.astype(np.float64)
    steps = 100.0 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1.0 - x[:, :-1]) ** 2
    scores: NDArray[np.float64] = np.log1p(steps).sum(axis=1)
    return scores


_BRANIN = ((-5.0, 10.0), (0.0, 15.0))
_UNIT6 = ((0.0, 1.0),) * 6
_MIXED = (5,) * 20 + ((0.0, 1.0),) * 10

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("branin-20", branin, _BRANIN, batch_size=20),
        Workload("branin-100", branin, _BRANIN, batch_size=100),
        Workload("hartmann6-20", hartmann6, _UNIT6, batch_size=20),
        Workload("hartmann6-50", hartmann6, _UNIT6, batch_size=50),
        Workload("mixed30-20", mixed, _MIXED, batch_size=20),
        Workload("mixed30-40", mixed, _MIXED, batch_size=40),
        Workload("valley20-1000", valley, ((-2.0, 2.0),) * 20, batch_size=1000),
        Workload("valley60-5000", valley, ((-2.0, 2.0),) * 60, batch_size=5000),
    )
}


def train_cascade(
    workload: Workload, progress: Callable[[str], None] | None = None
) -> tuple[list[xgboost.XGBClassifier], shac.HyperParameterList]:
    """Train a workload's classifiers, or read those that an earlier run trained.

    Parameters
    ----------
    workload : Workload
        Two workloads that differ only in `num_stages` share their first stages.
    progress : callable, optional
        Is told which stage is being trained.

    Returns
    -------
    models : list of xgboost.XGBClassifier
        One for each stage, with ``n_jobs=1``.
    space : HyperParameterList

    Raises
    ------
    RuntimeError
        If a stage leaves no region for the next one, whatever points it is trained on.
    """
    space = workload.space()
    folder = cache_folder() / f"{workload.name}-{fingerprint(workload)[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    models: list[xgboost.XGBClassifier] = []
    batch: Floats | None = None
    for stage in range(workload.num_stages):
        path = folder / f"{stage:02}.ubj"
        if not path.exists():
            if progress is not None:
                progress(f"training {workload.name}: stage {stage + 1} of {workload.num_stages}")
            batch = _train_stage(workload, models, batch, path)
        models.append(_load(path))
    return models, space


def cache_folder() -> Path:
    default = Path(__file__).resolve().parent.parent / ".cache" / "benchmarks"
    return Path(os.environ.get("SHAC_BENCHMARK_CACHE") or default)


def _train_stage(workload: Workload, before: list[xgboost.XGBClassifier], batch: Floats | None, path: Path) -> Floats:
    """Write a stage that leaves enough for the next one, and give the next one's batch.

    A stage takes its name only once it is known to be good, so a run that is killed leaves whole stages, from which the
    next run goes on to the same cascade.
    """
    for attempt in range(MAX_ATTEMPTS):
        if batch is None:
            batch = _draw_batch(workload, before, attempt)
        if batch is not None:
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                written = Path(folder) / path.name
                _fit(workload, batch).save_model(written)
                following = _draw_batch(workload, [*before, _load(written)], 0)
                if following is not None:
                    written.replace(path)
                    return following
        batch = None
    raise RuntimeError(
        f"workload {workload.name!r}: expected a region of at least 1/{SLACK} of 2**-{len(before) + 1} of the space, "
        f"got less from each of {MAX_ATTEMPTS} classifiers trained for stage {len(before)}"
    )


def _draw_batch(workload: Workload, models: list[xgboost.XGBClassifier], attempt: int) -> Floats | None:
    """Points for the stage behind `models`; None when their region is too small to find them."""
    # 'plain' because the points are part of the workload: a faster method may take others of the same distribution.
    X, report = shac.Cascade(models, workload.space()).sample(
        workload.batch_size,
        seed=(workload.seed * 1000 + len(models)) * MAX_ATTEMPTS + attempt,
        max_candidates=SLACK * workload.batch_size << len(models),
        method="plain",
    )
    return None if report.exhausted else X


def _fit(workload: Workload, X: Floats) -> xgboost.XGBClassifier:
    scores = workload.function(X)
    labels = (scores < np.median(scores)).astype(int)
    return xgboost.XGBClassifier(n_estimators=workload.num_trees, n_jobs=1).fit(X, labels)


def _load(path: Path) -> xgboost.XGBClassifier:
    model = xgboost.XGBClassifier(n_jobs=1)
    model.load_model(path)
    model.get_booster().set_param({"nthread": 1})
    return model


def fingerprint(workload: Workload) -> str:
    """SHA-256 of everything that a cached stage depends on."""
    probe, _ = shac.Cascade([], workload.space()).sample(64, seed=0, method="plain")
    settings: dict[str, Any] = {
        "columns": workload.columns,
        "batch_size": workload.batch_size,
        "num_trees": workload.num_trees,
        "seed": workload.seed,
        "xgboost": xgboost.__version__,
    }
    # The probe stands for the sampler's stream and for the function.
    parts = (
        json.dumps(settings).encode(),
        probe.tobytes(),
        workload.function(probe).tobytes(),
        RULES.encode(),
    )
    return hashlib.sha256(b"".join(parts)).hexdigest()


RULES = "".join(inspect.getsource(rule) for rule in (_train_stage, _draw_batch, _fit))  # how stages are trained
