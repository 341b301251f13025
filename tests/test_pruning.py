"""Evaluations that end early, since they are worse than those of closed rounds were at the same step."""

import csv
import hashlib
import itertools
import json
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
from click.testing import CliRunner
from searches import branin, branin_in_steps, engine

import shac
from shac.cli import main
from shac.engine.pruning import closed_curves, limits_of
from shac.errors import DamagedFileError
from shac.store.journal import Journal, JournalEntry, read_batches, read_journal
from shac.store.table import without_pruned

JOURNAL = Path("shac_run/journal.jsonl")
SETTINGS = {"total_budget": 40, "num_batches": 4, "pruning": "median"}


def table(folder: str = "shac_run") -> bytes:
    return Path(folder, "dataset.csv").read_bytes()


def pruned_search(**settings: Any) -> shac.SHAC:
    search = engine(branin_in_steps, **{**SETTINGS, **settings})
    search.fit()
    return search


def test_what_is_worse_than_the_median_of_closed_rounds_ends_and_is_no_failure() -> None:
    search = engine(branin_in_steps, **SETTINGS)
    history = search.fit()
    assert history.history["pruned"][0] == 0
    assert sum(history.history["pruned"]) == len(search.state.pruned) > 0
    assert history.history["failed"] == [0] * 4
    assert history.failures == []
    entries = read_journal(JOURNAL)
    for number, entry in enumerate(entries):
        assert entry.pruned == (number in search.state.pruned)
        assert np.isnan(search.dataset.Y[number]) == entry.pruned
        limits = limits_of(shac.Pruning(), "min", closed_curves(JOURNAL, number // 10 * 10))
        if number >= 10:
            best = np.minimum.accumulate([value for _, value in entry.curve])
            worse = [bool(value > limits.losses[step]) for value, (step, _) in zip(best, entry.curve, strict=True)]
            assert worse == [False] * (len(worse) - entry.pruned) + [True] * entry.pruned
    assert all(entry.score == entry.curve[-1][1] for entry in entries if entry.pruned)
    assert all(len(entry.curve) == 5 for entry in entries if not entry.pruned)
    assert search.best_score == min(entry.score or 0.0 for entry in entries if not entry.pruned)


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_table_is_the_same_for_other_evaluators(backend: str) -> None:
    settings = {**SETTINGS, "total_budget": 30, "num_batches": 3}
    one = engine(branin_in_steps, **settings, save_dir="one")
    one.set_num_parallel_evaluators(1)
    one.fit(overlap=4)
    search = engine(branin_in_steps, **settings)
    search.evaluator_backend = backend
    search.set_num_parallel_evaluators(4)
    search.fit(overlap=4)
    assert search.state.pruned
    assert table() == table("one")


def test_a_search_that_was_stopped_prunes_as_one_that_was_not() -> None:
    whole = engine(branin_in_steps, **SETTINGS, save_dir="one")
    whole.fit(overlap=4)
    for count in (13, 9, None):
        search = engine(branin_in_steps, total_budget=40, num_batches=4)
        if JOURNAL.exists():
            search.restore_data()
        else:
            search = engine(branin_in_steps, **SETTINGS)
        search.fit(overlap=4, max_evaluations=count)
    assert search.strategy == whole.strategy
    assert search.state.pruned == whole.state.pruned
    assert table() == table("one")
    other = engine(branin_in_steps, **{**SETTINGS, "pruning": "halving"})
    with pytest.raises(ValueError, match=r"pruning: expected that of .*rule='median'.*got Pruning\(rule='halving'"):
        other.restore_data()


def test_the_table_has_what_pruned_evaluations_reported_last_and_says_that_they_were_pruned() -> None:
    search = pruned_search()
    last = {entry.index: entry.curve[-1][1] for entry in read_journal(JOURNAL) if entry.pruned}
    assert search.dataset.pruned == last
    assert last
    with Path("shac_run/dataset.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    frame = search.dataset.to_pandas()
    assert list(frame.columns) == ["x", "y", "scores", "pruned", "last_value"] == list(lines[0])[1:]
    for number, line in enumerate(lines):
        expected = ("nan", "True", repr(last[number])) if number in last else (line["scores"], "False", "")
        assert (line["scores"], line["pruned"], line["last_value"]) == expected
    assert dict(frame["last_value"][frame["pruned"]]) == last
    assert frame["scores"].isna().equals(frame["pruned"])
    assert frame["last_value"].notna().equals(frame["pruned"])
    again = engine(**{**SETTINGS, "pruning": None})
    again.restore_data()
    assert again.state.pruned == again.dataset.pruned == last
    assert shac.Dataset.load_from_directory("shac_run").pruned == last
    assert again.dataset.to_csv().encode() == table()


def test_what_a_pruned_evaluation_reported_is_never_the_best() -> None:
    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        shac.report(1, -1000.0 if parameters["x"] > 5 else 0.0)
        if parameters["x"] > 5:
            raise shac.Pruned
        return branin(worker_id, parameters)

    search = engine(evaluate, **{**SETTINGS, "pruning": None})
    search.fit()
    assert set(search.dataset.pruned.values()) == {-1000.0}
    assert search.best_score > 0
    assert search.best_configuration["x"] <= 5
    assert search.dataset.get_best_parameters() == search.best_configuration
    assert all(score > 0 for _, score in search.top(40))
    assert all(one.configuration["x"] <= 5 for one in search.recommend(3))


def test_a_crash_between_the_first_table_with_pruned_evaluations_and_its_manifest_loses_nothing() -> None:
    pruned_search(save_dir="whole")
    search = engine(branin_in_steps, **SETTINGS)
    search.fit(max_evaluations=10)
    manifest, before = Path("shac_run/manifest.json").read_bytes(), table()
    search.fit(max_evaluations=10)
    assert search.state.pruned
    assert not table().startswith(before)
    Path("shac_run/manifest.json").write_bytes(manifest)
    again = engine(branin_in_steps, **SETTINGS)
    again.restore_data()
    assert len(again.dataset) == 10
    assert again.dataset.to_csv().encode() == before
    again.fit()
    assert table() == table("whole")
    Path("shac_run/manifest.json").write_bytes(manifest)
    Path("shac_run/dataset.csv").write_bytes(table().replace(b"\n0,", b"\n0,1", 1))
    with pytest.raises(DamagedFileError, match=r"dataset.csv: expected \d+ bytes with sha256"):
        engine(branin_in_steps, **SETTINGS).restore_data()


def test_a_search_of_before_tables_had_last_values_goes_on() -> None:
    pruned_search(save_dir="whole")
    search = engine(branin_in_steps, **SETTINGS)
    search.fit(max_evaluations=20)
    pruned = search.state.pruned
    old = without_pruned(table(), "dataset.csv")
    Path("shac_run/dataset.csv").write_bytes(old)
    manifest = searches.read_manifest(Path("shac_run"))
    manifest["files"]["dataset.csv"] = {"size": len(old), "sha256": hashlib.sha256(old).hexdigest()}
    searches.write_manifest(Path("shac_run"), manifest)
    again = engine(branin_in_steps, **SETTINGS)
    again.restore_data()
    assert again.state.pruned.keys() == pruned.keys()
    assert np.isnan(list(again.state.pruned.values())).all()
    again.fit()
    assert without_pruned(table(), "") == without_pruned(table("whole"), "")


def test_parameters_may_have_the_names_of_the_columns_of_pruned_evaluations() -> None:
    dataset = shac.Dataset([shac.UniformHP("pruned", 0.0, 1.0), shac.DiscreteHP("last_value", ["a,b", "c\nd"])])
    dataset.set_dataset([[0.5, "a,b"], [0.25, "c\nd"]], [1.0, np.nan])
    dataset.pruned = {1: 7.5}
    text = dataset.to_csv()
    assert text.splitlines()[0] == "id,pruned,last_value,scores,pruned_,last_value_"
    again = shac.Dataset.from_csv(text, dataset.parameters or [])
    assert (again.X, again.pruned) == (dataset.X, {1: 7.5})
    frame = dataset.to_pandas()
    assert list(frame["pruned_"]) == [False, True]
    assert list(frame["pruned"]) == [0.5, 0.25]
    before = shac.Dataset(dataset.parameters)
    before.set_dataset(dataset.X, dataset.Y)
    assert without_pruned(text.encode(), "") == before.to_csv().encode()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0,0.5,1.0,True,2.0", "expected a pruned evaluation, with nan as its score"),
        ("0,0.5,nan,yes,2.0", "expected a pruned evaluation"),
        ("0,0.5,1.0,False,2.0", "expected a pruned evaluation"),
        ("0,0.5,nan,True,2", "column 'last_value': expected '2.0'"),
        ("0,0.5,nan", "expected 5 fields, got 3"),
    ],
)
def test_damaged_marks_of_pruned_evaluations_are_named(line: str, message: str) -> None:
    with pytest.raises(DamagedFileError, match=message):
        shac.Dataset.from_csv(f"id,x,scores,pruned,last_value\n{line}\n", [shac.UniformHP("x", 0.0, 1.0)])


def test_pruned_evaluations_count_as_worse_than_the_median() -> None:
    state = engine().state.with_points([[0.0, 0.0]] * 4, [1.0, 2.0, np.nan, np.nan], [None, None, 9.0, None])
    assert state.scores_to_learn("min")[:3].tolist() == [1.0, 2.0, 2.0]
    assert np.isnan(state.scores_to_learn("min")[3])
    assert state.scores_to_learn("max")[2] == 1.0
    assert state.with_points([[0.0, 0.0]], [np.nan], [np.nan]).pruned.keys() == {2, 4}


def test_points_that_are_taken_out_by_hand_are_not_pruned_any_more() -> None:
    search = pruned_search()
    search.dataset.set_dataset(search.dataset.X[:15], search.dataset.Y[:15])
    assert search.state.pruned.keys() == {number for number in range(15) if np.isnan(search.dataset.Y[number])}
    assert search.dataset.pruned == search.state.pruned
    assert np.isfinite(search.state.scores_to_learn("min")).all()


def test_without_pruning_curves_are_kept_and_nobody_ends() -> None:
    engine(branin_in_steps, total_budget=20, num_batches=2).fit()
    assert all(len(entry.curve) == 5 and not entry.pruned for entry in read_journal(JOURNAL))
    engine(branin, total_budget=20, num_batches=2, save_dir="plain").fit()
    assert Path("plain/dataset.csv").read_bytes() == table()
    plain = Path("plain/journal.jsonl").read_text()
    assert "curve" not in plain
    assert "pruned" not in plain
    assert "prun" not in Path("plain/manifest.json").read_text()


def test_evaluations_that_are_asked_for_are_pruned_when_they_report() -> None:
    pruned_search(save_dir="one")
    search = engine(None, **SETTINGS)
    while configurations := search.ask(10):
        for configuration in reversed(configurations):
            value: float | None = branin(0, configuration)
            for step in range(1, 6):
                height = 100 * (1 + float(np.sin(50 * configuration["x"])))
                if search.report(configuration, step, branin(0, configuration) + height / step):
                    value = None
                    break
            search.tell(configuration, value)
    assert search.state.pruned
    assert table() == table("one")
    search = engine(None, **SETTINGS, save_dir="other")
    with pytest.raises(ValueError, match=r"score: expected a number, or None for what report\(\) has ended, got None"):
        search.tell(search.ask()[0], None)


def test_evaluations_of_many_rounds_may_report_at_the_same_time() -> None:
    search = engine(None, total_budget=100, num_batches=10, pruning="median")
    slow: list[Any] = []
    steps = itertools.count(2)
    while configurations := search.ask(1):
        (configuration,) = configurations
        if len(search.dataset) >= 10 * (len(slow) + 1) and len(slow) < 5:
            slow.append(configuration)
            continue
        value = branin(0, configuration)
        is_worse = search.report(configuration, 1, value)
        search.tell(configuration, None if is_worse else value)
        step = next(steps)
        assert not any(search.report(waiting, step, -1e6) for waiting in slow)
    for waiting in slow:
        search.tell(waiting, branin(0, waiting))
    assert len(search.dataset) == 100


def test_the_rungs_of_halving_keep_the_best_third() -> None:
    curves = [[[step, float(rank)] for step in range(10)] for rank in range(9)]
    limits = limits_of(shac.Pruning(rule="halving", min_steps=2), "min", curves)
    assert sorted(limits.losses) == [2, 6]
    assert [rank for rank in range(9) if not limits.is_worse([(2, float(rank))])] == [0, 1, 2]
    limits = limits_of(shac.Pruning(min_steps=4), "max", curves)
    assert sorted(limits.losses) == list(range(4, 10))
    assert [rank for rank in range(9) if not limits.is_worse([(4, float(rank))])] == [4, 5, 6, 7, 8]
    assert not limits.is_worse([(3, 9.0), (4, 0.0)])  # its best value counts
    assert limits_of(shac.Pruning(), "min", curves[:3]).losses == {}


def test_a_curve_that_ended_early_does_not_count_beyond() -> None:
    curves = [[[1, 0.0], [2, 0.0]]] * 4 + [[[1, 9.0]]] * 5
    assert limits_of(shac.Pruning(), "min", curves).losses == {1: 9.0, 2: 0.0}


def test_what_cannot_be_reported_fails_the_evaluation() -> None:
    wrong: list[tuple[Any, Any]] = [(1.5, 0.0), (True, 0.0), (-1, 0.0), (3, 0.0), (4, None), (4, float("nan"))]
    calls = iter(wrong)

    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        shac.report(3, 0.0) if len(seen) > 2 else None
        seen.append(1)
        shac.report(*next(calls))
        return 0.0

    seen: list[int] = []
    search = engine(evaluate, total_budget=6, num_batches=1)
    search.set_num_parallel_evaluators(1)
    reasons = [failure["error"] for failure in search.fit().failures]
    assert [reason.partition(", got")[0] for reason in reasons] == [
        "TypeError: step must be an integer of 0 or more",
        "TypeError: step must be an integer of 0 or more",
        "ValueError: step must be 0 or more",
        "ValueError: step must be 4 or more",
        "TypeError: report must take a real number",
        "ValueError: report must take a finite number",
    ]
    with pytest.raises(LookupError, match=r"report\(\) was called outside of an evaluation function"):
        shac.report(1, 0.0)


def test_pruned_may_be_raised_by_hand() -> None:
    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        if parameters["x"] > 0:
            raise shac.Pruned
        return branin(worker_id, parameters)

    search = engine(evaluate, **{**SETTINGS, "pruning": None})
    assert search.fit().failures == []
    assert all((number in search.state.pruned) == (row[0] > 0) for number, row in enumerate(search.dataset.X))
    again = engine(**{**SETTINGS, "pruning": None})
    again.restore_data()
    assert again.state.pruned.keys() == search.state.pruned.keys()


def test_show_and_the_report_tell_pruned_from_failed() -> None:
    search = pruned_search()
    shown = CliRunner().invoke(main, ["show", "shac_run"]).output
    assert f"40 of 40, in 4 rounds of 10; {len(search.state.pruned)} pruned" in shown
    assert "Failed evaluations" not in shown
    last = min(search.state.pruned, key=lambda number: search.state.pruned[number])
    few = CliRunner().invoke(main, ["show", "shac_run", "--best", "2"]).output
    few = few.partition(f"Pruned evaluations, by what they reported last; {len(search.state.pruned) - 2} more")[2]
    lines = [line.split()[:2] for line in few.partition("Stages")[0].splitlines() if line.strip()[:1].isdigit()]
    assert lines[0] == [str(last), f"{search.state.pruned[last]:.5g}"]
    assert len(lines) == 2
    described = json.loads(CliRunner().invoke(main, ["show", "shac_run", "--format", "json"]).output)["pruned"]
    assert {one["evaluation"]: one["last_value"] for one in described} == search.state.pruned
    page = shac.write_report(search).read_text()
    figures = json.loads(page.partition('id="figures">')[2].partition("</script>")[0])
    assert [trace["name"] for trace in figures["curves"]["data"]] == ["to its end", "pruned"]
    assert page.count("<td>pruned at ") == len(search.state.pruned)
    assert "<td>failed</td>" not in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "mean"}, "rule: expected 'median' or 'halving', got 'mean'"),
        ({"min_steps": 0}, "min_steps: expected an integer of at least 1, got 0"),
        ({"reduction": 1}, "reduction: expected an integer of at least 2, got 1"),
        ({"warmup_rounds": 0}, "warmup_rounds: expected an integer of at least 1, got 0"),
    ],
)
def test_a_pruning_checks_its_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        shac.Pruning(**arguments)


