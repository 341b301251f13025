"""What users of the ancestor rely on: a test for each row of its page, and of what its suite and users were seen to do.

The first part follows the page of the engine for PyTorch, the second the public behaviour of the version that the page
is of, the third what only the newest version has, the fourth its save folders.
"""

import inspect
import json
import math
import warnings
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import searches
from click.testing import CliRunner

import shac
from shac.cli import main
from shac.integrations.ancestor import import_ancestor
from shac.parameters import registry


def torch_engine(function: Any = searches.branin, space: Any = None, **more: Any) -> shac.TorchSHAC:
    arguments = {"total_budget": 40, "num_batches": 4, "max_gpu_evaluators": 0, "seed": 0, **more}
    made = shac.TorchSHAC(function, searches.branin_space() if space is None else space, **arguments)
    made.concurrent_evaluators()
    return made


def noise(worker_id: int, parameters: Any) -> float:
    """Depends on the last digits of x alone."""
    return float(parameters["x"] * 1e6 % 1)


# --- The page: the constructor


def test_the_constructor_has_the_page_s_arguments_in_order_with_its_defaults() -> None:
    parameters = [*inspect.signature(shac.TorchSHAC).parameters.values()]
    page = ["evaluation_function", "hyperparameter_list", "total_budget", "num_batches", "max_gpu_evaluators"]
    assert [p.name for p in parameters[:8]] == [*page, "objective", "max_classifiers", "max_cpu_evaluators"]
    assert [p.default for p in parameters[5:8]] == ["max", 18, 1]
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters[8:])


def test_the_evaluation_function_gets_a_worker_id_and_an_ordered_dict() -> None:
    seen: list[Any] = []

    def function(worker_id: int, parameters: Any) -> float:
        seen.append((type(worker_id), type(parameters).__mro__, [*parameters]))
        return 0.5

    torch_engine(function, total_budget=4, num_batches=2).fit()
    assert all(kind is int and dict in bases and names == ["x", "y"] for kind, bases, names in seen)
    assert len(seen) == 4


@pytest.mark.parametrize("kind", [list, shac.HyperParameterList])
def test_the_space_is_a_list_of_parameters_or_a_hyperparameterlist(kind: Any) -> None:
    engine = torch_engine(space=kind([shac.UniformHP("x", 0.0, 1.0)]))
    assert isinstance(engine.parameters, shac.HyperParameterList)


def test_the_space_may_be_none_and_comes_from_disk_then() -> None:
    torch_engine().fit()
    again = shac.TorchSHAC(None, None, 40, 4, 0)
    assert again.parameters is None
    again.restore_data()
    assert again.parameters == searches.branin_space()


def test_the_budget_must_be_divisible_by_the_batches() -> None:
    with pytest.raises(ValueError, match="total_budget: expected a multiple of num_batches=4, got 41"):
        torch_engine(total_budget=41)


@pytest.mark.parametrize(("gpus", "cpus", "at_once"), [(2, 1, 2), (0, 3, 3), (0, -1, joblib.cpu_count())])
def test_gpus_or_else_cpus_say_how_many_evaluations_run_at_once(gpus: int, cpus: int, at_once: int) -> None:
    engine = torch_engine(max_gpu_evaluators=gpus, max_cpu_evaluators=cpus)
    assert engine.num_parallel_evaluators == at_once
    assert engine.limit_memory == (gpus > 0)
    assert engine.max_gpu_evaluators == gpus


@pytest.mark.parametrize(("objective", "best"), [("max", 1.0), ("min", 0.0)])
def test_the_objective_is_max_or_min(objective: str, best: float) -> None:
    space = [shac.UniformHP("x", 0.0, 1.0)]
    engine = torch_engine(lambda w, p: p["x"], space, objective=objective)
    engine.fit()
    assert abs(engine.best_score - best) < 0.2
    with pytest.raises(ValueError, match="objective: expected"):
        torch_engine(objective="most")


