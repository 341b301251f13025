"""Save folders made to harm. The full attack is `python tests/hostile_files.py`."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import hostile_files
import hostile_inputs
import pytest

import shac
from shac.store.journal import Journal, read_journal
from shac.store.lock import FolderLock

SCRIPT = Path(__file__).with_name("hostile_files.py")
FOLDER = Path("shac_run")

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes, links and limits of memory are POSIX's")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("search")
    hostile_files.make_search(folder, seed=0, num_batches=3)
    return hostile_inputs.files_of(folder)


@pytest.fixture
def search(files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_bytes(data)
    return FOLDER


def test_hostile_folders_are_restored_right_or_refused() -> None:
    command = [sys.executable, str(SCRIPT), "--quick", "--json", "out.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(Path("out.json").read_text())
    assert figures.keys() == set(hostile_files.ATTACKS)
    for attack, entry in figures.items():
        assert entry["refused"] > 0, attack
        assert entry["peak_mib"] < 1024
    for attack in ("swapped", "json", "journal", "models", "wild"):  # the attack reaches what it is for
        assert figures[attack]["restored"] > 0, attack


def test_a_sealed_folder_that_nobody_changed_is_restored(search: Path) -> None:
    hostile_inputs.reseal(search)
    assert hostile_files.restore(search) == "restored"


@pytest.mark.parametrize("name", [".lock", "journal.jsonl"])
def test_what_a_link_in_the_folder_leads_to_is_not_written(search: Path, name: str) -> None:
    victim = Path("victim")
    victim.write_text("precious, and without an end of the line")
    (search / name).unlink()
    (search / name).symlink_to(victim.resolve())
    engine = hostile_files.engine_for(search, num_batches=5)
    engine.restore_data()
    with pytest.raises(shac.DamagedFileError, match=rf"{name}: expected a file, got a symbolic link to"):
        engine.fit(skip_cv_checks=True)
    assert victim.read_text() == "precious, and without an end of the line"


def test_a_file_that_is_no_journal_keeps_its_torn_end(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text("a line\nand half of ano")
    with pytest.raises(shac.DamagedFileError, match="line 1"):
        Journal(path, "space")
    assert path.read_text() == "a line\nand half of ano"


def test_a_folder_of_classifiers_that_is_a_link_is_not_written_to(search: Path) -> None:
    engine = hostile_files.engine_for(search, num_batches=3)
    engine.restore_data()
    elsewhere = Path("elsewhere").resolve()
    (search / "classifiers").rename(elsewhere)
    (search / "classifiers").symlink_to(elsewhere)
    (elsewhere / "00.ubj").write_bytes(b"precious")
    with pytest.raises(shac.SaveFolderError, match="classifiers is a symbolic link"):
        engine.save_data()
    assert (elsewhere / "00.ubj").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["manifest.json", "dataset.csv", "journal.jsonl", ".lock"])
def test_a_pipe_in_the_place_of_a_file_is_refused_at_once(search: Path, name: str) -> None:
    (search / name).unlink()
    os.mkfifo(search / name)
    use: dict[str, Callable[[], object]] = {
        "journal.jsonl": lambda: read_journal(search / name),
        ".lock": lambda: FolderLock(search).__enter__(),
    }
    with pytest.raises(shac.DamagedFileError, match=rf"{name}: expected a file, got a folder, a pipe or a device"):
        use.get(name, hostile_files.engine_for(search).restore_data)()


def test_progress_that_no_search_has_come_to_is_refused(search: Path) -> None:
    manifest = json.loads((search / "manifest.json").read_text())["manifest"]
    wrong = [
        ("progress", {**manifest["progress"], "training_begin": -1}),
        ("progress", {**manifest["progress"], "last_attempt": 10**9}),
        ("progress", {**manifest["progress"], "accuracies": [0.5]}),
        ("settings", {**manifest["settings"], "seed": -1}),
        ("settings", {**manifest["settings"], "seed": True}),
        ("settings", {**manifest["settings"], "objective": "abc"}),
    ]
    for key, value in wrong:
        hostile_inputs.write_manifest(search, {**manifest, key: value})
        with pytest.raises(shac.DamagedFileError, match="of a search of 48 evaluations and 2 classifiers"):
            hostile_files.engine_for(search).restore_data()


def test_a_classifier_of_another_space_is_refused(search: Path, tmp_path: Path) -> None:
    engine = shac.SHAC(lambda worker_id, p: p["x"], [shac.UniformHP("x", 0.0, 1.0)], 20, 2, save_dir="other", seed=0)
    engine.concurrent_evaluators()
    engine.fit(skip_cv_checks=True)
    (search / "classifiers/00.ubj").write_bytes(Path("other/classifiers/00.ubj").read_bytes())
    hostile_inputs.reseal(search)
    with pytest.raises(shac.DamagedFileError, match=r"00\.ubj: model: expected 5 features, got 1"):
        hostile_files.engine_for(search).restore_data()


def test_more_columns_than_memory_should_hold_are_refused() -> None:
    many = [shac.MultiUniformHP(f"x{i}", 0.0, 1.0, sample_count=40_000) for i in range(2)]
    with pytest.raises(ValueError, match="expected at most 65536 columns, got 40000 more than the 40000 there are"):
        shac.HyperParameterList(many)


def test_a_table_from_elsewhere_that_is_no_text_is_a_damaged_file() -> None:
    Path("table.csv").write_bytes(b"x,scores\n\xff,1\n")
    engine = shac.SHAC(None, [shac.UniformHP("x", 0.0, 1.0)], 20, 2)
    with pytest.raises(shac.DamagedFileError, match=r"table\.csv: expected a table in CSV"):
        engine.fit_dataset("table.csv")
