"""How much of the prior survives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.insight import stage_volumes, view_of
from shac.insight.colours import ACCENT, MUTED
from shac.plots.axes import new_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_volume"]


def plot_volume(search: Any, *, ax: Axes | None = None) -> Axes:
    """Plot the prior mass that survives each stage, with its bounds, against the rule of 2**-k.

    Parameters
    ----------
    search : SHAC or path-like
        An engine, or the save folder of a search.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FileNotFoundError, DamagedFileError
        If the folder holds no search, or a damaged one.
    ImportError
        If matplotlib is not installed.
    """
    volumes = stage_volumes(view_of(search).stage_draws)
    ax = new_axes(ax)
    stages = np.arange(len(volumes))
    ax.plot(stages, 2.0**-stages, linestyle=(0, (4, 3)), color=MUTED, label="2^-k, if each stage kept half")
    seen = np.array([volume.estimate > 0 for volume in volumes])
    estimates = np.array([volume.estimate for volume in volumes])
    lower, upper = np.array([volume.lower for volume in volumes]), np.array([volume.upper for volume in volumes])
    ax.fill_between(
        stages, np.maximum(lower, upper / 1000), upper, color=ACCENT, alpha=0.18, linewidth=0, label="bounds"
    )
    ax.plot(stages[seen], estimates[seen], ".-", color=ACCENT, markersize=9, label="prior mass that survives")
    ax.set_yscale("log")
    ax.set_xticks(stages)
    style_axes(ax, title="How small the region is", x="stages", y="prior mass")
    ax.legend(frameon=False, loc="upper right")
    return ax
