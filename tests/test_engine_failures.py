"""Evaluations that fail, and batches that give no classifier."""

import logging
import math
from collections import OrderedDict
from typing import Any

import pytest
import searches


def fails_at(*indices: int, result: Any = None) -> Any:
    calls = iter(range(10**6))

    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> Any:
        if next(calls) in indices:
            if result is None:
                raise OSError("no GPU")
            return result
        return searches.branin(worker_id, parameters)

    return evaluate


@pytest.mark.parametrize("result", [None, math.nan, math.inf, "text"])
def test_a_failed_evaluation_is_recorded_as_nan_and_the_search_goes_on(
    result: Any, caplog: pytest.LogCaptureFixture
) -> None:
    engine = searches.engine(fails_at(3, 14, result=result))
    engine.set_num_parallel_evaluators(1)
    history = engine.fit()
    assert [i for i, score in enumerate(engine.dataset.Y) if math.isnan(score)] == [3, 14]
    assert history.history["failed"] == [1, 1, 0, 0, 0, 0]
    assert len(engine.dataset) == 60
    assert all(math.isfinite(best) for best in history.history["best"])
    assert caplog.text.count("failed on evaluator") == 2


def constant(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    return 1.0


def test_a_batch_without_a_classifier_is_pooled_with_the_next(caplog: pytest.LogCaptureFixture) -> None:
    calls = iter(range(10**6))

    def flat_then_branin(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return 1000.0 if next(calls) < 10 else searches.branin(worker_id, parameters)

    engine = searches.engine(flat_then_branin, total_budget=20, num_batches=2)
    engine.set_num_parallel_evaluators(1)
    with caplog.at_level(logging.INFO, logger="shac"):
        engine.fit(skip_cv_checks=True)
    assert "no classifier from 10 points: all 10 labels are 0" in caplog.text
    assert "classifier 1 of 1 trained on 20 points" in caplog.text
    assert engine.state.training_begin == 20


def test_a_search_that_learnt_nothing_says_so(caplog: pytest.LogCaptureFixture) -> None:
    engine = searches.engine(constant, total_budget=20, num_batches=2)
    engine.fit()
    assert not engine.classifiers
    assert "no round gave a classifier: the whole search drew from the search space at random" in caplog.text


def test_a_search_of_one_round_has_nothing_to_learn(caplog: pytest.LogCaptureFixture) -> None:
    searches.engine(total_budget=20, num_batches=1).fit()
    assert "no round gave a classifier" not in caplog.text


def test_early_stop_saves_and_stops_at_the_first_batch_without_a_classifier() -> None:
    engine = searches.engine(constant)
    history = engine.fit(early_stop=True)
    assert history.epochs == [1]
    restored = searches.engine(constant)
    restored.restore_data()
    assert len(restored.dataset) == 10
    assert restored.state.last_attempt == 10


def test_without_early_stop_the_search_goes_on_without_classifiers() -> None:
    engine = searches.engine(constant)
    engine.fit()
    assert len(engine.dataset) == 60
    assert engine.classifiers == []
