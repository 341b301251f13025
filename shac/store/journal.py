"""The journal of a search: each evaluation on the disk as soon as it ends.

``journal.jsonl`` holds one JSON object a line, and ``kind`` says what it is:

``search``
    The first line: the format's number and the fingerprint of the search space.
``batch``
    Written before a batch runs: the number of its first evaluation, all configurations, all seeds. A search that was
    stopped takes the rest of its batch from here, whatever the engine would draw today. With an overlap, ``ahead`` is
    how many of them, the last ones, belong to the next batch, which begins with them.
``evaluation``
    How an evaluation ended: ``index``, ``parameters``, ``score`` (null when it failed; a list of several objectives),
    ``error`` and ``traceback`` (null when it did not), ``worker_id``, ``seed``, ``attempt`` (from 1), ``started`` and
    ``ended`` (seconds since the epoch); ``curve``, the steps and values that it reported, if it did; ``pruned``, true
    if it was.
``retry``
    The same for an attempt that failed and is made again.

Every line ends with the CRC-32 of what stands before it. Lines are only ever appended, each in one write, so that a
writer that is killed leaves at most the last line torn: `Journal` cuts it off, with a warning. Any other damage is an
error that names file and line. Reading is possible at any time.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
import warnings
import zlib
from typing import TYPE_CHECKING, Any, Self

from shac.errors import DamagedFileError
from shac.files import append_bytes, dump_json, open_regular, parse_json, write_atomic
from shac.store.evaluations import JournalBatch, JournalEntry, batch_of, entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    FileState = tuple[int, int, int, int]

__all__ = [
    "JOURNAL_FILE",
    "Journal",
    "JournalBatch",
    "JournalEntry",
    "as_json_has_it",
    "file_state",
    "has_scores",
    "is_journal",
    "read_batches",
    "read_failures",
    "read_journal",
]

JOURNAL_FILE = "journal.jsonl"
FORMAT_VERSION = 1

_CHECKSUM = ',"crc32":"'
_SECONDS_THAT_SHARE_A_SYNC = 0.05
_LONG_SECONDS = 2.0
_LARGE = 1 << 64  # an integer that is certain to be written; Python limits the digits
_LONGEST_LINE = 1 << 28  # bytes: a batch of a million configurations


class Journal:
    """The journal of a search, open for writing. One owner at a time: see `shac.store.lock`.

    Parameters
    ----------
    path : Path
        The file. A torn last line is cut off, with a warning; a file that does not exist is begun.
    space : str
        Fingerprint of the search space.
    is_sound : bool
        Whether the caller knows that the file is the journal of this space and ends with a whole line: it is not read.
    last_sync : float
        When, by the monotonic clock, the file was last put on the disk.

    Attributes
    ----------
    is_new : bool
        Whether the file was not there when it was opened, and has no batch yet.

    Raises
    ------
    DamagedFileError
        If a line is damaged, or the journal is that of another space.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "journal.jsonl"
    >>> with Journal(path, "5f2c") as journal:
    ...     journal.begin_batch(0, [["0.25"], ["0.5"]], [7, 8])
    ...     journal.record(JournalEntry(1, {"x": 0.5}, 2.0, None, None, 0, 8, 1, 1.0, 2.0))
    >>> [(entry.index, entry.score) for entry in read_journal(path)]
    [(1, 2.0)]
    """

    def __init__(self, path: Path, space: str, *, is_sound: bool = False, last_sync: float = -math.inf) -> None:
        self.path = path
        self.last_sync = last_sync
        self.final_state: FileState | None = None
        self._is_synced = True  # what is there when it is opened was its writer's to put on the disk
        self.is_new = not is_sound and not path.exists()
        if not is_sound:
            _make_sound(path, space)
        # Without a buffer: a line is the system's to keep as soon as `write` returns, even if this process is killed
        self._file = os.fdopen(open_regular(path, os.O_RDWR | os.O_APPEND, follow=False), "ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self, *, sync: bool = True) -> None:
        """Put what was written on the disk, unless that is not wanted, and close the file."""
        if not self._file.closed:
            if sync and not self._is_synced:
                self._sync()
            self.final_state = _state_of(os.fstat(self._file.fileno()))
            self._file.close()

    def begin_batch(
        self, first: int, rows: Sequence[Sequence[str]], seeds: Sequence[int], *, num_ahead: int = 0
    ) -> None:
        """Write down what is about to be evaluated; the last `num_ahead` belong to the next batch."""
        batch = {"kind": "batch", "first": first, "rows": [list(row) for row in rows], "seeds": list(seeds)}
        self._write({**batch, "ahead": num_ahead} if num_ahead else batch)
        self.is_new = False
        self._sync()

    def record(self, entry: JournalEntry, *, is_final: bool = True, taken: float = 0.0) -> None:
        """Write down how an evaluation ended; `is_final` is False where it will be made again.

        The line is the operating system's when this returns: it outlives this process. It is on the disk itself as
        well, unless one was put there within the last 50 ms: very short evaluations share the wait for the disk.

        Parameters
        ----------
        entry : JournalEntry
        is_final : bool
        taken : float
            Seconds of its duration that the search took itself. One of less than 50 ms beside these is short, too, up
            to two seconds.

        Raises
        ------
        OSError
            If the disk is full, say. The journal is then as it was before.
        """
        self._write({"kind": "evaluation" if is_final else "retry", **entry.as_record()})
        now = time.monotonic()
        is_long = entry.duration - taken >= _SECONDS_THAT_SHARE_A_SYNC or entry.duration >= _LONG_SECONDS
        if is_long or not 0 <= now - self.last_sync < _SECONDS_THAT_SHARE_A_SYNC:
            self._sync()

    def _write(self, record: dict[str, Any]) -> None:
        data = _line(record).encode("ascii")
        self._is_synced = False
        append_bytes(self._file, data)  # all of it or nothing: half a line would swallow the next one

    def _sync(self) -> None:
        os.fsync(self._file.fileno())
        self.last_sync, self._is_synced = time.monotonic(), True


def _make_sound(path: Path, space: str) -> None:
    if not path.exists():
        write_atomic(path, _line({"kind": "search", "format": FORMAT_VERSION, "space": space}))
    # Before anything is cut off: it may not be a journal at all.
    found = next(_records(path), None)
    if found is None or found[1].get("space") != space:
        raise DamagedFileError(f"{path}, line 1: expected the journal of the search space {space}, got {found}")
    _repair(path)


def file_state(path: Path) -> FileState | None:
    """Return by what a file is known again that nobody else has written to; None if there is none."""
    try:
        return _state_of(path.lstat())
    except OSError:
        return None


def _state_of(found: os.stat_result) -> FileState:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def read_journal(path: Path) -> list[JournalEntry]:
    """Read the evaluations that have ended, in the order of their numbers.

    Parameters
    ----------
    path : Path
        The file; a search may be writing it.

    Returns
    -------
    list of JournalEntry
        Of an evaluation that was run again, after its whole batch had failed, the last one.

    Raises
    ------
    FileNotFoundError
        If there is no journal.
    DamagedFileError
        If a line is damaged; the message names it. A last line that is not whole is left out.
    """
    entries: dict[int, JournalEntry] = {}
    for batch in read_batches(path):
        entries.update(batch.entries)
    return [entries[index] for index in sorted(entries)]


def read_batches(path: Path) -> Iterator[JournalBatch]:
    """Read the batches in the order in which they began; see `read_journal` for the errors."""
    batch: JournalBatch | None = None
    for number, record in _records(path):
        where = f"{path}, line {number}"
        match record:
            case {"kind": "search"} if number == 1:
                pass
            case {"kind": "batch", "first": int(first), "rows": list(rows), "seeds": list(seeds)} if number > 1:
                following = batch_of(first, rows, seeds, record.get("ahead", 0), where)
                if batch is not None:
                    yield batch
                batch = following
            case {"kind": "retry"} if batch is not None:
                pass
            case {"kind": "evaluation", "index": int(index)} if batch is not None:
                if not 0 <= index - batch.first < len(batch.rows):
                    raise DamagedFileError(f"{where}: expected an evaluation of the batch before it, got {index}")
                batch.entries[index] = entry_of(record, where)
            case _:
                raise DamagedFileError(f"{where}: expected a line of a journal, got {record}")
    if batch is not None:
        yield batch


def read_failures(path: Path) -> dict[int, tuple[str, str]]:
    """Read errors and tracebacks by evaluation, as far as they can be read: a damaged line is passed over."""
    failures: dict[int, tuple[str, str]] = {}
    with contextlib.suppress(OSError, DamagedFileError), os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
        for line in file:
            with contextlib.suppress(DamagedFileError):
                match parse_json(line.decode(errors="replace"), str(path)):
                    case {"index": int(index), "error": str(error), **rest}:
                        failures[index] = error, str(rest.get("traceback") or "")
    return failures


def has_scores(path: Path) -> bool:
    """Return whether a journal exists and some evaluation in it gave a score."""
    return path.exists() and any(entry.score is not None for entry in read_journal(path))


def is_journal(path: Path) -> bool:
    """Return whether a file begins as the journal of a search, or is empty.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    try:
        first = next(_records(path), None)
    except DamagedFileError:
        return False
    return path.stat().st_size == 0 if first is None else first[1].get("kind") == "search"


