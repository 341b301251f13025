"""Ctrl-C and SIGTERM end a search at a moment when nothing is half done.

Python raises `KeyboardInterrupt` between any two instructions: an evaluation that a worker has just handed over would
be lost on the way to the journal. Within `StopSignals.held` a signal waits for the end of the block.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["StopSignals", "TerminatedError"]


class TerminatedError(SystemExit):
    """SIGTERM came; the process ends with the exit code that a shell gives for it, once all is closed."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


class StopSignals:
    """Turns SIGINT and SIGTERM into `KeyboardInterrupt` and `TerminatedError` within a ``with`` block.

    A handler of the user's own is left alone, and in another thread than the main one, which gets no signals, nothing
    is done at all.

    Examples
    --------
    >>> import os
    >>> with StopSignals() as signals:
    ...     try:
    ...         with signals.held():
    ...             os.kill(os.getpid(), signal.SIGINT)
    ...             print("this is finished first")
    ...     except KeyboardInterrupt:
    ...         print("stopped")
    this is finished first
    stopped
    """

    def __init__(self) -> None:
        self._replaced: dict[int, Any] = {}
        self._is_held = False
        self._pending: int | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is default:
                    self._replaced[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        while self._replaced:
            number, handler = self._replaced.popitem()
            with contextlib.suppress(ValueError):  # the interpreter is ending
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let signals wait for the end of a ``with`` block."""
        self._is_held = True
        try:
            yield
        finally:
            # A signal between these two lines is raised by the handler itself
            self._is_held = False
            if self._pending is not None:
                number, self._pending = self._pending, None
                self._raise(number)

    def _handle(self, number: int, frame: object) -> None:  # noqa: ARG002 - the signature of handlers
        if self._is_held:
            self._pending = number
        else:
            self._raise(number)

    @staticmethod
    def _raise(number: int) -> None:
        raise KeyboardInterrupt if number == signal.SIGINT else TerminatedError
