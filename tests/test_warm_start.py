"""Searches that begin with what an earlier one has found."""

import logging
import math
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import searches
from click.testing import CliRunner
from searches import branin, branin_after_a_while, branin_space, engine, read_manifest

import shac
from shac.engine.learning import learn, training_points
from shac.engine.surrogate import RBFSurrogate
from shac.labels import label_scores
from shac.store.journal import read_journal

JOURNAL = Path("shac_run/journal.jsonl")
OPTIMA = np.array([[-np.pi, 12.275], [np.pi, 2.275], [9.42478, 2.475]])


def table(folder: str = "shac_run") -> bytes:
    return Path(folder, "dataset.csv").read_bytes()


def earlier_search(folder: str = "earlier", **settings: Any) -> shac.SHAC:
    search = engine(save_dir=folder, **{"total_budget": 40, "num_batches": 4, **settings})
    search.fit()
    return search


def earlier_of(search: shac.SHAC) -> Any:
    assert search.state.earlier is not None
    return search.state.earlier.evaluations


def begun(source: Any, space: Any = None, **settings: Any) -> shac.SHAC:
    return engine(branin, space, **{"total_budget": 20, "num_batches": 2, "warm_start": source, **settings})


def distances_from_optima(rows: Any) -> Any:
    return np.linalg.norm(np.array(rows)[:, np.newaxis] - OPTIMA, axis=2).min(axis=1)


@pytest.mark.parametrize("strategy", ["guided", "pooled", "paper"])
def test_the_first_round_is_drawn_as_if_the_earlier_evaluations_were_known(strategy: str) -> None:
    known = shac.Dataset(branin_space())
    rows = branin_space().sample_rows(100, np.random.default_rng(0))
    known.set_dataset(rows, [branin(0, known.prepare_parameter(row)) for row in rows])
    known.objective = "min"
    plain = engine(save_dir="plain", total_budget=40, num_batches=2, strategy=strategy)
    warm = engine(save_dir="warm", total_budget=40, num_batches=2, strategy=strategy, warm_start=known)
    for search in (plain, warm):
        search.fit(max_evaluations=20)
    assert np.median(warm.dataset.Y) < 0.8 * np.median(plain.dataset.Y)
    if strategy == "guided":
        assert warm.best_score < 0.6 < plain.best_score


def test_without_a_warm_start_nothing_is_different() -> None:
    search = engine(total_budget=20, num_batches=2, warm_start=None)
    search.fit()
    assert search.dataset.earlier is None
    assert "warm_start" not in read_manifest(Path("shac_run"))["settings"]
    assert not Path("shac_run/warm_start.csv").exists()


def test_earlier_evaluations_are_none_of_the_search() -> None:
    earlier = earlier_search()
    search = begun("earlier")
    search.fit()
    assert len(search.dataset) == 20
    assert not [row for row in search.dataset.X if row in earlier.dataset.X]
    assert search.best_score == min(search.dataset.Y)
    assert search.dataset.earlier is not None
    assert search.dataset.earlier.Y == earlier.dataset.Y
    assert b"earlier" not in table()
    assert table().count(b"\n") == 21


def test_scores_of_another_scale_make_the_same_search() -> None:
    earlier = earlier_search()
    tables = []
    for number, scores in enumerate((earlier.dataset.Y, [7.0 + 2.0 * score for score in earlier.dataset.Y])):
        dataset = shac.Dataset(branin_space())
        dataset.set_dataset(earlier.dataset.X, scores)
        dataset.objective = "min"
        search = begun(dataset, save_dir=str(number), strategy="pooled")
        search.fit()
        tables.append(table(str(number)))
    assert tables[0] == tables[1]


def test_the_earlier_objective_decides_what_was_better() -> None:
    earlier = earlier_search()
    dataset = shac.Dataset(branin_space())
    dataset.set_dataset(earlier.dataset.X, [-score for score in earlier.dataset.Y])
    with pytest.raises(ValueError, match="warm_start: expected a dataset whose objective is 'min', got 'max'"):
        begun(dataset).fit()
    turned = begun(shac.WarmStart(dataset, objective="max"), save_dir="turned")
    same = begun("earlier", save_dir="same")
    for search in (turned, same):
        search.fit()
    assert table("turned") == table("same")


