"""Which values survive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.insight import stage_marginals, view_of
from shac.insight.colours import FAINT, INK, MUTED, SCALE
from shac.insight.names import wrapped
from shac.plots.axes import new_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from shac.insight import Marginals

__all__ = ["plot_region"]

_NAME_WIDTH = 28
_GAP = 0.42  # of a block's height, for the texts below it


def plot_region(search: Any, *, max_parameters: int = 20, ax: Axes | None = None) -> Axes:
    """Plot which values of each parameter survive, stage after stage.

    A parameter is a block whose first line is the prior and whose last line is what all stages accept. Across, values
    are laid out by prior probability, so that the prior is even; the darker, the more of the accepted mass is there.
    To the right stands the range that holds the middle 90 % of what survives.

    Parameters
    ----------
    search : SHAC or path-like
        An engine, or the save folder of a search.
    max_parameters : int
        How many columns to show, the first ones.
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
    shown = stage_marginals(view)[:max_parameters]
    ax = new_axes(ax, width=9.0, height=1.0 + 0.85 * len(shown))
    known = shown[0].num_known
    for block, marginals in enumerate(shown):
        _draw_block(ax, marginals, block)
    ax.set_ylim(len(shown) - _GAP / 2, -0.12)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.set_yticks(
        [block + (1 - _GAP) / 2 for block in range(len(shown))], [wrapped(m.scale.name, _NAME_WIDTH) for m in shown]
    )
    style_axes(ax, title=f"What survives {known} of {len(view.classifiers)} stages, from the prior down", grid=None)
    ax.spines["bottom"].set_visible(False)
    ax.tick_params(axis="y", labelcolor=INK)
    return ax


def _draw_block(ax: Axes, marginals: Marginals, block: int) -> None:
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    scale, num_rows = marginals.scale, len(marginals.masses)
    top, height = float(block), 1 - _GAP
    rows = np.linspace(top, top + height, num_rows + 1)
    ax.pcolormesh(
        scale.edges,
        rows,
        np.ma.masked_invalid(marginals.densities),
        cmap=LinearSegmentedColormap.from_list("shac", SCALE),
        norm=PowerNorm(0.5, 0, max(4.0, min(12.0, float(np.nanmax(marginals.densities))))),
        rasterized=True,
    )
    ax.plot([0, 1, 1, 0, 0], [top, top, top + height, top + height, top], color=FAINT, linewidth=0.8)
    if scale.has_atoms:
        labels = scale.short_bin_labels()
        middles = (scale.edges[:-1] + scale.edges[1:]) / 2
        step = max(1, -(-len(labels) // 10))
        marks = list(zip(middles[::step], labels[::step], strict=True))
    else:
        marks = [(p, scale.text_at(p)) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for position, text in marks:
        align = "center" if 0 < position < 1 else ("left" if position == 0 else "right")
        ax.annotate(text, (position, top + height), xytext=(0, -9), textcoords="offset points", ha=align,
                    fontsize=7.5, color=MUTED)  # fmt: skip
    ax.annotate(marginals.survivors(), (1, top + height / 2), xytext=(8, 0), textcoords="offset points", va="center",
                fontsize=8.5, color=INK, annotation_clip=False)  # fmt: skip
