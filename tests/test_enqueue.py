"""Configurations that a user wants evaluated first."""

import math
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
import searches
from click.testing import CliRunner
from searches import branin, branin_after_a_while, engine, read_manifest

import shac
from shac.errors import SaveFolderError
from shac.store.journal import read_journal

JOURNAL = Path("shac_run/journal.jsonl")
FIRST = [{"x": 1.0, "y": 2.0}, {"x": -3.0, "y": 12.5}]
ROWS = [[1.0, 2.0], [-3.0, 12.5]]


def table(folder: str = "shac_run") -> bytes:
    return Path(folder, "dataset.csv").read_bytes()


def mixed_space(**more: Any) -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [
            shac.DiscreteHP("optimizer", ["sgd", "adam"]),
            shac.UniformHP("momentum", 0.0, 1.0),
            shac.IntegerHP("layers", 1, 8),
            shac.MultiUniformHP("widths", 0.0, 1.0, sample_count=2),
        ],
        conditions={"momentum": {"optimizer": "sgd"}},
        **more,
    )


def test_enqueued_configurations_are_the_first_evaluations() -> None:
    search = engine()
    assert search.enqueue(FIRST) == 2
    search.fit()
    assert search.dataset.X[:2] == ROWS
    assert search.dataset.Y[0] == branin(0, search.dataset.prepare_parameter(ROWS[0]))
    assert len(search.dataset) == 60
    assert search.dataset.enqueued == {0, 1}


def test_what_is_drawn_beside_them_keeps_its_distance_and_its_seed() -> None:
    plain = engine(save_dir="plain", total_budget=20, num_batches=2)
    plain.fit()
    search = engine(total_budget=20, num_batches=2)
    search.enqueue(FIRST)
    search.fit()
    assert search.dataset.X[2:10] == plain.dataset.X[:8]
    assert search.dataset.X[10:] != plain.dataset.X[10:]


def test_more_than_a_round_fill_the_rounds_in_order() -> None:
    search = engine(total_budget=20, num_batches=4)
    rows = [[float(x), 1.0] for x in range(-4, 4)]
    search.enqueue({"x": x, "y": y} for x, y in rows)
    search.fit()
    assert search.dataset.X[:8] == rows
    assert search.dataset.enqueued == set(range(8))


def test_configurations_of_a_time_between_fits_begin_the_next_round() -> None:
    search = engine(total_budget=30, num_batches=3)
    search.fit(max_evaluations=10)
    search.enqueue(FIRST)
    search.fit()
    assert search.dataset.X[10:12] == ROWS
    assert search.dataset.enqueued == {10, 11}


def test_configurations_of_a_time_within_a_round_wait_for_the_next_one() -> None:
    plain = engine(save_dir="plain", total_budget=30, num_batches=3)
    plain.fit(max_evaluations=20)
    search = engine(total_budget=30, num_batches=3)
    search.fit(max_evaluations=15)
    search.enqueue(FIRST)
    again = engine(total_budget=30, num_batches=3)
    again.restore_data()
    again.fit()
    assert again.dataset.X[:20] == plain.dataset.X[:20]
    assert again.dataset.X[20:22] == ROWS
    assert again.dataset.enqueued == {20, 21}


@pytest.mark.parametrize("overlap", [0, 4])
def test_asked_for_one_by_one_they_come_first(overlap: int) -> None:
    fitted = engine(save_dir="fitted", total_budget=20, num_batches=2)
    fitted.enqueue(FIRST)
    fitted.fit(overlap=overlap)
    search = engine(None, total_budget=20, num_batches=2)
    search.enqueue(FIRST)
    asked = []
    while configurations := search.ask(1, overlap=overlap):
        asked += [list(configuration.values()) for configuration in configurations]
        search.tell(configurations[0], branin(0, configurations[0]))
    assert asked[:2] == ROWS
    assert table() == table("fitted")
    assert search.dataset.enqueued == {0, 1}


def test_while_a_round_is_asked_for_they_wait_for_the_next_one() -> None:
    search = engine(None, total_budget=20, num_batches=2)
    first = search.ask(10)
    search.enqueue(FIRST)
    for configuration in first:
        search.tell(configuration, branin(0, configuration))
    assert [list(configuration.values()) for configuration in search.ask(2)] == ROWS