def test_no_more_classifiers_are_trained_than_max_classifiers() -> None:
    engine = torch_engine(total_budget=60, num_batches=6, max_classifiers=2)
    engine.fit(skip_cv_checks=True)
    assert engine.total_classifiers == 2
    assert len(engine.classifiers) <= 2
    assert inspect.signature(shac.SHAC).parameters["max_classifiers"].default == 18


@pytest.mark.parametrize("cpus", [0, -2, 1.5])
def test_other_counts_of_cpus_are_refused(cpus: Any) -> None:
    with pytest.raises(ValueError, match="max_cpu_evaluators: expected an integer above 0, or -1"):
        torch_engine(max_cpu_evaluators=cpus)


# --- The page: fit


def test_fit_has_the_page_s_arguments() -> None:
    parameters = [*inspect.signature(shac.TorchSHAC.fit).parameters.values()][1:4]
    assert [(p.name, p.default) for p in parameters] == [
        ("skip_cv_checks", False),
        ("early_stop", False),
        ("relax_checks", False),
    ]


def test_fit_evaluates_the_budget_and_trains_up_to_total_classifiers() -> None:
    engine = torch_engine(total_budget=100, num_batches=10, objective="min")
    engine.fit()
    assert len(engine.dataset) == 100
    assert 0 < len(engine.classifiers) <= engine.total_classifiers == 9


def test_counts_and_back_ends_can_be_set_before_fit() -> None:
    engine = torch_engine()
    engine.num_parallel_generators = 20
    engine.num_parallel_evaluators = 1
    engine.generator_backend = "multiprocessing"
    engine.evaluator_backend = "threading"
    engine.limit_memory = True
    engine.fit()
    assert (engine.num_parallel_generators, engine.num_parallel_evaluators) == (20, 1)
    assert engine.limit_memory


def test_skip_cv_checks_trains_where_the_gate_would_not() -> None:
    gated, skipped = (torch_engine(noise, strategy="paper", save_dir=name) for name in ("gated", "skipped"))
    gated.fit()
    skipped.fit(skip_cv_checks=True)
    assert len(gated.classifiers) < len(skipped.classifiers)


def test_relax_checks_finds_samples_where_no_candidate_passes_all_classifiers() -> None:
    rising, falling = (torch_engine(lambda w, p, s=s: s * p["x"], save_dir=f"{s}") for s in (1, -1))
    for engine in (rising, falling):
        engine.fit(skip_cv_checks=True)
    rising.classifiers = [*rising.classifiers, *falling.classifiers]
    assert len(rising.predict(num_samples=3, relax_checks=True)) == 3


# --- The page: predict


def test_predict_has_the_page_s_arguments() -> None:
    parameters = [*inspect.signature(shac.TorchSHAC.predict).parameters.values()][1:5]
    assert [(p.name, p.default) for p in parameters] == [
        ("num_batches", 1),
        ("num_workers_per_batch", None),
        ("relax_checks", False),
        ("max_classfiers", None),
    ]


def test_predict_gives_batches_of_num_batches_as_ordered_dicts() -> None:
    engine = torch_engine()
    engine.fit()
    predicted = engine.predict(2, 1)
    assert len(predicted) == 2 * engine.num_batches
    assert [*predicted[0]] == ["x", "y"]


def test_predict_uses_fewer_classifiers_when_told_and_refuses_more_than_there_are() -> None:
    engine = torch_engine()
    engine.fit(skip_cv_checks=True)
    count = len(engine.classifiers)
    assert len(engine.predict(max_classfiers=count - 1)) == 4
    with pytest.raises(ValueError, match="max_classifiers: expected at most"):
        engine.predict(max_classfiers=count + 1)


def test_a_restored_model_with_a_smaller_batch_predicts() -> None:
    torch_engine(total_budget=100, num_batches=10).fit()
    small = shac.TorchSHAC(None, None, 5, 5, 0)
    small.restore_data()
    assert len(small.predict()) == 5
    begin = f"TorchSHAC(100 evaluations, best {small.best_score:.6g}, {len(small.classifiers)} classifiers, save_dir="
    assert repr(small).startswith(begin)


