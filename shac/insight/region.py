"""Which values of each parameter survive: the marginals of the region after each stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.insight.scale import ColumnScale
    from shac.insight.view import SearchView

__all__ = ["Marginals", "stage_marginals"]


@dataclass(frozen=True, slots=True)
class Marginals:
    """How the accepted mass of one column is spread after each stage.

    Parameters
    ----------
    scale : ColumnScale
        Its bins.
    masses : ndarray of float64, shape (num_stages + 1, num_bins)
        Share of the accepted mass in each bin; a row adds up to 1, or is NaN where the region could not be sampled.
    """

    scale: ColumnScale
    masses: NDArray[np.float64]

    @property
    def densities(self) -> NDArray[np.float64]:
        """Accepted mass in each bin relative to the bin's prior mass; 1 everywhere without a stage."""
        return self.masses / np.diff(self.scale.edges)

    def interval(self, stage: int, mass: float = 0.9) -> tuple[float, float]:
        """Give the positions between which the middle `mass` lies after so many stages."""
        cumulated = np.concatenate([[0.0], np.cumsum(self.masses[stage])])
        if not np.isfinite(cumulated).all():
            return 0.0, 1.0
        tail = (1 - mass) / 2
        low, high = np.interp([tail, 1 - tail], cumulated, self.scale.edges)
        return float(low), float(high)


def stage_marginals(view: SearchView) -> list[Marginals]:
    """Give the marginals of every column after 0, 1, ... stages.

    Parameters
    ----------
    view : SearchView
        The search.

    Returns
    -------
    list of Marginals
        One for each column.
    """
    samples = [X for X, _ in view.stage_draws.drawn[1:]]
    return [
        Marginals(scale, np.stack([np.diff(scale.edges), *(_histogram(scale, X[:, c]) for X in samples)]))
        for c, scale in enumerate(view.scales)
    ]


def _histogram(scale: ColumnScale, encoded: NDArray[np.float32]) -> NDArray[np.float64]:
    counts = np.bincount(scale.bins(encoded), minlength=scale.num_bins).astype(np.float64)
    return counts / counts.sum() if counts.sum() else np.full(scale.num_bins, np.nan)
