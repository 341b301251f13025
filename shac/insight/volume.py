"""How much of the prior survives each stage of a cascade."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from shac.sampling import Cascade, Marginal, SampleReport

__all__ = ["StageDraws", "StageVolume", "stage_volumes"]

_NUM_SAMPLES = 400
_MOST_CANDIDATES = 20_000_000
_EXACT = 1.1  # bounds of a volume within this factor are drawn as one number
# Divisions after which bounds that hardly anything has brought together are left as they are: no region was seen whose
# bounds met within all divisions of `Cascade.volume` when so few of them had decided so little of its mass.
_FIRST_DIVISIONS = 512
_HOPELESS = 0.99
_CERTAINTY = 0.95


class StageDraws:
    """Samples of the region after each stage, drawn once and looked at by several pictures.

    Where the region is known they come from its boxes, else from plain rejection with a bounded number of candidates,
    so that the share of candidates that pass is a volume. Seeds are fixed: the pictures of a search do not depend on
    the machine.

    Parameters
    ----------
    cascade : Cascade
        All stages.
    """

    def __init__(self, cascade: Cascade) -> None:
        self.cascade = cascade
        self._marginals: dict[int, list[Marginal] | None] = {}
        self._prefixes: dict[int, Cascade] = {}

    def _prefix(self, stage: int) -> Cascade:
        """Return the first stages, whose region is divided once for all that is asked about it."""
        if stage not in self._prefixes:
            self._prefixes[stage] = self.cascade.prefix(stage)
        return self._prefixes[stage]

    @cached_property
    def drawn(self) -> list[tuple[NDArray[np.float32], SampleReport]]:
        """Encoded samples and report, for the cascades of 0, 1, ... stages."""
        return [self._draw(stage) for stage in range(self.cascade.num_stages + 1)]

    @cached_property
    def bounds(self) -> list[tuple[float, float]]:
        """Certain bounds of the volume after 0, 1, ... stages."""
        return [self._bounds(stage) for stage in range(self.cascade.num_stages + 1)]

    def marginals(self, stage: int) -> list[Marginal] | None:
        """Return what survives of each column after so many stages; None where the region is not known."""
        if stage not in self._marginals:
            lower, upper = self.bounds[stage]
            is_known = self.cascade.space.has_quantile and upper <= _EXACT * lower
            self._marginals[stage] = self._prefix(stage).marginals() if is_known else None
        return self._marginals[stage]

    def _draw(self, stage: int) -> tuple[NDArray[np.float32], SampleReport]:
        lower, upper = self.bounds[stage]
        prefix = self._prefix(stage)
        if stage and 0 < upper <= _EXACT * lower:
            return prefix.sample(_NUM_SAMPLES, seed=stage, method="region")
        most = _MOST_CANDIDATES if upper else 1
        return prefix.sample(_NUM_SAMPLES, seed=stage, max_candidates=most, method="plain")

    def _bounds(self, stage: int) -> tuple[float, float]:
        prefix = self._prefix(stage)
        try:
            lower, upper = prefix.volume(max_boxes=_FIRST_DIVISIONS)
            return (lower, upper) if upper - lower > _HOPELESS * upper else prefix.volume()
        except ValueError:  # a parameter without a quantile function
            return 0.0, 1.0


@dataclass(frozen=True, slots=True)
class StageVolume:
    """Prior mass that passes the first stages.

    Parameters
    ----------
    estimate : float
        0 where no candidate passed.
    lower, upper : float
        Bounds: certain ones where `exact`, else of a confidence interval of 95 %.
    exact : bool
        Whether the bounds are certain.
    """

    estimate: float
    lower: float
    upper: float
    exact: bool


def stage_volumes(draws: StageDraws) -> list[StageVolume]:
    """Measure the region after 0, 1, ... stages.

    Parameters
    ----------
    draws : StageDraws
        Of the cascade.

    Returns
    -------
    list of StageVolume, one more than there are stages
    """
    volumes = []
    for (lower, upper), (X, report) in zip(draws.bounds, draws.drawn, strict=True):
        if upper <= _EXACT * lower or upper == 0:
            volumes.append(StageVolume((lower + upper) / 2, lower, upper, exact=True))
        else:
            volumes.append(_within(_from_samples(len(X), report), lower, upper))
    return volumes


def _within(volume: StageVolume, lower: float, upper: float) -> StageVolume:
    """Cut an estimate to bounds that are certain."""
    return StageVolume(
        min(max(volume.estimate, lower), upper), max(volume.lower, lower), min(volume.upper, upper), exact=False
    )


def _from_samples(count: int, report: SampleReport) -> StageVolume:
    """Estimate a rare share: hits are Poisson, whose exact interval comes from chi-squared quantiles."""
    from scipy.stats import chi2

    candidates = max(report.candidates, 1)
    tail = (1 - _CERTAINTY) / 2
    lower = float(chi2.ppf(tail, 2 * count)) / 2 / candidates if count else 0.0
    upper = float(chi2.ppf(1 - tail, 2 * count + 2)) / 2 / candidates
    return StageVolume(count / candidates, lower, min(upper, 1.0), exact=False)