def test_other_prunings_are_refused() -> None:
    with pytest.raises(ValueError, match="pruning: expected 'median', 'halving', a Pruning or None, got 'all'"):
        engine(pruning="all")


def test_damaged_curves_and_prunings_are_named() -> None:
    with Journal(Path("journal.jsonl"), "space") as journal:
        journal.begin_batch(0, [["0.25"]], [7])
        entry = JournalEntry(0, {}, 1.0, None, None, 0, 7, 1, 0.0, 1.0, [[1, "2"]])
        journal.record(entry)
    with pytest.raises(DamagedFileError, match="line 3: expected steps and values of a curve"):
        list(read_batches(Path("journal.jsonl")))
    pruned_search()
    manifest = searches.read_manifest(Path("shac_run"))
    for change, message in [
        ({"settings": {**manifest["settings"], "pruning": {"rule": "mean"}}}, "pruning: rule: expected"),
        ({"settings": {**manifest["settings"], "pruning": {"speed": 1}}}, "pruning: expected the arguments"),
        ({"progress": {**manifest["progress"], "pruned": [40]}}, "expected the settings and the progress"),
    ]:
        searches.write_manifest(Path("shac_run"), {**manifest, **change})
        with pytest.raises(DamagedFileError, match=message):
            engine(**{**SETTINGS, "pruning": None}).restore_data()
