"""Files that are whole or not there, and JSON that keeps the types of parameter values."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.errors import DamagedFileError

if TYPE_CHECKING:
    from io import FileIO

__all__ = [
    "append_bytes",
    "dump_json",
    "extend_file",
    "open_regular",
    "parse_json",
    "read_beginning",
    "read_file",
    "write_atomic",
]

_DO_NOT_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place is opened at once, and refused
_DO_NOT_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BINARY = getattr(os, "O_BINARY", 0)
_PLAIN_TYPES = frozenset({str, bool, type(None)})
_SIMPLE_TYPES = _PLAIN_TYPES | {float, int}
_PLAIN_INTEGERS = range(-(1 << 63), 1 << 63)  # which are certain to be written
_OF_A_LEVEL = json.JSONEncoder(allow_nan=False)  # `json.dumps` makes one at each call
_OF_A_LINE = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def write_atomic(path: str | os.PathLike[str], data: bytes | str) -> None:
    """Write a file so that, whatever happens, it holds either the old bytes or all the new ones.

    The bytes go to a temporary file in the same folder, are flushed to the disk, and take the name at last.

    Parameters
    ----------
    path : path-like
        The file; its folder must exist.
    data : bytes or str
        Text is written as UTF-8, line ends as they are.

    Raises
    ------
    OSError
        If the folder cannot be written. No temporary file stays behind.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_atomic(folder / "a.txt", "text")
    >>> (folder / "a.txt").read_text(), len(list(folder.iterdir()))
    ('text', 1)
    """
    target = Path(path)
    content = data.encode() if isinstance(data, str) else data
    # Opened like any other file: those of `tempfile` can be read by their owner only.
    if not target.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "No such folder", str(target.parent))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename, error.filename2 = str(target), None  # the name that was given
        raise
    _sync_folder(target.parent)


def extend_file(path: Path, data: bytes) -> None:
    """Write bytes behind those that a file holds, and put them on the disk.

    Other than by `write_atomic`, a part of them may be there when the process or the machine is stopped: for files
    whose readers know how long they are. One wait for the disk takes the place of two.

    Raises
    ------
    DamagedFileError, OSError
        If it is no file, or a link to one, or cannot be written; see `append_bytes`.
    """
    with os.fdopen(open_regular(path, os.O_WRONLY | os.O_APPEND, follow=False), "ab", buffering=0) as file:
        append_bytes(file, data)
        os.fsync(file.fileno())


def append_bytes(file: FileIO, data: bytes) -> None:
    """Write all bytes behind what a file holds; whatever stops it, the file is then as it was before.

    The file has no buffer. Raises OSError if the disk is full, say.
    """
    begin = file.seek(0, os.SEEK_END)
    try:
        left = memoryview(data)
        while left:  # a disk takes what fits, and says why at the next attempt
            left = left[file.write(left) or 0 :]
    except BaseException:
        file.truncate(begin)
        raise


def read_file(path: Path, most_bytes: int) -> bytes:
    """Read a file that somebody else may have made: never a pipe or a device, and never more than it should hold.

    Parameters
    ----------
    path : Path
        The file.
    most_bytes : int
        The largest size that is read.

    Returns
    -------
    bytes

    Raises
    ------
    DamagedFileError
        If it is no file, or larger.
    OSError
        If it cannot be read; `FileNotFoundError` if it is not there.
    """
    if path.is_dir():
        raise DamagedFileError(f"{path}: expected a file, got a folder")
    data = read_beginning(path, most_bytes + 1)
    if len(data) > most_bytes:
        raise DamagedFileError(f"{path}: expected at most {most_bytes} bytes, got more")
    return data


def read_beginning(path: Path, most_bytes: int) -> bytes:
    """Read the first bytes of a file that somebody else may have made, with memory for what is there alone.

    Parameters
    ----------
    path : Path
        The file.
    most_bytes : int
        How many bytes are read, if there are as many.

    Returns
    -------
    bytes

    Raises
    ------
    DamagedFileError
        If it is no file.
    OSError
        If it cannot be read; `FileNotFoundError` if it is not there.
    """
    with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        # `read` takes memory for all that it is asked for, before it looks at the file.
        return file.read(min(most_bytes, os.fstat(file.fileno()).st_size))


def open_regular(path: Path, flags: int, *, follow: bool = True) -> int:
    """Open a file, and nothing but a file, as `os.open` does.

    Parameters
    ----------
    path : Path
        The file.
    flags : int
        As for `os.open`.
    follow : bool, default True
        Whether a symbolic link may lead to it. What is written through a link lands in a file elsewhere, which
        whoever made the link chose.

    Returns
    -------
    int
        The descriptor.

    Raises
    ------
    DamagedFileError
        If it is a folder, a pipe or a device, or a symbolic link that must not be followed.
    OSError
        If it cannot be opened.
    """
    if not (follow or _DO_NOT_FOLLOW):  # where the system cannot refuse it
        _check_no_link(path)
    try:
        descriptor = os.open(path, flags | _DO_NOT_WAIT | _BINARY | (0 if follow else _DO_NOT_FOLLOW), 0o666)
    except OSError:
        if not follow:
            _check_no_link(path)
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DamagedFileError(f"{path}: expected a file, got a folder, a pipe or a device")
    return descriptor


def _check_no_link(path: Path) -> None:
    if path.is_symlink():
        raise DamagedFileError(f"{path}: expected a file, got a symbolic link to {path.readlink()}")


def _sync_folder(folder: Path) -> None:
    """Put the new name itself on the disk, where the platform can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems cannot
            raise
    finally:
        os.close(descriptor)


