"""Configurations as lines across all parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.insight import ABSENT, view_of
from shac.insight.colours import INK, MUTED, SCALE
from shac.insight.names import wrapped
from shac.plots.axes import new_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_parallel"]

_NAME_WIDTH = 17  # of the room between two axes


def plot_parallel(search: Any, *, max_lines: int = 500, ax: Axes | None = None) -> Axes:
    """Plot every configuration as a line across the parameters, the better the darker.

    Each parameter's axis is its prior probability, so that the prior fills all of them evenly; a configuration that
    lacks a conditional parameter passes below its axis.

    Parameters
    ----------
    search : SHAC or path-like
        An engine, or the save folder of a search.
    max_lines : int
        How many configurations to show, the best ones.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FileNotFoundError, DamagedFileError
        If the folder holds no search, or a damaged one.
    ValueError
        If no score is finite.
    ImportError
        If matplotlib is not installed.
    """
    view = view_of(search)
    best = view.best(max_lines)
    chosen = [entry.number for entry in best]
    if not chosen:
        raise ValueError("search: expected at least one finite score, got none")
    names = view.space.get_parameter_names()
    ax = new_axes(ax, width=max(8.0, 1.25 * len(names) + 1.5), height=5.0)
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap

    X = view.encoded[chosen]
    heights = np.stack([scale.positions(X[:, c]) for c, scale in enumerate(view.scales)], axis=1)
    missing = np.isnan(heights)
    heights[missing] = ABSENT
    ranks = np.linspace(1, 0, len(chosen))
    colours = LinearSegmentedColormap.from_list("shac", SCALE[1:])
    columns = np.arange(len(names))
    lines = [np.column_stack([columns, row]) for row in heights[::-1]]  # the best on top
    ax.add_collection(
        LineCollection(lines, colors=colours(ranks[::-1]), alpha=0.75, linewidths=0.6 + 1.8 * ranks[::-1] ** 4)
    )
    for column, scale in enumerate(view.scales):
        ax.axvline(column, color=MUTED, linewidth=0.8, zorder=3)
        if scale.has_atoms and scale.num_bins <= 8:
            marks = list(zip((scale.edges[:-1] + scale.edges[1:]) / 2, scale.short_bin_labels(), strict=True))
        else:
            marks = [(p, scale.text_at(p)) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
        if missing[:, column].any():
            marks.append((ABSENT, "absent"))
        for position, text in marks:
            ax.annotate(
                text,
                (column, position),
                xytext=(4, 0),
                textcoords="offset points",
                fontsize=7.5,
                color=INK,
                va="center",
                zorder=4,
                bbox={"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
            )
    ax.set_xlim(-0.2, len(names) - 1 + 0.5)
    ax.set_ylim(ABSENT - 0.03 if missing.any() else -0.03, 1.03)
    ax.set_xticks(columns, [wrapped(name, _NAME_WIDTH) for name in names])
    ax.set_yticks([])
    worst, first = best[-1].score, best[0].score
    style_axes(ax, title=f"{len(chosen)} configurations, from {worst:.4g} (light) to {first:.4g} (dark)", grid=None)
    ax.tick_params(axis="x", labelcolor=INK)
    return ax
