"""A search that runs in another process, read without touching it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from shac.errors import DamagedFileError
from shac.store.journal import JOURNAL_FILE, JournalEntry, read_journal
from shac.store.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JournalEntry", "entries_since", "files_state"]


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
