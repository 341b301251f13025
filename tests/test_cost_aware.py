"""Searches that know how long evaluations take: what they choose, what they learn it from, and that it is kept."""

import datetime as dt
import math
import signal
import subprocess
import sys
import textwrap
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import searches
from hypothesis import given, settings
from hypothesis import strategies as st
from searches import engine, read_manifest, write_manifest

import shac
from shac.engine.cost_aware import CostModel
from shac.engine.plan import SearchArguments, SearchPlan
from shac.engine.proposals import propose
from shac.engine.state import SearchState
from shac.integrations.optuna import SHACSampler
from shac.store.journal import read_journal

JOURNAL = Path("shac_run") / "journal.jsonl"


def table(folder: str = "shac_run") -> bytes:
    return (Path(folder) / "dataset.csv").read_bytes()


def valley(configuration: Any) -> float:
    """Good values are found for any x, that of y alone decides."""
    return float((configuration["y"] - 4.0) ** 2)


def seconds_of(configuration: Any) -> float:
    """From 1 to 1,000 as x grows."""
    return float(10 ** ((configuration["x"] + 5) / 5))


def asked(
    *,
    cost_aware: bool | None = True,
    seconds: Callable[[Any], float | None] = seconds_of,
    loss: Callable[[Any], float] = valley,
    **options: Any,
) -> shac.SHAC:
    search = engine(None, cost_aware=cost_aware, **options)
    return told(search, seconds, loss)


def told(
    search: shac.SHAC, seconds: Callable[[Any], float | None] = seconds_of, loss: Callable[[Any], float] = valley
) -> shac.SHAC:
    while configurations := search.ask(10):
        for configuration in configurations:
            search.tell(configuration, loss(configuration), seconds=seconds(configuration))
    return search


def configurations_of(search: shac.SHAC) -> list[OrderedDict[str, Any]]:
    return [search.dataset.prepare_parameter(row) for row in search.dataset.X]


def test_what_takes_long_is_tried_less_where_it_is_no_better() -> None:
    aware, plain = asked(save_dir="aware", seed=1), asked(cost_aware=False, seed=1)
    first, others = slice(0, 10), slice(10, None)
    assert configurations_of(aware)[first] == configurations_of(plain)[first]
    spent = [sum(map(seconds_of, configurations_of(search)[others])) for search in (aware, plain)]
    assert spent[0] < spent[1] / 4
    assert aware.best_score < 0.01


def test_what_takes_long_is_tried_where_only_that_is_good() -> None:
    search = asked(loss=lambda configuration: (configuration["x"] - 8.0) ** 2 + valley(configuration))
    assert search.best_configuration["x"] > 7.0


def test_costs_weigh_less_the_more_of_the_budget_is_used_up() -> None:
    search = asked()
    times = np.array([seconds_of(configuration) for configuration in configurations_of(search)])
    assert np.median(times[50:]) > 2 * np.median(times[10:30])


def test_without_the_option_times_change_nothing() -> None:
    asked(cost_aware=False, seconds=lambda configuration: None)
    asked(cost_aware=None, save_dir="told")
    assert table() == table("told")
    for folder in ("shac_run", "told"):
        manifest = read_manifest(Path(folder))
        assert "cost_aware" not in manifest["settings"]
        assert "seconds" not in manifest["progress"]


def test_times_are_those_of_closed_rounds() -> None:
    fast = engine(None, cost_aware=True, save_dir="fast")
    slow = engine(None, cost_aware=True)
    for search, of_open_round in ((fast, 1e-3), (slow, 1e3)):
        for number, configuration in enumerate(search.ask(15)):
            search.tell(configuration, valley(configuration), seconds=1.0 if number < 10 else of_open_round)
    assert fast.ask(20) == slow.ask(20)


def test_other_times_make_another_search_and_another_unit_does_not() -> None:
    asked()
    asked(save_dir="other", seconds=lambda configuration: 1001.0 - seconds_of(configuration))
    asked(save_dir="milliseconds", seconds=lambda configuration: 1024 * seconds_of(configuration))
    assert table() == table("milliseconds") != table("other")


