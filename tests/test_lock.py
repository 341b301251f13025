"""One owner for a save folder, and readers at any time."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import searches

import shac
from shac.store.journal import read_journal
from shac.store.lock import FolderLock

TESTS = str(Path(searches.__file__).parent)


def script(body: str) -> list[str]:
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {TESTS!r})\n{textwrap.dedent(body)}"]


HOLDS = """
    import time
    from pathlib import Path
    from shac.store.lock import FolderLock
    with FolderLock(Path("folder")):
        Path("held").touch()
        time.sleep(60)
"""

SLOW_SEARCH = """
    import time
    from pathlib import Path
    import searches

    def slow(worker_id, parameters):
        time.sleep(0.02)
        return searches.branin(worker_id, parameters)

    engine = searches.engine(slow, total_budget=200, num_batches=20)
    engine.set_num_parallel_evaluators(2)
    engine.fit(skip_cv_checks=True)
"""


def wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_second_process_is_told_who_holds_the_folder() -> None:
    with subprocess.Popen(script(HOLDS)) as process:
        wait_for(Path("held"), process)
        with pytest.raises(shac.SaveFolderError, match=f"folder is in use by process {process.pid} on "):
            FolderLock(Path("folder")).__enter__()
        process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_owner_holds_nothing(number: int) -> None:
    with subprocess.Popen(script(HOLDS)) as process:
        wait_for(Path("held"), process)
        process.send_signal(number)
        process.wait()
    with FolderLock(Path("folder")):
        pass


def test_a_lock_that_was_given_back_can_be_taken_again() -> None:
    for _ in range(3):
        with FolderLock(Path("folder")):
            pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_lock_is_taken_at_once_where_its_file_is_there_and_free_and_nothing_is_made_for_it() -> None:
    lock = FolderLock(Path("folder"))
    assert not lock.take_at_once()
    assert not Path("folder").exists()
    with FolderLock(Path("folder")):
        assert not lock.take_at_once()
    assert lock.take_at_once()
    with pytest.raises(shac.SaveFolderError, match=f"in use by process {os.getpid()} "), FolderLock(Path("folder")):
        pass
    lock.release()
    assert Path("folder/.lock").read_bytes() == b""


def test_a_score_is_told_into_a_folder_that_was_moved_away_as_into_a_new_one() -> None:
    search = searches.engine(None, total_budget=20, num_batches=2)
    one, two = search.ask(2)
    search.tell(one, 1.0)
    Path("shac_run").rename("elsewhere")
    search.tell(two, 2.0)
    assert Path("elsewhere/.lock").read_bytes() == b""
    assert [entry.score for entry in read_journal(Path("elsewhere/journal.jsonl"))] == [1.0]
    assert [entry.score for entry in read_journal(Path("shac_run/journal.jsonl"))] == [1.0, 2.0]
    again = searches.engine(None, total_budget=20, num_batches=2)
    again.restore_data()
    assert again.plan.seed == search.plan.seed


def test_a_forked_process_does_not_hold_the_lock_of_its_parent() -> None:
    body = """
        import os, time
        from pathlib import Path
        from shac.store.lock import FolderLock
        lock = FolderLock(Path("folder"))
        lock.__enter__()
        if os.fork():
            Path("held").touch()
            os._exit(0)
        time.sleep(5)
    """
    subprocess.run(script(body), check=True)
    with FolderLock(Path("folder")):
        pass


def test_a_file_system_without_locks_warns_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(descriptor: int) -> None:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("shac.store.lock._lock_now", no_locks)
    with pytest.warns(UserWarning, match="has no locks"), FolderLock(Path("folder")):
        pass


def test_fit_refuses_a_folder_in_which_another_process_runs_a_search() -> None:
    with subprocess.Popen(script(SLOW_SEARCH)) as process:
        wait_for(Path("shac_run/dataset.csv"), process)
        time.sleep(0.3)
        engine = searches.engine(total_budget=200, num_batches=20)
        engine.restore_data()
        for call in (engine.fit, engine.save_data):
            with pytest.raises(shac.SaveFolderError, match=f"in use by process {process.pid}|by another process"):
                call()
        process.kill()
        process.wait()
    again = searches.engine(total_budget=200, num_batches=20)
    again.restore_data()
    again.fit(skip_cv_checks=True)
    assert len(again.dataset) == 200


def test_a_manifest_that_changes_in_its_place_is_noticed_at_the_next_score() -> None:
    search = searches.engine(None, total_budget=20, num_batches=2)
    for configuration in search.ask(10):
        search.tell(configuration, searches.branin(0, configuration))
    configuration = search.ask()[0]
    time.sleep(0.1)
    search.tell(configuration, 1.0)  # by now the manifest is known by its state alone
    path = Path("shac_run/manifest.json")
    data = path.read_bytes()
    path.write_bytes(data.replace(b": ", b":", 1) + b" ")
    assert path.stat().st_size == len(data)
    with pytest.raises(shac.SaveFolderError, match="was written by another process"):
        search.tell(search.ask()[0], 1.0)


def test_readers_see_a_consistent_state_at_any_time() -> None:
    sizes = set()
    with subprocess.Popen(script(SLOW_SEARCH)) as process:
        wait_for(Path("shac_run/manifest.json"), process)
        while process.poll() is None:
            reader = shac.SHAC(searches.branin, None, 200, 20, "min")
            reader.restore_data()
            num_evaluations, num_classifiers = len(reader.dataset), len(reader.classifiers)
            assert num_evaluations % 10 == 0
            assert max(0, num_evaluations // 10 - 1) - num_classifiers <= 1
            assert reader.state.training_begin <= num_evaluations
            assert len(reader.predict(num_samples=2)) == 2
            journal = Path("shac_run/journal.jsonl")  # begun after the first manifest
            assert len(read_journal(journal) if journal.exists() else []) >= num_evaluations
            sizes.add(num_evaluations)
        assert process.wait() == 0
    assert len(sizes) > 3


def test_an_engine_does_not_write_over_what_another_process_added() -> None:
    first = searches.engine(total_budget=20, num_batches=2)

    class Stop(shac.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.fit(callbacks=[Stop()])
    second = searches.engine(total_budget=20, num_batches=2)
    second.restore_data()
    second.fit()
    for call in (first.fit, first.save_data):
        with pytest.raises(shac.SaveFolderError, match="was written by another process since this engine read"):
            call()
    first.restore_data()
    assert first.fit().epochs == []
