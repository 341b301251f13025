"""Rounds of which every evaluation fails: they are information, and no search is stuck in one."""

import dataclasses
import importlib
import logging
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches

import shac
from shac.store.journal import read_journal

JOURNAL = Path("shac_run/journal.jsonl")


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    logging.getLogger("shac").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("shac").setLevel(logging.NOTSET)


class Broken:
    """Fails while it is broken, and remembers what it was given."""

    def __init__(self, error: Exception, *rounds: int) -> None:
        self.error, self.rounds, self.is_broken = error, rounds, True
        self.seen: list[float] = []

    def __call__(self, worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        self.seen.append(parameters["x"])
        number = (len(self.seen) - 1) // 10 + 1
        if self.is_broken and (not self.rounds or number in self.rounds):
            raise self.error
        return searches.branin(worker_id, parameters)


def engine(function: Any, **settings: Any) -> shac.SHAC:
    made = searches.engine(function, **settings)
    made.set_num_parallel_evaluators(1)
    return made


@pytest.mark.parametrize("strategy", ["guided", "pooled", "paper"])
@pytest.mark.parametrize("rounds", [(1, 2), (3,), (2, 3, 5, 6)])
def test_a_round_that_fails_whole_counts_and_the_search_goes_on(strategy: str, rounds: tuple[int, ...]) -> None:
    search = engine(Broken(OSError("no GPU"), *rounds), strategy=strategy)
    history = search.fit()
    assert history.history["failed"] == [10 if number in rounds else 0 for number in range(1, 7)]
    assert [math.isnan(score) for score in search.dataset.Y] == [i // 10 + 1 in rounds for i in range(60)]
    restored = engine(None)
    restored.restore_data()
    assert len(restored.dataset) == 60


def test_three_failed_rounds_in_a_row_end_the_search_and_the_next_fit_goes_on_with_new_configurations() -> None:
    function = Broken(OSError("no GPU"), 2, 3, 4, 5, 6)
    search = engine(function)
    with pytest.raises(shac.EvaluationError, match=r"of 3 rounds in a row failed, .* round 4; (.|\n)*OSError: no GPU"):
        search.fit()
    assert len(search.dataset) == 40
    function.is_broken = False
    search.fit()
    assert len(search.dataset) == 60
    assert len(set(function.seen)) == 60
    assert all(math.isfinite(score) for score in search.dataset.Y[40:])


def test_the_number_of_failed_rounds_is_the_users() -> None:
    search = engine(Broken(OSError("no GPU")), max_failed_rounds=1)
    with pytest.raises(shac.EvaluationError, match="of 1 rounds in a row failed"):
        search.fit()
    assert len(search.dataset) == 10
    patient = engine(Broken(OSError("no GPU")), max_failed_rounds=100, save_dir="patient")
    patient.fit()
    assert len(patient.dataset) == 60
    with pytest.raises(ValueError, match="max_failed_rounds: expected an integer of at least 1, got 0"):
        engine(None, max_failed_rounds=0)


@pytest.mark.parametrize(
    "error",
    [TypeError("a"), NameError("b"), AttributeError("c"), ImportError("d"), SyntaxError("e"), ModuleNotFoundError("f")],
)
def test_an_error_of_programming_in_the_first_round_ends_the_search_at_once(error: Exception) -> None:
    function = Broken(error)
    search = engine(function)
    for attempt in (1, 2):
        with pytest.raises(shac.EvaluationError, match=f"first round failed, and not for(.|\n)*{type(error).__name__}"):
            search.fit()
        assert len(search.dataset) == 0
        assert len(set(function.seen)) == 10 * attempt  # others are tried again
    function.is_broken = False
    search.fit()
    assert len(search.dataset) == 60
    assert len(set(function.seen)) == 80
    assert [entry.score for entry in read_journal(JOURNAL)] == search.dataset.Y


def test_an_error_of_programming_in_a_later_round_is_a_failed_round() -> None:
    search = engine(Broken(TypeError("a"), 2))
    search.fit()
    assert len(search.dataset) == 60


def test_a_first_round_that_was_given_up_is_drawn_anew_by_another_process() -> None:
    with pytest.raises(shac.EvaluationError):
        engine(Broken(NameError("x"))).fit()
    tables = []
    for name in ("again", "and again"):
        function = Broken(NameError("x"), 1)
        search = engine(function, save_dir=name)
        with pytest.raises(shac.EvaluationError):
            search.fit()
        if name == "again":
            search = engine(function, save_dir=name)
            search.restore_data()
        search.fit()
        tables.append(Path(name, "dataset.csv").read_bytes())
    assert tables[0] == tables[1]


def test_a_failed_round_that_was_not_taken_in_before_a_crash_counts_after_it(tmp_path: Path) -> None:
    class Crash(shac.Callback):
        def on_evaluation_ended(self, evaluations: Any, logs: Any = None) -> None:
            if all(math.isnan(score) for score in evaluations):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine(Broken(OSError("no GPU"), 2), save_dir="stopped").fit(callbacks=[Crash()])
    again = engine(searches.branin, save_dir="stopped")
    again.restore_data()
    again.fit()
    whole = engine(Broken(OSError("no GPU"), 2), save_dir="whole")
    whole.fit()
    assert Path("stopped/dataset.csv").read_bytes() == Path("whole/dataset.csv").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 7])  # no score in the first rounds of the second problem's seed 7
@pytest.mark.parametrize("number", [0, 1, 2], ids=["an edge above", "an edge below", "a small box"])
def test_the_default_search_learns_where_evaluations_fail(
    number: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent / "benchmarks"))
    boundary: Any = importlib.import_module("bench_boundary")
    problem = boundary.PROBLEMS[number]
    scores = boundary.search(problem, seed)
    assert len(scores) == 200
    assert np.nanmax(scores) > 0.99 * problem.best


def test_before_the_first_score_proposals_keep_away_from_what_failed() -> None:
    space = [shac.UniformHP("x", 0, 1), shac.UniformHP("y", 0, 1)]
    distances = {}
    for candidates in (1, 64):
        strategy = dataclasses.replace(shac.Strategy(), candidates_per_sample=candidates)
        search = searches.engine(None, space, strategy=strategy, save_dir=f"{candidates}")
        for _ in range(3):
            for configuration in search.ask(10):
                search.tell(configuration, math.nan)
        points = np.array(search.dataset.X)
        between = np.linalg.norm(points[:, None] - points[None], axis=2) + np.eye(30) * 9
        distances[candidates] = np.median(between.min(axis=1)[10:])
    assert distances[64] > 1.5 * distances[1]
