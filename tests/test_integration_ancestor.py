import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import shac
from shac.integrations.ancestor import import_ancestor, read_ancestor


def write_old(folder: str, num_rows: int = 100, under: str = "datasets") -> Path:
    """A folder as the ancestor writes it: pandas' table, JSON with an indent, and a pickle that does harm."""
    place = Path(folder) / under
    place.mkdir(parents=True)
    config = {
        "units": ["DiscreteHyperParameter", {"values": [8, 16, None], "name": "units"}],
        "init": ["DiscreteHyperParameter", {"values": ["glorot_uniform", "he_uniform"], "name": "init"}],
        "bias": ["DiscreteHyperParameter", {"values": [True, False], "name": "bias"}],
        "dropout": [
            "UniformContinuousHyperParameter",
            {"max_value": 0.8, "log_encode": False, "min_value": 0.1, "name": "dropout"},
        ],
        "x": [
            "MultiUniformContinuousHyperParameter",
            {"sample_count": 2, "name": "x", "log_encode": False, "max_value": 5.0, "min_value": -5.0},
        ],
    }
    (place / "parameters.json").write_text(json.dumps(config, indent=4))
    random = np.random.default_rng(0)
    lines = ["id,units,init,bias,dropout,x_1,x_2,scores"]
    for i in range(num_rows):
        units = ["8.0", "16.0", ""][i % 3]  # pandas makes floats of integers next to None
        dropout = random.uniform(0.1, 0.8)
        x = random.uniform(-5, 5, 2).tolist()
        fields = [str(i), units, "he_uniform", str(i % 2 == 0), str(dropout), *map(str, x), str(1 - dropout)]
        lines.append(",".join(fields))
    (place / "dataset.csv").write_text("\n".join(lines) + "\n")
    classifiers = Path(folder) / "classifiers"
    classifiers.mkdir(exist_ok=True)
    (classifiers / "classifiers.pkl").write_bytes(b"cos\nsystem\n(S'touch harm'\ntR.")
    return Path(folder)


def test_a_search_of_the_ancestor_is_taken_over_and_trained_again() -> None:
    engine = import_ancestor(write_old("old"), "new", num_batches=10, seed=1)
    assert len(engine.dataset) == 100
    assert len(engine.classifiers) >= 3
    assert [row[0] for row in engine.dataset.X[:3]] == [8, 16, None]
    assert [row[2] for row in engine.dataset.X[:2]] == [True, False]
    settings = engine.predict(num_samples=50, seed=0)
    assert np.median([setting["dropout"] for setting in settings]) < 0.3
    again = shac.SHAC(None, None, 100, 10, save_dir="new")
    again.restore_data()
    assert again.predict(num_samples=50, seed=0) == settings
    assert not os.path.exists("harm")  # noqa: PTH110


def test_the_order_of_the_rows_is_kept() -> None:
    engine = import_ancestor(write_old("old"), "new", num_batches=5)
    assert engine.dataset.Y == read_ancestor("old").Y


def test_files_directly_in_the_folder_are_found() -> None:
    assert len(read_ancestor(write_old("old", under="."))) == 100


def test_the_number_of_rounds_leaves_out_the_fewest_rows(caplog: pytest.LogCaptureFixture) -> None:
    assert import_ancestor(write_old("a", 100), "na").num_batches == 20
    assert import_ancestor(write_old("b", 34), "nb").num_batches == 17
    assert not caplog.records
    odd = import_ancestor(write_old("c", 101), "nc", num_batches=20)
    assert len(odd.dataset) == 100
    assert "1 rows fill no round and are left out" in caplog.text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("he_uniform", "no_uniform", 1), "line 2, column 'init': .*no_uniform"),
        (lambda text: text.replace("x_2,scores", "x_3,scores"), r"without \['x_2'\]"),
        (lambda text: text.replace("True", "Perhaps", 1), "line 2, column 'bias': .*Perhaps"),
        (lambda text: text.split("\n")[0] + "\n", "a table without rows"),
        (lambda text: text.replace("0,8.0", "0,9.0", 1), "line 2, column 'units': .*9.0"),
        (
            lambda text: re.sub(r"^(0(,[^,]*){3}),[^,]*", r"\1,zz", text, flags=re.MULTILINE),
            "line 2, column 'dropout': .*zz",
        ),
    ],
)
def test_damaged_tables_are_refused_with_their_place(spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    table = write_old("old") / "datasets/dataset.csv"
    table.write_text(spoil(table.read_text()))
    with pytest.raises(shac.DamagedFileError, match=message):
        import_ancestor("old", "new")
    assert not Path("new/manifest.json").exists()


def test_folders_that_are_none_are_refused() -> None:
    with pytest.raises(FileNotFoundError, match=r"expected dataset\.csv and parameters.json"):
        import_ancestor("nowhere", "new")
    import_ancestor(write_old("old"), "new", num_batches=5)
    with pytest.raises(shac.SaveFolderError, match="expected a folder without a search"):
        import_ancestor("old", "new")
