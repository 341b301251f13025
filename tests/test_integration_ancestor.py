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
    engine = import_ancestor(write_old("old"), "new", objective="max", num_batches=10, seed=1)
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
    engine = import_ancestor(write_old("old"), "new", objective="max", num_batches=5)
    assert engine.dataset.Y == read_ancestor("old").Y


def test_files_directly_in_the_folder_are_found() -> None:
    assert len(read_ancestor(write_old("old", under="."))) == 100


def test_the_number_of_rounds_leaves_out_the_fewest_rows(caplog: pytest.LogCaptureFixture) -> None:
    for rows, rounds in ((100, 10), (180, 18), (200, 20), (34, 17)):
        made = import_ancestor(write_old(f"a{rows}", rows), f"n{rows}", objective="max")
        assert made.num_batches == rounds
        assert f"guessed {rounds} rounds of {rows // rounds} evaluations, from the number of" in caplog.text
    odd = import_ancestor(write_old("c", 101), "nc", objective="max", num_batches=20)
    assert len(odd.dataset) == 100
    assert "1 rows fill no round and are left out" in caplog.text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda text: text.replace("he_uniform", "no_uniform", 1), "line 2, column 'init': .*no_uniform"),
        (lambda text: text.replace("x_2,scores", "x_2,x_3,score"), r"without \['scores'\]"),
        (lambda text: text.replace("x_1,x_2,scores", "x_1,scores"), "expected 6 columns beside id and scores"),
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
        import_ancestor("old", "new", objective="max")
    assert not Path("new/manifest.json").exists()


def test_folders_that_are_none_are_refused() -> None:
    with pytest.raises(FileNotFoundError, match=r"expected dataset\.csv and parameters.json"):
        import_ancestor("nowhere", "new", objective="max")
    import_ancestor(write_old("old"), "new", objective="max", num_batches=5)
    with pytest.raises(shac.SaveFolderError, match="expected a folder without a search"):
        import_ancestor("old", "new", objective="max")


def test_columns_without_their_names_are_read_by_position_and_this_is_said(caplog: pytest.LogCaptureFixture) -> None:
    named = read_ancestor(write_old("named"))
    table = write_old("old") / "datasets/dataset.csv"
    header, rest = table.read_text().split("\n", 1)
    table.write_text("id,units,init,bias,dropout,x_0,x_1,scores\n" + rest)
    assert header.endswith("x_1,x_2,scores")
    dataset = read_ancestor("old")
    assert (dataset.X, dataset.Y) == (named.X, named.Y)
    assert "columns are read by their position: ['units', 'init', 'bias', 'dropout', 'x_0', 'x_1'] for" in caplog.text


def test_ids_that_begin_anew_tell_the_rounds(caplog: pytest.LogCaptureFixture) -> None:
    table = write_old("old", 60) / "datasets/dataset.csv"
    header, *lines = table.read_text().splitlines()
    table.write_text("\n".join([header, *(f"{i % 4},{line.split(',', 1)[1]}" for i, line in enumerate(lines))]) + "\n")
    engine = import_ancestor("old", "new", objective="max")
    assert engine.num_batches == 15
    assert "guessed 15 rounds of 4 evaluations, from ids that begin anew with each round" in caplog.text


def test_an_unfinished_search_is_taken_over_and_goes_on() -> None:
    engine = import_ancestor(write_old("old", 90), "new", objective="max", num_batches=10, total_budget=100)
    assert (len(engine.dataset), engine.total_budget, engine.num_batches) == (90, 100, 10)
    again = shac.SHAC(lambda w, p: 1 - p["dropout"], None, 100, 10, save_dir="new")
    again.restore_data()
    again.concurrent_evaluators()
    again.fit()
    assert len(again.dataset) == 100
    assert again.dataset.Y[:90] == engine.dataset.Y
    with pytest.raises(ValueError, match="total_budget: expected at least 90, the evaluations there are, got 80"):
        import_ancestor("old", "other", objective="max", total_budget=80)


def test_the_strategy_may_be_the_ancestor_s_with_its_trees() -> None:
    engine = import_ancestor(write_old("old"), "new", objective="max", num_batches=10, strategy="ancestor")
    assert engine.strategy.trees == shac.TreeSettings(num_trees=200, max_depth=3, learning_rate=0.1)
    assert all(model.get_params()["max_depth"] == 3 for model in engine.classifiers)
    assert engine.predict(num_samples=5).is_exact
    again = shac.SHAC(None, None, 100, 10, save_dir="new")
    again.restore_data()
    assert again.strategy == engine.strategy


def test_the_objective_is_not_guessed() -> None:
    with pytest.raises(TypeError, match="objective"):
        import_ancestor(write_old("old"), "new")  # type: ignore[call-arg]
