"""Axes to draw on, and how they look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from shac.insight.colours import FAINT, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["new_axes", "style_axes"]


def new_axes(ax: Axes | None, width: float = 8.0, height: float = 4.5) -> Axes:
    """Return the axes given, or the only ones of a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, optional
        Those of the caller.
    width, height : float
        Size of a new figure in inches.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'shac[plot]'") from error
    made: Axes = plt.figure(figsize=(width, height), layout="constrained").subplots()
    return made


def style_axes(ax: Axes, *, title: str, x: str = "", y: str = "", grid: Literal["x", "y", "both"] | None = "y") -> None:
    """Set the title of axes and labels, and take away what only frames them.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Where.
    title, x, y : str
        Texts.
    grid : {'x', 'y', 'both'}, optional
        Direction of the lines behind the data.
    """
    ax.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK, pad=12)
    ax.set_xlabel(x, color=MUTED)
    ax.set_ylabel(y, color=MUTED)
    ax.tick_params(colors=MUTED, length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(FAINT)
    ax.set_axisbelow(True)
    if grid is not None:
        ax.grid(axis=grid, color=FAINT, linewidth=0.8)
