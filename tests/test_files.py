import errno
import math
import os
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shac.errors import DamagedFileError
from shac.files import dump_json, extend_file, parse_json, read_beginning, read_file, write_atomic

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["a", "$float", "$tuple", "$dict", "$", ""]), inner, max_size=2)
    ),
    max_leaves=12,
)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder where not even root may write")
def test_an_error_names_the_file_that_was_given() -> None:
    with pytest.raises(OSError, match=r"page\.html") as raised:
        write_atomic("/proc/page.html", "text")
    assert raised.value.filename == "/proc/page.html"


def test_a_file_that_is_a_folder_is_named_as_it_was_given() -> None:
    Path("taken").mkdir()
    with pytest.raises(OSError, match="taken") as raised:
        write_atomic("taken", "text")
    assert raised.value.filename == "taken"
    assert names() == ["taken"]


def names() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize("data, expected", [(b"\x00\r\n", b"\x00\r\n"), ("é\r\n", b"\xc3\xa9\r\n"), ("", b"")])
def test_bytes_and_text_are_written_as_they_are(data: Any, expected: bytes) -> None:
    write_atomic("file", data)
    assert Path("file").read_bytes() == expected


def test_an_old_file_is_replaced_and_nothing_else_is_left() -> None:
    Path("file").write_text("old and longer")
    write_atomic(Path("file"), "new")
    assert Path("file").read_text() == "new"
    assert names() == ["file"]


@pytest.mark.skipif(os.name != "posix", reason="needs the permissions of POSIX")
def test_a_new_file_can_be_read_by_whom_other_new_files_can() -> None:
    Path("plain").write_text("x")
    write_atomic("file", "x")
    assert stat.S_IMODE(Path("file").stat().st_mode) == stat.S_IMODE(Path("plain").stat().st_mode)


@given(json_values)
def test_a_line_that_json_has_as_it_is_is_the_one_that_the_long_way_writes(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shac.files._is_simple", lambda _: False)
        expected = dump_json(value, "example", one_line=True)
    assert dump_json(value, "example", one_line=True) == expected


def test_a_file_is_extended_in_its_place_and_on_the_disk_then(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("table").write_bytes(b"1\n")
    before, synced = Path("table").stat().st_ino, []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_size))
    extend_file(Path("table"), b"2\n3\n")
    assert Path("table").read_bytes() == b"1\n2\n3\n"
    assert (Path("table").stat().st_ino, synced) == (before, [6])


@pytest.mark.skipif(not hasattr(os, "symlink") or os.name == "nt", reason="needs links")
def test_a_file_is_not_extended_through_a_link() -> None:
    Path("elsewhere").write_bytes(b"1\n")
    Path("table").symlink_to("elsewhere")
    with pytest.raises(DamagedFileError, match="symbolic link"):
        extend_file(Path("table"), b"2\n")
    assert Path("elsewhere").read_bytes() == b"1\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="limits the size of a file")
def test_what_does_not_fit_on_the_disk_leaves_the_file_as_it_was() -> None:
    script = (
        "import resource, signal; from pathlib import Path; from shac.files import extend_file;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); extend_file(Path('table'), b'2' * 2000)"
    )
    Path("table").write_bytes(b"1" * 900)
    ended = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert "File too large" in ended.stderr
    assert Path("table").read_bytes() == b"1" * 900


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_an_error_at_any_step_leaves_the_old_file_and_no_temporary_one(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("file").write_text("old")

    def fail(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "no space")

    with monkeypatch.context() as patch:
        if step == "write":
            patch.setattr(Path, "open", open_on_a_full_disk)
        elif step == "fsync":
            patch.setattr(os, "fsync", fail)
        else:
            patch.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="no space"):
            write_atomic("file", "new")
    assert names() == ["file"]
    assert Path("file").read_text() == "old"


def open_on_a_full_disk(path: Path, mode: str) -> "FullDisk":
    return FullDisk(path, mode)


class FullDisk:
    def __init__(self, path: Path, mode: str) -> None:
        self._file = open(path, mode)  # noqa: PTH123, SIM115 - Path.open is what the test replaces

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, data: bytes) -> None:
        self._file.write(data[:1])
        raise OSError(errno.ENOSPC, "no space")


def test_an_interrupt_leaves_no_temporary_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic("file", "new")
    assert names() == []


