"""Searches with several objectives: what they learn, find, save and refuse, with real processes and real files."""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
from click.testing import CliRunner
from evaluations import accuracy_and_seconds as evaluate

import shac
from shac.cli import main
from shac.engine.learning import training_points
from shac.errors import DamagedFileError
from shac.files import parse_json
from shac.nondominated import pareto_ranks
from shac.store.journal import Journal, JournalEntry, read_journal

BOTH = {"accuracy": "max", "seconds": "min"}


def space(columns: int = 3) -> list[shac.UniformHP]:
    return [shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(columns)]


def engine(function: Any = evaluate, **settings: Any) -> shac.SHAC:
    settings = {"total_budget": 40, "num_batches": 4, "objective": ("max", "min"), "seed": 3, **settings}
    made = shac.SHAC(function, space(), **settings)
    made.concurrent_evaluators()
    return made


def fitted(**settings: Any) -> shac.SHAC:
    made = engine(**settings)
    made.fit(progress=False)
    return made


def test_a_search_finds_the_front_of_two_objectives() -> None:
    search = fitted(total_budget=100, num_batches=10)
    front = search.pareto_front()
    assert len(front) >= 15
    assert np.median([abs(configuration["x1"] - 0.3) for configuration, _ in front]) < 0.05
    firsts = [configuration["x0"] for configuration, _ in front]
    assert min(firsts) < 0.15
    assert max(firsts) > 0.85
    assert [scores for _, scores in front] == sorted((scores for _, scores in front), reverse=True)
    alone = {scores for _, scores in front}
    for accuracy, seconds in search.dataset.Y:
        assert any(a >= accuracy and s <= seconds for a, s in alone)


def test_labels_part_ranks_at_their_median() -> None:
    search = engine()
    random = np.random.default_rng(0)
    rows = random.random((11, 3)).tolist()
    scores = [evaluate(0, OrderedDict(zip(("x0", "x1", "x2"), row, strict=True))) for row in rows]
    state = search.state.with_points(rows, [*scores[:-1], (np.nan, np.nan)])
    ranks = pareto_ranks(np.array(scores[:-1]) * [-1, 1])
    expected = [*(ranks < np.sort(ranks)[5]), False]
    assert training_points(search.plan, state)[1].tolist() == expected
    assert 3 <= sum(expected) <= 5


def test_the_table_is_that_of_the_seed_for_any_evaluators_and_for_ask_and_tell() -> None:
    expected = fitted(save_dir="one").dataset.to_csv()
    several = engine(save_dir="two")
    several.parallel_evaluators()
    several.set_num_parallel_evaluators(2)
    several.set_num_parallel_generators(2)
    several.fit(progress=False)
    assert several.dataset.to_csv() == expected
    asked = engine(None, save_dir="three")
    while configurations := asked.ask(10):
        for configuration in reversed(configurations):
            asked.tell(configuration, evaluate(0, configuration))
    assert asked.dataset.to_csv() == expected
    assert fitted(save_dir="four", seed=4).dataset.to_csv() != expected


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_objectives as objectives

def evaluate(worker_id, parameters):
    with open("calls", "a") as file:
        file.write("!")
    if len(open("calls").read()) == 17:
        os.kill({parent}, signal.SIGKILL)
    return objectives.evaluate(worker_id, parameters)

if __name__ == "__main__":
    search = objectives.engine(evaluate, save_dir="killed", objective={objective!r})
    search.evaluator_backend = {backend!r}
    search.set_num_parallel_evaluators(1)
    search.fit(progress=False)
