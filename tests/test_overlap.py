"""Rounds that overlap: the first configurations of a round run with the last ones of the round before."""

import json
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
from searches import branin, branin_after_a_while, engine

import shac
from shac.engine.proposals import propose
from shac.errors import DamagedFileError, EvaluationError
from shac.evaluation import derive_seed
from shac.store.journal import Journal, read_batches, read_journal

JOURNAL = Path("shac_run/journal.jsonl")


def table(folder: str = "shac_run") -> bytes:
    return Path(folder, "dataset.csv").read_bytes()


def overlapped(folder: str, **settings: Any) -> shac.SHAC:
    """Run a search on one thread."""
    search = engine(branin_after_a_while, save_dir=folder, **{"total_budget": 40, "num_batches": 4, **settings})
    search.set_num_parallel_evaluators(1)
    search.fit(overlap=4)
    return search


@pytest.mark.parametrize("num_evaluators", [2, 5, 10])
def test_the_table_is_the_same_for_any_number_of_evaluators(num_evaluators: int) -> None:
    overlapped("one")
    search = engine(branin_after_a_while, total_budget=40, num_batches=4)
    search.set_num_parallel_evaluators(num_evaluators)
    search.fit(overlap=4)
    assert table() == table("one")
    lines = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
    assert sorted(line["index"] for line in lines if line["kind"] == "evaluation") == list(range(40))


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_the_table_is_the_same_on_processes(backend: str) -> None:
    overlapped("one", total_budget=20, num_batches=2)
    search = engine(branin_after_a_while, total_budget=20, num_batches=2)
    search.evaluator_backend = backend
    search.set_num_parallel_evaluators(3)
    search.fit(overlap=4)
    assert table() == table("one")


def own_number() -> int:
    """Return the number of the evaluation that runs; calls begin in another order than they are handed out."""
    return int(shac.evaluation_dir().name.split("-")[0])


def test_the_first_of_a_round_run_before_the_round_before_ends_and_no_others() -> None:
    started: list[int] = []
    four_ahead = threading.Event()

    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        number = own_number()
        started.append(number)
        if number == 13:
            four_ahead.set()
        if number == 9:
            assert four_ahead.wait(60)
            time.sleep(0.2)
            assert len(started) == 14  # the round is not over, and four are all that was drawn ahead
        return branin(worker_id, parameters)

    search = engine(evaluate, total_budget=20, num_batches=2)
    search.set_num_parallel_evaluators(2)
    assert search.fit(overlap=4).failures == []
    first, second = read_batches(JOURNAL)
    assert first.rows[10:] == second.rows[:4]
    assert (first.num_ahead, second.num_ahead) == (4, 0)


def test_a_round_closes_while_what_is_ahead_still_runs() -> None:
    next_round = threading.Event()

    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        number = own_number()
        if number >= 14:
            next_round.set()
        if number == 10:
            assert next_round.wait(60)
        return branin(worker_id, parameters)

    search = engine(evaluate, total_budget=20, num_batches=2)
    search.set_num_parallel_evaluators(2)
    assert search.fit(overlap=4).failures == []
    first, second = read_batches(JOURNAL)
    assert {*first.entries, *second.entries} == set(range(20))
    assert min(second.entries) < 14  # it ended in the round that it belongs to


def test_what_is_drawn_ahead_knows_one_round_less() -> None:
    search = engine(branin, total_budget=40, num_batches=4)
    with pytest.raises(KeyboardInterrupt):
        search.fit(overlap=4, callbacks=[Interrupts(16)])
    known = search.state
    assert len(known) == 10
    search.fit()
    batches = [batch.rows for batch in read_batches(JOURNAL)]
    assert [len(rows) for rows in batches] == [14, 14, 14, 10]
    pending = search.dataset.X[10:14]
    seed = derive_seed(search.seed, 10, purpose="batch")
    drawn = propose(search.plan, known, 10, seed=seed, threads=1, pending=pending)
    assert drawn[:6] == search.dataset.X[14:20]
    assert drawn[6:] == search.dataset.X[20:24]
    for number in (0, 1, 2):
        assert batches[number][10:] == batches[number + 1][:4]


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import searches