@pytest.mark.parametrize("overlap", [0, 4])
def test_a_round_that_is_asked_for_after_a_restart_is_the_one_that_it_was(overlap: int) -> None:
    plain = engine(save_dir="plain", total_budget=20, num_batches=2)
    plain.fit(overlap=overlap)
    search = engine(None, total_budget=20, num_batches=2)
    asked = search.ask(3, overlap=overlap)
    search.tell(asked[0], branin(0, asked[0]))
    search.enqueue(FIRST)
    again = engine(None, total_budget=20, num_batches=2)
    again.restore_data()
    while configurations := again.ask(1):
        again.tell(configurations[0], branin(0, configurations[0]))
    assert again.dataset.X[:10] == plain.dataset.X[:10]
    assert again.dataset.X[10 + overlap : 12 + overlap] == ROWS
    assert again.dataset.enqueued == {10 + overlap, 11 + overlap}


def test_a_trial_that_is_overtaken_is_not_handed_out_twice() -> None:
    search = engine(None, total_budget=20, num_batches=2)
    search.enqueue(FIRST)
    slow, *others = search.ask(11)
    for configuration in others:
        search.tell(configuration, branin(0, configuration))
    assert len(search.dataset) == 10
    following = search.ask(9)
    assert ROWS[0] not in [list(configuration.values()) for configuration in following]
    for configuration in [slow, *following]:
        search.tell(configuration, branin(0, configuration))
    assert search.dataset.X.count(ROWS[0]) == 1
    assert search.dataset.enqueued == {search.dataset.X.index(row) for row in ROWS}


@pytest.mark.parametrize("num_evaluators", [1, 3, 10])
def test_with_an_overlap_the_table_is_the_same_for_any_number_of_evaluators(num_evaluators: int) -> None:
    rows = [[float(x), 1.0] for x in range(-4, 8)]
    search = engine(branin_after_a_while, total_budget=40, num_batches=4)
    search.set_num_parallel_evaluators(num_evaluators)
    search.enqueue([{"x": x, "y": y} for x, y in rows])
    search.fit(overlap=4)
    assert search.dataset.X[:12] == rows
    assert all(search.dataset.X.count(row) == 1 for row in rows)
    assert search.dataset.enqueued == set(range(12))
    whole = engine(branin_after_a_while, save_dir="one", total_budget=40, num_batches=4)
    whole.set_num_parallel_evaluators(2)
    whole.enqueue([{"x": x, "y": y} for x, y in rows])
    whole.fit(overlap=4)
    assert table() == table("one")


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import searches

