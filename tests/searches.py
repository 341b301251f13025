"""Small searches for the tests of the engines."""

import os
import random
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

import shac
from shac.files import dump_json, parse_json
from shac.store.manifest import _checksum


def branin(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    x, y = parameters["x"], parameters["y"]
    valley = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return float(valley + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def process_id(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Here, because worker processes import this module by its name."""
    return float(os.getpid())


def branin_space() -> shac.HyperParameterList:
    return shac.HyperParameterList([shac.UniformHP("x", -5.0, 10.0), shac.UniformHP("y", 0.0, 15.0)])


HARTMANN_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
HARTMANN_WIDTHS = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
HARTMANN_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    point = np.array(parameters["x"])
    exponents = (HARTMANN_WIDTHS * (point - HARTMANN_CENTRES) ** 2).sum(axis=1)
    return float(-(HARTMANN_HEIGHTS * np.exp(-exponents)).sum())


def hartmann6_space() -> shac.HyperParameterList:
    return shac.HyperParameterList([shac.MultiUniformHP("x", 0.0, 1.0, sample_count=6)])


def read_manifest(folder: Path) -> Any:
    return parse_json((folder / "manifest.json").read_bytes(), "manifest.json")["manifest"]


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest whose checksum is right, whatever it says."""
    sealed = {"manifest": manifest, "sha256": _checksum(manifest)}
    (folder / "manifest.json").write_text(dump_json(sealed, "manifest.json"))


def engine(function: Any = branin, space: Any = None, **settings: Any) -> shac.SHAC:
    """Minimise Branin in 6 rounds of 10, on threads, unless told otherwise."""
    settings = {"total_budget": 60, "num_batches": 6, "objective": "min", "seed": 0, **settings}
    made = shac.SHAC(function, branin_space() if space is None else space, **settings)
    made.concurrent_evaluators()
    return made


def draw_restored(folder: Path, seed: int, threads: int = 1) -> bytes:
    """Samples of a saved search of 30 evaluations; here, because worker processes import this module by its name."""
    restored = engine(total_budget=30, num_batches=3, save_dir=folder)
    restored.restore_data()
    return restored.cascade.sample(50, seed=seed, threads=threads)[0].tobytes()


def branin_in_steps(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Report five values that come down to that of Branin from anywhere, and last a random time that nothing seeds."""
    value = branin(worker_id, parameters)
    for step in range(1, 6):
        time.sleep(min(0.05, random.SystemRandom().lognormvariate(-6.5, 1.5)))
        shac.report(step, value + 100 * (1 + float(np.sin(50 * parameters["x"]))) / step)
    return value


def branin_after_a_while(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    """Last a random time that nothing seeds, mostly short and at times long; fail where x is large."""
    time.sleep(min(0.2, random.SystemRandom().lognormvariate(-5.0, 1.5)))
    if parameters["x"] > 8.0:
        raise ValueError("x is too large")
    return branin(worker_id, parameters)