@pytest.mark.parametrize("kind", ["folder", "path", "dataset", "frame", "csv"])
def test_the_earlier_evaluations_may_be_anything_that_holds_them(kind: str) -> None:
    earlier = earlier_search()
    sources = {
        "folder": "earlier",
        "path": Path("earlier"),
        "dataset": earlier.dataset,
        "frame": earlier.dataset.to_pandas(),
        "csv": Path("earlier/dataset.csv"),
    }
    search = begun(sources[kind])
    search.fit()
    reference = begun("earlier", save_dir="reference")
    reference.fit()
    assert table() == table("reference")


@pytest.mark.parametrize("source", [3, ["earlier"], object()])
def test_what_holds_no_evaluations_is_an_error(source: Any) -> None:
    with pytest.raises(ValueError, match="warm_start: expected a folder"):
        begun(source)


def test_a_folder_that_is_not_there_is_an_error_before_anything_is_evaluated() -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        begun("nowhere").fit()


def test_points_outside_the_new_space_are_dropped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    earlier = earlier_search()
    space = [shac.UniformHP("x", -5.0, 5.0), shac.UniformHP("y", 5.0, 15.0)]
    search = begun("earlier", space)
    with caplog.at_level(logging.INFO, "shac"):
        search.fit()
    kept = [row for row in earlier.dataset.X if row[0] <= 5.0 and row[1] >= 5.0]
    assert earlier_of(search).rows == kept
    assert earlier_of(search).num_dropped == 40 - len(kept) > 0
    told = [record.message for record in caplog.records if record.message.startswith("warm start")]
    assert len(told) == 1
    assert f"{40 - len(kept)} are outside of the search space and dropped" in told[0]
    settings = read_manifest(Path("shac_run"))["settings"]["warm_start"]
    assert settings["evaluations"] == len(kept)
    assert sum(settings["dropped"].values()) == 40 - len(kept)


def test_where_all_points_are_outside_the_search_is_that_without_them() -> None:
    earlier_search()
    plain = engine(
        save_dir="plain", space=[shac.UniformHP("x", 50.0, 60.0)], function=only_x, total_budget=20, num_batches=2
    )
    search = engine(only_x, [shac.UniformHP("x", 50.0, 60.0)], total_budget=20, num_batches=2, warm_start="earlier")
    for each in (plain, search):
        each.fit()
    assert table() == table("plain")
    assert earlier_of(search).num_dropped == 40


def only_x(worker_id: int, parameters: Any) -> float:
    return float(parameters["x"])


def test_points_that_break_a_constraint_are_dropped() -> None:
    earlier = earlier_search()
    space = shac.HyperParameterList(list(branin_space()), constraints=["x + y < 12"])
    search = begun("earlier", space)
    search.fit()
    kept = [row for row in earlier.dataset.X if sum(row) < 12]
    assert earlier_of(search).rows == kept
    assert earlier_of(search).dropped == {"constraints": 40 - len(kept)}


def test_parameters_may_have_other_names() -> None:
    earlier = earlier_search()
    space = [shac.UniformHP("across", -5.0, 10.0), shac.UniformHP("up", 0.0, 15.0)]
    search = shac.SHAC(None, space, 20, 2, "min", warm_start=shac.WarmStart("earlier", {"x": "across", "y": "up"}))
    assert earlier_of(search).rows == earlier.dataset.X


def test_multi_parameters_are_renamed_as_one() -> None:
    names = ["units_1", "units_2", "scores"]
    frame = pd.DataFrame([[1, 2, 0.5], [3, 4, 0.25]], columns=names)
    space = [shac.MultiDiscreteHP("width", [1, 2, 3, 4], sample_count=2)]
    search = shac.SHAC(None, space, 20, 2, warm_start=shac.WarmStart(frame, {"units": "width"}))
    assert earlier_of(search).rows == [[1, 2], [3, 4]]


