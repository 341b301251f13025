"""Ctrl-C and SIGTERM end a search at a moment when nothing is half done.

Python raises `KeyboardInterrupt` between any two instructions: an evaluation that a worker has just handed over would
be lost on the way to the journal. Within `StopSignals.held` a signal waits for the end of the block.
"""

from __future__ import annotations

import contextlib
import os
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
    is done at all. A process that is forked meanwhile, by an evaluation in a thread, has the handlers from before.

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
            _entered.append(self)
            for number, default in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
                if signal.getsignal(number) is default:
                    self._replaced[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        self._restore_handlers()
        if self in _entered:
            _entered.remove(self)

    def _restore_handlers(self) -> None:
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


# Those whose `with` block runs, the innermost last
_entered: list[StopSignals] = []
_mask_before_fork = threading.local()


def _block_sigterm() -> None:
    # SIGTERM that reaches a child before its handlers are restored waits, where Python would forget it
    if _entered:
        _mask_before_fork.value = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})


def _unblock_sigterm() -> None:
    if (mask := getattr(_mask_before_fork, "value", None)) is not None:
        _mask_before_fork.value = None
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _restore_handlers_in_child() -> None:
    while _entered:
        _entered.pop()._restore_handlers()
    _unblock_sigterm()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_block_sigterm, after_in_parent=_unblock_sigterm, after_in_child=_restore_handlers_in_child
    )
