"""Who may write to a save folder: one engine at a time, and only the one that knows what is there."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from shac.errors import SaveFolderError
from shac.journal import JOURNAL_FILE
from shac.lock import FolderLock
from shac.storage import check_own_files, check_save_folder, holds_evaluations, manifest_digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FolderOwnership"]


class FolderOwnership:
    """What an engine knows about its save folder.

    Attributes
    ----------
    known : str or None
        Digest of the manifest that the engine wrote or restored last; None before it did either.
    """

    def __init__(self) -> None:
        self.known: str | None = None
        self._depth = 0

    def check(self, folder: Path) -> None:
        """Refuse to write over evaluations that the engine does not know.

        Raises
        ------
        SaveFolderError
            If the folder holds another search or files that no search wrote, was written by another process meanwhile,
            or is a Python package.
        DamagedFileError
            If its journal is damaged.
        """
        check_save_folder(folder)
        found = manifest_digest(folder)
        if found is not None and found == self.known:
            return
        check_own_files(folder)
        if not holds_evaluations(folder):
            return  # a search that gave no score, because its function was wrong, say, is in nobody's way
        if self.known is not None and found is not None:
            raise SaveFolderError(
                f"save_dir: {folder} was written by another process since this engine read or wrote it: call "
                "restore_data() to go on from there, or choose another folder"
            )
        raise SaveFolderError(
            f"save_dir: {folder} holds a search already: call restore_data() to go on with it, or choose another folder"
        )

    @contextmanager
    def owned(self, folder: Path) -> Iterator[None]:
        """Own the folder within a ``with`` block; may be nested.

        Raises
        ------
        SaveFolderError
            As `check`; or if another process owns the folder.
        """
        if self._depth:
            yield
            return
        self.check(folder)
        with FolderLock(folder):
            self.check(folder)
            self._depth += 1
            try:
                if manifest_digest(folder) != self.known or self.known is None:
                    (folder / JOURNAL_FILE).unlink(missing_ok=True)
                yield
            finally:
                self._depth -= 1

    def learn(self, folder: Path) -> None:
        """Remember what is in the folder now as known."""
        self.known = manifest_digest(folder)
