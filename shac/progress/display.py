"""Where progress is drawn: the terminal behind standard error, or a notebook's cell."""

from __future__ import annotations

import os
import sys
import time
from typing import IO, TYPE_CHECKING, Any, Protocol

from shac.progress.lines import write_line
from shac.progress.output import CaughtOutput, can_catch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console, ConsoleOptions

__all__ = ["Display", "can_draw", "lines_are_wanted", "open_display", "progress_is_wanted"]

VARIABLE = "SHAC_PROGRESS"
_OFF = ("0", "off", "no", "false")
_ON = ("1", "on", "yes", "true")
_SECONDS_BETWEEN_UPDATES = 0.2


def progress_is_wanted(progress: bool | None = None) -> bool:
    """Decide whether to show progress.

    Parameters
    ----------
    progress : bool, optional
        What the caller asks for. By default the environment variable ``SHAC_PROGRESS`` decides (0 or 1), and without
        it whether standard error is a terminal, or this is a notebook.

    Returns
    -------
    bool

    Examples
    --------
    >>> progress_is_wanted(True), progress_is_wanted(False)
    (True, False)
    """
    chosen = _chosen(progress)
    return can_draw() if chosen is None else chosen


def lines_are_wanted(progress: bool | None = None) -> bool:
    """Decide whether to write a line a round, since nothing can be drawn.

    Parameters
    ----------
    progress : bool, optional
        See `progress_is_wanted`.

    Returns
    -------
    bool

    Examples
    --------
    >>> lines_are_wanted(False)
    False
    """
    return _chosen(progress) is not False and not can_draw()


def _chosen(progress: bool | None) -> bool | None:
    if progress is not None:
        return bool(progress)
    setting = os.environ.get(VARIABLE, "").strip().lower()
    return setting in _ON if setting in _OFF or setting in _ON else None


def can_draw() -> bool:
    """Return whether something drawn is seen as such: in a terminal, or in a notebook."""
    return in_notebook() or (sys.stderr is not None and sys.stderr.isatty())


def in_notebook() -> bool:
    """Return whether a notebook's kernel runs this code."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


class Display(Protocol):
    """Something that shows what `render` gives, now and again until it is closed."""

    def update(self) -> None:
        """Say that there is something new."""

    def say(self, line: str) -> None:
        """Show a line that stays."""

    def close(self) -> None:
        """Show the last state and end."""


class _TerminalDisplay:
    """Redraws in place from a thread of its own, so that the clock goes on while nothing happens.

    What evaluations print, in this process or another, stands above it.
    """

    def __init__(self, render: Callable[[int | None], Any], console: Console | None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._caught = CaughtOutput(self.say) if console is None and can_catch() else None
        if self._caught is not None:
            console = _console_of(self._caught.terminal)
        self._live = Live(
            get_renderable=lambda: _AsWideAsTheTerminal(render),
            console=Console(stderr=True) if console is None else console,
            refresh_per_second=5,
            # Only lines that go to standard error are held back while the display is drawn: results may be piped.
            redirect_stdout=self._caught is None and sys.stdout is not None and sys.stdout.isatty(),
            redirect_stderr=self._caught is None,
        )
        self._live.start()

    def update(self) -> None:
        pass

    def say(self, line: str) -> None:
        from rich.text import Text

        self._live.console.print(Text.from_ansi(line), highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._caught is not None:
            self._caught.restore()
        self._live.stop()


class _AsWideAsTheTerminal:
    """Draws for the width that there is when it is drawn."""

    def __init__(self, render: Callable[[int | None], Any]) -> None:
        self._render = render

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        yield self._render(options.max_width)


def _console_of(terminal: IO[str]) -> Console:
    """Make a console of a terminal that is none of the standard streams, whose size rich would ask."""
    from rich.console import Console, ConsoleDimensions

    class OwnConsole(Console):
        @property
        def size(self) -> ConsoleDimensions:
            try:
                columns, lines = os.get_terminal_size(terminal.fileno())
            except (OSError, ValueError):
                return super().size
            return ConsoleDimensions(int(os.environ.get("COLUMNS") or columns or 80), lines or 25)

        @size.setter
        def size(self, new_size: tuple[int, int]) -> None:
            self._width, self._height = new_size

    return OwnConsole(file=terminal)


class _NotebookDisplay:
    """One output of the cell, replaced a few times a second; needs no widgets."""

    def __init__(self, render: Callable[[int | None], Any]) -> None:
        import IPython.display

        self._render = render
        self._last = time.monotonic()
        self._handle: Any = IPython.display.display(render(None), display_id=True)

    def update(self) -> None:
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_UPDATES:
            self._show()

    def say(self, line: str) -> None:
        write_line(line)

    def close(self) -> None:
        self._show()

    def _show(self) -> None:
        self._last = time.monotonic()
        self._handle.update(self._render(None))


def open_display(render: Callable[[int | None], Any], console: Console | None = None) -> Display:
    """Start to show progress.

    Parameters
    ----------
    render : callable
        Takes the width that there is, or None where that does not matter, and returns a rich renderable of the present
        state; may be called from another thread.
    console : rich.console.Console, optional
        Where to; standard error by default, or the cell of a notebook.

    Returns
    -------
    Display
    """
    if console is None and in_notebook():
        return _NotebookDisplay(render)
    return _TerminalDisplay(render, console)