def test_bytes_are_on_the_disk_before_the_name_and_the_folder_after(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name != "posix":
        pytest.skip("only POSIX can put a folder on the disk")
    events = []
    replace, fsync = Path.replace, os.fsync

    def watched_fsync(descriptor: int) -> None:
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def watched_replace(path: Path, target: Path) -> Path:
        events.append("replace")
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    write_atomic("file", "x")
    assert events == ["file", "replace", "folder"]


def test_a_file_system_that_cannot_sync_folders_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def refuse_folders(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "cannot sync a folder")
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", refuse_folders)
    write_atomic("file", "x")
    assert Path("file").read_text() == "x"


def test_a_folder_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="No such folder: 'missing'"):
        write_atomic("missing/file", "x")


def test_a_folder_in_the_place_of_the_file_is_an_error_and_stays() -> None:
    Path("file").mkdir()
    with pytest.raises(OSError):  # noqa: PT011 - its kind and text are the platform's
        write_atomic("file", "x")
    assert names() == ["file"]


def written(value: Any) -> str:
    return repr(value)


@given(json_values)
def test_json_gives_every_value_back_with_its_type(value: Any) -> None:
    assert written(parse_json(dump_json(value, "value"), "text")) == written(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1, 2**70, (1, (2,)), ()])
def test_json_is_plain_and_keeps_what_json_does_not_have(value: Any) -> None:
    text = dump_json({"value": value}, "value")
    assert "NaN" not in text
    assert "Infinity" not in text
    assert written(parse_json(text.encode(), "text")["value"]) == written(value)


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", 1j, np.float64(1.0), np.int64(1), np.zeros(1), int, {1: 2}])
def test_what_json_cannot_hold_is_named_with_the_way_to_it(value: Any) -> None:
    with pytest.raises(ValueError, match=r"space\['x'\]\[1\]\['values'\]\[2\]: expected .*, got .* of type \w+"):
        dump_json({"x": ["DiscreteHP", {"values": [1, 2, value]}]}, "space")


def test_a_value_inside_a_tuple_is_named_too() -> None:
    with pytest.raises(ValueError, match=r"values\[0\]\[1\]: expected .*, got b'x' of type bytes"):
        dump_json([(1, b"x")], "values")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[1,]", "NaN", "[Infinity]", '{"$float": "abc"}', b"\xff\xfe\xfa", b"\xff", "[" * 100_000, "1 2"],
    ids=range(10),
)
def test_text_that_is_no_json_is_a_damaged_file(text: str | bytes) -> None:
    with pytest.raises(DamagedFileError, match=r"manifest\.json: expected JSON as the package writes it: "):
        parse_json(text, "manifest.json")


@pytest.mark.parametrize(
    "text",
    [
        '{"$float": 3}', '{"$float": "1.5"}', '{"$float": "inf "}', '{"$float": "Infinity"}', '{"$tuple": 3}',
        '{"$dict": 3}', '{"$dict": {"a": 1}}', '{"$other": 1}', '[{"$tuple": [{"$float": 1}]}]',
    ],
)  # fmt: skip
def test_a_tag_of_another_content_is_a_damaged_file(text: str) -> None:
    with pytest.raises(DamagedFileError, match=r"w: expected JSON as the package writes it: .* is no tag"):
        parse_json(text, "w")


@pytest.mark.parametrize(
    "text",
    ["1e999", "-1e999", '{"a": 1, "a": 2}', "1" * 10_000, '{"a":' * 100_000, "[1]".encode("utf-16")],
    ids=range(6),
)
def test_what_other_readers_of_json_accept_but_nobody_wrote_is_a_damaged_file(text: str | bytes) -> None:
    with pytest.raises(DamagedFileError, match="w: expected JSON as the package writes it: "):
        parse_json(text, "w")


def test_a_value_that_holds_itself_or_has_too_many_digits_is_named() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match=r"space: expected a value that does not hold itself"):
        dump_json(endless, "space")
    with pytest.raises(ValueError, match=r"space\[0\]: expected an integer that can be written: "):
        dump_json([10**5000], "space")


def test_reading_takes_memory_for_what_is_there_and_not_for_what_is_claimed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    tracemalloc.start()
    try:
        assert read_beginning(tmp_path / "a", 1 << 30) == b"abc"
        assert read_file(tmp_path / "a", 1 << 30) == b"abc"
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert read_beginning(tmp_path / "a", 2) == b"ab"