# --- The page: files, counts and back ends


def test_what_save_data_writes_restore_data_takes_up() -> None:
    engine = torch_engine()
    engine.fit()
    engine.save_data()
    again = torch_engine()
    again.restore_data()
    assert again.dataset.Y == engine.dataset.Y
    assert len(again.classifiers) == len(engine.classifiers)


@pytest.mark.parametrize("kind", ["generators", "evaluators"])
def test_counts_are_set_and_none_is_the_cores_with_a_warning(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 3)
    engine = torch_engine()
    set_count = getattr(engine, f"set_num_parallel_{kind}")
    set_count(7)
    assert getattr(engine, f"num_parallel_{kind}") == 7
    with pytest.warns(UserWarning, match=f"num_parallel_{kind}: 10 workers share 3 cores"):
        set_count(None)
    assert getattr(engine, f"num_parallel_{kind}") == 3
    with pytest.raises(ValueError, match=f"num_parallel_{kind}: expected an integer of at least 1, got 0"):
        set_count(0)


def test_evaluators_are_processes_or_threads() -> None:
    engine = torch_engine()
    engine.parallel_evaluators()
    assert engine.evaluator_backend == "loky"
    engine.concurrent_evaluators()
    assert engine.evaluator_backend == "threading"


# --- Public behaviour at the page's version


def test_b1_a_dataset_has_the_ancestor_s_methods() -> None:
    dataset = shac.Dataset()
    dataset.set_parameters(searches.branin_space())
    assert dataset.get_parameters() == searches.branin_space()
    dataset.add_sample([1.0, 2.0], 0.5)
    assert dataset.size == 1
    dataset.save_dataset()
    again = shac.Dataset()
    again.restore_dataset()
    assert (again.X, again.Y, again.get_parameters()) == (dataset.X, dataset.Y, dataset.get_parameters())


def test_b2_arrays_are_rows_and_their_values_are_cast_back() -> None:
    space = shac.HyperParameterList(
        [shac.UniformHP("x", 0.0, 1.0), shac.DiscreteHP("k", [1, 2]), shac.DiscreteHP("name", ["u", "v"])]
    )
    dataset = shac.Dataset(space)
    dataset.set_dataset(np.array([["0.5", "1", "u"]]), np.array([1.0]))
    assert dataset.X == [[0.5, 1, "u"]]
    numbers = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0), shac.DiscreteHP("k", [1, 2])])
    assert numbers.encode(np.array([0.5, 1.0])).tolist() == [0.5, 0.0]
    assert shac.HyperParameterList([shac.DiscreteHP("k", [1, 2]), shac.DiscreteHP("n", ["u"])]).encode(
        np.array([1, "u"])
    ).tolist() == [0.0, 0.0]
    with pytest.raises(ValueError, match="expected one of"):
        numbers.encode([0.5, 1.0])  # a list says what it means
    ambiguous = shac.HyperParameterList([shac.DiscreteHP("k", [1, True])])
    with pytest.raises(ValueError, match="expected one of"):
        ambiguous.encode(np.array([1.0]))


class Steps(shac.AbstractHyperParameter):
    """Chooses among values, and encodes one at a time, as the ancestor's classes do."""

    def __init__(self, name: str, values: list[Any]) -> None:
        super().__init__(name, values)

    def sample(self) -> Any:
        return self.values[int(self.random.integers(len(self.values)))]

    def encode(self, value: Any) -> float:
        return 10.0 * self.values.index(value)

    def decode(self, encoded: float) -> Any:
        return self.values[round(encoded / 10)]


class Triangle(shac.AbstractContinuousHyperParameter):
    def sample(self) -> float:
        return float(self.random.triangular(self.val1, self.val2, self.val2 + 1e-9))


@pytest.fixture
def custom_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_custom_classes", {})
    shac.set_custom_parameter_class(Steps)
    shac.set_custom_parameter_class(Triangle)


