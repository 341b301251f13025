"""The benchmark of several objectives: its measure on fronts that are known, and its table."""

import importlib
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def fronts() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        yield importlib.import_module("quality.fronts")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_the_hypervolume_counts_the_cells_that_are_dominated(fronts: Any, points: list[tuple[int, int]]) -> None:
    cells = [(x, y) for x in range(8) for y in range(8) if any(x >= a and y >= b for a, b in points)]
    assert fronts.hypervolume(points, (8, 8)) == len(cells)


@pytest.mark.parametrize(
    ("name", "area"),
    [
        ("zdt1", 1.1**2 - 1 + 2 / 3),  # below (1.1, 1.1), without what lies below 1 - sqrt(x)
        ("zdt2", 1.1**2 - 1 + 1 / 3),
        ("dtlz2", 1.1**2 - math.pi / 4),
    ],
)
def test_the_true_fronts_have_their_areas(fronts: Any, name: str, area: float) -> None:
    problem = fronts.FRONT_PROBLEMS[name]()
    assert fronts.hypervolume(problem.front, (1.1, 1.1)) == pytest.approx(area, abs=1e-4)
    assert fronts.normalised_hypervolume(problem, problem.front) == 1
    assert fronts.normalised_hypervolume(problem, problem.front + 2.0) == 0


@pytest.mark.parametrize("name", ["zdt1", "zdt2", "zdt3", "dtlz2"])
def test_a_front_is_what_the_function_gives_at_its_best(fronts: Any, name: str) -> None:
    problem = fronts.FRONT_PROBLEMS[name]()
    rest = 0.5 if name == "dtlz2" else 0.0
    random = np.random.default_rng(0)
    found = [problem.function({"x0": x, **{f"x{i}": rest for i in range(1, 6)}}) for x in random.random(300)]
    assert 0.9 < fronts.normalised_hypervolume(problem, found) <= 1
    random_ones = [problem.function({f"x{i}": x for i, x in enumerate(row)}) for row in random.random((300, 6))]
    assert fronts.normalised_hypervolume(problem, [*found, *random_ones]) <= 1


def test_the_benchmark_prints_its_table(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    shares = tmp_path / "shares.json"
    options = f"--seeds 1 --problems dtlz2 --contenders shac optuna-nsga2 random --json {shares}"
    command = [sys.executable, str(BENCHMARKS / "bench_objectives.py"), *options.split()]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert [line.split(" | ")[0] for line in printed.splitlines()] == [
        "| median share of the true hypervolume",
        "|---|---|---|---|",
        "| dtlz2",
        "| mean rank",
        "| pairs that SHAC wins : loses",
    ]
    assert shares.is_file()