def test_new_parameters_have_the_default_given_or_are_drawn_by_the_seed() -> None:
    earlier_search()
    space = [*branin_space(), shac.IntegerHP("layers", 1, 100)]
    rows = {}
    for name, seed, defaults in (("a", 1, {}), ("b", 1, {}), ("c", 2, {}), ("d", 1, {"layers": 7})):
        source = shac.WarmStart("earlier", defaults=defaults)
        rows[name] = earlier_of(shac.SHAC(None, space, 20, 2, "min", seed=seed, warm_start=source)).rows
    assert rows["a"] == rows["b"] != rows["c"]
    assert len({row[2] for row in rows["a"]}) > 20
    assert {row[2] for row in rows["d"]} == {7}


def test_another_seed_draws_the_missing_values_anew() -> None:
    earlier_search()
    space = [*branin_space(), shac.IntegerHP("layers", 1, 100)]
    search = shac.SHAC(None, space, 20, 2, "min", seed=1, save_dir="a", warm_start="earlier")
    first = earlier_of(search).rows
    search.enqueue([{"x": 0.0}])
    search.set_seed(2)
    other = shac.SHAC(None, space, 20, 2, "min", seed=2, save_dir="b", warm_start="earlier")
    assert earlier_of(search).rows == earlier_of(other).rows != first
    assert len(search.state.queue) == 1


def test_conditional_parameters_that_did_not_exist_are_drawn_where_they_do_now() -> None:
    frame = pd.DataFrame({"optimizer": ["sgd", "adam"] * 10, "lr": np.linspace(0, 1, 20), "scores": range(20)})
    space = shac.HyperParameterList(
        [
            shac.DiscreteHP("optimizer", ["sgd", "adam"]),
            shac.UniformHP("lr", 0.0, 1.0),
            shac.UniformHP("momentum", 0.0, 1.0),
        ],
        conditions={"momentum": {"optimizer": "sgd"}},
    )
    search = shac.SHAC(None, space, 20, 2, warm_start=frame)
    for optimizer, _, momentum in earlier_of(search).rows:
        assert (momentum is shac.MISSING) == (optimizer == "adam")
    search.ask(10)


def test_values_of_a_frame_come_back_as_the_parameters_have_them() -> None:
    frame = pd.DataFrame(
        {
            "n": [16.0, 3.0, 2.5, np.nan],
            "act": ["relu", None, "relu", "gelu"],
            "x": [1, 0, 0, 0],
            "scores": [1, 2, 3, None],
        }
    )
    space = [shac.IntegerHP("n", 1, 20), shac.DiscreteHP("act", ["relu", None]), shac.UniformHP("x", 0.0, 1.0)]
    found = earlier_of(shac.SHAC(None, space, 20, 2, warm_start=frame))
    assert found.rows == [[16, "relu", 1.0], [3, None, 0.0]]
    assert [type(value) for value in found.rows[0]] == [int, str, float]
    assert found.dropped == {"n": 1, "act": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rename": {"z": "x"}}, "rename: expected names of .*earlier, among .*, got .'z'"),
        ({"rename": {"x": "z"}}, "rename: expected names of the search space .* got .'z'"),
        ({"defaults": {"z": 1}}, "defaults: expected names among .* got 'z'"),
        ({"defaults": {"x": 99.0}}, "defaults: parameter 'x': expected a value of .* got 99.0"),
        ({"objective": "best"}, "objective"),
        ({"rename": ["x"]}, "rename: expected a mapping"),
    ],
)
def test_what_does_not_fit_the_spaces_is_an_error(arguments: dict[str, Any], message: str) -> None:
    earlier_search()
    with pytest.raises(ValueError, match=message):
        begun(shac.WarmStart("earlier", **arguments)).fit()


def test_a_frame_without_scores_or_known_columns_is_an_error() -> None:
    with pytest.raises(ValueError, match="warm_start: expected a data frame with a column 'scores'"):
        begun(pd.DataFrame({"x": [1.0]})).fit()
    with pytest.raises(ValueError, match="warm_start: expected columns of the search space"):
        begun(pd.DataFrame({"z": [1.0], "scores": [1.0]})).fit()


