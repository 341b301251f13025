"""Files in a save folder that a search did not write are never written over."""

import os
from pathlib import Path
from typing import Any

import pytest
import searches

import shac

FOREIGN: dict[str, bytes] = {
    "dataset.csv": b"image,label\ncat.png,1\n",
    "parameters.json": b'{"mine": 1}',
    "manifest.json": b'{"name": "a web page", "icons": []}',
    "journal.jsonl": b'{"event": "mine"}\n',
    "classifiers/00.ubj": b"mine",
    "classifiers/17.ubj": b"mine",
    ".lock": b"held by another program\n",
}


def put(folder: Path, name: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(FOREIGN[name])
    return path


def refused(action: Any, name: str) -> None:
    with pytest.raises(shac.SaveFolderError, match=f"save_dir: expected .* with .*{name}.*, which shac did not write"):
        action()


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_no_search_wrote_keeps_a_search_out(name: str, tmp_path: Path) -> None:
    path = put(tmp_path / "run", name)
    table = tmp_path / "table.csv"
    table.write_text("id,x,y,scores\n" + "".join(f"{i},0.5,0.5,{i}.0\n" for i in range(20)))
    engine = searches.engine(total_budget=20, num_batches=2, save_dir=tmp_path / "run")
    for action in (engine.fit, engine.save_data, engine.ask, lambda: engine.fit_dataset(table)):
        refused(action, name)
        assert path.read_bytes() == FOREIGN[name]
    assert [entry for entry in (tmp_path / "run").rglob("*") if entry.is_file()] == [path]


@pytest.mark.parametrize("name", FOREIGN)
def test_a_link_in_the_place_of_a_file_keeps_a_search_out(name: str, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    target.write_bytes(FOREIGN[name])
    link = tmp_path / "run" / name
    link.parent.mkdir(parents=True)
    link.symlink_to(target)
    refused(searches.engine(total_budget=20, num_batches=2, save_dir=tmp_path / "run").fit, name)
    assert target.read_bytes() == FOREIGN[name]


def test_all_foreign_files_are_named_at_once(tmp_path: Path) -> None:
    for name in FOREIGN:
        put(tmp_path, name)
    with pytest.raises(shac.SaveFolderError) as error:
        searches.engine(save_dir=tmp_path).fit()
    assert all(name in str(error.value) for name in FOREIGN)


def test_other_files_are_nobodys_business(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print()")
    (tmp_path / "classifiers").mkdir()
    (tmp_path / "classifiers" / "best.ubj").write_text("mine")
    searches.engine(total_budget=20, num_batches=2, save_dir=tmp_path).fit(skip_cv_checks=True)
    assert (tmp_path / "classifiers" / "best.ubj").read_text() == "mine"


def test_a_table_that_dataset_save_wrote_is_not_written_over(tmp_path: Path) -> None:
    dataset = shac.Dataset(searches.branin_space(), save_dir=tmp_path)
    dataset.add_sample([1.0, 2.0], 3.0)
    dataset.save_dataset()
    refused(searches.engine(save_dir=tmp_path).fit, "dataset.csv")


@pytest.mark.parametrize("left", [["parameters.json"], ["parameters.json", "dataset.csv"]])
def test_a_search_that_was_killed_in_its_first_save_begins_again(left: list[str], tmp_path: Path) -> None:
    searches.engine(total_budget=20, num_batches=2, save_dir=tmp_path).save_data()
    for path in tmp_path.iterdir():
        if path.is_file() and path.name not in left:
            path.unlink()
    searches.engine(total_budget=20, num_batches=2, save_dir=tmp_path).fit()


def test_a_classifier_that_a_crash_left_without_a_manifest_is_written_over(tmp_path: Path) -> None:
    engine = searches.engine(total_budget=30, num_batches=3, save_dir=tmp_path)
    engine.fit(skip_cv_checks=True)
    first, second = (tmp_path / "classifiers" / f"{stage:02d}.ubj" for stage in range(2))
    manifest = searches.read_manifest(tmp_path)
    del manifest["files"]["classifiers/01.ubj"]
    manifest["progress"]["accuracies"].pop()
    searches.write_manifest(tmp_path, manifest)
    second.write_bytes(first.read_bytes())
    again = searches.engine(total_budget=40, num_batches=4, save_dir=tmp_path)
    again.restore_data()
    again.fit(skip_cv_checks=True)
    assert second.read_bytes() != first.read_bytes()
    assert len(again.dataset) == 40


@pytest.mark.parametrize("name", ["dataset.csv", "parameters.json", "classifiers/00.ubj"])
def test_a_file_put_into_the_place_of_one_while_a_search_runs_is_kept_under_another_name(
    name: str, tmp_path: Path
) -> None:
    class Meddle(shac.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                put(tmp_path, name)

    engine = searches.engine(total_budget=30, num_batches=3, save_dir=tmp_path)
    with pytest.warns(UserWarning, match=r"expected the file of the search, got another; it is kept as .*\.1"):
        engine.fit(skip_cv_checks=True, callbacks=[Meddle()])
    assert (tmp_path / f"{name}.1").read_bytes() == FOREIGN[name]
    restored = searches.engine(total_budget=30, num_batches=3, save_dir=tmp_path)
    restored.restore_data()
    assert restored.dataset.Y == engine.dataset.Y


def test_a_relative_folder_stays_where_it_was_when_the_engine_was_made(tmp_path: Path) -> None:
    class Move(shac.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            os.chdir(tmp_path / "elsewhere")

    (tmp_path / "elsewhere").mkdir()
    engine = searches.engine(total_budget=30, num_batches=3, save_dir="run")
    engine.fit(skip_cv_checks=True, callbacks=[Move()])
    engine.dataset.save_dataset()
    assert {"manifest.json", "dataset.csv", "journal.jsonl"} <= {path.name for path in (tmp_path / "run").iterdir()}
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_folder_in_the_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert searches.engine(save_dir="~/run").save_dir == tmp_path / "run"


def test_what_is_no_folder_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        with pytest.raises(shac.SaveFolderError, match=f"save_dir: expected a folder for a search, .*{name}"):
            searches.engine(save_dir=tmp_path / name)
    for wrong in (None, 3):
        with pytest.raises(ValueError, match="save_dir: expected the path of a folder"):
            searches.engine(save_dir=wrong)