def dump_json(value: Any, what: str, *, one_line: bool = False, depth: int | None = None) -> str:
    """Write JSON, with tags for the floats and tuples that JSON does not have.

    Parameters
    ----------
    value : object
        Mappings, lists, tuples, strings, bools, numbers and None.
    what : str
        What it is, for the error message, which adds the way to the value.
    one_line : bool, default False
        Whether to write it without a line break.
    depth : int, optional
        How many levels have an entry a line; all by default, which takes Python's slow encoder.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If it holds anything else.

    Examples
    --------
    >>> parse_json(dump_json([1, True, (None, float("inf"))], "example"), "example")
    [1, True, (None, inf)]
    """
    try:
        if one_line and _is_simple(value):
            with contextlib.suppress(ValueError):  # a number that is none, say
                return _OF_A_LINE.encode(value)
        plain = _to_plain(value, what)
        if one_line:
            return _OF_A_LINE.encode(plain)
        return (json.dumps(plain, indent=2, allow_nan=False) if depth is None else _in_lines(plain, depth)) + "\n"
    except RecursionError:
        raise ValueError(f"{what}: expected a value that does not hold itself, got one nested without end") from None


def _in_lines(plain: Any, depth: int, margin: str = "\n") -> str:
    """Write JSON with an entry a line on so many levels, and what is below them on the same line."""
    if depth == 0 or not plain or not isinstance(plain, (dict, list)):
        return _OF_A_LEVEL.encode(plain)
    own = f"{margin}  "
    if isinstance(plain, list):
        return f"[{own}{f',{own}'.join(_in_lines(entry, depth - 1, own) for entry in plain)}{margin}]"
    entries = [f"{_OF_A_LEVEL.encode(key)}: {_in_lines(entry, depth - 1, own)}" for key, entry in plain.items()]
    return f"{{{own}{f',{own}'.join(entries)}{margin}}}"


def parse_json(text: str | bytes, where: str) -> Any:
    """Read what `dump_json` wrote.

    Parameters
    ----------
    text : str or bytes
        The JSON text.
    where : str
        Where it comes from, for the error message.

    Returns
    -------
    object

    Raises
    ------
    DamagedFileError
        If it is no JSON as `dump_json` writes it.
    """
    try:
        # From bytes, `json` would take other encodings than UTF-8, too.
        decoded = text.decode() if isinstance(text, bytes) else text
        return _from_plain(
            json.loads(
                decoded,
                parse_constant=_refuse_constant,
                parse_float=_read_finite,
                object_pairs_hook=_read_object,
            )
        )
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{where}: expected JSON as the package writes it: {error}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _read_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is beyond float64")
    return number


def _read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError(f"a name comes twice among {[name for name, _ in pairs]}")
    return entries


def _checked_digits(value: int, what: str) -> int:
    try:
        str(value)
    except ValueError as error:  # Python limits the digits, in reading as well
        raise ValueError(f"{what}: expected an integer that can be written: {error}") from error
    return value


def _is_simple(value: Any) -> bool:
    """Whether JSON has a value as it is, but for its numbers; said of whole lists and mappings at once."""
    entries = value.values() if type(value) is dict else value
    if type(value) is not list and (type(value) is not dict or _is_tag(value) or not {*map(type, value)} <= {str}):
        return False
    return {*map(type, entries)} <= _SIMPLE_TYPES or all(type(e) in _SIMPLE_TYPES or _is_simple(e) for e in entries)


def _is_plain(value: Any) -> bool:
    """Whether a value is written as it is; most are, and the way to them need not be named."""
    kind = type(value)
    if kind is float:
        return math.isfinite(value)
    return kind in _PLAIN_TYPES or (kind is int and value in _PLAIN_INTEGERS)


def _to_plain(value: Any, what: str) -> Any:
    if type(value) is int:
        return _checked_digits(value, what)
    if value is None or type(value) in (bool, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"$float": repr(value)}
    if type(value) is tuple:
        return {"$tuple": [_to_plain(entry, f"{what}[{i}]") for i, entry in enumerate(value)]}
    if isinstance(value, list):
        return [entry if _is_plain(entry) else _to_plain(entry, f"{what}[{i}]") for i, entry in enumerate(value)]
    if isinstance(value, dict) and all(type(key) is str for key in value):
        plain = {
            key: entry if _is_plain(entry) else _to_plain(entry, f"{what}[{key!r}]") for key, entry in value.items()
        }
        # A mapping that looks like a tag is wrapped, so that it comes back as it was.
        return {"$dict": plain} if _is_tag(plain) else plain
    raise ValueError(
        f"{what}: expected None, bools, numbers, strings, tuples, lists or mappings to save, "
        f"got {value!r} of type {type(value).__name__}; a string may name it, for the evaluation to look it up"
    )


def _from_plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_from_plain(entry) for entry in value]
    if not isinstance(value, dict):
        return value
    if not _is_tag(value):
        return {key: _from_plain(entry) for key, entry in value.items()}
    match value:
        case {"$float": "nan" | "inf" | "-inf" as text}:
            return float(text)
        case {"$tuple": list(entries)}:
            return tuple(_from_plain(entry) for entry in entries)
        case {"$dict": dict(plain)} if _is_tag(plain):
            return {key: _from_plain(entry) for key, entry in plain.items()}
    raise ValueError(f"{value!r} is no tag")


def _is_tag(value: dict[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith("$")
