"""The benchmarks of `predict` and `recommend`: they find what is wrong, and pass where nothing is."""

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture
def statistics(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two spaces and small samples; the family-wise error rate is that of the benchmark, 0.001."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("exactness_predict")
    monkeypatch.setattr(module, "SPACES", {name: module.SPACES[name] for name in ("uniform 4", "conditional 8")})
    monkeypatch.setattr(sys, "argv", ["exactness_predict.py", "--quick"])
    return module


def test_what_predict_draws_is_what_filtering_through_xgboost_leaves(
    statistics: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert statistics.main() == 0, capsys.readouterr().out
    assert "(family-wise 0.001)" in capsys.readouterr().out


def test_another_region_is_found_to_be_different(
    statistics: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    filtered = statistics.filtered
    monkeypatch.setattr(statistics, "filtered", lambda search, stages, count: filtered(search, stages - 1, count))
    assert statistics.main() == 1
    assert "DIFFERENT: guided: uniform 4: 1 classifiers" in capsys.readouterr().out


def test_recommend_is_compared_with_the_last_batch_and_predict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    module = importlib.import_module("bench_recommend")
    monkeypatch.setattr(sys, "argv", ["bench_recommend.py", "--problems", "ackley-5", "--seeds", "1"])
    assert module.main() == 0
    assert "ackley-5: recommend" in capsys.readouterr().out
