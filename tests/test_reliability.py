"""The runs of docs/reliability.md at reduced size, and that they would see what is wrong."""

import dataclasses
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shac

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"


@pytest.fixture(autouse=True)
def _find_benchmarks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHAC_BENCHMARK_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_samples_of_every_path_have_the_distribution_of_filtering() -> None:
    command = [sys.executable, str(BENCHMARKS / "exactness.py"), "--quick", "--json", "out.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(Path("out.json").read_text())
    assert figures["cascades"] >= 8
    assert figures["different"] == 0
    assert figures["tests"] > 500


def test_a_cascade_that_lacks_a_stage_is_told_apart() -> None:
    exactness: Any = importlib.import_module("exactness")
    for case in map(exactness.quick, exactness.CASES):
        if case.name in ("mixed 7", "discrete 5", "mixed 40"):
            space = shac.HyperParameterList(case.parameters(case.width))
            cascade = shac.Cascade(exactness.train(case, space), space)
            samples, _ = cascade.sample(case.samples, seed=1)
            wrong, _ = cascade.prefix(case.num_stages - 1).sample(case.samples, seed=2)
            assert min(p for _, p in exactness.compare(space, cascade, samples, wrong)) < 1e-6, case.name


def test_decisions_are_compared_on_rows_of_the_prior_and_on_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    decisions: Any = importlib.import_module("decisions")
    workloads: Any = importlib.import_module("workloads")
    small = dataclasses.replace(workloads.WORKLOADS["branin-20"], num_stages=3, num_trees=20)
    monkeypatch.setitem(workloads.WORKLOADS, "branin-20", small)
    figures = decisions.compare("branin-20", 200_000)
    assert figures["rows"] >= 200_000
    assert figures["different"] == 0
    real = decisions.dropped_by_xgboost

    def one_row_differs(models: Any, X: Any) -> Any:
        dropped = real(models, X)
        dropped[17] = dropped[17] + 1
        return dropped

    monkeypatch.setattr(decisions, "dropped_by_xgboost", one_row_differs)
    with pytest.raises(SystemExit, match="branin-20: 1 rows differ"):
        decisions.compare("branin-20", 200_000)


def test_rows_on_thresholds_hold_them_with_their_neighbours_and_missing_values() -> None:
    decisions: Any = importlib.import_module("decisions")
    values = np.array([0.25, 0.5], dtype=np.float32)
    rows = decisions.edge_rows([values, values], 1000, np.random.default_rng(0))
    assert set(np.unique(rows[~np.isnan(rows)])) == {0.25, 0.5}
    assert 0 < np.isnan(rows).sum() < 100


def test_the_import_is_light() -> None:
    command = [sys.executable, str(BENCHMARKS / "bench_import.py"), "--repeats", "3", "--json", "out.json"]
    subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # how fast is not tested
    figures = json.loads(Path("out.json").read_text())
    assert figures["import shac"]["loaded"] == []
    assert figures["import shac"]["mebibytes"] < 40


def test_the_page_names_commands_that_exist() -> None:
    text = (ROOT / "docs/reliability.md").read_text()
    scripts = set(re.findall(r"python ((?:benchmarks|tests|\.ci)/\w+\.py)", text))
    assert len(scripts) >= 4
    for script in scripts:
        assert (ROOT / script).is_file(), script