engine = searches.engine(searches.branin_after_a_while, total_budget=30, num_batches=3)
engine.enqueue([dict(x=float(x), y=1.0) for x in range(-4, 8)])
engine.evaluator_backend = "loky"
engine.set_num_parallel_evaluators(3)
engine.fit(overlap={overlap})
"""


@pytest.mark.parametrize("overlap", [0, 4])
def test_a_search_that_was_killed_ends_with_the_table_of_one_that_was_not(overlap: int) -> None:
    whole = engine(branin_after_a_while, save_dir="one", total_budget=30, num_batches=3)
    whole.enqueue([{"x": float(x), "y": 1.0} for x in range(-4, 8)])
    whole.fit(overlap=overlap)
    script = textwrap.dedent(SCRIPT.format(tests=str(Path(searches.__file__).parent), overlap=overlap))
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as process:
        while not JOURNAL.exists() or not any(entry.index >= 4 for entry in read_journal(JOURNAL)):
            assert process.poll() is None
            time.sleep(0.002)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    again = engine(branin_after_a_while, total_budget=30, num_batches=3)
    again.restore_data()
    again.enqueue([{"x": float(x), "y": 1.0} for x in range(-4, 8)])  # as a program does that is run again
    again.fit()
    assert table() == table("one")
    assert again.dataset.enqueued == whole.dataset.enqueued == set(range(12))


def test_they_are_on_the_disk_before_the_search_begins() -> None:
    engine(total_budget=20, num_batches=2).enqueue(FIRST)
    again = engine(total_budget=20, num_batches=2)
    again.restore_data()
    again.fit()
    assert again.dataset.X[:2] == ROWS
    restored = engine(total_budget=20, num_batches=2)
    restored.restore_data()
    assert restored.dataset.enqueued == {0, 1}
    assert read_manifest(Path("shac_run"))["progress"]["enqueued"] == [0, 1]
    assert "queue" not in read_manifest(Path("shac_run"))["progress"]


def test_what_is_known_is_enqueued_again_only_where_it_is_asked_for() -> None:
    search = engine(total_budget=20, num_batches=2)
    assert search.enqueue(FIRST) == 2
    assert search.enqueue([*FIRST, {"x": 0.0, "y": 0.0}]) == 1
    search.fit(max_evaluations=10)
    assert search.enqueue(FIRST) == 0
    assert search.enqueue(FIRST[:1], repeat=True) == 1
    search.fit()
    assert search.dataset.X.count(ROWS[0]) == 2
    assert search.dataset.enqueued == {0, 1, 2, 10}


def test_parameters_without_a_value_are_drawn_from_the_prior_by_the_seed() -> None:
    rows = []
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        search = shac.SHAC(None, mixed_space(), 20, 2, save_dir=folder, seed=seed)
        search.enqueue([{"layers": 3}, {"layers": 3, "momentum": 0.5}, {"optimizer": "adam", "widths": [0.25, 0.5]}])
        rows.append([dict(configuration) for configuration in search.ask(3)])
    assert rows[0] == rows[1] != rows[2]
    first, with_momentum, last = rows[0]
    assert first["layers"] == 3
    assert with_momentum["optimizer"] == "sgd"
    assert with_momentum["momentum"] == 0.5
    assert "momentum" not in last
    assert last["widths"] == [0.25, 0.5]


def test_drawn_values_satisfy_the_constraints() -> None:
    search = shac.SHAC(None, mixed_space(constraints=["layers < 3"]), 20, 2, seed=1)
    search.enqueue([{"optimizer": "adam"}] * 5)
    assert all(configuration["layers"] < 3 for configuration in search.ask(5))


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        ({"layers": 9}, r"configurations\[1\]: parameter 'layers': expected a value of .*, got 9"),
        ({"optimizer": "lion"}, r"configurations\[1\]: parameter 'optimizer': .*'lion'"),
        ({"depth": 9}, r"configurations\[1\]: expected names among .*, got 'depth'"),
        ({"widths": [0.5]}, r"configurations\[1\]: parameter 'widths': expected a list of 2 values"),
        ({"optimizer": "adam", "momentum": 0.5}, r"configurations\[1\]: parameter 'momentum': expected none.*0\.5"),
        ([1, 2], r"configurations\[1\]: expected a mapping"),
        ({"layers": float("nan")}, r"configurations\[1\]: parameter 'layers': .*nan"),
    ],
)
def test_what_is_no_configuration_is_an_error_that_names_it(configuration: Any, message: str) -> None:
    search = shac.SHAC(None, mixed_space(), 20, 2, seed=1)
    with pytest.raises(ValueError, match=message):
        search.enqueue([{"layers": 1}, configuration])
    assert search.state.queue == ()


def test_a_single_mapping_is_no_list_of_configurations() -> None:
    with pytest.raises(ValueError, match="configurations: expected a list of mappings"):
        engine().enqueue(FIRST[0])  # type: ignore[arg-type]


def test_a_configuration_that_breaks_a_constraint_is_an_error() -> None:
    search = shac.SHAC(None, mixed_space(constraints=["layers < 3"]), 20, 2, seed=1)
    with pytest.raises(ValueError, match=r"configurations\[0\]: expected a configuration that satisfies .*layers < 3"):
        search.enqueue([{"layers": 5}])


def test_another_search_in_the_folder_is_left_alone() -> None:
    engine(total_budget=20, num_batches=2).fit()
    before = table()
    with pytest.raises(SaveFolderError, match="restore_data"):
        engine(total_budget=20, num_batches=2).enqueue(FIRST)
    assert table() == before


def test_a_failed_evaluation_of_the_queue_is_an_evaluation() -> None:
    search = engine(branin_after_a_while, total_budget=20, num_batches=2)
    search.enqueue([{"x": 9.0, "y": 1.0}])
    search.fit()
    assert math.isnan(search.dataset.Y[0])
    assert search.dataset.enqueued == {0}


def test_tables_and_pages_mark_them() -> None:
    from shac.cli import main

    search = engine(total_budget=20, num_batches=2)
    search.enqueue([{"x": 3.14159, "y": 2.275}])  # an optimum
    search.fit()
    frame = search.dataset.to_pandas()
    assert frame["source"].tolist() == ["enqueued"] + ["drawn"] * 19
    shown = CliRunner().invoke(main, ["show", "shac_run"])
    assert "20 of 20, in 2 rounds of 10; 1 enqueued" in shown.output
    assert "0.39789 (enqueued)" in shown.output
    page = shac.write_report(search).read_text()
    assert "0 (enqueued)" in page


def test_a_damaged_queue_is_a_damaged_folder() -> None:
    engine(total_budget=20, num_batches=2).enqueue(FIRST)
    manifest = read_manifest(Path("shac_run"))
    for queue in ([[0, ["1.0"]]], [[0, ["1.0", "?"]]], [["0", ["1.0", "2.0"]]], 3):
        searches.write_manifest(Path("shac_run"), {**manifest, "progress": {**manifest["progress"], "queue": queue}})
        with pytest.raises(shac.DamagedFileError):
            engine(total_budget=20, num_batches=2).restore_data()
