"""Limits of one call of `fit`: seconds, evaluations, and rounds without improvement."""

import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from searches import branin, engine

import shac
from shac.store.journal import read_journal

JOURNAL = Path("shac_run/journal.jsonl")


def table(folder: str = "shac_run") -> bytes:
    return Path(folder, "dataset.csv").read_bytes()


def restored(function: Any = branin, **settings: Any) -> shac.SHAC:
    again = engine(function, **settings)
    again.restore_data()
    return again


@pytest.mark.parametrize("overlap", [0, 4])
def test_a_search_in_pieces_has_the_table_of_the_unbroken_one(overlap: int) -> None:
    settings = {"total_budget": 30, "num_batches": 3}
    engine(save_dir="one", **settings).fit(overlap=overlap)
    search = engine(**settings)
    for count in (1, 7, 12, 25, 30):
        before = len(read_journal(JOURNAL)) if JOURNAL.exists() else 0
        search.fit(overlap=overlap, max_evaluations=count - before)
        assert len(read_journal(JOURNAL)) == count
        if count < 30:
            search = restored(**settings)
    assert table() == table("one")


def test_another_fit_of_the_same_engine_goes_on() -> None:
    engine(total_budget=20, num_batches=2, save_dir="one").fit()
    search = engine(total_budget=20, num_batches=2)
    assert len(search.fit(max_evaluations=13).epochs) == 1
    assert len(search.dataset) == 10
    search.fit()
    assert table() == table("one")


def test_no_evaluation_starts_after_the_seconds_and_those_that_run_end() -> None:
    started: list[float] = []

    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        started.append(time.monotonic())
        time.sleep(0.1)
        return branin(worker_id, parameters)

    search = engine(evaluate, total_budget=40, num_batches=2)
    search.set_num_parallel_evaluators(2)
    begin = time.monotonic()
    search.fit(max_seconds=0.5)
    assert 2 <= len(started) <= 12
    assert max(started) - begin < 0.5 + 0.2
    assert len(read_journal(JOURNAL)) == len(started)


def test_a_second_attempt_is_no_other_evaluation() -> None:
    def fail(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        raise OSError("busy")

    search = engine(fail, total_budget=20, num_batches=2, max_retries=2)
    search.fit(max_evaluations=3)
    assert [entry.attempt for entry in read_journal(JOURNAL)] == [3, 3, 3]


def test_patience_ends_a_search_whose_best_score_stays(caplog: pytest.LogCaptureFixture) -> None:
    scores = iter([5.0, 3.0, 4.0, 3.0, 9.0, 3.5, *range(10, 100)])
    search = engine(lambda w, p: float(next(scores)), total_budget=20, num_batches=10)
    search.set_num_parallel_evaluators(1)
    caplog.set_level("INFO", logger="shac")
    search.fit(patience=2)
    assert len(search.dataset) == 6  # the second round only equals the first
    assert "patience: 2 rounds have not made the best score better" in caplog.text
    assert search.fit(patience=2).epochs == []
    search.fit(patience=3)
    assert len(search.dataset) == 8


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_seconds": 0}, "max_seconds: expected a finite number of seconds above 0, or None, got 0"),
        ({"max_evaluations": 0}, "max_evaluations: expected an integer of at least 1, got 0"),
        ({"patience": 0}, "patience: expected an integer of at least 1, got 0"),
    ],
)
def test_limits_out_of_their_range_are_refused(limit: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        engine().fit(**limit)
    assert not Path("shac_run").exists()