"""


@pytest.mark.parametrize(("backend", "parent"), [("threading", "os.getpid()"), ("loky", "os.getppid()")])
def test_a_search_that_is_killed_goes_on_to_the_same_table(backend: str, parent: str) -> None:
    script = textwrap.dedent(
        KILLED.format(tests=str(Path(__file__).parent), parent=parent, backend=backend, objective=BOTH)
    )
    finished = subprocess.run([sys.executable, "-c", script], check=False, env=dict(os.environ))
    assert finished.returncode == -signal.SIGKILL
    done = read_journal(Path("killed/journal.jsonl"))
    assert 10 < len(done) < 20
    assert all(isinstance(entry.score, tuple) and len(entry.score) == 2 for entry in done)
    calls = 0

    def counted(worker_id: int, parameters: OrderedDict[str, Any]) -> tuple[float, float]:
        nonlocal calls
        calls += 1
        return evaluate(worker_id, parameters)

    again = engine(counted, save_dir="killed", objective=BOTH)
    again.restore_data()
    again.fit(progress=False)
    assert calls == 40 - len(done)
    assert again.dataset.Y == fitted(save_dir="whole").dataset.Y
    assert again.objective == BOTH


def test_an_evaluation_returns_a_sequence_an_array_or_a_mapping() -> None:
    def function(worker_id: int, parameters: OrderedDict[str, Any]) -> Any:
        accuracy, seconds = evaluate(worker_id, parameters)
        kinds: list[Any] = [
            [accuracy, seconds],
            np.array([accuracy, seconds]),
            {"seconds": np.float64(seconds), "accuracy": accuracy},
        ]
        return kinds[int(parameters["x0"] * 3)]

    assert fitted(function=function, objective=BOTH, save_dir="a").dataset.Y == fitted(save_dir="b").dataset.Y


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (0.5, r"TypeError: evaluation_function must return 2 numbers \(score_0, score_1\), got 0\.5 of type float"),
        ((1.0, 2.0, 3.0), r"TypeError: .* 2 numbers \(score_0, score_1\), got \(1\.0, 2\.0, 3\.0\) of type tuple"),
        ({"score_0": 1.0}, r"TypeError: .* 2 numbers \(score_0, score_1\), got \{'score_0': 1\.0\} of type dict"),
        (np.ones((2, 1)), r"TypeError: .* 2 numbers"),
        ("12", r"TypeError: .* 2 numbers"),
        ((1.0, float("nan")), r"ValueError: evaluation_function must return for 'score_1' a finite number, got nan"),
        ((1.0, None), r"TypeError: evaluation_function must return for 'score_1' a real number, got None"),
    ],
)
def test_a_result_that_is_none_fails_the_evaluation(result: Any, reason: str) -> None:
    def function(worker_id: int, parameters: OrderedDict[str, Any]) -> Any:
        return evaluate(worker_id, parameters) if parameters["x0"] < 0.6 else result

    search = engine(function, total_budget=10, num_batches=1)
    failures = search.fit(progress=False).failures
    failed = [i for i, row in enumerate(search.dataset.X) if row[0] >= 0.6]
    assert [failure["index"] for failure in failures] == failed
    for failure in failures:
        assert re.match(reason, failure["error"])
    np.testing.assert_array_equal(np.isnan(search.dataset.Y).all(axis=1), [i in failed for i in range(10)])
    assert np.isnan(search.state.scores[failed]).all()
    assert training_points(search.plan, search.state)[1][failed].max() == 0


def test_two_evaluations_that_fail_are_worse_than_the_median_when_told() -> None:
    search = engine(None, total_budget=10, num_batches=1, objective=BOTH)
    configurations = search.ask(10)
    with pytest.raises(ValueError, match=r"score: expected 2 numbers \(accuracy, seconds\), or NaN .*, got \(1\.0,\)"):
        search.tell(configurations[0], (1.0,))
    with pytest.raises(ValueError, match=r"score: expected 2 numbers \(accuracy, seconds\)"):
        search.tell(configurations[0], 1.0)
    search.tell(configurations[0], float("nan"))
    search.tell(configurations[1], {"accuracy": float("inf"), "seconds": 1.0})
    for configuration in configurations[2:]:
        accuracy, seconds = evaluate(0, configuration)
        search.tell(configuration, {"seconds": seconds, "accuracy": accuracy})
    assert np.isnan(search.dataset.Y[:2]).all()
    assert np.isfinite(search.dataset.Y[2:]).all()


def test_the_folder_has_a_column_of_each_objective() -> None:
    search = fitted(objective=BOTH, save_dir="run")
    lines = Path("run/dataset.csv").read_text().splitlines()
    assert lines[0] == "id,x0,x1,x2,accuracy,seconds"
    assert tuple(map(float, lines[5].split(",")[-2:])) == search.dataset.Y[4]
    settings = parse_json(Path("run/manifest.json").read_bytes(), "manifest.json")["manifest"]["settings"]
    assert settings["objective"] == [["accuracy", "max"], ["seconds", "min"]]
    frame = search.dataset.to_pandas()
    assert list(frame) == ["x0", "x1", "x2", "accuracy", "seconds"]
    assert frame["seconds"].tolist() == [seconds for _, seconds in search.dataset.Y]
    copy = shac.Dataset(space())
    copy.objective = BOTH
    copy.set_dataset(*search.dataset.get_dataset())
    assert copy.pareto_front() == search.pareto_front()
    assert shac.Dataset.from_csv(copy.to_csv(), space(), objective=BOTH).Y == search.dataset.Y


def test_another_number_of_objectives_is_refused_by_a_search_that_is_restored() -> None:
    fitted(save_dir="run")
    for objective, got in (
        (("max", "min", "min"), r"got \('max', 'min', 'min'\) \(2 and 3 objectives\)"),
        ("max", r"got 'max' \(2 and 1 objectives\)"),
        (("min", "max"), r"got \('min', 'max'\)$"),
        (BOTH, r"got \{'accuracy': 'max', 'seconds': 'min'\}$"),
    ):
        other = engine(objective=objective, save_dir="run")
        with pytest.raises(ValueError, match=r"objective: expected \('max', 'min'\), that of .*run, " + got):
            other.restore_data()
    fitted(function=lambda worker_id, parameters: parameters["x0"], objective="min", save_dir="single")
    with pytest.raises(
        ValueError, match=r"objective: expected 'min', that of .*single, got \('max', 'min'\) \(1 and 2"
    ):
        engine(save_dir="single").restore_data()


@pytest.mark.parametrize("damaged", ["[[accuracy,max]]", '[["accuracy", "max"], ["accuracy", "min"]]', '["max"]'])
def test_a_manifest_with_other_objectives_is_damaged(damaged: str) -> None:
    fitted(save_dir="run")
    manifest = searches.read_manifest(Path("run"))
    manifest["settings"]["objective"] = json.loads(damaged) if damaged != "[[accuracy,max]]" else [["accuracy"]]
    searches.write_manifest(Path("run"), manifest)
    with pytest.raises(DamagedFileError, match="objective: expected"):
        engine(save_dir="run").restore_data()


def test_a_journal_with_scores_of_other_objectives_is_damaged() -> None:
    asked = engine(None, save_dir="run")
    for configuration in asked.ask(3):
        asked.tell(configuration, evaluate(0, configuration))
    shac.SHAC(None, space(), 40, 4, save_dir="single", seed=3).save_data()
    for folder, objective, message in (
        ("run", ("max", "min"), "expected scores of 2 objectives, got 0.5 of evaluation 3"),
        ("single", "max", r"expected scores of 1 objectives, got \(0.5, 0.5\) of evaluation 0"),
    ):
        other = engine(objective=objective, save_dir=folder)
        other.restore_data()
        fingerprint = other.parameters.fingerprint() if other.parameters is not None else ""
        row = ["0.5", "0.5", "0.5"]
        with Journal(Path(folder, "journal.jsonl"), fingerprint) as journal:
            index = 3 if folder == "run" else 0
            if folder == "single":
                journal.begin_batch(0, [row] * 10, [1] * 10)
            score = 0.5 if folder == "run" else (0.5, 0.5)
            journal.record(JournalEntry(index, {}, score, None, None, 0, 1, 1, 1.0, 2.0))
        with pytest.raises(DamagedFileError, match=message):
            other.fit(progress=False)


def test_what_only_a_single_objective_has_names_the_front() -> None:
    search = fitted()
    for call in (
        lambda: search.best_score,
        lambda: search.best_configuration,
        lambda: search.top(3),
        lambda: search.recommend(2),
        search.dataset.get_best_parameters,
        lambda: shac.plot_history(search),
        lambda: shac.plot_dataset(search),
    ):
        with pytest.raises(ValueError, match=r"expected a single objective, got \('max', 'min'\); pareto_front\(\)"):
            call()
    single = shac.Dataset(space())
    with pytest.raises(ValueError, match="pareto_front: expected two objectives or more, got 'max'; get_best_param"):
        single.pareto_front()
    for settings, name in (({"pruning": "median"}, "pruning"), ({"warm_start": "elsewhere"}, "warm_start")):
        with pytest.raises(ValueError, match=f"{name}: expected None with 2 objectives, got"):
            engine(**settings)
    with pytest.raises(ValueError, match="warm_start: expected a search with a single objective"):
        _ = engine(objective="max", warm_start=search.dataset, save_dir="warm").state
    with pytest.raises(ValueError, match=r"objective: expected names that no parameter has, got \['x1'\]"):
        engine(objective={"x1": "max", "b": "min"})
    assert f"Pareto front of {len(search.pareto_front())}" in repr(search)
    assert f"Pareto front of {len(search.pareto_front())}" in repr(search.dataset)


def test_patience_ends_a_search_whose_rounds_add_nothing_to_the_front() -> None:
    best = (1.0, 0.0)  # of the first round alone; no later one is better in anything

    def function(worker_id: int, parameters: OrderedDict[str, Any]) -> tuple[float, float]:
        return best if not Path("begun").exists() else evaluate(worker_id, parameters)

    search = engine(function, total_budget=100, num_batches=10)

    class Begin(shac.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            Path("begun").touch()

    history = search.fit(progress=False, patience=2, callbacks=[Begin()])
    assert history.epochs == [1, 2, 3]
    assert history.history["front"] == [10, 10, 10]
    assert np.isnan(history.history["best"]).all()


def test_a_table_of_evaluations_trains_the_classifiers() -> None:
    search = fitted(objective=BOTH, save_dir="first")
    other = engine(objective=BOTH, save_dir="second")
    other.fit_dataset("first", progress=False)
    assert len(other.classifiers) == len(search.classifiers) == 3
    assert other.pareto_front() == search.pareto_front()
    with pytest.raises(ValueError, match="presort: expected False or None with several objectives, got True"):
        engine(save_dir="third").fit_dataset("first", presort=True)
    with pytest.raises(DamagedFileError, match=r"expected a header with .*score_0"):
        engine(save_dir="third").fit_dataset("first")


def test_three_objectives_are_searched_and_reported() -> None:
    def function(worker_id: int, parameters: OrderedDict[str, Any]) -> list[float]:
        return [*evaluate(worker_id, parameters), parameters["x2"]]

    search = fitted(function=function, objective=("max", "min", "max"), save_dir="run")
    assert len(search.pareto_front()) > 3
    page = shac.write_report(search).read_text()
    assert 'id="front-table"' in page
    assert 'data-figure="front"' not in page


def test_show_and_the_report_have_the_front() -> None:
    search = fitted(objective=BOTH, save_dir="run")
    front = search.pareto_front()
    shown = CliRunner().invoke(main, ["show", "run"])
    assert shown.exit_code == 0, shown.output
    assert "maximise accuracy, minimise seconds" in shown.output
    assert f"{front[0][1][0]:.5g}" in shown.output
    told = json.loads(CliRunner().invoke(main, ["show", "run", "--format", "json"]).output)
    assert [tuple(one["scores"].values()) for one in told["pareto_front"]] == [scores for _, scores in front]
    assert told["objective"] == BOTH
    assert told["best"] == []
    page = shac.write_report("run").read_text()
    assert page.count("accuracy (max)") >= 2
    figures = json.loads(page.split('id="figures">')[1].split("</script>")[0])
    assert figures["front"]["data"][1]["y"] == [seconds for _, (_, seconds) in front]
    assert "history" not in figures
    refused = CliRunner().invoke(main, ["recommend", "run"])
    assert refused.exit_code != 0
    assert "pareto_front()" in refused.output
    drawn = CliRunner().invoke(main, ["predict", "run", "-n", "2"])
    assert drawn.exit_code == 0, drawn.output