engine = searches.engine(searches.branin_after_a_while, total_budget=30, num_batches=3)
engine.evaluator_backend = "loky"
engine.set_num_parallel_evaluators(3)
engine.fit(overlap=4)
"""


def test_a_search_that_was_killed_ends_with_the_table_of_one_that_was_not() -> None:
    overlapped("one", total_budget=30, num_batches=3)
    script = textwrap.dedent(SCRIPT.format(tests=str(Path(searches.__file__).parent)))
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as process:
        while not JOURNAL.exists() or not any(entry.index >= 10 for entry in read_journal(JOURNAL)):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    recorded = read_journal(JOURNAL)
    again = engine(branin_after_a_while, total_budget=30, num_batches=3)
    again.restore_data()
    again.fit()
    now = {entry.index: entry for entry in read_journal(JOURNAL)}
    assert all(now[entry.index] == entry for entry in recorded)  # nothing lost, nothing run again
    assert table() == table("one")


def test_a_search_stopped_within_a_round_goes_on_with_what_ran_ahead() -> None:
    overlapped("one")
    for stop_after in (12, 19, 31):
        search = engine(branin_after_a_while, total_budget=40, num_batches=4)
        search.set_num_parallel_evaluators(3)
        if JOURNAL.exists():
            search.restore_data()
        with pytest.raises(KeyboardInterrupt):
            search.fit(overlap=4, callbacks=[Interrupts(stop_after)])
    search.fit()
    assert table() == table("one")


class Interrupts(shac.callbacks.Callback):
    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def on_outcome(self, outcome: Any, logs: Any = None) -> None:
        if len(read_journal(JOURNAL)) >= self._count:
            raise KeyboardInterrupt


def test_what_ended_while_a_classifier_was_trained_is_saved_when_that_is_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop(*arguments: Any, **named: Any) -> Any:
        time.sleep(0.3)
        raise KeyboardInterrupt

    search = engine(branin, total_budget=20, num_batches=2)
    search.set_num_parallel_evaluators(2)
    with monkeypatch.context() as patched:
        patched.setattr("shac.engine.search.complete_round", stop)
        with pytest.raises(KeyboardInterrupt, match=r"Ctrl-C stopped the search: 1[2-4] of 20"):
            search.fit(overlap=4)
    assert len(read_journal(JOURNAL)) >= 12
    search.fit()
    engine(branin, total_budget=20, num_batches=2, save_dir="one").fit(overlap=4)
    assert table() == table("one")


@pytest.mark.parametrize("seed", range(3))
def test_asking_and_telling_in_any_order_is_the_search_of_fit(seed: int) -> None:
    engine(save_dir="one").fit(overlap=9)
    search, waiting, order = engine(None), [], random.Random(seed)
    while True:
        waiting += search.ask(order.randrange(1, 25), overlap=9)
        if not waiting:
            break
        assert len(waiting) <= 19
        order.shuffle(waiting)
        for _ in range(order.randrange(1, len(waiting) + 1)):
            configuration = waiting.pop()
            search.tell(configuration, branin(0, configuration))
    assert table() == table("one")


def test_configurations_ahead_are_known_after_a_restart() -> None:
    engine(save_dir="one").fit(overlap=4)
    first = engine(None)
    *own, a, b, c, d = first.ask(14, overlap=4)
    assert first.ask(5) == []
    first.tell(a, branin(0, a))
    for configuration in own[1:]:
        first.tell(configuration, branin(0, configuration))
    again = engine(None)
    again.restore_data()
    again.tell(dict(b), branin(0, b))  # as another process hands it over
    again.tell(own[0], branin(0, own[0]))
    assert len(again.dataset) == 10
    assert [getattr(configuration, "number") for configuration in again.ask(3)] == [12, 13, 14]  # noqa: B009
    with pytest.raises(ValueError, match="whose score is not told yet"):
        again.tell(a, 1.0)
    again = engine()
    again.restore_data()
    again.fit()
    assert table() == table("one")
    assert [c["x"], d["x"]] == [row[0] for row in again.dataset.X[12:14]]


def test_all_of_a_last_round_may_be_told_before_the_round_before_it_ends() -> None:
    search = engine(None, total_budget=20, num_batches=2)
    search._search.end_within_round(13)
    first, *rest = search.ask(13, overlap=6)
    for configuration in [*rest, first]:
        search.tell(configuration, branin(0, configuration))
    assert len(search.dataset) == 13
    assert search.ask() == []


def test_the_overlap_belongs_to_the_search() -> None:
    search = engine(branin, total_budget=30, num_batches=3)
    for wrong, message in [
        (10, "overlap: expected less than the 10 evaluations of a round, got 10"),
        (-1, "overlap: expected an integer of at least 0, got -1"),
        (1.5, "overlap: expected an integer of at least 0, got 1.5"),
    ]:
        with pytest.raises(ValueError, match=message):
            search.fit(overlap=wrong)  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        search.fit(overlap=3, callbacks=[Interrupts(2)])
    assert searches.read_manifest(Path("shac_run"))["settings"]["overlap"] == 3
    again = engine(branin, total_budget=30, num_batches=3)
    again.restore_data()
    with pytest.raises(ValueError, match=r"overlap: expected 3, that of the search in .*, or None for it, got 0"):
        again.fit(overlap=0)
    again.fit(overlap=3)
    engine(branin, total_budget=30, num_batches=3, save_dir="one").fit(overlap=3)
    assert table() == table("one")


def test_a_search_without_overlap_is_written_as_before() -> None:
    engine(branin, total_budget=20, num_batches=2).fit()
    assert "overlap" not in searches.read_manifest(Path("shac_run"))["settings"]
    assert all(set(line) <= {"kind", "first", "rows", "seeds", "crc32"} for line in batch_lines())


def batch_lines() -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
    return [line for line in lines if line["kind"] == "batch"]


def test_a_search_that_begins_with_a_table_draws_its_next_round_whole() -> None:
    engine(branin, total_budget=40, num_batches=4, save_dir="source").fit()
    search = engine(branin, total_budget=40, num_batches=4)
    Path("begin").mkdir()
    lines = Path("source/dataset.csv").read_text().splitlines(keepends=True)
    Path("begin/dataset.csv").write_text("".join(lines[:21]))
    search.fit_dataset("begin", partial=True)
    search.fit(overlap=4)
    assert [(batch.first, len(batch.rows), batch.num_ahead) for batch in read_batches(JOURNAL)] == [
        (20, 14, 4),
        (30, 10, 0),
    ]


def test_a_first_round_of_programming_errors_is_drawn_anew_with_what_is_ahead() -> None:
    def wrong(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        raise TypeError("no")

    search = engine(wrong, total_budget=20, num_batches=2)
    with pytest.raises(EvaluationError, match="all 10 evaluations of the first round failed"):
        search.fit(overlap=4)
    search.evaluation_function = branin
    search.fit()
    first, second, third = read_batches(JOURNAL)
    assert not {tuple(row) for row in first.rows} & {tuple(row) for row in second.rows}
    assert second.rows[10:] == third.rows[:4]
    assert np.isfinite(search.dataset.Y).all()


def test_a_batch_with_more_ahead_than_it_has_is_damage() -> None:
    with Journal(Path("journal.jsonl"), "space") as journal:
        journal.begin_batch(0, [["0.25"], ["0.5"]], [7, 8], num_ahead=3)
    with pytest.raises(DamagedFileError, match=r"line 2: expected at most 2 configurations ahead, got 3"):
        list(read_batches(Path("journal.jsonl")))


def test_proposals_keep_away_from_what_is_pending() -> None:
    search = engine(branin, total_budget=40, num_batches=4)
    search.fit()
    rows = propose(search.plan, search.state, 5, seed=3, threads=1)
    others = propose(search.plan, search.state, 5, seed=3, threads=1, pending=rows)
    assert others != rows
    again = propose(search.plan, search.state, 2, seed=3, threads=1, pending=rows)
    assert others[:2] == again
