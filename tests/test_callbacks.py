"""Callbacks: the history of a search, its CSV log, and the list that calls them."""

import csv
import math
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shac.callbacks import Callback, CallbackList, CSVLogger, History, Later

EVENTS: list[tuple[str, tuple[Any, ...]]] = [
    ("on_train_begin", ()),
    ("on_epoch_begin", (3,)),
    ("on_evaluation_begin", ([OrderedDict(x=1)],)),
    ("on_evaluation_ended", ([0.5],)),
    ("on_dataset_changed", ("the dataset",)),
    ("on_epoch_end", (3,)),
    ("on_train_end", ()),
]


class Listener(Callback):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, ...]] = []

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("on_"):
            return lambda *arguments: self.heard.append((name, *arguments))
        return super().__getattribute__(name)


@pytest.mark.parametrize("event, arguments", EVENTS)
def test_a_plain_callback_does_nothing(event: str, arguments: tuple[Any, ...]) -> None:
    assert getattr(Callback(), event)(*arguments) is None
    assert getattr(Callback(), event)(*arguments, logs={"x": 1}) is None


@pytest.mark.parametrize("event, arguments", EVENTS)
def test_a_list_passes_every_event_to_all_in_order(event: str, arguments: tuple[Any, ...]) -> None:
    first, second = Listener(), Listener()
    callbacks = CallbackList([first, second])
    logs = {"x": 1}
    getattr(callbacks, event)(*arguments, logs)
    getattr(callbacks, event)(*arguments)
    assert first.heard == second.heard == [(event, *arguments, logs), (event, *arguments, {})]
    assert first.heard[0][-1] is second.heard[0][-1] is logs
    assert first.heard[1][-1] is second.heard[1][-1]


def test_a_list_has_a_history_and_leaves_the_callers_list_alone() -> None:
    given_callbacks: list[Callback] = [Listener()]
    callbacks = CallbackList(given_callbacks)
    callbacks.append(Listener())
    assert len(given_callbacks) == 1
    assert len(callbacks) == 3
    assert isinstance(callbacks.history, History)
    assert list(callbacks)[1] is callbacks.history
    assert isinstance(CallbackList().history, History)
    assert isinstance(CallbackList([]).history, History)


def test_a_list_keeps_the_history_it_is_given() -> None:
    class OwnHistory(History):
        pass

    history = OwnHistory()
    callbacks = CallbackList(iter([Listener(), history]))
    assert callbacks.history is history
    assert len(callbacks) == 2
    assert list(CallbackList(callbacks)) == list(callbacks)


def test_the_engine_reaches_every_callback_also_those_that_come_later() -> None:
    class Forgetful(Callback):
        def __init__(self) -> None:
            pass

    early, late = Forgetful(), Listener()
    assert early.engine is None
    callbacks = CallbackList([early])
    callbacks.set_engine("the engine")
    callbacks.append(late)
    assert early.engine == late.engine == callbacks.history.engine == callbacks.engine == "the engine"


def test_what_is_no_callback_is_refused() -> None:
    with pytest.raises(TypeError, match="callback must be a Callback, got 3 of type int"):
        CallbackList([3])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="callbacks must be a list of Callback objects, got History"):
        CallbackList(History())  # type: ignore[arg-type]


def test_a_history_keeps_what_each_epoch_logs() -> None:
    history = History()
    history.on_epoch_end(4, {"median": 0.5, "accuracy": 0.8})
    history.on_epoch_end(5, {"median": 0.6})
    history.on_epoch_end(6)
    assert history.epochs == [4, 5, 6]
    assert history.history == {"median": [0.5, 0.6], "accuracy": [0.8]}


