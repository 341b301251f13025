"""A search's folder: whether it may be one, who may write to it, and how a search comes to it and back.

One engine at a time writes to a folder, and only the one that knows what is there.
"""

from __future__ import annotations

import logging
import math
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shac.errors import SaveFolderError
from shac.store.earlier import WARM_START_FILE
from shac.store.journal import JOURNAL_FILE, Journal, file_state
from shac.store.lock import LOCK_FILE, FolderLock
from shac.store.manifest import (
    CLASSIFIERS_FOLDER,
    MANIFEST_FILE,
    classifier_names,
    exists,
    holds_evaluations,
    holds_search,
    is_own,
    load_search,
    manifest_digest,
    manifest_files,
    save_search,
)
from shac.store.table import DATASET_FILE, PARAMETERS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shac.store.journal import FileState
    from shac.store.record import SearchRecord

__all__ = ["SearchStore", "check_own_files", "check_save_folder", "checked_save_dir"]

_logger = logging.getLogger("shac")

_TICK = 20_000_000  # nanoseconds: twice what a kernel's clock of files takes to the next time at most
_EVALUATIONS_FOLDER = "evaluations"
_CROSS_VALIDATION_FILE = "cross_validation.json"


def checked_save_dir(save_dir: object) -> Path:
    """Return the folder of a search as an absolute path, so that it stays the same when a program changes directory.

    Raises
    ------
    ValueError
        If it is no path.
    SaveFolderError
        See `check_save_folder`.
    """
    try:
        folder = Path(save_dir).expanduser().absolute()  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"save_dir: expected the path of a folder, got {save_dir!r}: {error}") from error
    check_save_folder(folder)
    return folder


def check_save_folder(folder: Path) -> None:
    """Refuse what cannot be the folder of a search.

    Raises
    ------
    SaveFolderError
        If it is a file, a link that leads nowhere, or a Python package.
    """
    if not os.path.isdir(folder) and os.path.lexists(folder):  # noqa: PTH112  # asked at every score: Path is slow
        raise SaveFolderError(f"save_dir: expected a folder for a search, got the file or link {folder}")
    if os.path.exists(f"{folder}/__init__.py"):  # noqa: PTH110
        raise SaveFolderError(f"save_dir: expected a folder for a search, got the Python package {folder}")


def check_own_files(folder: Path) -> None:
    """Refuse a folder in which a file of a search's names is somebody else's: nothing is written over it.

    Raises
    ------
    SaveFolderError
        If there is one; the message names all of them.
    """
    files = manifest_files(folder)
    names = [MANIFEST_FILE, PARAMETERS_FILE, DATASET_FILE, WARM_START_FILE, JOURNAL_FILE, LOCK_FILE]
    names += classifier_names(folder)
    foreign = [name for name in names if exists(folder / name) and not is_own(folder, name, files)]
    if foreign:
        raise SaveFolderError(
            f"save_dir: expected a folder with no files but those of a search, got {folder} with {', '.join(foreign)}, "
            "which shac did not write or which is damaged; choose another folder, or move it away"
        )


def set_aside(folder: Path) -> Path:
    """Rename the folder of a search that is over to the first of ``NAME.1``, ``NAME.2``, ... that is free.

    In one step, so that its files are together whatever happens, and for nothing but a search's: a folder with other
    files in it stays where it is.

    Returns
    -------
    Path
        The new name.

    Raises
    ------
    SaveFolderError
        If the folder has files that no search wrote, or a process runs a search there.
    OSError
        If it cannot be renamed.
    """
    own = {MANIFEST_FILE, PARAMETERS_FILE, DATASET_FILE, WARM_START_FILE, JOURNAL_FILE, LOCK_FILE}
    own |= {CLASSIFIERS_FOLDER, _EVALUATIONS_FOLDER, _CROSS_VALIDATION_FILE}
    with FolderLock(folder):
        check_own_files(folder)
        others = sorted(path.name for path in folder.iterdir() if path.name not in own)
        if others:
            raise SaveFolderError(
                f"overwrite: expected a folder with no files but those of a search, got {folder} with "
                f"{', '.join(others)}; move these away, or choose another folder"
            )
        number = 1
        while exists(aside := folder.with_name(f"{folder.name}.{number}")):
            number += 1
        if os.name != "nt":
            folder.rename(aside)
    if os.name == "nt":  # where a folder with an open file has its name for good
        folder.rename(aside)
    _logger.info("overwrite: the search that was in %s is in %s now", folder, aside)
    return aside


