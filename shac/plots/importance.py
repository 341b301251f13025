"""What the classifiers decide by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.insight import gain_shares, view_of
from shac.insight.colours import ACCENT, INK
from shac.insight.names import wrapped
from shac.plots.axes import new_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_importance"]

_NAME_WIDTH = 32


def plot_importance(search: Any, *, max_parameters: int = 20, ax: Axes | None = None) -> Axes:
    """Plot each parameter's share in the gain of the classifiers' splits: a bar for the mean, a dot for each stage.

    Parameters
    ----------
    search : SHAC or path-like
        An engine, or the save folder of a search.
    max_parameters : int
        How many columns to show, the most important ones.
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
        If no classifier is trained.
    ImportError
        If matplotlib is not installed.
    """
    view = view_of(search)
    if not view.classifiers:
        raise ValueError("search: expected at least one classifier, got none")
    shares = gain_shares(view)
    means = shares.mean(axis=0)
    order = np.argsort(means, kind="stable")[::-1][:max_parameters][::-1]
    names = view.space.get_parameter_names()
    ax = new_axes(ax, height=1.2 + 0.38 * len(order))
    positions = np.arange(len(order))
    ax.barh(positions, means[order], color=ACCENT, alpha=0.85, height=0.62)
    for position, column in enumerate(order):
        ax.plot(shares[:, column], np.full(len(shares), position), ".", color=INK, alpha=0.35, markersize=5)
    for position, column in enumerate(order):
        ax.annotate(
            f"{means[column]:.0%}",
            (1.0, position),
            xycoords=ax.get_yaxis_transform(),
            va="center",
            ha="right",
            color=INK,
        )
    ax.set_yticks(positions, [wrapped(names[column], _NAME_WIDTH, max_lines=2) for column in order])
    ax.set_xlim(0, max(float(shares.max()), 1e-9) * 1.15)
    ax.xaxis.set_major_formatter("{x:.0%}")
    style_axes(ax, title="What the classifiers decide by", x="share of the gain (dots: single stages)", grid="x")
    ax.tick_params(axis="y", labelcolor=INK)
    return ax
