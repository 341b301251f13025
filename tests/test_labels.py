"""What the classifiers of a search are trained on: whose scores are better than the median, and nothing else."""

import importlib
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
import xgboost
from numpy.typing import NDArray

import shac

STRATEGIES = ("guided", "pooled", "paper")
NUM_WORKERS = 9

# Of the eight finite ones the fourth and the fifth best are 4 and 3: three ties with the median 3, three that beat it.
FIRST_ROUND = [5.0, 1.0, None, 3.0, 3.0, 2.0, 4.0, 3.0, 7.0]
BETTER = [1, 0, 0, 0, 0, 0, 1, 0, 1]


@pytest.fixture
def trained_on(monkeypatch: pytest.MonkeyPatch) -> "list[dict[float, int]]":
    """The labels of all points that XGBoost was given, by their only parameter, for each classifier."""
    seen: list[dict[float, int]] = []

    class Recorded(xgboost.DMatrix):  # type: ignore[misc]  # XGBoost has no types
        def __init__(self, data: Any, label: Any = None, **settings: Any) -> None:
            if label is not None:
                seen.append({float(row[0]): int(of_row) for row, of_row in zip(data, label, strict=True)})
            super().__init__(data, label, **settings)

    monkeypatch.setattr(xgboost, "DMatrix", Recorded)
    return seen


@pytest.fixture
def taken_among(monkeypatch: pytest.MonkeyPatch) -> "list[NDArray[np.bool_]]":
    """Masks of the points that the median of each training is taken among, in their order."""
    seen: list[NDArray[np.bool_]] = []
    learning: Any = importlib.import_module("shac.engine.learning")
    points_of_median = learning.points_of_median

    def recorded(*arguments: Any) -> Any:
        seen.append(points_of_median(*arguments))
        return seen[-1]

    monkeypatch.setattr(learning, "points_of_median", recorded)
    return seen


def engine_of(strategy: str, objective: str, evaluate: Any = None) -> shac.SHAC:
    engine = searches.engine(
        evaluate,
        [shac.UniformHP("x", 0.0, 1.0)],
        total_budget=4 * NUM_WORKERS,
        num_batches=4,
        objective=objective,
        strategy=strategy,
    )
    engine.set_num_parallel_evaluators(1)
    return engine


def score_of(index: int, x: float, objective: str) -> float | None:
    """Scores of the first round as they stand above; later ones by the parameter, with failures and ties."""
    score = FIRST_ROUND[index] if index < NUM_WORKERS else None if index % 7 == 0 else round(20 * x) / 2
    if score is None:
        return None
    return score - 20 if objective == "max" else 20 - score  # so that a failure that counts as 0 is the best


def fit(strategy: str, objective: str) -> shac.SHAC:
    indices = iter(range(10**6))

    def evaluate(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
        score = score_of(next(indices), parameters["x"], objective)
        if score is None:
            raise OSError("no GPU")
        return score

    engine = engine_of(strategy, objective, evaluate)
    engine.fit(skip_cv_checks=True)
    return engine


def ask_and_tell(strategy: str, objective: str) -> shac.SHAC:
    engine = engine_of(strategy, objective)
    index = 0
    while settings := engine.ask(NUM_WORKERS):
        for setting in settings:
            score = score_of(index, setting["x"], objective)
            engine.tell(setting, float("nan") if score is None else score, skip_cv_checks=True)
            index += 1
    return engine


@pytest.mark.parametrize("run", [fit, ask_and_tell])
@pytest.mark.parametrize("objective", ["max", "min"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_ties_with_the_median_and_failed_evaluations_are_the_bad_label_of_the_first_classifier(
    strategy: str, objective: str, run: Any, trained_on: "list[dict[float, int]]"
) -> None:
    engine = run(strategy, objective)
    X = engine._search.space.encode_rows(engine.dataset.X)[:, 0].tolist()
    assert np.isnan(engine.dataset.Y[2])
    assert [trained_on[0][x] for x in X[:NUM_WORKERS]] == BETTER
    assert len(trained_on[0]) == NUM_WORKERS


@pytest.mark.parametrize("objective", ["max", "min"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_points_of_the_good_label_beat_all_others_in_every_round(
    strategy: str, objective: str, trained_on: "list[dict[float, int]]", taken_among: "list[NDArray[np.bool_]]"
) -> None:
    engine = fit(strategy, objective)
    sign = 1 if objective == "max" else -1
    X = engine._search.space.encode_rows(engine.dataset.X)[:, 0].tolist()
    gain = {x: -np.inf if np.isnan(score) else sign * score for x, score in zip(X, engine.dataset.Y, strict=True)}
    assert sum(map(np.isinf, gain.values())) >= 4
    assert len(trained_on) >= 3
    for number, labels in enumerate(trained_on, start=1):
        assert len(labels) == number * NUM_WORKERS or strategy == "paper"
        good, bad = ([gain[x] for x, label in labels.items() if label == wanted] for wanted in (1, 0))
        assert min(good) > max(bad)
        among = list(labels) if strategy == "paper" else np.array(X[: len(labels)])[taken_among[number - 1]]
        assert sum(labels[x] for x in among) <= len(among) / 2


@pytest.mark.parametrize("objective", ["max", "min"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_accepts_the_side_of_the_better_scores(strategy: str, objective: str) -> None:
    """Without a look at labels: x itself is the score, and fails in the middle of its range."""

    def evaluate(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
        x = float(parameters["x"])
        return float("nan") if 0.4 < x < 0.6 else x

    engine = searches.engine(
        evaluate,
        [shac.UniformHP("x", 0.0, 1.0)],
        total_budget=40,
        num_batches=2,
        objective=objective,
        strategy=strategy,
        save_dir=Path("side"),
    )
    engine.fit(skip_cv_checks=True)
    best, worst = np.array([[0.95], [0.05]], dtype=np.float32)[:: 1 if objective == "max" else -1]
    assert engine.cascade.accepts(np.stack([best, worst])).tolist() == [True, False]
