"""The machine fails under a search: a clear error, what was saved stays, and the search goes on where it can."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import searches

import shac

FOLDER = Path("shac_run")
ROUNDS = {"total_budget": 40, "num_batches": 4}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the faults are made with Linux's means")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("undisturbed")
    engine = searches.engine(save_dir=folder, **ROUNDS)
    engine.fit(skip_cv_checks=True)
    return engine.dataset.to_csv()


class AtRound(shac.Callback):
    """Does something when a round begins."""

    def __init__(self, number: int, action: Callable[[], object]) -> None:
        self.number, self.action = number, action

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.number:
            self.action()


def run(script: str, prefix: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a script that has the tests' modules in a process of its own."""
    start = (
        f"import sys; sys.path.insert(0, {str(Path(searches.__file__).parent)!r})\nimport resource, searches, shac\n"
    )
    return subprocess.run(
        [*prefix, sys.executable, "-c", start + textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def restored_and_finished(**settings: Any) -> shac.SHAC:
    engine = searches.engine(**ROUNDS, **settings)
    engine.restore_data()
    assert len(engine.dataset) >= 10
    engine.fit(skip_cv_checks=True)
    return engine


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", disk], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip("mounting a disk needs root; the limit of file sizes stands in for it")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_is_named_and_the_search_goes_on_when_there_is_room(small_disk: Path, undisturbed: str) -> None:
    ballast = small_disk / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        assert shutil.disk_usage(small_disk).free == 0

    folder = small_disk / "search"
    engine = searches.engine(save_dir=folder, **ROUNDS)
    with pytest.raises(OSError, match="No space left on device") as caught:
        engine.fit(skip_cv_checks=True, callbacks=[AtRound(3, fill)])
    assert caught.value.errno == errno.ENOSPC
    assert not list(folder.rglob("*.tmp"))
    ballast.unlink()
    assert restored_and_finished(save_dir=folder).dataset.to_csv() == undisturbed


def test_a_limit_of_file_sizes_acts_like_a_full_disk(undisturbed: str) -> None:
    done = run("""
        import pathlib
        engine = searches.engine(total_budget=40, num_batches=4)
        class Limit(shac.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                if epoch == 3:
                    largest = max(p.stat().st_size for p in pathlib.Path("shac_run").rglob("*.jsonl"))
                    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 1000, resource.RLIM_INFINITY))
        try:
            engine.fit(skip_cv_checks=True, callbacks=[Limit()])
        except OSError as error:
            print(error)
    """)
    assert "File too large" in done.stdout, done.stderr
    assert restored_and_finished().dataset.to_csv() == undisturbed


# Root may write where others may not, unless it gives that right away.
BOUND_BY_RIGHTS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.getuid() == 0 else ()


@pytest.mark.parametrize("rights", [0o555, 0o000], ids=["read-only", "closed"])
def test_a_folder_without_the_right_to_write_is_named(rights: int) -> None:
    engine = searches.engine(**ROUNDS)
    engine.fit(skip_cv_checks=True)
    before = {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()}
    for path in before:
        path.chmod(0o444)
    FOLDER.chmod(rights)
    done = run(
        """
        try:
            engine = searches.engine(total_budget=50, num_batches=5)
            engine.restore_data()
            print("restored", len(engine.dataset))
            engine.fit(skip_cv_checks=True)
        except PermissionError as error:
            print("refused", error.filename)
        """,
        BOUND_BY_RIGHTS,
    )
    FOLDER.chmod(0o755)
    assert f"refused {FOLDER.absolute()}" in done.stdout, done.stderr
    assert ("restored 40" in done.stdout) == (rights == 0o555)
    assert {path: path.read_bytes() for path in FOLDER.rglob("*") if path.is_file()} == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    script = "searches.engine(total_budget=40, num_batches=4).fit(skip_cv_checks=True)"
    done = run(script, BOUND_BY_RIGHTS)
    tmp_path.chmod(0o755)
    assert done.stderr.splitlines()[-1] == f"PermissionError: [Errno 13] Permission denied: '{FOLDER.absolute()}'"


def test_a_clock_that_goes_back_changes_nothing(monkeypatch: pytest.MonkeyPatch, undisturbed: str) -> None:
    real, calls = time.time, iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: real() - 3600.0 * next(calls))
    engine = searches.engine(**ROUNDS)
    engine.fit(skip_cv_checks=True)
    assert engine.dataset.to_csv() == undisturbed
    assert restored_and_finished().dataset.to_csv() == undisturbed


def test_without_file_descriptors_the_error_is_clear_and_the_search_goes_on_later(undisturbed: str) -> None:
    done = run("""
        engine = searches.engine(total_budget=40, num_batches=4)
        class Limit(shac.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch == 2:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (3, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        try:
            engine.fit(skip_cv_checks=True, callbacks=[Limit()])
        except OSError as error:
            print(type(error).__name__, error)
    """)
    assert "Too many open files" in done.stdout, done.stderr
    assert restored_and_finished().dataset.to_csv() == undisturbed


def test_a_folder_that_is_removed_during_a_search_is_made_again(undisturbed: str) -> None:
    engine = searches.engine(**ROUNDS)
    engine.fit(skip_cv_checks=True, callbacks=[AtRound(3, lambda: shutil.rmtree(FOLDER))])
    assert engine.dataset.to_csv() == undisturbed
    restored = searches.engine(**ROUNDS)
    restored.restore_data()
    assert restored.dataset.to_csv() == undisturbed


def test_memory_that_does_not_suffice_is_an_error_and_the_cascade_goes_on() -> None:
    done = run("""
        engine = searches.engine(total_budget=40, num_batches=4)
        engine.fit(skip_cv_checks=True)
        expected = engine.cascade.sample(1000, seed=1, method="plain")[0].tobytes()
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + 2**27
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        for method in ("plain", "region"):
            for threads in (1, 2):
                try:
                    engine.cascade.prefix(1).sample(50_000_000, seed=1, method=method, threads=threads)
                except MemoryError:
                    print("refused")
        print(engine.cascade.sample(1000, seed=1, method="plain")[0].tobytes() == expected)
        engine.save_data()
    """)
    assert done.stdout.split() == ["refused"] * 4 + ["True"], done.stderr
    assert len(restored_and_finished().dataset) == 40


def test_a_search_under_little_memory_ends_with_an_error_or_the_whole_table(undisturbed: str) -> None:
    for mebibytes in (0, 1, 8, 64):
        shutil.rmtree(FOLDER, ignore_errors=True)
        done = run(f"""
            engine = searches.engine(total_budget=40, num_batches=4)
            class Limit(shac.Callback):
                def on_epoch_begin(self, epoch, logs=None):
                    if epoch == 3:
                        pages = int(open("/proc/self/statm").read().split()[0])
                        limit = pages * resource.getpagesize() + {mebibytes} * 2**20
                        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
            engine.fit(skip_cv_checks=True, callbacks=[Limit()])
            print("whole")
        """)
        assert done.returncode in (0, 1) or ended_by_the_c_library(done), (done.returncode, done.stderr)
        assert restored_and_finished().dataset.to_csv() == undisturbed


def ended_by_the_c_library(done: "subprocess.CompletedProcess[str]") -> bool:
    """Tell whether the loader ended the process: it gives a new thread its variables, or ends all, and no code of ours
    is asked.
    """
    return done.returncode == 127 and "cannot allocate memory for thread-local data" in done.stderr
