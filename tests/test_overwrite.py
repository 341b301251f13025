"""Another search in the place of an earlier one, which is set aside as a whole."""

import multiprocessing
from pathlib import Path
from typing import Any

import pytest

import shac
from shac.store.lock import FolderLock

SPACE = [shac.UniformHP("x", 0.0, 1.0)]


def made(score: Any, *, overwrite: bool = True, total_budget: int = 20, **options: Any) -> shac.SHAC:
    engine = shac.SHAC(score, SPACE, total_budget, 2, save_dir="run", seed=1, overwrite=overwrite, **options)
    engine.concurrent_evaluators()
    return engine


def first(worker_id: int, parameters: Any) -> float:
    return float(parameters["x"])


def second(worker_id: int, parameters: Any) -> float:
    return -float(parameters["x"])


def test_a_cell_that_is_run_again_with_another_function_keeps_the_earlier_search() -> None:
    made(first).fit(progress=False)
    earlier = {path.name: path.read_bytes() for path in Path("run").iterdir() if path.is_file()}
    again = made(second)
    assert Path("run").is_dir()  # making an engine moves nothing
    assert not Path("run.1").exists()
    again.fit(progress=False)
    assert {path.name: path.read_bytes() for path in Path("run.1").iterdir() if path.is_file()} == earlier
    assert len(list(Path("run.1/classifiers").iterdir())) == 1
    assert again.dataset.Y == shac.Dataset.load_from_directory("run").Y
    assert max(again.dataset.Y) < 0
    again.fit(progress=False)  # finished, and its own
    made(first).fit(progress=False)
    assert sorted(path.name for path in Path().iterdir()) == ["run", "run.1", "run.2"]


def test_a_folder_without_a_score_is_written_over_and_an_empty_one_is_not_set_aside() -> None:
    Path("run").mkdir()
    made(first).fit(progress=False)
    assert not Path("run.1").exists()


@pytest.mark.parametrize("way", ["ask", "save_data", "enqueue", "fit_dataset"])
def test_whatever_writes_first_sets_aside(way: str) -> None:
    made(first).fit(progress=False)
    engine = made(None)
    if way == "ask":
        engine.ask(3)
    elif way == "save_data":
        engine.save_data()
    elif way == "enqueue":
        engine.enqueue([{"x": 0.5}])
    else:
        Path("table.csv").write_text("id,x,scores\n" + "".join(f"{i},{i / 20},{i}\n" for i in range(20)))
        engine.fit_dataset("table.csv", progress=False)
    assert len(shac.Dataset.load_from_directory("run.1")) == 20
    assert way == "fit_dataset" or not engine.dataset.Y


def test_a_search_that_is_restored_goes_on_in_its_folder() -> None:
    made(first, total_budget=20).fit(progress=False, max_evaluations=10)
    engine = made(first, total_budget=20)
    engine.restore_data()
    engine.fit(progress=False)
    assert len(engine.dataset) == 20
    assert not Path("run.1").exists()


def test_files_of_somebody_else_are_not_moved() -> None:
    made(first).fit(progress=False)
    Path("run/notes.txt").write_text("mine")
    engine = made(second)
    with pytest.raises(shac.SaveFolderError, match=r"overwrite: expected a folder with no files but .* notes\.txt;"):
        engine.fit(progress=False)
    assert Path("run/notes.txt").read_text() == "mine"
    assert not Path("run.1").exists()
    assert shac.Dataset.load_from_directory("run").Y


def hold(folder: str, is_held: Any, may_end: Any) -> None:
    with FolderLock(Path(folder)):
        is_held.set()
        may_end.wait(60)


def test_a_search_that_runs_is_not_set_aside() -> None:
    made(first).fit(progress=False)
    context = multiprocessing.get_context("fork")
    is_held, may_end = context.Event(), context.Event()
    holder = context.Process(target=hold, args=("run", is_held, may_end))
    holder.start()
    try:
        assert is_held.wait(60)
        with pytest.raises(shac.SaveFolderError, match="is in use by process"):
            made(second).fit(progress=False)
    finally:
        may_end.set()
        holder.join()
    assert not Path("run.1").exists()


def test_without_it_the_search_that_is_there_is_refused_and_the_message_names_it() -> None:
    made(first).fit(progress=False)
    with pytest.raises(shac.SaveFolderError, match="set it aside by overwrite=True"):
        made(second, overwrite=False).fit(progress=False)
