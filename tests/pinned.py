"""Searches whose tables and folders are stored in tests/data; `python tests/pinned.py` writes the tables anew.

The values of their parameters and all scores come from sums and products alone, and integers, so that no library's
exponential or sine, of which processors have several, reaches a table.
"""

import random
import shutil
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import xgboost

import shac

TABLES = Path(__file__).parent / "data" / "tables"
STRATEGIES = ("guided", "pooled", "paper")

# What the stored tables were made with. Other trees make other tables; CI runs these versions.
MADE_WITH = {"xgboost": "3.2.0", "numpy": "2.4.6", "scipy": "1.16.3"}
RUNS_WITH = {"xgboost": xgboost.__version__, "numpy": np.__version__, "scipy": scipy.__version__}

Evaluate = Callable[[int, "OrderedDict[str, Any]"], float]


class NoScoreError(Exception):
    """An evaluation that fails."""


def real_space() -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [
            shac.UniformHP("x", -5.0, 10.0),
            shac.UniformHP("y", 0.0, 15.0),
            shac.MultiUniformHP("z", 0.0, 1.0, sample_count=4),
        ]
    )


def real_score(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    x, y, z = parameters["x"], parameters["y"], parameters["z"]
    if x > 2.0 and y > 7.0:
        raise NoScoreError("diverged")
    score = (x - 3.0) * (x - 3.0) / 10 + (y - 0.2 * x * x) * (y - 0.2 * x * x) / 40
    for i, value in enumerate(z):
        score += (1 + i) * (value - 0.15 - 0.2 * i) * (value - 0.15 - 0.2 * i)
    return float(score)


def mixed_space() -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [
            shac.UniformHP("rate", 0.0, 0.5),
            shac.IntegerHP("layers", 1, 6),
            shac.LogIntegerHP("width", 8, 512),
            shac.DiscreteHP("batch", [16, 32, 64, 128]),
            shac.DiscreteHP("kind", ["relu", "tanh", "gelu"]),
            shac.DiscreteHP("norm", [False, True]),
            shac.UniformHP("scale", 0.1, 4.0),
        ]
    )


def mixed_score(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    cost = 20 * (parameters["rate"] - 0.17) * (parameters["rate"] - 0.17)
    cost += abs(parameters["layers"] - 3) / 4 + abs(parameters["width"] - 96) / 128
    cost += abs(parameters["batch"] - 64) / 256 + (0.0 if parameters["norm"] else 0.25)
    cost += {"relu": 0.2, "tanh": 0.5, "gelu": 0.0}[parameters["kind"]]
    return float(-cost - (parameters["scale"] - 1.3) * (parameters["scale"] - 1.3))


def conditional_space() -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [
            shac.DiscreteHP("optimizer", ["sgd", "adam"]),
            shac.UniformHP("momentum", 0.0, 1.0),
            shac.UniformHP("beta", 0.5, 1.0),
            shac.UniformHP("decay", 0.0, 2.0),
            shac.IntegerHP("layers", 1, 3),
            shac.IntegerHP("first", 4, 64),
            shac.IntegerHP("second", 4, 64),
        ],
        conditions={"momentum": {"optimizer": "sgd"}, "beta": {"optimizer": "adam"}, "second": {"layers": [2, 3]}},
    )


def conditional_score(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    if parameters["first"] * parameters.get("second", 16) > 2500:
        raise NoScoreError("out of memory")
    cost = 0.3 if parameters["optimizer"] == "adam" else 0.0
    cost += 2 * abs(parameters.get("momentum", 0.7) - 0.8) + 3 * abs(parameters.get("beta", 0.8) - 0.9)
    cost += (parameters["decay"] - 0.6) * (parameters["decay"] - 0.6) + abs(parameters["layers"] - 2) / 2
    return float(cost + abs(parameters["first"] - 40) / 40 + abs(parameters.get("second", 40) - 24) / 40)


def constrained_space() -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [
            shac.UniformHP("x", 0.0, 1.0),
            shac.UniformHP("y", 0.0, 1.0),
            shac.UniformHP("z", -1.0, 1.0),
            shac.IntegerHP("units", 1, 64),
            shac.DiscreteHP("batch", [8, 16, 32]),
        ],
        constraints=["x + y <= 1.2", "batch * units <= 512"],
    )