@pytest.mark.usefixtures("custom_classes")
def test_b3_classes_derive_from_the_ancestor_s_bases_and_their_encode_and_decode_are_called() -> None:
    space = shac.HyperParameterList([Steps("s", ["a", "b", "c"]), Triangle("t", 0.0, 1.0, log_encode=True)])
    assert space.encode(["c", math.e]).tolist() == pytest.approx([20.0, 1.0])
    assert space.decode(np.array([10.0, 0.0])) == ["b", 1.0]
    engine = torch_engine(lambda w, p: p["t"] + (p["s"] == "b"), space)
    engine.fit()
    again = shac.TorchSHAC(None, None, 40, 4, 0)
    again.restore_data()
    assert again.dataset.X == engine.dataset.X
    assert {row[0] for row in again.dataset.X} <= {"a", "b", "c"}


@pytest.mark.parametrize(
    ("base", "arguments"),
    [(shac.AbstractHyperParameter, ("x",)), (shac.AbstractContinuousHyperParameter, ("x", 0.0, 1.0))],
)
def test_b3_the_bases_themselves_cannot_be_made(base: Any, arguments: Any) -> None:
    with pytest.raises(TypeError, match="is a base of parameter classes"):
        base(*arguments)


def test_b4_an_encoded_choice_is_an_index() -> None:
    values = ["sgd", "adam"]
    parameter = shac.DiscreteHP("optimizer", values)
    assert values[parameter.encode("adam")] == "adam"
    assert parameter.decode(parameter.encode("adam")) == "adam"


def test_b5_a_logarithm_from_zero_on_is_taken_of_what_is_above() -> None:
    parameter = shac.UniformHP("x", 0.0, 1.0, log_encode=True)
    encoded = parameter.encode_array([0.0, 1e-300, 0.5, 1.0])
    assert np.isfinite(encoded).all()
    assert (np.diff(encoded) > 0).all()
    assert parameter.decode(encoded[0]) == pytest.approx(0.0, abs=1e-300)
    engine = torch_engine(lambda w, p: p["x"], [parameter])
    engine.fit()
    assert len(engine.predict()) == 4
    with pytest.raises(ValueError, match="min_value: expected a positive number for logarithms"):
        shac.UniformHP("x", -1.0, 1.0, log_encode=True)


def test_b6_removing_none_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="parameter: expected a parameter or its name, got None"):
        searches.branin_space().remove_hyper_parameter(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["generator_backend", "evaluator_backend"])