class SearchStore:
    """A search's folder, and what its engine knows of it.

    Parameters
    ----------
    folder : Path
        Absolute; made when it is written to.
    overwrites : bool
        Whether a search of another engine that is in the folder is set aside before this one writes to it.

    Attributes
    ----------
    folder : Path
    journal_path : Path
        The file of the journal.
    """

    def __init__(self, folder: Path, *, overwrites: bool = False) -> None:
        self.folder = folder
        self.journal_path = folder / JOURNAL_FILE
        self._manifest = folder / MANIFEST_FILE
        self.overwrites = overwrites
        self._known: str | None = None  # digest of the manifest that was written or read last
        self._settled: tuple[FileState, str | None] | None = None  # by what a manifest and its digest are known again
        self._sound_journal: tuple[str, FileState | None] | None = None  # its space and state when it was closed
        self._last_sync = -math.inf
        self._depth = 0
        self._is_held = False

    @property
    def is_known(self) -> bool:
        """Whether this engine wrote or read the search in the folder."""
        return self._known is not None

    @property
    def evaluations_path(self) -> Path:
        """The folder of the evaluations' own folders; see `evaluation_dir`."""
        return self.folder / _EVALUATIONS_FOLDER

    def holds_search(self) -> bool:
        """Return whether a search was saved in the folder."""
        return holds_search(self.folder)

    def check(self) -> str | None:
        """Refuse to write over what the engine does not know; returns the digest of the manifest that is there.

        Raises
        ------
        SaveFolderError
            If the folder holds another search or files that no search wrote, was written by another process meanwhile,
            or is a Python package.
        DamagedFileError
            If its journal is damaged.
        """
        check_save_folder(self.folder)
        found = self.digest()
        if found is not None and found == self._known:
            return found
        check_own_files(self.folder)
        if not holds_evaluations(self.folder):
            return found  # what is left of a search without a score, as its function was wrong, may be overwritten
        if self.overwrites and self._known is None and not self._is_held:
            return found
        if self._known is not None and found is not None:
            raise SaveFolderError(
                f"save_dir: {self.folder} was written by another process since this engine read or wrote it: call "
                "restore_data() to go on from there, or choose another folder"
            )
        raise SaveFolderError(
            f"save_dir: {self.folder} holds a search already: call restore_data() to go on with it, set it aside by "
            "overwrite=True, or choose another folder"
        )

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Own the folder within a ``with`` block; may be nested.

        Raises
        ------
        SaveFolderError
            See `check`; or if another process owns the folder.
        """
        if self._depth:
            yield
            return
        lock = self._taken_lock()
        try:
            self._is_held = True  # a search that came meanwhile is not set aside
            try:
                found = self.check()
            finally:
                self._is_held = False
            self._depth += 1
            try:
                if self._known is None or found != self._known:
                    self.journal_path.unlink(missing_ok=True)
                    self._known = None  # the search itself is gone, and saved anew before its next score
                yield
            finally:
                self._depth -= 1
        finally:
            lock.release()

    def _taken_lock(self) -> FolderLock:
        """Return the folder's lock, held: at once where the engine knows the search there, else after a look at it."""
        lock = FolderLock(self.folder)
        if self._known is not None and lock.take_at_once():
            return lock
        self.check()
        if self.overwrites and self._known is None and holds_evaluations(self.folder):
            set_aside(self.folder)
        lock.take()
        return lock

    @contextmanager
    def journal(self, space: str, *, goes_on: bool = False) -> Iterator[Journal]:
        """Open the journal for writing within a ``with`` block.

        Parameters
        ----------
        space : str
            Fingerprint of the search space.
        goes_on : bool
            Whether it is likely to be opened again at once: very short evaluations then share the wait for the disk
            (see `Journal.record`) as they do while it is open.

        Raises
        ------
        DamagedFileError, OSError
            See `Journal`.
        """
        is_sound = self._sound_journal is not None and self._sound_journal == (space, file_state(self.journal_path))
        self._sound_journal = None
        with Journal(self.journal_path, space, is_sound=is_sound, last_sync=self._last_sync) as journal:
            yield journal
            journal.close(sync=not goes_on)
            self._last_sync = journal.last_sync
            self._sound_journal = space, journal.final_state

    def load(self) -> SearchRecord:
        """Read the search.

        Raises
        ------
        FileNotFoundError, DamagedFileError
            See `shac.store.manifest.load_search`.
        """
        return load_search(self.folder)

    def digest(self) -> str | None:
        """Return the SHA-256 of the folder's manifest; None if there is none."""
        path = self._manifest
        state = file_state(path)
        if state is not None and self._settled is not None and self._settled[0] == state:
            return self._settled[1]
        found = manifest_digest(self.folder)
        # What has just been written may be written again in the same tick of the clock.
        if state is not None and time.time_ns() - state[-1] > _TICK and file_state(path) == state:
            self._settled = None if path.is_symlink() else (state, found)
        return found

    def know(self, digest: str | None) -> None:
        """Note that the engine knows the search of a manifest, by its digest."""
        self._known = digest

    def commit(self, record: SearchRecord) -> None:
        """Write the search; see `shac.store.manifest.save_search` for the errors."""
        with self.opened():
            save_search(self.folder, record)
            self._known = self.digest()
