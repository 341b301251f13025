"""A search from its arguments to its end, by `fit`."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import searches

import shac


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
    with pytest.raises(ValueError, match=r"evaluation_function: expected a callable or None, .* got 3"):
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


def test_the_surviving_volume_is_not_worked_out_where_nobody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    grown_volume = shac.Cascade.grown_volume

    def counted(cascade: shac.Cascade) -> Any:
        asked.append(cascade.num_stages)
        return grown_volume(cascade)

    monkeypatch.setattr(shac.Cascade, "grown_volume", counted)
    history = searches.engine(save_dir="quiet").fit(skip_cv_checks=True)
    assert asked == []
    told = searches.engine(save_dir="watched").fit(skip_cv_checks=True, callbacks=[shac.CSVLogger("log.csv")])
    assert asked
    for bound in ("volume_lower", "volume_upper"):
        assert history.history[bound] == told.history[bound]


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