class Counted:
    """Works out a number, and counts how often."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> float:
        self.times += 1
        return 0.25


def test_a_number_that_can_wait_is_worked_out_when_the_history_is_read() -> None:
    callbacks, number = CallbackList(), Counted()
    callbacks.on_train_begin()
    callbacks.on_epoch_end(0, {"median": 0.5, "volume": Later(number)})
    assert number.times == 0
    history = callbacks.history.history
    assert history == {"median": [0.5], "volume": [0.25]}
    callbacks.on_epoch_end(1, {"volume": Later(number)})  # whoever has read it sees numbers from then on
    assert history["volume"] == callbacks.history.history["volume"] == [0.25, 0.25]
    assert number.times == 2


@pytest.mark.parametrize("base", [Callback, History])
def test_callbacks_of_others_get_numbers_that_are_worked_out(base: type[Callback]) -> None:
    class Reader(base):  # type: ignore[misc, valid-type]
        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            assert logs == {"volume": 0.25}
            super().on_epoch_end(epoch, logs)

    callbacks = CallbackList([History(), Reader()])
    callbacks.on_train_begin()
    callbacks.on_epoch_end(0, {"volume": Later(Counted())})
    assert callbacks.history.history == {"volume": [0.25]}


def test_a_history_is_pickled_with_its_numbers() -> None:
    history = History()
    history.on_epoch_end(0, {"volume": Later(lambda: 0.5)})
    assert pickle.loads(pickle.dumps(history)).history == {"volume": [0.5]}  # noqa: S301 - just written


def test_a_history_starts_anew_with_each_fit() -> None:
    history = History()
    history.on_train_begin()
    history.on_epoch_end(0, {"median": 0.5})
    kept = history.history
    history.on_train_begin({"median": 1})
    assert history.epochs == []
    assert history.history == {}
    assert kept == {"median": [0.5]}


def rows_of(path: Path, separator: str = ",") -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter=separator))


def fit(logger: CSVLogger, *epochs: tuple[int, dict[str, Any]]) -> None:
    logger.on_train_begin()
    for epoch, logs in epochs:
        logger.on_epoch_end(epoch, logs)
    logger.on_train_end()


def test_a_log_has_a_header_and_a_row_for_each_epoch(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    fit(CSVLogger(str(path)), (0, {"median": 0.5, "best": 1}), (1, {"best": None, "median": math.nan}))
    assert path.read_text() == "epoch,best,median\n0,1,0.5\n1,,nan\n"


def test_iterables_are_written_in_brackets(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    values: dict[str, Any] = {
        "a": [1, 2.5],
        "b": (1,),
        "c": np.array([1, 2]),
        "d": np.array(3.5),
        "e": torch.tensor(2),
        "f": 'a, "b"\nc',
        "g": {"x": 1},
        "h": range(2),
        "i": [],
    }
    fit(CSVLogger(path), (0, values))
    [row] = rows_of(path)
    assert row == {
        "epoch": "0",
        "a": "[1, 2.5]",
        "b": "[1]",
        "c": "[1, 2]",
        "d": "3.5",
        "e": "tensor(2)",
        "f": 'a, "b"\nc',
        "g": "{'x': 1}",
        "h": "[0, 1]",
        "i": "[]",
    }
    assert '0,"[1, 2.5]",[1],"[1, 2]"' in path.read_text()


def test_every_row_is_on_disk_at_once_and_no_file_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    before = psutil.Process().num_fds()
    logger.on_train_begin()
    logger.on_epoch_end(0, {"x": 1})
    # fit raises here: nobody calls on_train_end
    assert rows_of(path) == [{"epoch": "0", "x": "1"}]
    assert psutil.Process().num_fds() == before
    fit(logger, (0, {"x": 2}))
    assert rows_of(path) == [{"epoch": "0", "x": "2"}]


def test_a_second_fit_starts_the_log_anew_with_its_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    fit(logger, (0, {"x": 1}), (1, {"x": 2}))
    fit(logger, (0, {"y": 3}))
    assert path.read_text() == "epoch,y\n0,3\n"


def test_appending_repeats_no_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    logger = CSVLogger(path, append=True)
    fit(logger, (0, {"x": 1}))
    fit(logger, (1, {"x": 2}))
    fit(CSVLogger(path, append=True), (2, {"x": 3}))
    assert path.read_text() == "epoch,x\n0,1\n1,2\n2,3\n"


def test_appending_keeps_to_the_columns_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("\ufeffz;epoch;a\r\n1;0;2\r\n", encoding="utf-8")
    fit(CSVLogger(path, separator=";", append=True), (1, {"a": 3, "z": 4}))
    assert path.read_text(encoding="utf-8-sig").splitlines() == ["z;epoch;a", "1;0;2", "4;1;3"]


def test_keys_may_come_later_or_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    fit(CSVLogger(path), (0, {"x": "a\nb"}), (1, {"x": 2, "later": 5, "b": 6}), (2, {"later": 7}), (3, {}))
    rows = rows_of(path)
    assert path.read_text().startswith("epoch,x,b,later\n")
    assert [row["x"] for row in rows] == ["a\nb", "2", "", ""]
    assert [row["later"] or "" for row in rows] == ["", "5", "7", ""]
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


@pytest.mark.parametrize(
    "last, kept",
    [('1,"[1, 2', []), ("1", []), ("1,2", [{"epoch": "1", "x": "2"}]), ("", []), ('1,"' + "9" * 200_000, [])],
)
def test_half_a_row_of_a_search_that_was_killed_is_dropped(last: str, kept: list[Any], tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"epoch,x\n0,1\n{last}")
    fit(CSVLogger(path, append=True), (5, {"x": 6}))
    assert rows_of(path) == [{"epoch": "0", "x": "1"}, *kept, {"epoch": "5", "x": "6"}]


def test_a_header_without_a_line_break_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("epoch,x")
    fit(CSVLogger(path, append=True), (5, {"x": 6}))
    assert path.read_text() == "epoch,x\n5,6\n"


def test_appending_to_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"column 'epoch' for append=True, got \['a', 'b'\]"):
        CSVLogger(path, append=True).on_train_begin()
    assert path.read_text() == "a,b\n1,2\n"


def test_a_log_stays_one_file_when_the_working_directory_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    logger = CSVLogger("run/log.csv")
    logger.on_train_begin()
    logger.on_epoch_end(0, {"x": 1})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    logger.on_epoch_end(1, {"x": 1})
    assert len(rows_of(tmp_path / "run/log.csv")) == 2


def test_a_log_that_is_removed_meanwhile_comes_back_with_a_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    logger = CSVLogger(path)
    fit(logger, (0, {"x": 1}))
    path.unlink()
    logger.on_epoch_end(1, {"x": 2})
    assert path.read_text() == "epoch,x\n1,2\n"


@pytest.mark.parametrize("separator", ["", ",,", '"', "\n"])
def test_a_separator_is_one_character(separator: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="separator must be one character"):
        CSVLogger(tmp_path / "log.csv", separator)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=8)


@given(
    fits=st.lists(
        st.lists(st.dictionaries(TEXT.filter(lambda key: key != "epoch"), TEXT, max_size=4), max_size=4),
        max_size=3,
    ),
    separator=st.sampled_from(",;\t|"),
)
def test_whatever_is_logged_can_be_read_back(fits: list[list[dict[str, str]]], separator: str, folder: Path) -> None:
    path = folder / "log.csv"
    path.unlink(missing_ok=True)
    logger = CSVLogger(path, separator, append=True)
    for epochs in fits:
        fit(logger, *enumerate(epochs))
    written = [{"epoch": str(epoch), **logs} for epochs in fits for epoch, logs in enumerate(epochs)]
    read = rows_of(path, separator) if path.exists() else []
    assert [{key: value for key, value in row.items() if value} for row in read] == [
        {key: value for key, value in row.items() if value} for row in written
    ]