def as_json_has_it(value: Any, to_text: Callable[[Any], str]) -> Any:
    """Return a value that can stand in a journal: itself, or its text where it is of a class that JSON does not have.

    Examples
    --------
    >>> as_json_has_it(0.5, str), as_json_has_it(1j, str)
    (0.5, '1j')
    """
    if value is None or type(value) in (bool, float, str) or (type(value) is int and abs(value) < _LARGE):
        return value
    try:
        dump_json(value, "value")
    except ValueError:
        return to_text(value)
    return value


def _line(record: dict[str, Any]) -> str:
    body = dump_json(record, "journal", one_line=True)
    return f'{body[:-1]}{_CHECKSUM}{zlib.crc32(body.encode("ascii")):08x}"}}\n'


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Return the whole lines with their numbers, one at a time: a journal may be long."""
    with os.fdopen(open_regular(path, os.O_RDONLY, follow=False), "rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
            if len(line) == _LONGEST_LINE:
                raise DamagedFileError(f"{path}, line {number}: expected less than {_LONGEST_LINE} bytes, got more")
            if not line.endswith(b"\n"):
                return  # it is being written, or its writer was killed
            yield number, _record(line, f"{path}, line {number}")


def _record(line: bytes, where: str) -> dict[str, Any]:
    try:
        text = line.decode("ascii")
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"{where}: expected a line of a journal: {error}") from error
    body, found, checksum = text.rpartition(_CHECKSUM)
    body += "}"
    if not found or checksum != f'{zlib.crc32(body.encode("ascii")):08x}"}}\n':
        raise DamagedFileError(f"{where}: expected a line with its checksum, got a damaged one; cut the file off there")
    record = parse_json(body, where)
    if not isinstance(record, dict):
        raise DamagedFileError(f"{where}: expected a mapping, got {record!r}")
    if "format" in record and record["format"] != FORMAT_VERSION:
        raise DamagedFileError(f"{where}: expected format version {FORMAT_VERSION}, got {record['format']!r}")
    return record


def _repair(path: Path) -> None:
    """Cut off a torn last line."""
    with os.fdopen(open_regular(path, os.O_RDWR, follow=False), "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end:
            begin = max(0, end - 65_536)
            file.seek(begin)
            newline = file.read(end - begin).rfind(b"\n")
            if newline >= 0:
                end = begin + newline + 1
                break
            end = begin
        if end == size:
            return
        file.truncate(end)
        os.fsync(file.fileno())
    warnings.warn(
        f"{path}: the last line was torn, {size - end} bytes; it is cut off, and its evaluation will run again",
        stacklevel=5,
    )
