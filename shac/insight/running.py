"""A search that runs in another process, read without touching it."""

from __future__ import annotations

import contextlib
import re
import socket
from typing import TYPE_CHECKING

from shac.errors import DamagedFileError
from shac.files import read_beginning
from shac.store.journal import JOURNAL_FILE, JournalEntry, read_journal
from shac.store.lock import LOCK_FILE, is_lock
from shac.store.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JournalEntry", "entries_since", "files_state", "owner_of"]

_LONGEST_OWNER = 500


def files_state(path: Path) -> str:
    """Return what changes whenever a search in a folder saves a round, or notes the end of an evaluation.

    Parameters
    ----------
    path : Path
        The folder; it may not be there yet.

    Returns
    -------
    str
    """
    parts = []
    for name in (MANIFEST_FILE, JOURNAL_FILE):
        with contextlib.suppress(OSError):
            status = (path / name).stat()
            parts.append(f"{status.st_ino}.{status.st_size}.{status.st_mtime_ns}")
            continue
        parts.append("-")
    return " ".join(parts)


def entries_since(path: Path, first: int) -> list[JournalEntry]:
    """List the evaluations of a folder's journal from a number on; none where it is missing or damaged.

    Parameters
    ----------
    path : Path
    first : int

    Returns
    -------
    list of JournalEntry
    """
    with contextlib.suppress(OSError, DamagedFileError):
        return [entry for entry in read_journal(path / JOURNAL_FILE) if entry.index >= first]
    return []


def owner_of(path: Path) -> str:
    """Return who writes to a folder, such as "process 42 on gpu7 since 2026-01-31 12:00:00 +0000"; "" if nobody does.

    Of another machine nobody here can tell whether its process is alive.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
    """
    import psutil

    with contextlib.suppress(OSError, DamagedFileError):
        if is_lock(path / LOCK_FILE):
            text = read_beginning(path / LOCK_FILE, _LONGEST_OWNER).decode(errors="replace").strip()
            found = re.match(r"process (\d+) on (\S+) since ", text)
            if found and (found[2] != socket.gethostname() or psutil.pid_exists(int(found[1]))):
                return text
    return ""
