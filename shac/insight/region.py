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


_LEAST_SHARE = 0.05
_FEWEST_SAMPLES = 40  # a handful would show single samples where a range is asked for


@dataclass(frozen=True, slots=True)
class Marginals:
    """How the accepted mass of one column is spread after each stage.

    Parameters
    ----------
    scale : ColumnScale
        Its bins.
    masses : ndarray of float64, shape (num_stages + 1, num_bins)
        Share of the accepted mass in each bin; a row adds up to 1, or is NaN where too few samples were found.
    """

    scale: ColumnScale
    masses: NDArray[np.float64]

    @property
    def num_known(self) -> int:
        """Stages up to the last one whose region is known."""
        return int(np.flatnonzero(np.isfinite(self.masses[:, 0]))[-1])

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

    def survivors(self) -> str:
        """Write what survives the stages that are known: the likeliest values, or the range of the middle 90 %."""
        masses = self.masses[self.num_known]
        if self.scale.has_atoms:
            labels = self.scale.bin_labels()
            likely = [labels[i] for i in np.argsort(-masses, kind="stable") if masses[i] >= _LEAST_SHARE]
            return ", ".join(likely[:4]) + (", ..." if len(likely) > 4 else "")
        low, high = self.interval(self.num_known)
        return f"{self.scale.text_at(low)} to {self.scale.text_at(high)}"


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
    if len(encoded) < _FEWEST_SAMPLES:
        return np.full(scale.num_bins, np.nan)
    return np.bincount(scale.bins(encoded), minlength=scale.num_bins) / len(encoded)
