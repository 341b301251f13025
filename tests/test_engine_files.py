import importlib.metadata
import json
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
import xgboost

import shac
from shac.export import installed_xgboost
from shac.files import write_atomic
from shac.store import manifest as storage

FOLDER = Path("shac_run")


@pytest.fixture
def finished() -> shac.SHAC:
    engine = searches.engine(total_budget=30, num_batches=3)
    engine.fit(skip_cv_checks=True)
    return engine


def test_a_search_is_saved_after_every_round_in_the_documented_files() -> None:
    class Look(shac.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            assert len((FOLDER / "dataset.csv").read_text().splitlines()) == 1 + 10 * epoch
            files = json.loads((FOLDER / "manifest.json").read_text())["manifest"]["files"]
            assert len(files) == 2 + logs["classifiers"]

    engine = searches.engine(total_budget=30, num_batches=3)
    engine.fit(skip_cv_checks=True, callbacks=[Look()])
    names = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert names == {
        "manifest.json",
        "parameters.json",
        "dataset.csv",
        "journal.jsonl",
        "classifiers/00.ubj",
        "classifiers/01.ubj",
        ".lock",
    }


def test_a_restored_engine_knows_all_that_the_saved_one_knew(finished: shac.SHAC) -> None:
    restored = shac.SHAC(searches.branin, None, 30, 3, "min")
    restored.restore_data()
    assert restored.parameters == finished.parameters
    assert restored.dataset.X == finished.dataset.X
    assert restored.dataset.Y == finished.dataset.Y
    assert restored.seed == finished.seed
    assert restored.state.training_begin == finished.state.training_begin
    X = np.random.default_rng(0).random((1000, 2), dtype=np.float32) * 15
    assert np.array_equal(restored.cascade.margins(X), finished.cascade.margins(X))
    assert restored.predict(num_samples=10) == finished.predict(num_samples=10)


def test_a_search_goes_on_with_its_own_seed(finished: shac.SHAC) -> None:
    other = searches.engine(total_budget=30, num_batches=3, seed=99)
    with pytest.raises(ValueError, match=r"seed: expected 0, that of .*, or None for it, got 99"):
        other.restore_data()
    assert (other.seed, len(other.dataset)) == (99, 0)
    restored = searches.engine(total_budget=30, num_batches=3, seed=None)
    restored.restore_data()
    assert restored.seed == finished.seed == 0


def test_a_search_restores_in_a_new_process(finished: shac.SHAC) -> None:
    script = textwrap.dedent("""
        import shac
        engine = shac.SHAC(lambda worker_id, parameters: 0.0, None, 30, 3, "min")
        engine.restore_data()
        print(repr([list(s.values()) for s in engine.predict(num_samples=5, seed=4)]))
    """)
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert output.strip() == repr([list(s.values()) for s in finished.predict(num_samples=5, seed=4)])


def test_nothing_to_restore_warns_and_changes_nothing() -> None:
    engine = searches.engine(save_dir="elsewhere")
    engine.dataset.add_sample([0.0, 0.0], 1.0)
    with pytest.warns(UserWarning, match="elsewhere holds no search"):
        engine.restore_data()
    assert len(engine.dataset) == 1


def test_another_engine_does_not_write_over_a_search(finished: shac.SHAC) -> None:
    before = (FOLDER / "dataset.csv").read_bytes()
    other = searches.engine(total_budget=30, num_batches=3)
    for call in (other.fit, other.save_data, lambda: other.fit_dataset(FOLDER)):
        with pytest.raises(shac.SaveFolderError, match=r"holds a search already: call restore_data\(\)"):
            call()
    assert (FOLDER / "dataset.csv").read_bytes() == before


def test_a_python_package_is_no_save_folder() -> None:
    Path("package").mkdir()
    Path("package/__init__.py").touch()
    with pytest.raises(shac.SaveFolderError, match=r"got the Python package .*package"):
        searches.engine(save_dir="package")


def test_another_space_or_objective_is_refused_and_nothing_changes(finished: shac.SHAC) -> None:
    other_space = searches.engine(space=[shac.UniformHP("x", 0.0, 1.0)])
    with pytest.raises(ValueError, match=r"hyperparameter_list: expected the search space of .*shac_run"):
        other_space.restore_data()
    other_objective = searches.engine(objective="max")
    with pytest.raises(ValueError, match=r"objective: expected 'min', that of .*shac_run, got 'max'"):
        other_objective.restore_data()
    assert len(other_space.dataset) == len(other_objective.dataset) == 0


@pytest.mark.parametrize("name", ["manifest.json", "parameters.json", "dataset.csv", "classifiers/01.ubj"])
@pytest.mark.parametrize("damage", ["absent", "truncated", "flipped", "empty", "a folder"])
def test_a_damaged_file_is_an_error_and_leaves_the_engine_alone(finished: shac.SHAC, name: str, damage: str) -> None:
    path = FOLDER / name
    data = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :])
    elif damage == "empty":
        path.touch()
    elif damage == "a folder":
        path.mkdir()
    engine = searches.engine(total_budget=30, num_batches=3)
    if (name, damage) == ("manifest.json", "absent"):
        with pytest.warns(UserWarning, match="holds no search"):
            engine.restore_data()
    else:
        with pytest.raises(shac.DamagedFileError, match=path.name.replace(".", r"\.")):
            engine.restore_data()
    assert len(engine.dataset) == 0
    assert engine.classifiers == []


