"""One owner for a save folder: a lock that the operating system lets go of when its holder dies.

The lock is on the file ``.lock`` of the folder (`flock`; on Windows a locked byte), not the file itself: that stays,
because taking it away would let two processes lock two files of one name. Its text says who holds it, for the message.
Only those who write take it; reading is possible at any time. Processes that the holder forks do not hold it: the
search may be killed, and its workers live on for a moment.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Self

from shac.errors import DamagedFileError, SaveFolderError
from shac.files import open_regular, read_beginning

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["LOCK_FILE", "FolderLock", "is_lock"]

LOCK_FILE = ".lock"

_LONGEST_TEXT = 500
_PATIENCE_SECONDS = 1.0
_LOCKED_BYTE = 1 << 30  # far behind the text, which others could not read on Windows otherwise
_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_NO_LOCKS_HERE = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)


class FolderLock:
    """Holds a save folder within a ``with`` block.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.

    Raises
    ------
    SaveFolderError
        If another process, or another engine of this one, holds it. Raised on entry.
    DamagedFileError
        If a link, a pipe or a device is in the place of its file. Raised on entry.
    OSError
        If the folder cannot be written. Raised on entry.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> with FolderLock(folder), FolderLock(folder):  # doctest: +ELLIPSIS
    ...     pass
    Traceback (most recent call last):
        ...
    shac.errors.SaveFolderError: save_dir: ... is in use by process ...
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        self.take()
        return self

    def take(self) -> None:
        """Hold the folder until `release`; see the class for the errors."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._hold(open_regular(self._path, os.O_RDWR | os.O_CREAT, follow=False), self._lock)

    def take_at_once(self) -> bool:
        """Hold the folder if the lock's file is there and nobody has it, without waiting or making anything.

        Returns
        -------
        bool
            Whether it is held now. If not, `take` says why.
        """
        try:
            self._hold(open_regular(self._path, os.O_RDWR, follow=False), _lock_now)
        except (OSError, DamagedFileError):
            return False
        return True

    def _hold(self, descriptor: int, lock: Callable[[int], None]) -> None:
        try:
            lock(descriptor)
            text = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S %z')}\n"
            if os.fstat(descriptor).st_size:  # what a holder that was killed has left
                os.truncate(descriptor, 0)
            os.write(descriptor, text.encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _HOLDERS.add(self)

    def __exit__(self, *exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Let others hold the folder."""
        descriptor, self._descriptor = self._descriptor, None
        _HOLDERS.discard(self)
        if descriptor is not None:
            with contextlib.suppress(OSError):
                os.truncate(descriptor, 0)
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            self._lock_with_patience(descriptor)
        except OSError as error:
            if error.errno in _HELD:
                text = os.read(descriptor, _LONGEST_TEXT).decode(errors="replace").strip()
                raise SaveFolderError(
                    f"save_dir: {self._path.parent} is in use by {text or 'another process'}; wait for it to end, stop "
                    "it, or choose another folder"
                ) from None
            if error.errno not in _NO_LOCKS_HERE:
                raise
            warnings.warn(
                f"save_dir: the file system of {self._path.parent} has no locks ({error.strerror}); nothing keeps a "
                "second search from writing there",
                stacklevel=5,
            )

    @staticmethod
    def _lock_with_patience(descriptor: int) -> None:
        # A holder that is killed in the moment of a fork leaves a child that has yet to let go
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                _lock_now(descriptor)
            except OSError as error:
                if error.errno not in _HELD or time.monotonic() > deadline:
                    raise
            else:
                return
            time.sleep(0.02)

    def forget_after_fork(self) -> None:
        """Close the copy that a forked process inherits: unlocking it would unlock that of the parent as well."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def is_lock(path: Path) -> bool:
    """Return whether a file is a search's lock, held or not.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    if not path.is_file() or path.is_symlink():
        return False
    text = read_beginning(path, _LONGEST_TEXT)
    return not text or text.startswith(b"process ")


_HOLDERS: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _forget_all() -> None:
    for lock in list(_HOLDERS):
        lock.forget_after_fork()


if os.name == "nt":
    import msvcrt

    def _lock_now(descriptor: int) -> None:
        os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

else:
    import fcntl

    def _lock_now(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    os.register_at_fork(after_in_child=_forget_all)
