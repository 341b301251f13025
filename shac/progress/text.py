"""How progress looks: numbers short enough for a line, bars, and rows that fit the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ProgressGrid", "count_text", "duration_text"]

_WIDE, _NARROW = 100, 70  # columns
_BAR, _SHORT_BAR = 24, 10


def count_text(count: float) -> str:
    """Write a large number in few letters.

    Examples
    --------
    >>> count_text(999), count_text(262_144), count_text(41_300_000)
    ('999', '262 k', '41.3 M')
    """
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= size:
            scaled = count / size
            return f"{scaled:.0f} {unit}" if scaled >= 100 else f"{scaled:.1f} {unit}"
    return f"{count:.0f}"


def duration_text(seconds: float) -> str:
    """Write a time span as a clock does.

    Examples
    --------
    >>> duration_text(42.3), duration_text(3661)
    ('0:42', '1:01:01')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ProgressGrid:
    """Rows of a name, a bar, how much is done of what, and notes, of which the last are cut off where there is no room.

    Parameters
    ----------
    width : int, optional
        Columns of the terminal. Below 100 bars are short and amounts without words; below 70 there are no bars.
    """

    def __init__(self, width: int | None) -> None:
        from rich.table import Table

        columns = _WIDE if width is None else width
        self._is_short = columns < _WIDE
        self._bar_width = 0 if columns < _NARROW else _SHORT_BAR if self._is_short else _BAR
        self.table: Table = Table.grid(padding=(0, 2))
        widths = [("bold", 12), (None, self._bar_width), (None, 10 if self._is_short else 26)]
        for style, least in widths if self._bar_width else widths[::2]:
            self.table.add_column(style=style, min_width=least, no_wrap=True)
        self.table.add_column(style="dim", no_wrap=True, overflow="ellipsis")

    def add(self, name: str, completed: float, total: float, words: str, notes: str) -> None:
        """Add a row.

        Parameters
        ----------
        name : str
        completed, total : float
            Of the bar.
        words : str
            Behind "completed of total"; left out where the terminal is narrow.
        notes : str
        """
        amount = f"{completed:,} of {total:,}" + ("" if self._is_short or not words else f" {words}")
        bar = [progress_bar(completed, total, self._bar_width)] if self._bar_width else []
        self.table.add_row(name, *bar, amount, notes)


def progress_bar(completed: float, total: float, width: int) -> Any:
    """Make a bar."""
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=max(total, 1), completed=completed, width=width)