def test_the_manifest_truncated_at_every_byte_is_an_error(finished: shac.SHAC) -> None:
    path = FOLDER / "manifest.json"
    data = path.read_bytes()
    engine = searches.engine(total_budget=30, num_batches=3)
    for end in range(len(data) - 1):
        path.write_bytes(data[:end])
        with pytest.raises(shac.DamagedFileError):
            engine.restore_data()
    path.write_bytes(data)
    engine.restore_data()
    assert len(engine.dataset) == 30


def test_a_manifest_cannot_name_files_elsewhere(finished: shac.SHAC) -> None:
    manifest = searches.read_manifest(FOLDER)
    manifest["files"]["../secret"] = manifest["files"].pop("classifiers/01.ubj")
    searches.write_manifest(FOLDER, manifest)
    with pytest.raises(shac.DamagedFileError, match="expected the files"):
        searches.engine(total_budget=30, num_batches=3).restore_data()


def test_a_crash_between_the_table_and_the_manifest_restores_the_round_before() -> None:
    patch = pytest.MonkeyPatch()

    class Crash(shac.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 3:
                write = write_atomic

                def write_all_but_the_manifest(path: Path, data: Any) -> None:
                    if path.name == "manifest.json":
                        raise OSError(28, "No space left on device")
                    write(path, data)

                patch.setattr(storage, "write_atomic", write_all_but_the_manifest)

    engine = searches.engine(total_budget=30, num_batches=3)
    with pytest.raises(OSError, match="No space left"):
        engine.fit(skip_cv_checks=True, callbacks=[Crash()])
    assert len((FOLDER / "dataset.csv").read_text().splitlines()) == 31
    patch.undo()
    restored = searches.engine(total_budget=30, num_batches=3)
    restored.restore_data()
    assert engine.dataset.X[:20] == restored.dataset.X
    restored.fit(skip_cv_checks=True)
    assert restored.dataset.X == engine.dataset.X


def test_fit_dataset_trains_on_evaluations_from_elsewhere(finished: shac.SHAC) -> None:
    engine = searches.engine(total_budget=30, num_batches=3, save_dir="external")
    history = engine.fit_dataset(FOLDER, skip_cv_checks=True, presort=True)
    assert history.epochs == [1, 2, 3]
    assert sorted(finished.dataset.Y, reverse=True) == engine.dataset.Y
    assert len(engine.classifiers) == 2
    unsorted = searches.engine(total_budget=30, num_batches=3, save_dir="unsorted")
    unsorted.fit_dataset(FOLDER / "dataset.csv", skip_cv_checks=True, presort=False)
    assert unsorted.dataset.Y == finished.dataset.Y
    assert Path("external/manifest.json").exists()


def table(*lines: str) -> Path:
    path = Path("table.csv")
    path.write_text("\n".join(lines) + "\n")
    return path


def external_engine(objective: str = "max") -> shac.SHAC:
    space = [shac.UniformHP("x", 0.0, 10.0), shac.IntegerHP("n", 0, 9), shac.DiscreteHP("d", ["a", "b"])]
    return searches.engine(space=space, total_budget=3, num_batches=1, objective=objective)


def test_fit_dataset_reads_tables_as_other_programs_write_them() -> None:
    engine = external_engine()
    engine.fit_dataset(
        table("d,scores,ignored,n,x", "a,3,z,1,1", "b,,z,2.0,2.5", "a,1e0,z,3,1e-05", "b,2,z,4,7.25"),
        skip_cv_checks=True,
        presort=True,
    )
    assert engine.dataset.X == [[1e-05, 3, "a"], [7.25, 4, "b"], [1.0, 1, "a"]]
    assert engine.dataset.Y == [1.0, 2.0, 3.0]
    assert [type(value) for value in engine.dataset.X[0]] == [float, int, str]


def test_failed_rows_of_a_table_are_the_worst() -> None:
    for objective, expected in [("max", [1.0, 2.0]), ("min", [2.0, 1.0])]:
        engine = external_engine(objective)
        engine.save_dir = Path(objective)
        engine.fit_dataset(table("x,n,d,scores", "1,1,a,2", "1,1,a,nan", "1,1,b,1"), presort=True)
        assert math.isnan(engine.dataset.Y[0])
        assert engine.dataset.Y[1:] == expected


@pytest.mark.parametrize(
    ("lines", "error", "message"),
    [
        (["x,n,scores", "1,1,1"], shac.DamagedFileError, r"without \['d'\]"),
        (["x,n,d,scores", "1,1,a,1"], ValueError, "at least 3 rows, the total budget, got 1"),
        (["x,n,d,scores", "one,1,a,1"], shac.DamagedFileError, "line 2, column 'x'"),
        (["x,n,d,scores", "1,1.5,a,1"], shac.DamagedFileError, "line 2, column 'n'"),
        (["x,n,d,scores", "1,1,c,1"], shac.DamagedFileError, "line 2, column 'd'"),
        (["x,n,d,scores", "1,1,a,good"], shac.DamagedFileError, "line 2, column 'scores'"),
        (["x,n,d,scores", "1,1"], shac.DamagedFileError, "line 2, column 'd'"),
    ],
)
def test_tables_that_do_not_fit_are_named(lines: list[str], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        external_engine().fit_dataset(table(*lines))


def test_a_table_that_is_not_there_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="absent"):
        external_engine().fit_dataset("absent.csv")


@pytest.mark.parametrize("seed", range(4))
def test_a_search_that_goes_on_from_a_random_table_keeps_its_optimum(seed: int, tmp_path: Path) -> None:
    def peak(worker_id: int, parameters: Any) -> float:
        return -float((parameters["x"] - 0.3) ** 2 + (parameters["y"] - 0.6) ** 2)

    space = [shac.UniformHP("x", 0, 1), shac.UniformHP("y", 0, 1)]
    points = np.random.default_rng(seed).random((20, 2))
    lines = [f"{x!r},{y!r},{peak(0, {'x': x, 'y': y})!r}\n" for x, y in points.tolist()]
    (tmp_path / "table.csv").write_text("x,y,scores\n" + "".join(lines))
    shac.SHAC(peak, space, 20, 2, seed=seed).fit_dataset(tmp_path / "table.csv")
    more = shac.SHAC(peak, space, 60, 6, seed=seed)
    more.concurrent_evaluators()
    more.restore_data()
    more.fit()
    assert max(more.dataset.Y) > -0.01
    assert more.dataset.X[:20] == points.tolist()


def test_a_search_is_saved_where_xgboost_is_installed_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = importlib.metadata.version

    def version(name: str) -> str:
        if name == "xgboost":  # the distribution xgboost-cpu has the same package
            raise importlib.metadata.PackageNotFoundError(name)
        return installed(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr("shac.store.manifest.installed_xgboost", installed_xgboost.__wrapped__)  # it remembers
    searches.engine(total_budget=10, num_batches=1).fit(skip_cv_checks=True)
    manifest = json.loads((FOLDER / "manifest.json").read_text())["manifest"]
    assert manifest["xgboost"] == xgboost.__version__


def test_a_round_adds_its_rows_to_the_table_and_mends_what_a_crash_has_left_behind_it() -> None:
    engine = searches.engine()
    engine.fit(max_evaluations=20)
    table, manifest = FOLDER / "dataset.csv", json.loads((FOLDER / "manifest.json").read_text())["manifest"]
    assert table.stat().st_size == manifest["files"]["dataset.csv"]["size"]
    before, file = table.read_bytes(), table.stat().st_ino
    engine.fit(max_evaluations=10)
    assert table.read_bytes().startswith(before)
    assert table.stat().st_ino == file
    grown = table.read_bytes()
    with table.open("ab") as torn:
        torn.write(b"30,0.5")
    restored = searches.engine()
    restored.restore_data()
    restored.fit()
    assert table.read_bytes().startswith(grown + b"30,")
    assert len(table.read_bytes().splitlines()) == 1 + len(restored.dataset)


@pytest.mark.skipif(not hasattr(os, "link"), reason="needs hard links")
def test_a_copy_of_the_table_by_a_hard_link_stays_as_it_was() -> None:
    engine = searches.engine()
    engine.fit(max_evaluations=20)
    table, copy = FOLDER / "dataset.csv", Path("copy.csv")
    os.link(table, copy)
    before = copy.read_bytes()
    engine.fit(max_evaluations=10)
    assert copy.read_bytes() == before
    assert len(table.read_bytes()) > len(before)


def test_parameters_that_change_in_their_place_are_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
    config: dict[str, Any] = {"values": [1]}
    monkeypatch.setattr(shac.HyperParameterList, "get_config", lambda self: config)
    assert storage._parameters_bytes(space) == storage._parameters_bytes(space) == b'{\n  "values": [\n    1\n  ]\n}\n'
    config["values"][0] = True  # equal to 1, in the same list
    assert storage._parameters_bytes(space) == b'{\n  "values": [\n    true\n  ]\n}\n'