def constrained_score(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    x, y, z = parameters["x"], parameters["y"], parameters["z"]
    gain = 2 * x + y - x * x - (z - 0.4) * (z - 0.4)
    return float(gain + parameters["units"] / 64 + parameters["batch"] / 64)


@dataclass(frozen=True)
class Search:
    space: Callable[[], shac.HyperParameterList]
    evaluate: Evaluate
    objective: str
    seed: int
    num_batches: int  # of "guided" and "pooled"


# Climbs compare sums whose last bits differ between kernels of OpenBLAS and NumPy, and with three seeds of four another
# kernel takes another path. With these seeds the tables are the same for all x86 kernels of the versions above.
SEARCHES = {
    "real": Search(real_space, real_score, "min", 4, 15),
    "mixed": Search(mixed_space, mixed_score, "max", 7, 13),
    "conditional": Search(conditional_space, conditional_score, "min", 13, 13),
    "constrained": Search(constrained_space, constrained_score, "max", 14, 13),
}


def engine_of(
    name: str, strategy: str, folder: str, *, threads: int, evaluate: Evaluate | None = None, **settings: Any
) -> shac.SHAC:
    """Make the engine of a stored table; the paper's strategy learns nothing from batches of 8."""
    search = SEARCHES[name]
    num_workers, num_batches = (20, 6) if strategy == "paper" else (8, search.num_batches)
    engine = shac.SHAC(
        evaluate,
        search.space(),
        num_workers * num_batches,
        num_batches,
        search.objective,
        save_dir=folder,
        seed=search.seed,
        strategy=strategy,
        **settings,
    )
    engine.concurrent_evaluators()
    engine.set_num_parallel_evaluators(threads)
    engine.set_num_parallel_generators(threads)
    return engine


def fitted(name: str, strategy: str, folder: str, *, threads: int, relax_checks: bool = False) -> shac.SHAC:
    engine = engine_of(name, strategy, folder, threads=threads, evaluate=SEARCHES[name].evaluate)
    engine.fit(relax_checks=relax_checks)
    return engine


def tell_all(engine: shac.SHAC, evaluate: Evaluate, settings: "list[OrderedDict[str, Any]]") -> None:
    for setting in settings:
        try:
            score = evaluate(0, setting)
        except NoScoreError:
            score = float("nan")
        engine.tell(setting, score)


def asked_and_told(name: str, strategy: str, folder: str, *, threads: int, relax_checks: bool = False) -> shac.SHAC:
    """Run the same search by whole rounds, each told in an order of its own."""
    engine = engine_of(name, strategy, folder, threads=threads)
    order = random.Random(0)
    while settings := engine.ask(engine.num_workers, relax_checks=relax_checks):
        order.shuffle(settings)
        tell_all(engine, SEARCHES[name].evaluate, settings)
    return engine


def write_tables() -> None:
    assert RUNS_WITH == MADE_WITH, f"expected the versions of constraints.txt, got {RUNS_WITH}"
    for name in SEARCHES:
        for strategy in STRATEGIES:
            folder = f"search-{strategy}-{name}"
            fitted(name, strategy, folder, threads=2)
            shutil.copy(Path(folder, "dataset.csv"), TABLES / f"{strategy}-{name}.csv")
    for strategy in STRATEGIES:
        fitted("conditional", strategy, f"relaxed-{strategy}", threads=2, relax_checks=True)
        shutil.copy(Path(f"relaxed-{strategy}", "dataset.csv"), TABLES / f"{strategy}-conditional-relaxed.csv")


if __name__ == "__main__":
    import tempfile
    from contextlib import chdir

    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        write_tables()