def test_b7_a_wrong_back_end_is_refused_when_it_is_set(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected one of .*'loky'.*, got 'quantum'"):
        setattr(torch_engine(), name, "quantum")


@pytest.mark.parametrize("seed", range(20))
def test_b8_early_stop_ends_a_default_search_of_noise_within_half_of_its_budget(seed: int) -> None:
    """Of noise, 1 search in 100 seems to improve; none of these seeds does."""
    random = np.random.default_rng(seed)
    search = torch_engine(lambda w, p: float(random.random()), total_budget=60, num_batches=12, seed=seed)
    search.fit(early_stop=True)
    assert len(search.dataset) <= 30


def test_b8_early_stop_ends_the_paper_s_search_of_noise_at_the_first_batch_without_a_classifier() -> None:
    random = np.random.default_rng(0)
    search = torch_engine(lambda w, p: float(random.random()), total_budget=200, num_batches=20, strategy="paper")
    search.fit(early_stop=True)
    assert len(search.dataset) < 100


@pytest.mark.parametrize("seed", range(3))
def test_b8_early_stop_does_not_end_a_search_that_improves(seed: int) -> None:
    search = torch_engine(total_budget=80, num_batches=16, objective="min", seed=seed)
    search.fit(early_stop=True)
    assert len(search.dataset) == 80


def test_b9_rows_are_encoded_without_scores() -> None:
    X, y = shac.Dataset(searches.branin_space()).encode_dataset([[1.0, 2.0], [3.0, 4.0]])
    assert X.tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert y.shape == (0,)


class Mine(shac.DiscreteHP):
    def __init__(self, name: str, values: Any) -> None:
        super().__init__(name, values)


class Forgetful(shac.DiscreteHP):
    def __init__(self, title: str) -> None:
        super().__init__(title, [1, 2])


def test_c1_a_class_with_the_constructor_name_values_is_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_custom_classes", {"Mine": Mine})
    torch_engine(lambda w, p: float(p["k"]), [Mine("k", [1, 2, 3])]).fit()
    again = torch_engine(lambda w, p: float(p["k"]), [Mine("k", [1, 2, 3])])
    again.restore_data()
    assert len(again.dataset) == 40


def test_c1_a_class_that_could_never_be_restored_is_refused_before_the_search() -> None:
    engine = torch_engine(lambda w, p: float(p["k"]), [Forgetful("k")])
    with pytest.raises(ValueError, match=r"parameter 'k': expected a class whose constructor takes .*\['name', 'val"):
        engine.fit()
    assert not engine.dataset.Y


def test_num_batches_of_the_generic_engine_has_the_ancestor_s_default() -> None:
    assert shac.SHAC(None, searches.branin_space(), 32).num_batches == 16


def test_eval_fn_is_the_evaluation_function() -> None:
    engine = torch_engine()
    assert engine.eval_fn is searches.branin
    engine.eval_fn = noise
    assert engine.evaluation_function is noise


@pytest.mark.parametrize("name", ["num_parallel_evaluators", "num_parallel_generators"])
def test_a_count_of_none_is_the_cores_and_a_bad_one_is_refused_under_its_own_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)
    engine = torch_engine()
    setattr(engine, name, None)
    assert getattr(engine, name) == 2
    for wrong in (0, -1, 1.5, "2", True):
        with pytest.raises(ValueError, match=f"{name}: expected an integer of at least 1, got"):
            setattr(engine, name, wrong)


def test_a_script_that_runs_twice_is_told_how_to_go_on() -> None:
    torch_engine().fit()
    with pytest.raises(shac.SaveFolderError, match="restore_data"):
        torch_engine().fit()


def test_restoring_into_another_space_is_refused() -> None:
    torch_engine().fit()
    other = torch_engine(space=[shac.UniformHP("z", 0.0, 1.0)])
    with pytest.raises(ValueError, match="hyperparameter_list: expected the search space of"):
        other.restore_data()


# --- Only the newest version

# Type checkers know the first order of the arguments alone
NewestSHAC: Any = shac.SHAC
NewestTorchSHAC: Any = shac.TorchSHAC


def test_the_space_may_come_first_and_the_function_goes_to_fit() -> None:
    engine = NewestSHAC(searches.branin_space(), 40, 4, "min", save_dir="generic")
    torch = NewestTorchSHAC(searches.branin_space(), 40, 4, 0, objective="min", save_dir="torch")
    named = NewestSHAC(parameters=[shac.UniformHP("x", 0.0, 1.0)], total_budget=40, num_batches=4, save_dir="named")
    for made in (engine, torch):
        made.concurrent_evaluators()
        made.fit(searches.branin)
        assert len(made.dataset) == 40
        assert made.objective == "min"
    named.concurrent_evaluators()
    named.fit(evaluation_function=lambda w, p: p["x"], skip_cv_checks=True)
    assert len(named.dataset) == 40
    restored = NewestSHAC(None, 40, 4, "min", save_dir="generic")
    restored.restore_data()
    assert len(restored.dataset) == 40


@pytest.mark.parametrize("first", [3, "lr", 2.5])
def test_what_is_neither_a_function_nor_a_space_is_refused_in_one_sentence(first: Any) -> None:
    with pytest.raises(ValueError, match="evaluation_function: expected a callable or None, followed by the search sp"):
        NewestSHAC(first, searches.branin_space(), 40, 4)


def test_fit_refuses_what_is_neither_a_function_nor_a_bool() -> None:
    with pytest.raises(ValueError, match="skip_cv_checks: expected True or False, or an evaluation function, got 'no'"):
        torch_engine().fit("no")  # type: ignore[arg-type]


