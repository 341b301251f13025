"""Which values of each parameter survive: the marginals of the region after each stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.insight.scale import ColumnScale
    from shac.insight.view import SearchView
    from shac.sampling import Marginal

__all__ = ["Marginals", "stage_marginals"]


_LEAST_SHARE = 0.05
_ALWAYS = 0.995
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
    presence : ndarray of float64, shape (num_stages + 1,)
        Share of the accepted mass that has the column; NaN where it is not known.
    """

    scale: ColumnScale
    masses: NDArray[np.float64]
    presence: NDArray[np.float64]

    @property
    def num_known(self) -> int:
        """Stages up to the last one whose region is known."""
        return int(np.flatnonzero(np.isfinite(self.masses[:, 0]))[-1])

    @property
    def densities(self) -> NDArray[np.float64]:
        """Accepted mass in each bin relative to the bin's prior mass; 1 everywhere without a stage."""
        return self.masses / np.diff(self.scale.edges)

    def interval(self, stage: int, mass: float = 0.9) -> tuple[float, float]:
        """Return the positions between which the middle `mass` lies after so many stages."""
        cumulated = np.concatenate([[0.0], np.cumsum(self.masses[stage])])
        if not np.isfinite(cumulated).all():
            return 0.0, 1.0
        tail = (1 - mass) / 2
        low, high = np.interp([tail, 1 - tail], cumulated, self.scale.edges)
        return float(low), float(high)

    def survivors(self) -> str:
        """Write what survives the stages that are known: the likeliest values, or the range of the middle 90 %.

        A share behind it is that of the configurations that have the parameter at all.
        """
        known = self.presence[np.isfinite(self.presence)]
        if known[-1] == 0:
            return "in no configuration"
        return self._values() + (f" (in {known[-1]:.0%})" if known[-1] < _ALWAYS else "")

    def _values(self) -> str:
        masses = self.masses[self.num_known]
        if not self.scale.has_range:
            labels = self.scale.short_bin_labels()
            likely = [labels[i] for i in np.argsort(-masses, kind="stable") if masses[i] >= _LEAST_SHARE]
            return ", ".join(likely[:4]) + (", ..." if len(likely) > 4 else "")
        low, high = self.interval(self.num_known)
        return f"{self.scale.text_at(low)} to {self.scale.text_at(high)}"


def stage_marginals(view: SearchView) -> list[Marginals]:
    """Return the marginals of every column after 0, 1, ... stages.

    Parameters
    ----------
    view : SearchView
        The search.

    Returns
    -------
    list of Marginals
        One for each column.
    """
    draws = view.stage_draws
    result = []
    for c, scale in enumerate(view.scales):
        own = [
            _exact(scale, draws.marginals(stage), c) or _sampled(scale, X[:, c])
            for stage, (X, _) in enumerate(draws.drawn[1:], start=1)
        ]
        always = 1.0 - _prior_missing(view, c)
        result.append(
            Marginals(
                scale,
                np.stack([np.diff(scale.edges), *(masses for masses, _ in own)]),
                np.array([always, *(presence for _, presence in own)]),
            )
        )
    return result


def _prior_missing(view: SearchView, column: int) -> float:
    prior = view.stage_draws.marginals(0)
    return 0.0 if prior is None else prior[column].prior_missing


def _exact(
    scale: ColumnScale, marginals: list[Marginal] | None, column: int
) -> tuple[NDArray[np.float64], float] | None:
    """Read the masses off a region that is known; within its bins the prior's density is kept."""
    if marginals is None or not marginals[column].exact.all():
        return None
    own = marginals[column]
    there, everything = own.surviving.sum(), own.surviving.sum() + own.surviving_missing
    if not there > 0:
        return np.full(scale.num_bins, np.nan), 0.0 if everything > 0 else np.nan
    positions = np.concatenate([[0.0], np.cumsum(own.prior)]) / own.prior.sum()
    cumulated = np.interp(scale.edges, positions, np.concatenate([[0.0], np.cumsum(own.surviving)]) / there)
    return np.diff(cumulated), float(there / everything)


def _sampled(scale: ColumnScale, encoded: NDArray[np.float32]) -> tuple[NDArray[np.float64], float]:
    there = encoded[~np.isnan(encoded)]
    presence = len(there) / len(encoded) if len(encoded) >= _FEWEST_SAMPLES else np.nan
    if len(there) < _FEWEST_SAMPLES:
        return np.full(scale.num_bins, np.nan), presence
    return np.bincount(scale.bins(there), minlength=scale.num_bins) / len(there), presence
