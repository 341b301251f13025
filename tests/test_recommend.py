"""`recommend` ranks what is evaluated among what the surrogate predicts; `top` and `best_score` what is evaluated."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
from click.testing import CliRunner

import shac
from shac.cli import main


def bowl(worker_id: int, parameters: Any) -> float:
    return float((parameters["x"] - 3.0) ** 2 + (parameters["y"] - 7.0) ** 2)


@pytest.fixture(scope="module", params=["min", "max"])
def search(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> shac.SHAC:
    sign = 1.0 if request.param == "min" else -1.0
    folder = tmp_path_factory.mktemp(request.param) / "run"
    made = searches.engine(lambda w, p: sign * bowl(w, p), total_budget=80, num_batches=8, save_dir=folder)
    made = searches.engine(
        lambda w, p: sign * bowl(w, p), total_budget=80, num_batches=8, save_dir=folder, objective=request.param
    )
    made.fit()
    return made


def test_the_first_is_at_least_as_good_as_the_best_that_was_evaluated(search: shac.SHAC) -> None:
    recommended = search.recommend(5)
    values = [bowl(0, one.configuration) for one in recommended]
    assert len(recommended) == 5
    assert values[0] <= abs(search.best_score)
    assert np.median(values) <= np.median(np.abs(search.dataset.Y[-10:]))


def test_each_has_its_score_where_it_was_evaluated_and_a_prediction_near_the_truth(search: shac.SHAC) -> None:
    known = {repr(list(row)): score for row, score in zip(search.dataset.X, search.dataset.Y, strict=True)}
    spread = np.ptp(search.dataset.Y)
    for one in search.recommend(12):
        assert one.score == known.get(repr(list(one.configuration.values())))
        assert one.is_evaluated == (one.score is not None) == (one.num_evaluations == 1)
        assert abs(abs(one.predicted_score) - bowl(0, one.configuration)) < 0.02 * spread


def test_recommendations_are_not_copies_of_each_other(search: shac.SHAC) -> None:
    points = np.array([list(one.configuration.values()) for one in search.recommend(8)])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)[np.triu_indices(8, 1)]
    assert distances.min() > 1e-4


def test_the_same_search_recommends_the_same_and_predict_is_as_it_was(search: shac.SHAC) -> None:
    first = search.recommend(3)
    search.predict(num_samples=2)
    search.num_parallel_generators = 3
    assert search.recommend(3) == first


def test_top_and_best_are_those_of_the_dataset(search: shac.SHAC) -> None:
    top = search.top(3)
    assert [score for _, score in top] == sorted(search.dataset.Y, reverse=search.objective == "max")[:3]
    assert search.best_configuration == top[0][0] == search.dataset.get_best_parameters()
    assert search.best_score == top[0][1]
    assert search.top(0) == []
    assert len(search.top(1000)) == 80


def test_failures_are_never_recommended() -> None:
    def half(worker_id: int, parameters: Any) -> float:
        return parameters["x"] if parameters["x"] < 5 else math.nan

    search = searches.engine(half, objective="max")
    search.fit()
    assert all(one.configuration["x"] < 5 for one in search.recommend(3) if one.is_evaluated)
    assert all(math.isfinite(score) for _, score in search.top(100))


def test_a_search_of_categories_recommends_different_ones_or_fewer() -> None:
    space = [shac.DiscreteHP("a", [1, 2, 3]), shac.DiscreteHP("b", ["u", "v"])]
    search = searches.engine(lambda w, p: p["a"] + (p["b"] == "u"), space, total_budget=40, num_batches=4)
    search.fit()
    recommended = search.recommend(50)
    texts = {repr(one.configuration) for one in recommended}
    assert len(texts) == len(recommended) <= 6
    assert recommended[0].configuration == {"a": 1, "b": "v"}


def test_a_mean_of_several_scores_says_of_how_many_it_is(tmp_path: Path) -> None:
    search = searches.engine(total_budget=40, num_batches=4, save_dir=tmp_path, objective="min")
    random = np.random.default_rng(0)
    first, *others = search.ask(10)
    search.tell(first, -3.0)
    for configuration in others:
        search.tell(configuration, random.normal(5.0))
    search.enqueue([first] * 2, repeat=True)
    for configuration in search.ask(10):
        search.tell(configuration, -1.0 if configuration == first else 5.0)
    (found,) = [one for one in search.recommend(20) if one.configuration == first]
    assert found.score == pytest.approx((-3.0 - 1.0 - 1.0) / 3)
    assert found.num_evaluations == 3


def test_nothing_is_recommended_of_nothing() -> None:
    search = searches.engine()
    with pytest.raises(ValueError, match="recommend: expected at least one finite score, got none among 0"):
        search.recommend()
    with pytest.raises(ValueError, match="n: expected an integer of at least 1, got 0"):
        search.recommend(0)
    with pytest.raises(ValueError, match="best_score: expected at least one finite score"):
        _ = search.best_score


def test_the_command_writes_what_recommend_returns(search: shac.SHAC) -> None:
    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["recommend", str(search.save_dir), *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    objects = [json.loads(line) for line in run("-n", "3", "--format", "json").splitlines()]
    assert [one["configuration"] for one in objects] == [dict(one.configuration) for one in search.recommend(3)]
    assert [one["score"] for one in objects] == [one.score for one in search.recommend(3)]
    table, csv = run("-n", "3").splitlines(), run("-n", "3", "--format", "csv").splitlines()
    assert table[0].split() == ["predicted_score", "score", "num_evaluations", "x", "y"] == csv[0].split(",")
    assert len(table) == len(csv) == 4
    assert Path(search.save_dir).is_dir()
