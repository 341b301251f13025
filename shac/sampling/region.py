"""The region that a cascade accepts: how far its boxes are divided, which method samples from it, what it knows.

All choices are functions of the cascade and the request alone, made by counting work and never by a clock, so that the
same seed gives the same samples on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from shac.errors import EmptyRegionError
from shac.sampling.extension import core

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shac.parameters import AbstractHyperParameter

__all__ = ["Marginal", "Regions", "Volume"]

# Seconds that kinds of work take on one core of a 2.6 GHz EPYC with AVX-512; only their ratios matter.
_SECONDS_PER_INSTRUCTION = 3.5e-10  # of the sieve, for one candidate
_SECONDS_PER_BOX = 1e-5
_SECONDS_PER_CELL = 1e-8  # of a table within a box, scoring divisions included
_SECONDS_PER_TESTED_DRAW = 1.3e-6
_SECONDS_PER_DRAW = 2e-7

_BUDGETS = (64, 512, 4096, 32_768)  # boxes divided; each is tried where the one before leaves enough to gain
_PILOT_DRAWS = 500
_PILOT_SEED = 0x5AC5AC5AC
_WORTH = 0.5  # the part of the sampling still ahead that dividing further may cost
_ESTIMATE_DRAWS = 50_000


class Volume(NamedTuple):
    """Bounds of the surviving mass of the prior.

    Parameters
    ----------
    lower, upper : float
        In [0, 1]; the mass lies between them for certain.
    """

    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Marginal:
    """What survives of one column.

    Parameters
    ----------
    name : str
        The parameter's name.
    edges : ndarray of float32, shape (num_bins - 1,)
        Encoded values that divide the column's bins, ascending.
    prior : ndarray of float64, shape (num_bins,)
        Mass of each bin under the prior.
    surviving : ndarray of float64, shape (num_bins,)
        The part of it that the cascade accepts.
    exact : ndarray of bool, shape (num_bins,)
        Where `surviving` is exact; elsewhere it is estimated from draws.
    """

    name: str
    edges: NDArray[np.float32]
    prior: NDArray[np.float64]
    surviving: NDArray[np.float64]
    exact: NDArray[np.bool_]


class Regions:
    """The regions of one cascade, by relaxation and budget, built when first asked for.

    Parameters
    ----------
    stages : sequence of core.Stage
        Compiled stages.
    width : int
        Columns of the space.
    """

    def __init__(self, stages: Sequence[core.Stage], width: int) -> None:
        self._stages = stages
        self._width = width
        self._built: dict[tuple[int, int], core.Region] = {}
        self._samplers: dict[tuple[int, int], core.RegionSampler] = {}

    def region(self, relax: int, budget: int) -> core.Region:
        """Give the region after at most `budget` divisions.

        Raises
        ------
        ValueError
            If the cascade has more stages or thresholds than a region can index.
        """
        key = relax, budget
        if key not in self._built:
            smaller = [b for r, b in self._built if r == relax and b < budget]
            region = (
                self._built[relax, max(smaller)].copy() if smaller else core.Region(self._stages, self._width, relax)
            )
            region.refine(budget)
            self._built[key] = region
        return self._built[key]

    def sampler(self, relax: int, budget: int) -> core.RegionSampler:
        """Give the sampler of a region.

        Raises
        ------
        EmptyRegionError
            If nothing survives.
        """
        key = relax, budget
        if key not in self._samplers:
            region = self.region(relax, budget)
            if region.volume()[1] == 0:
                raise EmptyRegionError(
                    f"no setting of the search space passes {len(self._stages)} classifiers with relax={relax}: proven "
                    f"by dividing the space into {region.num_divided + 1} boxes"
                )
            self._samplers[key] = core.RegionSampler(region)
        return self._samplers[key]

    def choose(
        self, n: int, relax: int, plain: core.PlainSampler, *, allow_plain: bool = True
    ) -> tuple[Literal["plain", "region"], int]:
        """Choose the method and the budget that should give `n` samples soonest.

        Parameters
        ----------
        n : int
            Samples wanted.
        relax : int
            Stages that a sample may fail.
        plain : core.PlainSampler
            The other method.
        allow_plain : bool
            Whether plain rejection may be chosen.

        Returns
        -------
        method : {'plain', 'region'}
        budget : int

        Raises
        ------
        EmptyRegionError
            If nothing survives.
        """
        spent = 0.0
        for budget, following in zip(_BUDGETS, (*_BUDGETS[1:], None), strict=True):
            sampler = self.sampler(relax, budget)
            region = self.region(relax, budget)
            hits, draws = self._pilot(region, sampler)
            share = (hits + 0.5) / (draws + 0.5)
            mass = region.accepted_mass + region.undecided_mass
            undecided = region.undecided_mass / mass
            seconds = {"region": n / share * (_SECONDS_PER_DRAW + undecided * _SECONDS_PER_TESTED_DRAW)}
            seconds_per_candidate = plain.candidate_cost * _SECONDS_PER_INSTRUCTION
            if allow_plain:
                seconds["plain"] = n / (share * mass) * seconds_per_candidate
            best: Literal["plain", "region"] = "region"
            if seconds.get("plain", np.inf) < seconds["region"]:
                best = "plain"
            building = region.num_divided * _SECONDS_PER_BOX + region.work * _SECONDS_PER_CELL - spent
            spent += building
            if following is None or region.num_undecided == 0:
                break
            next_building = building * following / budget
            if next_building <= _WORTH * seconds[best]:
                continue
            if best == "region" or hits or self._finds(plain, relax, int(next_building / seconds_per_candidate)):
                break
        return best, budget

    @staticmethod
    def _pilot(region: core.Region, sampler: core.RegionSampler) -> tuple[int, int]:
        """Count accepted draws, and draws."""
        if region.num_undecided == 0:
            return 1, 1
        pilot = sampler.sample(seed=_PILOT_SEED, count=_PILOT_DRAWS, max_candidates=_PILOT_DRAWS)
        return len(pilot["candidates"]), pilot["num_drawn"]

    @staticmethod
    def _finds(plain: core.PlainSampler, relax: int, candidates: int) -> bool:
        """Whether plain rejection finds anything while the next division would take; the region may be empty."""
        probe = plain.sample(seed=_PILOT_SEED, count=1, relax=relax, max_candidates=candidates + 1)
        return len(probe["candidates"]) > 0

    def marginals(
        self, columns: Sequence[AbstractHyperParameter], names: Sequence[str], relax: int, budget: int
    ) -> list[Marginal]:
        """Give the surviving mass of every bin of every column."""
        region = self.region(relax, budget)
        bins, mass, accepted = region.boxes()
        drawn = None
        if region.num_undecided and len(mass):
            drawn = self.sampler(relax, budget).sample(
                seed=_PILOT_SEED, count=_ESTIMATE_DRAWS, max_candidates=_ESTIMATE_DRAWS
            )
        result = []
        for c, (parameter, name) in enumerate(zip(columns, names, strict=True)):
            edges = region.edges(c).astype(np.float64)
            uniforms = edges / 2.0**core.UNIFORM_BITS
            prior = np.diff(np.concatenate([[0.0], uniforms, [1.0]]))
            sure = _spread(bins[accepted, c], mass[accepted], prior)
            most = _spread(bins[~accepted, c], mass[~accepted], prior)
            surviving = sure
            if drawn is not None:
                places = np.searchsorted(uniforms, drawn["uniforms"][:, c], side="right")
                counts = np.bincount(places, minlength=len(prior))
                surviving = np.clip(counts / drawn["num_drawn"] * mass.sum(), sure, sure + most)
            result.append(
                Marginal(
                    name=name,
                    edges=parameter.encode_array(parameter.quantile((edges + 0.5) / 2.0**core.UNIFORM_BITS)),
                    prior=prior,
                    surviving=surviving,
                    exact=most == 0,
                )
            )
        return result


def _spread(bins: NDArray[np.uint16], mass: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share the mass of boxes among the bins that they hold, as the prior does."""
    ends = np.concatenate([[0.0], np.cumsum(prior)])
    begin, end = bins[:, 0].astype(np.intp), bins[:, 1].astype(np.intp)
    # Every bin on its own: differences of sums would leave rounding errors where nothing survives.
    result = np.zeros(len(prior))
    for first, last, share in zip(
        begin.tolist(), end.tolist(), (mass / (ends[end] - ends[begin])).tolist(), strict=True
    ):
        result[first:last] += share
    spread: NDArray[np.float64] = result * prior
    return spread