@pytest.mark.parametrize("told_in_between", [10, 5])
def test_a_search_that_is_restored_anywhere_goes_on_as_if_it_had_not_been_stopped(told_in_between: int) -> None:
    asked(save_dir="whole")
    while True:
        search = engine(None)
        if JOURNAL.exists():
            search.restore_data()
        else:
            search = engine(None, cost_aware=True)
        configurations = search.ask(told_in_between)
        if not configurations:
            break
        for configuration in configurations:
            search.tell(configuration, valley(configuration), seconds=seconds_of(configuration))
    assert table() == table("whole")


def replayed(recorded: dict[int, Any], folder: str) -> shac.SHAC:
    """Make the search again from what the journal of another has of its evaluations."""
    search = engine(None, total_budget=30, num_batches=3, cost_aware=True, save_dir=folder)
    while configurations := search.ask(10):
        for configuration in configurations:
            entry = recorded[configuration.number]  # type: ignore[attr-defined]
            score = math.nan if entry.score is None else entry.score
            search.tell(configuration, score, seconds=entry.ended - entry.started)
    return search


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import searches

engine = searches.engine(searches.branin_after_a_while, total_budget=30, num_batches=3, cost_aware=True)
engine.evaluator_backend = "loky"
engine.set_num_parallel_evaluators(3)
engine.fit()
"""


def test_a_search_that_was_killed_ends_with_the_table_that_its_recorded_times_make() -> None:
    script = textwrap.dedent(SCRIPT.format(tests=str(Path(searches.__file__).parent)))
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as process:
        while not JOURNAL.exists() or not any(entry.index >= 13 for entry in read_journal(JOURNAL)):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    before = read_journal(JOURNAL)
    again = engine(searches.branin_after_a_while, total_budget=30, num_batches=3)
    again.restore_data()
    again.fit()
    recorded = {entry.index: entry for entry in read_journal(JOURNAL)}
    assert all(recorded[entry.index] == entry for entry in before)
    replayed(recorded, "again")
    assert table() == table("again")
    manifest = read_manifest(Path("shac_run"))
    assert manifest["progress"]["seconds"] == [recorded[i].ended - recorded[i].started for i in range(30)]


def test_the_folder_remembers_the_option() -> None:
    asked(save_dir="plain", cost_aware=False)
    asked()
    for folder, expected in (("plain", False), ("shac_run", True)):
        restored = engine(None, save_dir=folder)
        restored.restore_data()
        assert restored.plan.cost_aware is expected
        assert restored.state.seconds[3] == seconds_of(configurations_of(restored)[3]) or not expected
        with pytest.raises(ValueError, match=f"cost_aware: expected {expected}, that of .*, got {not expected}"):
            engine(None, save_dir=folder, cost_aware=not expected).restore_data()


def test_evaluations_whose_times_nobody_knows_are_none_of_the_model_s() -> None:
    asked(cost_aware=False, save_dir="table", total_budget=20, num_batches=2)
    search = engine(None, cost_aware=True)
    search.fit_dataset("table/dataset.csv", partial=True)
    restored = engine(None)
    restored.restore_data()
    assert np.isnan(restored.state.seconds).tolist() == [True] * 20
    told(restored)
    assert np.isfinite(restored.state.seconds[20:]).all()


@pytest.mark.parametrize(
    "change",
    [
        {"seconds": None},
        {"seconds": [1.0] * 59},
        {"seconds": ["1.0"] * 60},
    ],
    ids=["none", "too-few", "texts"],
)
def test_a_folder_whose_times_are_damaged_is_refused(change: dict[str, Any]) -> None:
    asked()
    manifest = read_manifest(Path("shac_run"))
    manifest["progress"].update(change)
    write_manifest(Path("shac_run"), manifest)
    with pytest.raises(shac.DamagedFileError, match="expected the settings and the progress of a search"):
        engine(None).restore_data()


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, "1", True])
def test_seconds_that_are_no_time_are_an_error(seconds: Any) -> None:
    search = engine(None, cost_aware=True)
    (configuration,) = search.ask()
    with pytest.raises(ValueError, match="seconds: expected a finite number, not below 0, or None, got"):
        search.tell(configuration, 1.0, seconds=seconds)


def test_seconds_may_only_be_missing_of_what_failed_or_of_a_search_that_does_not_need_them() -> None:
    search = engine(None, cost_aware=True)
    first, second = search.ask(2)
    with pytest.raises(ValueError, match="seconds: expected how long the evaluation took, as cost_aware is set"):
        search.tell(first, 1.0)
    search.tell(first, math.nan)
    search.tell(second, 1.0, seconds=0)
    plain = engine(None, save_dir="plain")
    plain.tell(plain.ask()[0], 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost_aware": 1}, "cost_aware: expected True, False or None, got 1"),
        ({"strategy": "paper"}, "cost_aware: expected False with a strategy that has one candidate"),
        ({"objective": ("min", "max")}, "cost_aware: expected None with 2 objectives, got True"),
    ],
)
def test_what_cannot_be_aware_of_costs_is_an_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine(None, **{"cost_aware": True, **options})


def test_pruned_evaluations_count_with_the_time_until_then_and_failed_ones_do_not() -> None:
    space = searches.branin_space()
    plan = SearchPlan.resolve(SearchArguments.checked(space, 60, 6, "min", 18, 0, "guided", cost_aware=True))
    rows = [[-4.0, 1.0], [0.0, 2.0], [4.0, 3.0], [8.0, 4.0]]
    state = SearchState.empty(space).with_points(
        rows, [1.0, math.nan, math.nan, 2.0], [None, 3.0, None, None], [1.0, 10.0, 1e9, math.nan]
    )
    model = CostModel.of(plan, state)
    expected = CostModel(space, state.X[:2], np.array([1.0, 10.0]), reference=5.5)
    assert model is not None
    assert model.costs(state.X).tolist() == expected.costs(state.X).tolist()
    nothing = SearchState.empty(space).with_points(rows, [1.0, 2.0, 3.0, 4.0])
    assert CostModel.of(plan, nothing) is None
    assert propose(plan, nothing, 2, seed=1, threads=1)


@settings(max_examples=50)
@given(
    slopes=st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    level=st.floats(-3, 4),
    unit=st.sampled_from([1e-3, 60.0, 3600.0]),
)
def test_times_that_are_products_of_what_parameters_do_are_predicted_in_any_unit(
    slopes: tuple[float, float], level: float, unit: float
) -> None:
    space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0), shac.UniformHP("y", 0.0, 1.0)])
    X = np.random.default_rng(0).random((40, 2)).astype(np.float32)
    seconds = 10 ** (level + X @ np.array(slopes))
    reference = float(np.median(seconds))
    costs = CostModel(space, X, seconds, reference).costs(X)
    assert np.allclose(costs, np.log10(1 + seconds / reference), atol=0.05)
    assert (costs > 0).all()
    assert np.allclose(costs, CostModel(space, X, unit * seconds, unit * reference).costs(X))


def test_in_a_study_of_optuna_a_trial_takes_the_time_from_its_start_to_its_end() -> None:
    distributions: dict[str, Any] = {
        "x": optuna.distributions.FloatDistribution(-5.0, 10.0),
        "y": optuna.distributions.FloatDistribution(0.0, 15.0),
    }
    medians = []
    for cost_aware in (True, False):
        study = optuna.create_study(sampler=SHACSampler(seed=0, cost_aware=cost_aware))
        random = np.random.default_rng(0)
        for number in range(10):
            params = {"x": random.uniform(-5, 10), "y": random.uniform(0, 15)}
            began = dt.datetime(2026, 1, 1)  # noqa: DTZ001 - as Optuna has it
            study.add_trial(
                optuna.trial.FrozenTrial(
                    number=number,
                    trial_id=number,
                    state=optuna.trial.TrialState.COMPLETE,
                    value=valley(params),
                    datetime_start=began,
                    datetime_complete=began + dt.timedelta(seconds=seconds_of(params)),
                    params=params,
                    distributions=distributions,
                    user_attrs={},
                    system_attrs={},
                    intermediate_values={},
                )
            )
        medians.append(np.median([seconds_of(study.ask(distributions).params) for _ in range(10)]))
    assert medians[0] < medians[1] / 1.5
    with pytest.raises(ValueError, match="cost_aware: expected False with a strategy that has one candidate"):
        SHACSampler(cost_aware=True, strategy="pooled")
