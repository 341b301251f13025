"""What this process and all that it starts write to the terminal, caught while a display is drawn there."""

from __future__ import annotations

import atexit
import codecs
import contextlib
import os
import select
import sys
import threading
import time
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CaughtOutput", "can_catch"]

_STREAMS = (1, 2)
_SECONDS_OF_A_PART = 0.5  # what waits for an answer, a prompt, has no end of a line
_SECONDS_TO_DRAIN = 10.0  # what comes later stands behind the display
_BLOCK = 65536


def can_catch() -> bool:
    """Return whether standard error is a terminal, and is where Python and everything else writes errors to."""
    try:
        return os.name == "posix" and sys.stderr is not None and sys.stderr.fileno() == 2 and os.isatty(2)
    except (OSError, ValueError):
        return False


class CaughtOutput:
    """The file descriptors 1 and 2, as far as they are terminals, led through a pipe; processes started have it, too.

    Lines go to a function that shows them, as many at a time as have come. What ends with a carriage return alone is
    overwritten by what follows, as a terminal does. After `restore` lines of processes that go on are written to the
    terminal as they come.

    Parameters
    ----------
    show : callable
        Takes lines, without the end of the last; called from a thread of its own.

    Attributes
    ----------
    terminal : file
        The terminal itself, for text.
    """

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._is_caught, self._is_ending = True, False
        self._saved = {fd: os.dup(fd) for fd in _STREAMS if os.isatty(fd)}
        self.terminal: IO[str] = os.fdopen(os.dup(2), "w", encoding=sys.stderr.encoding, errors="replace")
        self._reading, self._writing = os.pipe()
        _flush()
        for fd in self._saved:
            os.dup2(self._writing, fd)
        atexit.register(self.restore)  # what is said at the end of the program is seen
        self._thread = threading.Thread(target=self._pump, name="shac output", daemon=True)
        self._thread.start()

    def restore(self) -> None:
        """Return the descriptors to the terminal, after all that was written has been shown."""
        if not self._saved:
            return
        _flush()
        for fd, saved in self._saved.items():
            os.dup2(saved, fd)
            os.close(saved)
        self._saved = {}
        atexit.unregister(self.restore)
        self._is_ending = True
        os.write(self._writing, b"\0")  # the end of what was written until now
        deadline = time.monotonic() + _SECONDS_TO_DRAIN
        while self._is_caught and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.001)
        os.close(self._writing)

    def _pump(self) -> None:
        decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        part = ""
        with contextlib.suppress(OSError, ValueError):
            while True:
                if part and not select.select([self._reading], [], [], _SECONDS_OF_A_PART)[0]:
                    self._show_lines([part])
                    part = ""
                block = os.read(self._reading, _BLOCK)
                if not block:
                    break
                *lines, part = (part + decode(block.replace(b"\0", b""))).replace("\r\n", "\n").split("\n")
                self._show_lines(lines)
                if self._is_ending and b"\0" in block:  # before, it is a program's own
                    self._show_lines([part] if part else [])
                    part, self._is_caught = "", False
        self._is_caught = False
        os.close(self._reading)

    def _show_lines(self, lines: list[str]) -> None:
        """Show lines together: a display is drawn anew below them."""
        texts = [written[-1] if written else "" for line in lines if (written := _parts(line)) or not line]
        if not texts:
            return
        # Whatever becomes of the terminal, the pipe is read: evaluations that write would wait for ever
        if self._is_caught:
            with contextlib.suppress(Exception):
                self._show("\n".join(texts))
            return
        with contextlib.suppress(OSError, ValueError):
            self.terminal.write("\n".join(texts) + "\n")
            self.terminal.flush()


def _parts(line: str) -> list[str]:
    """Return what was written over each other in a line."""
    return [text for text in line.split("\r") if text]


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # whatever a program has put in their place
            stream.flush()