def test_failed_evaluations_count_as_worse() -> None:
    search = earlier_search(function=branin_after_a_while)
    failed = np.isnan(search.dataset.Y)
    assert failed.any()
    warm = begun("earlier", strategy="pooled")
    assert np.isnan(earlier_of(warm).scores).tolist() == failed.tolist()
    assert not training_labels(warm)[failed].any()


def training_labels(search: shac.SHAC) -> Any:
    return training_points(search.plan, search.state)[1]


@pytest.mark.parametrize("kind", ["folder", "csv", "frame"])
def test_pruned_evaluations_count_as_worse_and_in_the_median(kind: str) -> None:
    searches_of_steps = engine(
        searches.branin_in_steps, save_dir="earlier", total_budget=40, num_batches=4, pruning="median"
    )
    searches_of_steps.fit()
    pruned = sorted(searches_of_steps.state.pruned)
    assert pruned
    sources = {"folder": "earlier", "csv": "earlier.csv", "frame": searches_of_steps.dataset.to_pandas()}
    shutil.copy("earlier/dataset.csv", "earlier.csv")
    warm = begun(sources[kind], strategy="pooled")
    assert list(earlier_of(warm).pruned) == pruned
    labels = training_labels(warm)
    assert not labels[pruned].any()
    assert labels.sum() == label_scores(searches_of_steps.state.scores_to_learn("min"), "min").sum()


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ({"pruned": [True, False, True, False], "last_value": [3.0, np.nan, 3.0, np.nan]}, [2]),
        ({"pruned": [1, 0, None, 1], "last_value": [3.0, np.nan, 3.0, np.nan]}, [3]),
        ({"pruned": ["a", "b", "a", "b"], "pruned_": [False, False, True, True], "last_value": [0.0] * 4}, [2, 3]),
        ({"pruned": [True] * 4}, []),
        ({}, []),
    ],
    ids=["marked", "as-numbers", "beside-a-parameter-of-that-name", "no-last-values", "no-marks"],
)
def test_rows_of_a_table_without_a_score_are_pruned_where_it_says_so(
    marks: dict[str, Any], expected: list[int]
) -> None:
    values = {"x": [1.0, 2.0, 3.0, 4.0], "y": [1.0, 2.0, 3.0, 4.0], "scores": [1.0, 2.0, np.nan, np.nan]}
    assert list(earlier_of(begun(pd.DataFrame({**values, **marks}))).pruned) == expected


def test_without_any_score_the_search_is_that_without_them() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [1.0, 2.0], "scores": [np.nan, np.nan]})
    plain = engine(save_dir="plain", total_budget=20, num_batches=2)
    search = begun(frame)
    for each in (plain, search):
        each.fit()
    assert table() == table("plain")


@pytest.mark.parametrize("strategy", ["guided", "pooled", "paper"])
def test_a_search_that_goes_on_needs_the_earlier_one_no_more(strategy: str) -> None:
    earlier_search()
    settings = {"total_budget": 40, "num_batches": 4, "strategy": strategy, "warm_start": "earlier"}
    whole = engine(save_dir="whole", **settings)
    whole.fit()
    for _ in range(3):
        stopped = engine(**settings)
        if JOURNAL.exists():
            stopped.restore_data()
        stopped.fit(max_evaluations=13)
        shutil.rmtree("earlier", ignore_errors=True)
    last = engine(**settings)
    last.restore_data()
    last.fit()
    assert table() == table("whole")
    assert len(last.classifiers) == len(whole.classifiers)
    assert last.dataset.earlier is not None
    assert whole.dataset.earlier is not None
    assert last.dataset.earlier.X == whole.dataset.earlier.X


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import searches

