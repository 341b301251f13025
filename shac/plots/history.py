"""Scores by round."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.insight import list_rounds, score_unit, view_of
from shac.insight.colours import ACCENT, BAD, FAINT, INK, SECOND
from shac.plots.axes import new_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_history"]


def plot_history(search: Any, *, ax: Axes | None = None, eval_label: str = "score") -> Axes:
    """Plot the scores by round: every evaluation, the median of each round, and the best score so far.

    Parameters
    ----------
    search : SHAC or path-like
        An engine, or the save folder of a search.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    eval_label : str
        Label of the scores.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FileNotFoundError, DamagedFileError
        If the folder holds no search, or a damaged one.
    ValueError
        If nothing is evaluated yet, or there are several objectives.
    ImportError
        If matplotlib is not installed.
    """
    view = view_of(search)
    view.dataset.check_single("plot_history")
    if not len(view.scores):
        raise ValueError("search: expected at least one evaluation, got none")
    ax = new_axes(ax)
    rounds = list_rounds(view)
    numbers = np.arange(len(view.scores))
    for entry in rounds[1::2]:
        ax.axvspan(entry.begin - 0.5, entry.end - 0.5, color=FAINT, alpha=0.35, linewidth=0)
    unit, in_units = score_unit(view.scores)
    finite = np.isfinite(view.scores)
    ax.plot(
        numbers[finite], view.scores[finite] / unit, ".", color=ACCENT, alpha=0.55, markersize=7, label="evaluation"
    )
    for entry in rounds:
        label = "median of the round" if entry is rounds[0] else ""
        ax.hlines(entry.median / unit, entry.begin - 0.4, entry.end - 0.6, color=INK, linewidth=2, label=label)
    ax.step(numbers, view.best_so_far() / unit, where="post", color=SECOND, linewidth=2, label="best so far")
    if not finite.all():
        bottom = np.full(int((~finite).sum()), 0.02)
        ax.plot(numbers[~finite], bottom, "x", color=BAD, transform=ax.get_xaxis_transform(), label="failed")
    step = max(1, -(-len(rounds) // 20))
    ax.set_xticks([(r.begin + r.end - 1) / 2 for r in rounds[::step]], [str(r.number) for r in rounds[::step]])
    ax.set_xlim(-1, len(view.scores))
    style_axes(ax, title="Scores by round", x="round", y=eval_label + in_units)
    ax.legend(frameon=False, ncols=4, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    return ax
