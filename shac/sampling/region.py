"""The region that a cascade accepts: how far its boxes are divided, which method samples from it, what it knows.

All choices are functions of the cascade and the request alone, made by counting work and never by a clock, so that the
same seed gives the same samples on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from shac.sampling.costs import DIVIDING_SHARE, NEWEST_COSTS, Costs
from shac.sampling.extension import core
from shac.sampling.refining import make_sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from shac.parameters import AbstractHyperParameter
    from shac.sampling.bins import Condition

__all__ = ["Marginal", "Regions", "Volume"]

_BUDGETS = (64, 512, 4096, 32_768)  # boxes divided; each is tried where the one before leaves enough to gain
_PILOT_SEED = 0x5AC5AC5AC
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
    prior_missing, surviving_missing : float
        The mass without the column; 0 for a column that always exists.
    """

    name: str
    edges: NDArray[np.float32]
    prior: NDArray[np.float64]
    surviving: NDArray[np.float64]
    exact: NDArray[np.bool_]
    prior_missing: float = 0.0
    surviving_missing: float = 0.0


class Regions:
    """The regions of one cascade, by relaxation and budget, built when first asked for.

    Parameters
    ----------
    stages : sequence of core.Stage
        Compiled stages.
    width : int
        Columns of the space.
    condition_list : sequence of tuple
        When columns exist, as of `conditions_of`.
    conditions : core.Conditions, optional
        The same; needed where there are any.
    costs : Costs
        What methods are compared by.
    """

    def __init__(
        self,
        stages: Sequence[core.Stage],
        width: int,
        condition_list: Sequence[Condition] = (),
        conditions: core.Conditions | None = None,
        costs: Costs = NEWEST_COSTS,
    ) -> None:
        self._stages = stages
        self._costs = costs
        self._condition_list = condition_list
        self._conditions = core.Conditions([], width) if conditions is None else conditions
        self._width = width
        self._built: dict[tuple[int, int], core.Region] = {}
        self._samplers: dict[tuple[int, int], core.RegionSampler] = {}
        self._pilots: dict[tuple[int, int], tuple[int, int]] = {}

    def region(self, relax: int, budget: int) -> core.Region:
        """Return the region after at most `budget` divisions.

        Raises
        ------
        ValueError
            If the cascade has more stages or thresholds than a region can index.
        """
        key = relax, budget
        if key not in self._built:
            smaller = [b for r, b in list(self._built) if r == relax and b < budget]
            if smaller:
                region = self._built[relax, max(smaller)]
            else:
                region = core.Region(self._stages, self._width, relax, self._conditions)
            self._built[key] = region.refined(budget)
        return self._built[key]

    def sampler(self, relax: int, budget: int) -> core.RegionSampler:
        """Return the sampler of a region.

        Raises
        ------
        EmptyRegionError
            If nothing survives.
        """
        key = relax, budget
        if key not in self._samplers:
            region = self.region(relax, budget)
            self._samplers[key] = make_sampler(region, len(self._stages), relax)
        return self._samplers[key]

    def choose(
        self, n: int, relax: int, make_plain: Callable[[], core.PlainSampler] | None
    ) -> tuple[Literal["plain", "region"], int]:
        """Choose the method and the budget that should give `n` samples soonest.

        Parameters
        ----------
        n : int
            Samples wanted.
        relax : int
            Stages that a sample may fail.
        make_plain : callable or None
            Gives the sampler of plain rejection, which takes time to make; None where it is not wanted.

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
            hits, draws = self._pilot(relax, budget)
            region = self.region(relax, budget)
            share = (hits + 0.5) / (draws + 0.5)
            ahead = self._costs.of_draws(region, n / share)
            plain = None
            if make_plain is not None:
                mass = region.accepted_mass + region.undecided_mass
                by_plain = self._costs.of_samples(make_plain(), n, share * mass, len(self._stages))
                if by_plain < ahead:
                    plain, ahead = make_plain(), by_plain
            building = self._costs.of_dividing(region) - spent
            spent += building
            if following is None or region.num_undecided == 0:
                break
            next_building = building * following / budget
            if next_building <= DIVIDING_SHARE * ahead:
                continue
            # The region may be empty, which only dividing proves.
            if plain is None or hits:
                break
            if self._finds(plain, relax, int(next_building / self._costs.of_candidate(plain))):
                break
        return "region" if plain is None else "plain", budget

    def _pilot(self, relax: int, budget: int) -> tuple[int, int]:
        """Count accepted draws, and draws, of a region; it is asked once to choose a method, and once to draw by it."""
        key = relax, budget
        if key not in self._pilots:
            sampler, hits, draws = self.sampler(relax, budget), 1, 1
            if self.region(relax, budget).num_undecided:
                costs = self._costs
                pilot = sampler.sample(seed=_PILOT_SEED, count=costs.pilot_samples, max_candidates=costs.pilot_draws)
                hits, draws = len(pilot["candidates"]), pilot["num_drawn"]
            self._pilots[key] = hits, draws
        return self._pilots[key]

    @staticmethod
    def _finds(plain: core.PlainSampler, relax: int, candidates: int) -> bool:
        """Whether plain rejection finds anything while the next division would take; the region may be empty."""
        probe = plain.sample(seed=_PILOT_SEED, count=1, relax=relax, max_candidates=candidates + 1)
        return len(probe["candidates"]) > 0

    def marginals(
        self, columns: Sequence[AbstractHyperParameter], names: Sequence[str], relax: int, budget: int
    ) -> list[Marginal]:
        """Return the surviving mass of every bin of every column."""
        region = self.region(relax, budget)
        bins, mass, accepted = region.boxes()
        drawn = None
        if region.num_undecided and len(mass):
            drawn = self.sampler(relax, budget).sample(
                seed=_PILOT_SEED, count=_ESTIMATE_DRAWS, max_candidates=_ESTIMATE_DRAWS
            )
        existence = Existence(region, self._condition_list)
        result = []
        for c, (parameter, name) in enumerate(zip(columns, names, strict=True)):
            edges = region.edges(c).astype(np.float64)
            uniforms = edges / 2.0**core.UNIFORM_BITS
            prior = np.diff(np.concatenate([[0.0], uniforms, [1.0]]))
            there = existence.share(c, bins)
            sure = _spread(bins[accepted, c], (mass * there)[accepted], prior)
            most = _spread(bins[~accepted, c], (mass * there)[~accepted], prior)
            surviving = sure
            missing = float((mass * (1 - there))[accepted].sum())
            if drawn is not None:
                own = drawn["uniforms"][:, c]
                places = np.searchsorted(uniforms, own[~np.isnan(own)], side="right")
                scale = mass.sum() / drawn["num_drawn"]
                surviving = np.clip(np.bincount(places, minlength=len(prior)) * scale, sure, sure + most)
                most_missing = float((mass * (1 - there)).sum())
                missing = min(max(int(np.isnan(own).sum()) * scale, missing), most_missing)
            exists = existence.prior_share(c)
            result.append(
                Marginal(
                    name=name,
                    edges=parameter.encode_array(parameter.quantile((edges + 0.5) / 2.0**core.UNIFORM_BITS)),
                    prior=prior * exists,
                    surviving=surviving,
                    exact=most == 0,
                    prior_missing=1.0 - exists,
                    surviving_missing=missing,
                )
            )
        return result


class Existence:
    """How much of a box has a conditional column.

    A column exists where a set of bins of each column that it depends on, also by way of others, is taken: the share of
    a box is a product, as its columns are independent.

    Parameters
    ----------
    region : core.Region
        Its bins end wherever a condition begins or ceases to hold.
    conditions : sequence of tuple
        See `conditions_of`.
    """

    def __init__(self, region: core.Region, conditions: Sequence[Condition]) -> None:
        self._allowed: dict[int, dict[int, NDArray[np.bool_]]] = {}  # column -> what it depends on -> bins
        self._ends: dict[int, NDArray[np.float64]] = {}
        for column, parent, holds_first, changes in conditions:
            edges = region.edges(parent)
            self._ends[parent] = np.concatenate([[0.0], edges / 2.0**core.UNIFORM_BITS, [1.0]])
            first = np.concatenate([[0], edges]).astype(np.uint64)  # uniform of each bin
            holds = holds_first == (np.searchsorted(changes, first, side="right") % 2 == 0)
            for ancestor, bins in [*self._allowed.get(parent, {}).items(), (parent, holds)]:
                own = self._allowed.setdefault(column, {})
                own[ancestor] = own[ancestor] & bins if ancestor in own else bins

    def prior_share(self, column: int) -> float:
        """Return the mass of the prior that has a column."""
        shares = [
            float((np.diff(self._ends[ancestor]) * bins).sum())
            for ancestor, bins in self._allowed.get(column, {}).items()
        ]
        return float(np.prod(shares))

    def share(self, column: int, boxes: NDArray[np.uint16]) -> NDArray[np.float64]:
        """Return the share of each box that has a column.

        Parameters
        ----------
        column : int
        boxes : ndarray of uint16, shape (num_boxes, num_columns, 2)

        Returns
        -------
        ndarray of float64, shape (num_boxes,)
        """
        result = np.ones(len(boxes))
        for ancestor, allowed in self._allowed.get(column, {}).items():
            ends = self._ends[ancestor]
            taken = np.concatenate([[0.0], np.cumsum(np.diff(ends) * allowed)])
            begin = np.minimum(boxes[:, ancestor, 0].astype(np.intp), len(ends) - 2)
            end = np.minimum(boxes[:, ancestor, 1].astype(np.intp), len(ends) - 1)
            result *= (taken[end] - taken[begin]) / (ends[end] - ends[begin])
            result[boxes[:, ancestor, 0] > len(ends) - 2] = 0.0  # lacks what the column depends on
        return np.clip(result, 0.0, 1.0)


def _spread(bins: NDArray[np.uint16], mass: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share the mass of boxes among the bins that they hold, as the prior does; none where they lack the column."""
    ends = np.concatenate([[0.0], np.cumsum(prior)])
    there = bins[:, 0] < len(prior)
    begin, end = bins[there, 0].astype(np.intp), np.minimum(bins[there, 1].astype(np.intp), len(prior))
    # Every bin on its own: differences of sums would leave rounding errors where nothing survives.
    result = np.zeros(len(prior))
    for first, last, share in zip(
        begin.tolist(), end.tolist(), (mass[there] / (ends[end] - ends[begin])).tolist(), strict=True
    ):
        result[first:last] += share
    spread: NDArray[np.float64] = result * prior
    return spread