def test_predict_of_twenty_is_twenty_batches_and_warns_where_it_meant_configurations() -> None:
    engine = NewestSHAC(searches.branin_space(), 40, 4, save_dir="newest")
    with pytest.warns(UserWarning, match="num_samples=20 draws so many configurations"):
        assert len(engine.predict(20)) == 80
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(engine.predict(num_samples=20)) == 20
        assert len(torch_engine(save_dir="seed").predict(20)) == 80


def test_samples_and_batches_are_not_added_up() -> None:
    assert len(torch_engine().predict(2, num_samples=3)) == 3


def test_the_best_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected at least one finite score, got none among 0"):
        torch_engine().dataset.get_best_parameters()


def test_lists_of_values_have_the_attributes_of_one_value() -> None:
    uniform, normal = shac.MultiUniformHP("x", 0.0, 2.0, sample_count=3), shac.MultiNormalHP("y", 1.0, 0.5, 2)
    assert isinstance(uniform, shac.AbstractMultiContinuousHyperParameter)
    assert (uniform.min_value, uniform.max_value, uniform.log_encode) == (0.0, 2.0, False)
    assert (normal.mean, normal.std) == (1.0, 0.5)
    assert shac.MultiDiscreteHP("z", [1, 2], 2).values == [1, 2]


def test_the_history_has_the_package_s_own_keys() -> None:
    history = torch_engine().fit()
    assert {"evaluations", "best", "classifiers"} <= history.history.keys()
    assert "begin_run_index" not in history.history


def test_plot_dataset_takes_false_for_no_file() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    engine = torch_engine()
    engine.fit()
    shac.plot_dataset(engine, to_file=False)
    assert not [*Path().glob("*.png")]


# --- Save folders


def old_folder(folder: str, num_rows: int, header: str = "x,y") -> Path:
    """A folder as the ancestor writes it, of Branin's function."""
    place = Path(folder) / "datasets"
    place.mkdir(parents=True)
    ends = {"x": (-5.0, 10.0), "y": (0.0, 15.0)}
    config = {
        name: ["UniformContinuousHyperParameter", {"name": name, "min_value": low, "max_value": high}]
        for name, (low, high) in ends.items()
    }
    (place / "parameters.json").write_text(json.dumps(config, indent=4))
    random = np.random.default_rng(0)
    points = [{name: random.uniform(*ends[name]) for name in ends} for _ in range(num_rows)]
    lines = [f"{i},{p['x']},{p['y']},{searches.branin(0, p)}" for i, p in enumerate(points)]  # type: ignore[arg-type]
    (place / "dataset.csv").write_text("\n".join([f"id,{header},scores", *lines]) + "\n")
    (Path(folder) / "classifiers").mkdir()
    (Path(folder) / "classifiers" / "classifiers.pkl").write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    return Path(folder)


def test_a_folder_is_imported_restored_predicted_from_and_gone_on_with(caplog: pytest.LogCaptureFixture) -> None:
    """By position, with guessed rounds, unfinished, and with trees of the ancestor's kind."""
    imported = import_ancestor(
        old_folder("shac", 90, "h0,h1"), "new", objective="min", total_budget=100, strategy="ancestor"
    )
    assert "read by their position" in caplog.text
    assert "guessed 10 rounds of 10 evaluations" in caplog.text
    search = shac.SHAC(searches.branin, None, 100, 10, "min", save_dir="new")
    search.restore_data()
    assert len(search.dataset) == len(imported.dataset) == 90
    assert search.predict(num_samples=10).is_exact
    search.concurrent_evaluators()
    search.fit()
    assert len(search.dataset) == 100
    assert not Path("harm").exists()


def test_a_table_without_an_objective_is_not_imported() -> None:
    old_folder("shac", 20)
    result = CliRunner().invoke(main, ["import", "shac", "new"])
    assert result.exit_code == 2
    assert "--objective" in result.output
    assert not Path("new").exists()
