"""Drawing from a region that is divided further where draws are refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shac.errors import EmptyRegionError
from shac.sampling.costs import DIVIDING_SHARE, NEWEST_COSTS, Costs
from shac.sampling.draws import joined_rows
from shac.sampling.extension import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RefiningSampler", "make_sampler"]

_LEAST_DRAWS = 1000  # of a round
_DRAWS_PER_BOX = 2
_MOST_DIVISIONS = 1 << 17


class RefiningSampler:
    """Draws in rounds, and divides the boxes between them while that pays.

    After a round the boxes in which most of its draws were refused are divided first. The boxes of a round are settled
    before its first draw, so that, whatever was drawn before, its samples have the distribution of plain rejection.
    Rounds, divisions and what is worth dividing are functions of the seed and the request.

    Parameters
    ----------
    region : core.Region
        The index to begin with; stays as it is.
    sampler : core.RegionSampler
        Its sampler.
    num_stages : int
        Classifiers that the region is of.
    expected : int
        Samples that the divisions have to pay for.
    costs : Costs
        What draws and divisions are counted with.

    Attributes
    ----------
    region : core.Region
        The index of the last round that was drawn.
    """

    def __init__(
        self,
        region: core.Region,
        sampler: core.RegionSampler,
        num_stages: int,
        expected: int,
        costs: Costs = NEWEST_COSTS,
    ) -> None:
        self.region = region
        self._costs = costs
        self._first = region, sampler
        self._num_stages = num_stages
        self._expected = expected

    @property
    def sampler(self) -> core.RegionSampler:
        """The sampler of the index to begin with."""
        return self._first[1]

    def sample(
        self,
        *,
        seed: int,
        first_candidate: int,
        count: int,
        relax: int,
        max_candidates: int,
        max_gap: int,
        block_size: int = 0,
        threads: int = 1,
    ) -> core.SampleResult:
        """Draw as the samplers of the core do; in one round where a gap could end the call."""
        self.region, sampler = self._first
        rounds: list[core.SampleResult] = []
        found = drawn = 0
        refining = max_gap >= max_candidates and self._is_worth_dividing(self._expected, 1, 1)
        while True:
            left = max_candidates - drawn
            first = first_candidate + drawn
            result = sampler.sample(
                seed=seed,
                first_candidate=first,
                count=count - found,
                relax=relax,
                max_candidates=min(self._draws_of_round(), left) if refining else left,
                max_gap=max_gap,
                block_size=block_size,
                threads=threads,
            )
            rounds.append(result)
            passed = result["candidates"]
            found += len(passed)
            drawn += result["num_drawn"]
            if result["end"] != "candidates" or drawn == max_candidates:
                return _joined(rounds)
            refining = self._is_worth_dividing(self._expected - found, len(passed), result["num_drawn"])
            if refining:
                share = sampler.rejected_share(seed, first, result["num_drawn"], passed)
                sampler = self._divide(share, relax)

    def _draws_of_round(self) -> int:
        return max(_LEAST_DRAWS, _DRAWS_PER_BOX * self.region.num_undecided)

    def _is_worth_dividing(self, missing: int, hits: int, draws: int) -> bool:
        """Whether twice the divisions cost less than what is left to draw, by the share of a round that passed."""
        region = self.region
        if region.num_undecided == 0 or region.num_divided >= _MOST_DIVISIONS or missing <= 0:
            return False
        ahead = self._costs.of_draws(region, missing * (draws + 0.5) / (hits + 0.5))
        return self._costs.of_dividing(region) <= DIVIDING_SHARE * ahead

    def _divide(self, rejected_share: NDArray[np.float64], relax: int) -> core.RegionSampler:
        self.region = self.region.reordered(rejected_share).refined(2 * self.region.num_divided + 1)
        return make_sampler(self.region, self._num_stages, relax)


def make_sampler(region: core.Region, num_stages: int, relax: int) -> core.RegionSampler:
    """Return the sampler of a region.

    Raises
    ------
    EmptyRegionError
        If nothing survives.
    """
    if region.volume()[1] == 0:
        raise EmptyRegionError(
            f"no configuration passes {num_stages} classifiers with relax={relax}: proven by dividing "
            f"the space into {region.num_divided + 1} boxes; with relax_checks=True samples may fail some of them"
        )
    return core.RegionSampler(region)


def _joined(rounds: list[core.SampleResult]) -> core.SampleResult:
    return {
        "candidates": joined_rows([r["candidates"] for r in rounds]),
        "uniforms": joined_rows([r["uniforms"] for r in rounds]),
        "num_drawn": sum(r["num_drawn"] for r in rounds),
        "rejected_by_stage": np.sum([r["rejected_by_stage"] for r in rounds], axis=0).tolist(),
        "end": rounds[-1]["end"],
    }