engine = searches.engine(
    searches.branin_after_a_while, total_budget=30, num_batches=3, warm_start="earlier", strategy={strategy!r}
)
engine.evaluator_backend = "loky"
engine.set_num_parallel_evaluators(3)
engine.fit(overlap={overlap})
"""


@pytest.mark.parametrize(("strategy", "overlap"), [("guided", 0), ("guided", 4), ("pooled", 4)])
def test_a_search_that_was_killed_ends_with_the_table_of_one_that_was_not(strategy: str, overlap: int) -> None:
    earlier_search()
    settings = {"total_budget": 30, "num_batches": 3, "warm_start": "earlier", "strategy": strategy}
    engine(branin_after_a_while, save_dir="whole", **settings).fit(overlap=overlap)
    tests = str(Path(searches.__file__).parent)
    script = textwrap.dedent(SCRIPT.format(tests=tests, strategy=strategy, overlap=overlap))
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as process:
        while not JOURNAL.exists() or not any(entry.index >= 13 for entry in read_journal(JOURNAL)):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    shutil.rmtree("earlier")
    again = engine(branin_after_a_while, **settings)
    again.restore_data()
    again.fit()
    assert table() == table("whole")


def test_asked_for_and_told_the_search_is_that_of_fit() -> None:
    earlier_search()
    fitted = begun("earlier", save_dir="fitted")
    fitted.fit()
    search = engine(None, total_budget=20, num_batches=2, warm_start="earlier")
    while configurations := search.ask(10):
        for configuration in configurations:
            search.tell(configuration, branin(0, configuration))
    assert table() == table("fitted")


def test_a_search_that_began_without_one_is_not_given_one_later() -> None:
    earlier_search()
    engine(total_budget=20, num_batches=2).fit(max_evaluations=10)
    search = begun("earlier")
    with pytest.raises(ValueError, match=r"warm_start: expected None, as the search in .* began without one"):
        search.restore_data()


def test_other_scores_are_forgotten_as_far_as_those_of_the_search_do_not_follow_them() -> None:
    earlier = earlier_search(total_budget=100, num_batches=10)
    plain = engine(save_dir="plain")
    plain.fit()
    against = pd.DataFrame(earlier.dataset.X, columns=["x", "y"]).assign(scores=[-score for score in earlier.dataset.Y])
    search = engine(warm_start=against)
    search.fit()
    X, _ = training_points(search.plan, search.state)
    assert len(X) == 60  # the earlier ones are not among them
    assert distances_from_optima(search.dataset.X[30:]).mean() < 2 * distances_from_optima(plain.dataset.X[30:]).mean()


def test_labels_are_those_of_medians_of_their_own() -> None:
    earlier = earlier_search()
    search = begun("earlier")
    search.fit(max_evaluations=10)
    X, y = training_points(search.plan, search.state)
    assert len(X) == 50
    inside = search.state.cascade.accepts(search.state.space.encode_rows(earlier.dataset.X), threads=1)
    assert y[:40].tolist() == label_scores(earlier.dataset.Y, "min", among=inside).tolist()


def test_the_surrogate_of_an_earlier_search_takes_the_scale_of_the_own_scores() -> None:
    earlier = earlier_search(total_budget=100, num_batches=10)
    search = begun("earlier")
    random = np.random.default_rng(0)
    rows = search.state.space.sample_rows(300, random)
    scores = np.array([branin(0, search.state.space.to_parameters(row)) for row in rows])
    X = search.state.space.encode_rows(rows)
    few = slice(0, 12)
    alone = RBFSurrogate(search.state.space, X[few], scores[few], "min")
    together = RBFSurrogate(search.state.space, X[few], scores[few], "min", earlier=search.state.earlier)
    best = np.argsort(scores)[:30]
    losses = np.minimum(scores, np.median(scores[few]))
    assert np.corrcoef(together.predict(X), losses)[0, 1] > np.corrcoef(alone.predict(X), losses)[0, 1]
    assert np.abs(together.predict(X[few]) - alone.predict(X[few])).max() < 0.02  # both go through the points
    assert together.predict(X[best]).mean() < together.predict(X).mean()
    assert len(earlier.dataset) == 100


@pytest.mark.parametrize("strategy", ["guided", "pooled", "paper"])
def test_it_predicts_and_recommends(strategy: str) -> None:
    earlier_search()
    search = begun("earlier", strategy=strategy)
    search.fit()
    assert len(search.predict(num_samples=5)) == 5
    known = [dict(search.dataset.prepare_parameter(row)) for row in search.dataset.X]
    for one in search.recommend(3):
        assert one.score is None or dict(one.configuration) in known


@pytest.mark.parametrize("strategy", ["pooled", "paper"])
def test_without_a_surrogate_a_classifier_learns_beforehand_and_is_none_of_the_rounds(strategy: str) -> None:
    earlier_search()
    search = begun("earlier", total_budget=40, num_batches=4, strategy=strategy)
    assert len(search.classifiers) == 0  # nothing is read before it is needed
    assert len(search.state.classifiers) == 1
    search.fit(skip_cv_checks=True)
    assert len(search.classifiers) == 4 == search.total_classifiers + 1


def test_the_classifiers_of_the_paper_learn_from_rounds_alone() -> None:
    earlier_search()
    search = begun("earlier", total_budget=40, num_batches=4, strategy="paper")
    search.fit(skip_cv_checks=True, max_evaluations=10)
    state, _ = learn(search.plan, search.state, skip_cv_checks=True, threads=1)
    assert state.training_begin == 10
    state = state.with_points(search.dataset.X, search.dataset.Y)
    assert len(training_points(search.plan, state)[0]) == 10


def test_a_finished_table_can_be_learnt_from_beside_it() -> None:
    earlier = earlier_search()
    earlier.dataset.to_pandas().to_csv("table.csv", index=False)
    search = begun("earlier")
    search.fit_dataset("table.csv")
    assert len(search.dataset) == 20
    assert len(search.classifiers) == 1


def test_torch_searches_begin_with_them_too() -> None:
    earlier = earlier_search()
    search = shac.TorchSHAC(None, branin_space(), 20, 2, 0, "min", warm_start="earlier")
    assert earlier_of(search).rows == earlier.dataset.X


def test_tables_and_pages_mark_them(capsys: pytest.CaptureFixture[str]) -> None:
    from shac.cli import main

    earlier_search()
    search = begun("earlier", [shac.UniformHP("x", -5.0, 5.0), shac.UniformHP("y", 0.0, 15.0)])
    search.fit(progress=True)
    known = len(earlier_of(search).rows)
    line = f"warm start: {known} evaluations of {Path('earlier').absolute()}; {40 - known} are outside of"
    assert capsys.readouterr().err.count(line) == 1
    frame = search.dataset.to_pandas(earlier=True)
    assert frame["source"].tolist() == ["earlier"] * known + ["drawn"] * 20
    assert len(search.dataset.to_pandas()) == 20
    shown = CliRunner().invoke(main, ["show", "shac_run"]).output
    assert f"{known} evaluations of" in shown
    page = shac.write_report("shac_run").read_text()
    assert "earlier 0" in page
    assert f"{known} evaluations of" in page


def test_a_damaged_warm_start_is_a_damaged_folder() -> None:
    earlier_search()
    begun("earlier").fit()
    manifest = read_manifest(Path("shac_run"))
    whole = manifest["settings"]["warm_start"]
    for changed in ({"evaluations": 39}, {"pruned": [40]}, {"objective": "most"}, {"classifiers": 2}):
        settings = {**manifest["settings"], "warm_start": {**whole, **changed}}
        searches.write_manifest(Path("shac_run"), {**manifest, "settings": settings})
        with pytest.raises(shac.DamagedFileError):
            engine(total_budget=20, num_batches=2).restore_data()
    searches.write_manifest(Path("shac_run"), manifest)
    engine(total_budget=20, num_batches=2).restore_data()
    Path("shac_run/warm_start.csv").write_text("id,x,y,scores\n")
    with pytest.raises(shac.DamagedFileError, match=r"warm_start\.csv"):
        engine(total_budget=20, num_batches=2).restore_data()


def test_scores_that_are_no_numbers_are_an_error() -> None:
    Path("bad.csv").write_text("x,y,scores\n1,2,good\n")
    with pytest.raises(shac.DamagedFileError, match=r"bad\.csv, column 'scores': expected a number, got 'good'"):
        begun("bad.csv").fit()
    assert math.isnan(earlier_of(begun(pd.DataFrame({"x": [1.0], "y": [1.0], "scores": [None]}))).scores[0])
