"""What drawing and dividing cost, as counts of work in seconds of one machine.

Only ratios matter: choices made by them are functions of the cascade and the request, never of a clock. Choices change
samples, so costs that were once counted with stay: a search goes on with those that it began with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shac.sampling.extension import core

__all__ = ["DIVIDING_SHARE", "NEWEST_COSTS", "ROWS_TO_COMPILE_FOR", "VERSIONS", "Costs"]

ROWS_TO_COMPILE_FOR = 1_000_000  # compiling takes milliseconds and saves nanoseconds a row; chosen
DIVIDING_SHARE = 0.5  # the part of the sampling still ahead that dividing further may cost; chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Seconds of one core, the draws by which a region's are estimated, and how candidates are drawn.

    Parameters
    ----------
    version : int
        Key in `VERSIONS`.
    instruction : float
        Of the rejection filter, for one candidate.
    exact_stage : float
        Of a candidate that the rejection filter lets pass, for each stage.
    box, cell : float
        Of a division; of a cell of a table within a box, scoring divisions included.
    draw, tested_draw : float
        Of a draw from the boxes; what one from an undecided box takes beyond that.
    pilot_samples, pilot_draws : int
        Samples that end a pilot, and draws at most.
    share_blocks : bool
        Whether a block of random bits serves several candidates of up to four columns.
    """

    version: int
    instruction: float = 3.5e-10
    exact_stage: float
    box: float = 1e-5
    cell: float = 1e-8
    draw: float
    tested_draw: float
    pilot_samples: int = 500
    pilot_draws: int
    share_blocks: bool = False

    def of_candidate(self, plain: core.PlainSampler) -> float:
        """Estimate what plain rejection takes for one candidate that does not pass."""
        return plain.candidate_cost * self.instruction

    def of_samples(self, plain: core.PlainSampler, samples: float, share: float, num_stages: int) -> float:
        """Estimate what plain rejection takes for so many samples, where this share of the candidates passes."""
        return samples * (self.of_candidate(plain) / share + num_stages * self.exact_stage)

    def of_draws(self, region: core.Region, draws: float) -> float:
        """Estimate what so many draws from a region's boxes take."""
        undecided = region.undecided_mass / (region.accepted_mass + region.undecided_mass)
        return draws * (self.draw + undecided * self.tested_draw)

    def of_dividing(self, region: core.Region) -> float:
        """Estimate what the divisions of a region took."""
        return region.num_divided * self.box + region.work * self.cell


# On one core of a 2.6 GHz EPYC with AVX-512; `python benchmarks/measure_costs.py` measures them on another machine. The
# first are those of a core that tested draws from boxes one at a time, the second of one that drew a block of random
# bits for each candidate.
VERSIONS = {
    costs.version: costs
    for costs in (
        Costs(version=1, exact_stage=4e-7, draw=2e-7, tested_draw=1.3e-6, pilot_draws=500),
        Costs(version=2, exact_stage=2e-7, draw=3e-8, tested_draw=8e-8, pilot_draws=1 << 14),
        Costs(version=3, exact_stage=2e-7, draw=3e-8, tested_draw=8e-8, pilot_draws=1 << 14, share_blocks=True),
    )
}
NEWEST_COSTS = VERSIONS[max(VERSIONS)]
