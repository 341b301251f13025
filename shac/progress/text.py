"""How progress looks: numbers short enough for a line, a bar, and a grid to put them in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["count_text", "duration_text", "new_grid", "progress_bar"]

_BAR_WIDTH = 24


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


def new_grid() -> Table:
    """Make a grid of four columns: what, a bar, how much, and the rest, which may be cut off."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    for style, width in (("bold", 12), (None, _BAR_WIDTH), (None, 26)):
        grid.add_column(style=style, min_width=width, no_wrap=True)
    grid.add_column(style="dim", no_wrap=True, overflow="ellipsis")
    return grid


def progress_bar(completed: float, total: float) -> Any:
    """Make a bar."""
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=max(total, 1), completed=completed, width=_BAR_WIDTH)
