import logging
import math
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
import xgboost

import shac
from shac.evaluation import derive_seed


class Recorder(shac.Callback):
    """Writes down the order of the hooks."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.batches: list[list[OrderedDict[str, Any]]] = []

    def on_train_begin(self, logs: Any = None) -> None:
        self.events.append("train begin")

    def on_train_end(self, logs: Any = None) -> None:
        self.events.append("train end")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.events.append(f"epoch begin {epoch}")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.events.append(f"epoch end {epoch}")

    def on_evaluation_begin(self, params: Any, logs: Any = None) -> None:
        self.events.append("evaluation begin")
        self.batches.append(list(params))

    def on_evaluation_ended(self, evaluations: Any, logs: Any = None) -> None:
        self.events.append(f"evaluation ended {len(evaluations)}")

    def on_dataset_changed(self, dataset: Any, logs: Any = None) -> None:
        self.events.append(f"dataset changed {len(dataset)}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"total_budget": 25, "num_batches": 10}, "total_budget: expected a multiple of num_batches=10, got 25"),
        ({"total_budget": 0}, "total_budget: expected an integer of at least 1, got 0"),
        ({"num_batches": 2.0}, r"num_batches: expected an integer of at least 1, got 2\.0"),
        ({"objective": "best"}, "objective: expected 'max' or 'min', got 'best'"),
        ({"max_classifiers": 0}, "max_classifiers: expected an integer of at least 1, got 0"),
        ({"seed": -1}, "seed: expected an integer of at least 0, got -1"),
        ({"seed": 2**64}, r"seed: expected an integer below 2\*\*64"),
    ],
)
def test_bad_arguments_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searches.engine(**settings)


def test_a_function_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluation_function: expected a callable or None, got 3"):
        searches.engine(3)


@pytest.mark.parametrize(
    ("total_budget", "num_batches", "max_classifiers", "classifiers", "points"),
    [(200, 20, 18, 18, 10), (400, 10, 18, 9, 40), (1000, 100, 18, 18, 50), (10, 1, 18, 1, 0), (60, 6, 2, 2, 20)],
)
def test_k_and_t_c_follow_the_paper(
    total_budget: int, num_batches: int, max_classifiers: int, classifiers: int, points: int
) -> None:
    engine = searches.engine(total_budget=total_budget, num_batches=num_batches, max_classifiers=max_classifiers)
    assert engine.num_workers == total_budget // num_batches
    assert engine.total_classifiers == classifiers
    assert engine.points_per_classifier == points


def test_fit_spends_the_budget_and_trains_a_classifier_a_round() -> None:
    engine = searches.engine()
    history = engine.fit(skip_cv_checks=True)
    assert len(engine.dataset) == 60
    assert len(engine.classifiers) == 5
    assert history.epochs == [1, 2, 3, 4, 5, 6]
    assert history.history["evaluations"] == [10, 20, 30, 40, 50, 60]
    assert history.history["best"] == [min(engine.dataset.Y[:n]) for n in range(10, 61, 10)]


def test_each_batch_passes_the_classifiers_trained_before_it() -> None:
    engine = searches.engine()
    engine.fit(skip_cv_checks=True)
    X = engine.cascade.space.encode_rows(engine.dataset.X)
    for k, model in enumerate(engine.classifiers):
        assert (model.predict(X[10 * (k + 1) :]) == 1).all()


def test_hooks_come_in_order_and_the_callers_list_stays_as_it_is() -> None:
    recorder = Recorder()
    callbacks = [recorder]
    searches.engine(total_budget=20, num_batches=2).fit(callbacks=callbacks)
    rounds = [
        [f"epoch begin {n}", "evaluation begin", "evaluation ended 10", f"dataset changed {10 * n}", f"epoch end {n}"]
        for n in (1, 2)
    ]
    assert recorder.events == ["train begin", *rounds[0], *rounds[1], "train end"]
    assert callbacks == [recorder]


def test_evaluations_get_mappings_in_the_order_of_the_space() -> None:
    recorder = Recorder()
    searches.engine(total_budget=4, num_batches=2).fit(callbacks=[recorder])
    assert all(type(setting) is OrderedDict for setting in recorder.batches[0])
    assert list(recorder.batches[0][0]) == ["x", "y"]


def test_the_same_seed_gives_the_same_table_whatever_runs_it() -> None:
    tables = set()
    for folder, backend, evaluators, generators in [
        ("a", "threading", 1, 1),
        ("b", "threading", 3, 2),
        ("c", "loky", 2, 1),
    ]:
        engine = searches.engine(save_dir=folder, seed=7)
        engine.evaluator_backend = backend
        engine.set_num_parallel_evaluators(evaluators)
        engine.set_num_parallel_generators(generators)
        engine.fit()
        tables.add((Path(folder) / "dataset.csv").read_bytes())
    assert len(tables) == 1
    other = searches.engine(save_dir="d", seed=8)
    other.fit()
    assert (Path("d") / "dataset.csv").read_bytes() not in tables


def test_a_search_that_stopped_goes_on_as_if_it_had_not() -> None:
    class Stop(shac.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 4:
                raise KeyboardInterrupt

    whole = searches.engine(save_dir="whole")
    whole.fit()
    with pytest.raises(KeyboardInterrupt):
        searches.engine(save_dir="stopped").fit(callbacks=[Stop()])
    second = searches.engine(save_dir="stopped", seed=None)
    second.restore_data()
    assert len(second.dataset) == 30
    history = second.fit()
    assert history.epochs == [4, 5, 6]
    for name in ("dataset.csv", "parameters.json", "manifest.json"):
        assert (Path("stopped") / name).read_bytes() == (Path("whole") / name).read_bytes()
    assert second.predict(num_samples=5) == whole.predict(num_samples=5)


def test_a_finished_search_returns_at_once() -> None:
    engine = searches.engine(total_budget=4, num_batches=2)
    engine.fit()
    recorder = Recorder()
    assert engine.fit(callbacks=[recorder]).epochs == []
    assert recorder.events == []


def test_a_finished_search_that_is_restored_returns_at_once() -> None:
    searches.engine(total_budget=4, num_batches=2).fit()

    def never(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        raise AssertionError("evaluated again")

    restored = searches.engine(never, total_budget=4, num_batches=2)
    restored.restore_data()
    assert restored.fit().epochs == []
    assert len(restored.dataset) == 4


def test_one_batch_of_all_is_a_search_too() -> None:
    engine = searches.engine(total_budget=20, num_batches=1)
    engine.fit(skip_cv_checks=True)
    assert len(engine.classifiers) == 1


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


def test_classifiers_taken_away_are_taken_out_of_the_cascade() -> None:
    engine = searches.engine()
    engine.fit(skip_cv_checks=True)
    assert engine.cascade.num_stages == 5
    first = engine.classifiers[0]
    engine.classifiers = engine.classifiers[:1]
    assert engine.cascade.num_stages == 1
    assert engine.classifiers == [first]


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


def test_parallelism_defaults_to_the_workers_and_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    engine = searches.engine()
    assert (engine.num_parallel_generators, engine.num_parallel_evaluators) == (4, 4)
    with pytest.warns(UserWarning, match="num_parallel_evaluators: 10 workers share 4 cores"):
        engine.set_num_parallel_evaluators(None)
    with pytest.warns(UserWarning, match="num_parallel_generators: 10 workers share 4 cores"):
        engine.set_num_parallel_generators(None)
    engine.set_num_parallel_generators(3)
    assert engine.num_parallel_generators == 3
    with pytest.raises(ValueError, match="num_parallel_evaluators: expected an integer of at least 1, got 0"):
        engine.set_num_parallel_evaluators(0)
    few = searches.engine(total_budget=6, num_batches=6)
    few.set_num_parallel_generators(None)
    assert few.num_parallel_generators == 1


def test_generator_threads_double_from_round_10_on_within_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 6)
    seen: list[int] = []
    draw = shac.Cascade.draw

    def recorded(cascade: shac.Cascade, n: int, **arguments: Any) -> Any:
        seen.append(arguments["threads"])
        return draw(cascade, n, **arguments)

    monkeypatch.setattr(shac.Cascade, "draw", recorded)

    def threads_of_rounds(generators: int, *, limit_memory: bool = False) -> list[int]:
        folder = f"{generators}-{limit_memory}"
        engine = searches.engine(constant, total_budget=24, num_batches=12, strategy="paper", save_dir=folder)
        engine.limit_memory = limit_memory
        engine.set_num_parallel_generators(generators)
        seen.clear()
        engine.fit()
        return list(seen)

    assert threads_of_rounds(2) == [2] * 9 + [4] * 3
    assert threads_of_rounds(4) == [4] * 9 + [6] * 3
    assert threads_of_rounds(4, limit_memory=True) == [4] * 12


def test_evaluators_switch_between_processes_and_threads() -> None:
    engine = searches.engine()
    engine.parallel_evaluators()
    assert engine.evaluator_backend == "loky"
    engine.concurrent_evaluators()
    assert engine.evaluator_backend == "threading"


def test_an_unknown_backend_is_named_before_anything_runs() -> None:
    engine = searches.engine()
    engine.evaluator_backend = "cluster"
    with pytest.raises(ValueError, match="cluster"):
        engine.fit()
    assert len(engine.dataset) == 0


def test_process_backends_evaluate_outside_of_this_process() -> None:
    for backend in ("loky", "multiprocessing"):
        engine = searches.engine(searches.process_id, total_budget=4, num_batches=1, save_dir=backend)
        engine.evaluator_backend = backend
        engine.fit()
        assert os.getpid() not in engine.dataset.Y


def test_every_evaluation_has_the_seed_of_its_number() -> None:
    def seed(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float(shac.evaluation_seed() % 2**32)

    engine = searches.engine(seed, total_budget=6, num_batches=2, seed=3)
    engine.fit()
    assert [float(derive_seed(3, i) % 2**32) for i in range(6)] == engine.dataset.Y


def test_a_search_without_a_space_asks_for_one() -> None:
    engine = shac.SHAC(searches.branin, None, 10, 1)
    for call in (engine.fit, engine.predict, engine.save_data):
        with pytest.raises(ValueError, match="expected a search space, got None"):
            call()


def test_the_history_has_bounds_of_the_surviving_volume_of_every_round() -> None:
    search = searches.engine()
    history = search.fit(skip_cv_checks=True)
    volumes = list(zip(history.history["volume_lower"], history.history["volume_upper"], strict=True))
    assert len(volumes) == 6
    assert all(0 < lower <= upper <= 1 for lower, upper in volumes)
    assert volumes[-1][1] < volumes[0][0]


def test_a_search_whose_classifiers_leave_nothing_ends_with_a_clear_message() -> None:
    search = searches.engine()
    search.fit(skip_cv_checks=True)
    X = np.random.default_rng(0).uniform(-5, 15, size=(200, 2)).astype(np.float32)
    worst = (X[:, 0] > 7) & (X[:, 1] > 11)  # the corner where Branin is largest
    assert not search.cascade.accepts(X[worst]).any()
    corner = xgboost.XGBClassifier(n_estimators=50).fit(X, worst)
    search.classifiers = [*search.classifiers, corner]
    with pytest.raises(shac.EmptyRegionError, match="no setting of the search space passes 6 classifiers"):
        search.predict(num_samples=1)
    assert len(search.predict(num_samples=3, relax_checks=True)) == 3


def test_limited_memory_changes_no_sample() -> None:
    free, limited = searches.engine(save_dir="free"), searches.engine(save_dir="limited")
    limited.limit_memory = True
    for search in (free, limited):
        search.fit(skip_cv_checks=True)
    assert free.dataset.X == limited.dataset.X
    assert free.predict(num_samples=20) == limited.predict(num_samples=20)


def test_a_space_without_parameters_is_refused_before_anything_is_evaluated() -> None:
    evaluated: list[Any] = []

    def evaluate(worker_id: int, setting: Any) -> float:
        evaluated.append(setting)
        return float(len(evaluated))

    space = shac.HyperParameterList()
    search = shac.SHAC(evaluate, space, 40, 8)
    search.concurrent_evaluators()
    for call in (search.fit, search.ask, search.save_data):
        with pytest.raises(ValueError, match="hyperparameter_list: expected at least one parameter"):
            call()
    assert not evaluated
    space.add_hyper_parameter(shac.UniformHP("x", 0.0, 1.0))
    search.fit()
    assert len(search.dataset) == 40
