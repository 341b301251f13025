"""Configurations that a search predicts: how many, from which classifiers, of which seed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
import xgboost

import shac


def test_predict_gives_batches_of_num_batches_or_exactly_so_many() -> None:
    engine = searches.engine()
    engine.fit(skip_cv_checks=True)
    assert len(engine.predict()) == 6
    assert len(engine.predict(3)) == 18
    assert len(engine.predict(num_samples=7)) == 7
    assert engine.predict(num_samples=0) == []
    X = engine.cascade.space.encode_rows([[s["x"], s["y"]] for s in engine.predict(num_samples=100)])
    assert all((model.predict(X) == 1).all() for model in engine.classifiers)


def test_predict_without_classifiers_draws_from_the_prior() -> None:
    samples = searches.engine().predict(num_samples=1000)
    assert abs(np.mean([s["x"] for s in samples]) - 2.5) < 0.7


def test_predict_uses_the_first_classifiers_only_when_told() -> None:
    engine = searches.engine()
    engine.fit(skip_cv_checks=True)

    def rows(**arguments: Any) -> list[list[Any]]:
        return [list(setting.values()) for setting in engine.predict(num_samples=20, seed=1, **arguments)]

    for stages in (0, 2, 5):
        expected = engine.cascade.prefix(stages).draw(20, seed=1).rows
        assert rows(max_classifiers=stages) == rows(max_classfiers=stages) == expected
    assert rows() == rows(max_classifiers=5)
    assert rows(max_classifiers=0) != rows(max_classifiers=2) != rows()  # of one seed


def test_the_threads_of_predict_do_not_change_what_it_gives() -> None:
    engine = searches.engine()
    engine.fit(skip_cv_checks=True)
    samples = [engine.predict(num_samples=200, num_workers_per_batch=threads, seed=1) for threads in (None, 1, 2, 5)]
    assert samples[0] == samples[1] == samples[2] == samples[3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_classfiers": 1}, "max_classifiers: expected at most 0, the classifiers trained, got 1"),
        ({"max_classfiers": 0, "max_classifiers": 1}, "max_classifiers: expected one number, got 1"),
        ({"num_batches": -1}, "num_batches: expected an integer of at least 0"),
        ({"num_samples": 1.5}, "num_samples: expected an integer"),
        ({"num_workers_per_batch": 0}, "num_workers_per_batch: expected an integer of at least 1"),
        ({"seed": "x"}, "seed: expected an integer"),
    ],
)
def test_bad_arguments_of_predict_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searches.engine().predict(**arguments)


def test_predictions_go_on_in_the_engines_stream_and_start_again_with_its_seed() -> None:
    engine = searches.engine(seed=5)
    first, second = engine.predict(num_samples=3), engine.predict(num_samples=3)
    assert first != second
    engine.set_seed(5)
    assert engine.predict(num_samples=3) == first
    with engine.as_deterministic(9):
        inside = engine.predict(num_samples=3)
        assert engine.seed == 9
    assert engine.seed == 5
    assert engine.predict(num_samples=3) == second
    with engine.as_deterministic(9):
        assert engine.predict(num_samples=3) == inside


def test_parameters_that_all_have_seeds_make_the_search_repeatable() -> None:
    def space() -> list[Any]:
        return [shac.UniformHP("x", -5.0, 10.0, seed=1), shac.UniformHP("y", 0.0, 15.0, seed=2)]

    engines = [searches.engine(space=space(), seed=None) for _ in range(2)]
    assert engines[0].predict(num_samples=3) == engines[1].predict(num_samples=3)
    assert searches.engine(seed=None).seed != searches.engine(seed=None).seed


def test_classifiers_taken_away_are_taken_out_of_the_cascade() -> None:
    engine = searches.engine()
    engine.fit(skip_cv_checks=True)
    assert engine.cascade.num_stages == 5
    first = engine.classifiers[0]
    engine.classifiers = engine.classifiers[:1]
    assert engine.cascade.num_stages == 1
    assert engine.classifiers == [first]


def test_relax_checks_ends_where_the_region_is_empty() -> None:
    rising = searches.engine(space=[shac.UniformHP("x", 0.0, 1.0)], function=lambda worker_id, p: p["x"])
    falling = searches.engine(space=[shac.UniformHP("x", 0.0, 1.0)], function=lambda worker_id, p: -p["x"])
    for engine, folder in ((rising, "rising"), (falling, "falling")):
        engine.save_dir = Path(folder)
        engine.fit(skip_cv_checks=True)
    rising.classifiers = [*rising.classifiers, *falling.classifiers]
    samples = rising.predict(num_samples=20, relax_checks=True)
    assert len(samples) == 20
    assert not rising.cascade.accepts([list(s.values()) for s in samples]).any()


def test_a_search_whose_classifiers_leave_nothing_ends_with_a_clear_message() -> None:
    search = searches.engine()
    search.fit(skip_cv_checks=True)
    X = np.random.default_rng(0).uniform(-5, 15, size=(200, 2)).astype(np.float32)
    worst = (X[:, 0] > 7) & (X[:, 1] > 11)  # the corner where Branin is largest
    assert not search.cascade.accepts(X[worst]).any()
    corner = xgboost.XGBClassifier(n_estimators=50).fit(X, worst)
    search.classifiers = [*search.classifiers, corner]
    with pytest.raises(shac.EmptyRegionError, match="no configuration passes 6 classifiers"):
        search.predict(num_samples=1)
    assert len(search.predict(num_samples=3, relax_checks=True)) == 3


@pytest.mark.parametrize("objective", ["max", "min"])
def test_the_dataset_of_a_search_knows_which_scores_are_better(objective: str) -> None:
    engine = searches.engine(objective=objective, total_budget=20, num_batches=2)
    engine.fit()
    best = (max if objective == "max" else min)(engine.dataset.Y)
    restored = searches.engine(None, objective=objective, total_budget=20, num_batches=2, seed=None)
    restored.restore_data()
    for search in (engine, restored):
        assert searches.branin(0, search.dataset.get_best_parameters()) == best
    assert shac.Dataset(searches.branin_space()).objective == "max"
