"""The journal: every evaluation on the disk at once, and what a resumed search makes of it."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections import OrderedDict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import searches

import shac
from shac.evaluation import derive_seed
from shac.parameters import registry
from shac.store.journal import Journal, JournalEntry, read_batches, read_journal

JOURNAL = Path("shac_run/journal.jsonl")


def entry(index: int, score: float | None = 1.0) -> JournalEntry:
    error = None if score is not None else "ValueError: no"
    return JournalEntry(index, {"x": 0.25}, score, error, error, 0, 7 + index, 1, 10.0, 10.5)


def written(*scores: float | None, path: Path = Path("journal.jsonl")) -> Path:
    """Write the journal of one batch of three."""
    with Journal(path, "space") as journal:
        journal.begin_batch(0, [["0.25"], ["0.5"], ["0.75"]], [7, 8, 9])
        for index, score in enumerate(scores):
            journal.record(entry(index, score))
    return path


def test_what_is_recorded_is_read_back() -> None:
    path = written(1.5, None)
    assert read_journal(path) == [entry(0, 1.5), entry(1, None)]
    [batch] = read_batches(path)
    assert (batch.first, batch.rows, batch.seeds) == (0, [["0.25"], ["0.5"], ["0.75"]], [7, 8, 9])
    assert not batch.failed_whole()


def test_a_line_is_in_the_file_when_record_returns() -> None:
    path = written()
    journal = Journal(path, "space")
    for index in range(3):
        journal.record(entry(index))
        assert len(read_journal(path)) == index + 1
    journal.close()


def test_every_line_is_json_with_the_documented_names() -> None:
    lines = [json.loads(line) for line in written(1.5, None).read_text().splitlines()]
    assert [line["kind"] for line in lines] == ["search", "batch", "evaluation", "evaluation"]
    names = "kind index parameters score error traceback worker_id seed attempt started ended crc32"
    assert " ".join(lines[2]) == names
    assert lines[2]["score"] == 1.5
    assert lines[3]["score"] is None
    assert lines[3]["error"] == "ValueError: no"


def test_evaluations_long_enough_to_matter_are_synced_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    path = written()
    with Journal(path, "space") as journal:
        monkeypatch.setattr("os.fsync", synced.append)
        for index in range(3):
            journal.record(entry(index))  # half a second each
        assert len(synced) == 3
        for _ in range(1000):
            journal.record(JournalEntry(0, {}, 1.0, None, None, 0, 0, 1, 0.0, 0.0))
        assert len(synced) < 500  # instant ones share the wait for the disk


@pytest.mark.parametrize(("duration", "taken", "num_syncs"), [(0.3, 0.0, 2), (0.3, 0.28, 1), (2.1, 2.08, 2)])
def test_what_the_search_took_itself_is_no_part_of_a_short_evaluation(
    duration: float, taken: float, num_syncs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    with Journal(written(), "space", last_sync=time.monotonic()) as journal:
        monkeypatch.setattr("os.fsync", synced.append)
        monkeypatch.setattr("time.monotonic", lambda: journal.last_sync + 0.01)
        for _ in range(2):
            journal.record(JournalEntry(0, {}, 1.0, None, None, 0, 0, 1, 0.0, duration), taken=taken)
    assert len(synced) == num_syncs  # one as it is closed


def test_a_torn_last_line_is_cut_off_wherever_it_is_torn() -> None:
    whole = written(1.0, 2.0).read_bytes()
    begin = whole[:-1].rindex(b"\n") + 1
    path = Path("torn.jsonl")
    for end in range(begin + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert len(read_journal(path)) == 1  # a reader leaves the file alone
        assert path.stat().st_size == end
        with pytest.warns(UserWarning, match=r"torn\.jsonl: the last line was torn, \d+ bytes; it is cut off"):
            Journal(path, "space").close()
        assert path.read_bytes() == whole[:begin]


def test_a_journal_that_is_whole_is_opened_without_a_warning() -> None:
    path = written(1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Journal(path, "space").close()


def test_a_torn_line_longer_than_what_is_read_at_once_is_cut_off() -> None:
    path = written(1.0)
    whole = path.read_bytes()
    path.write_bytes(whole + b"x" * 200_000)
    with pytest.warns(UserWarning, match="200000 bytes"):
        Journal(path, "space").close()
    assert path.read_bytes() == whole


def test_damage_elsewhere_is_an_error_that_names_file_and_line() -> None:
    whole = written(1.0, 2.0).read_bytes()
    starts = [0, *(i + 1 for i, byte in enumerate(whole) if byte == 10)]
    path = Path("damaged.jsonl")
    for position in range(len(whole) - 1):
        for flip in (1, 0x20):
            damaged = bytearray(whole)
            damaged[position] ^= flip
            path.write_bytes(bytes(damaged))
            line = sum(start <= position for start in starts)
            with pytest.raises(shac.DamagedFileError, match=rf"damaged\.jsonl, line {line}\b"):
                read_journal(path)


@pytest.mark.parametrize("lines", [slice(1, None), slice(0, 1)])
def test_lines_that_are_absent_are_an_error(lines: slice) -> None:
    whole = written(1.0, 2.0).read_bytes().splitlines(keepends=True)
    kept = whole[lines] if lines.start == 1 else [whole[0], whole[2]]
    path = Path("short.jsonl")
    path.write_bytes(b"".join(kept))
    with pytest.raises(shac.DamagedFileError, match=r"short\.jsonl, line [12]: expected a line of a journal"):
        read_journal(path)


def test_the_journal_of_another_space_is_refused() -> None:
    with pytest.raises(shac.DamagedFileError, match="expected the journal of the search space other"):
        Journal(written(1.0), "other")


def test_a_disk_that_is_full_leaves_the_journal_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(1.0)
    before = path.read_bytes()
    journal = Journal(path, "space")

    class HalfWritten:
        def __init__(self, file: Any) -> None:
            self.file = file

        def write(self, data: bytes) -> int:
            if len(data) < 100:
                raise OSError(28, "No space left on device")
            return int(self.file.write(data[:-50]))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

    monkeypatch.setattr(journal, "_file", HalfWritten(journal._file))
    with pytest.raises(OSError, match="No space left"):
        journal.record(entry(1))
    journal.close()
    assert path.read_bytes() == before


def test_a_search_writes_every_evaluation_with_its_seed_and_worker() -> None:
    engine = searches.engine(total_budget=20, num_batches=2, seed=4)
    engine.fit()
    entries = read_journal(JOURNAL)
    assert [e.index for e in entries] == list(range(20))
    assert [e.score for e in entries] == engine.dataset.Y
    assert [list(e.parameters.values()) for e in entries] == engine.dataset.X
    assert [e.seed for e in entries] == [derive_seed(4, i) for i in range(20)]
    assert {e.worker_id for e in entries} <= set(range(engine.num_parallel_evaluators))
    assert all(e.started <= e.ended for e in entries)


def test_the_journal_has_every_evaluation_before_the_next_one_is_announced() -> None:
    counts = []

    class Look(shac.Callback):
        def on_evaluation_ended(self, evaluations: Any, logs: Any = None) -> None:
            counts.append(len(read_journal(JOURNAL)))

    searches.engine(total_budget=20, num_batches=2).fit(callbacks=[Look()])
    assert counts == [10, 20]


def interrupts_at(index: int, log: list[str]) -> Any:
    """Evaluate Branin one after another, write down what runs, and stop the search at one of them, once."""

    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        log.append(repr(parameters["x"]))
        if len(log) == index + 1:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return searches.branin(worker_id, parameters)

    return evaluate


@pytest.mark.parametrize("index", [0, 3, 9, 10, 25, 59])
def test_a_search_stopped_within_a_batch_goes_on_there_and_ends_the_same(index: int) -> None:
    whole = searches.engine(save_dir="whole")
    whole.fit(skip_cv_checks=True)
    log: list[str] = []
    stopped = searches.engine(interrupts_at(index, log))
    stopped.set_num_parallel_evaluators(1)
    with pytest.raises(KeyboardInterrupt, match=f"{index} of 60 evaluations are done and saved in .*shac_run"):
        stopped.fit(skip_cv_checks=True)
    assert len(read_journal(JOURNAL)) == index
    again = searches.engine(interrupts_at(10**6, log), seed=None)
    again.set_num_parallel_evaluators(1)
    again.restore_data()
    again.fit(skip_cv_checks=True)
    for name in ("dataset.csv", "manifest.json"):
        assert Path("shac_run", name).read_bytes() == Path("whole", name).read_bytes()
    expected = [repr(row[0]) for row in whole.dataset.X]
    assert log == [*expected[: index + 1], *expected[index:]]  # only the one that was stopped runs twice


def test_the_rest_of_a_batch_has_its_settings_and_seeds_whatever_the_engine_would_draw_now() -> None:
    log: list[str] = []
    stopped = searches.engine(interrupts_at(14, log), total_budget=20, num_batches=2)
    stopped.set_num_parallel_evaluators(1)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(skip_cv_checks=True)
    [*_, batch] = read_batches(JOURNAL)
    again = searches.engine(total_budget=20, num_batches=2)
    again.restore_data()
    again.set_seed(99)
    again.classifiers.clear()  # it would draw other configurations
    again.fit(skip_cv_checks=True)
    assert [[repr(value) for value in row] for row in again.dataset.X[10:]] == batch.rows
    assert [e.seed for e in read_journal(JOURNAL)[10:]] == [derive_seed(0, i) for i in range(10, 20)]


def test_a_failed_evaluation_is_not_run_again_when_the_search_goes_on() -> None:
    log: list[int] = []

    def fails_third(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        log.append(0)
        if len(log) == 3:
            raise OSError("no GPU")
        if len(log) == 5:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return 1.0 * len(log)

    engine = searches.engine(fails_third, total_budget=10, num_batches=1)
    engine.set_num_parallel_evaluators(1)
    with pytest.raises(KeyboardInterrupt):
        engine.fit()
    history = engine.fit()
    assert len(log) == 11
    assert math.isnan(engine.dataset.Y[2])
    [failure] = history.failures
    assert (failure["index"], failure["error"]) == (2, "OSError: no GPU")


def test_a_search_without_a_single_score_is_in_nobodys_way() -> None:
    def broken(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        raise OSError("no GPU")

    with pytest.raises(shac.EvaluationError):
        searches.engine(broken).fit()
    mended = searches.engine(total_budget=20, num_batches=2)
    mended.fit()
    assert [e.score for e in read_journal(JOURNAL)] == mended.dataset.Y


def test_a_search_stopped_within_its_first_batch_is_in_the_way_of_another_one() -> None:
    log: list[str] = []
    stopped = searches.engine(interrupts_at(3, log))
    stopped.set_num_parallel_evaluators(1)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit()
    with pytest.raises(shac.SaveFolderError, match="holds a search already"):
        searches.engine().fit()
    assert len(read_journal(JOURNAL)) == 3


def test_damage_in_the_journal_stops_a_resumed_search_before_it_evaluates() -> None:
    log: list[str] = []
    stopped = searches.engine(interrupts_at(13, log))
    stopped.set_num_parallel_evaluators(1)
    with pytest.raises(KeyboardInterrupt):
        stopped.fit()
    lines = JOURNAL.read_bytes().splitlines(keepends=True)
    lines[4] = lines[4].replace(b'"score":', b'"score":1')
    JOURNAL.write_bytes(b"".join(lines))
    again = searches.engine(interrupts_at(10**6, log))
    again.restore_data()
    with pytest.raises(shac.DamagedFileError, match=r"journal\.jsonl, line 5"):
        again.fit()
    assert len(log) == 14


class Halves(shac.AbstractHyperParameter):
    """Values of a class that JSON does not have."""

    def sample(self) -> Any:
        return Fraction(int(self.random.integers(1, 20)), 2)

    def to_text(self, value: Any) -> str:
        return str(value)

    def from_text(self, text: str) -> Any:
        return Fraction(text)


def test_values_that_json_does_not_have_are_written_as_their_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_custom_classes", {})
    shac.set_custom_parameter_class(Halves)

    def evaluate(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        assert type(parameters["x"]) is Fraction
        log.append("")
        if len(log) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return float(parameters["x"])

    log: list[str] = []
    engine = searches.engine(evaluate, [Halves("x")], total_budget=6, num_batches=1)
    engine.set_num_parallel_evaluators(1)
    with pytest.raises(KeyboardInterrupt):
        engine.fit()
    engine.fit()
    assert [e.parameters["x"] for e in read_journal(JOURNAL)] == [str(row[0]) for row in engine.dataset.X]


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import searches

def slow(worker_id, parameters):
    time.sleep(0.02)
    return searches.branin(worker_id, parameters)

engine = searches.engine(slow, total_budget=40, num_batches=4)
engine.evaluator_backend = {backend!r}
engine.set_num_parallel_evaluators(2)
if Path("shac_run/manifest.json").exists():
    engine.restore_data()
engine.fit(skip_cv_checks=True)
"""


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_a_search_killed_again_and_again_ends_with_the_table_of_one_that_was_not(backend: str) -> None:
    whole = searches.engine(save_dir="whole", total_budget=40, num_batches=4)
    whole.fit(skip_cv_checks=True)
    script = textwrap.dedent(SCRIPT.format(tests=str(Path(searches.__file__).parent), backend=backend))
    recorded: list[JournalEntry] = []
    for count in (3, 26, None):
        with subprocess.Popen([sys.executable, "-c", script]) as process:
            while count is not None and (not JOURNAL.exists() or len(read_journal(JOURNAL)) < count):
                assert process.poll() is None
                time.sleep(0.005)
            if count is not None:
                process.kill()
            assert process.wait() == (0 if count is None else -signal.SIGKILL)
        now = read_journal(JOURNAL)
        known = {e.index: e for e in now}
        assert all(known[e.index] == e for e in recorded)  # nothing lost, nothing run again
        recorded = now
    assert Path("shac_run/dataset.csv").read_bytes() == Path("whole/dataset.csv").read_bytes()
    lines = [json.loads(line) for line in JOURNAL.read_text().splitlines()]
    indices = [line["index"] for line in lines if line["kind"] == "evaluation"]
    assert sorted(indices) == list(range(40))
