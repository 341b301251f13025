"""What drawing and dividing cost, as counts of work in seconds of one machine.

Only ratios matter: choices made by them are functions of the cascade and the request, never of a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shac.sampling.extension import core

__all__ = [
    "DIVIDING_SHARE",
    "ROWS_TO_COMPILE_FOR",
    "seconds_of_candidate",
    "seconds_of_dividing",
    "seconds_of_draws",
    "seconds_of_samples",
]

# On one core of a 2.6 GHz EPYC with AVX-512; `python benchmarks/measure_costs.py` measures them on another machine.
_SECONDS_PER_INSTRUCTION = 3.5e-10  # of the rejection filter, for one candidate
_SECONDS_PER_BOX = 1e-5
_SECONDS_PER_CELL = 1e-8  # of a table within a box, scoring divisions included
_SECONDS_PER_TESTED_DRAW = 1.3e-6
_SECONDS_PER_DRAW = 2e-7
_SECONDS_PER_EXACT_STAGE = 4e-7  # of a candidate that the rejection filter lets pass

ROWS_TO_COMPILE_FOR = 1_000_000  # compiling takes milliseconds and saves nanoseconds a row; chosen
DIVIDING_SHARE = 0.5  # the part of the sampling still ahead that dividing further may cost; chosen


def seconds_of_candidate(plain: core.PlainSampler) -> float:
    """Estimate what plain rejection takes for one candidate that does not pass."""
    return plain.candidate_cost * _SECONDS_PER_INSTRUCTION


def seconds_of_samples(plain: core.PlainSampler, samples: float, share: float, num_stages: int) -> float:
    """Estimate what plain rejection takes for so many samples, where this share of the candidates passes."""
    return samples * (seconds_of_candidate(plain) / share + num_stages * _SECONDS_PER_EXACT_STAGE)


def seconds_of_draws(region: core.Region, draws: float) -> float:
    """Estimate what so many draws from a region's boxes take."""
    undecided = region.undecided_mass / (region.accepted_mass + region.undecided_mass)
    return draws * (_SECONDS_PER_DRAW + undecided * _SECONDS_PER_TESTED_DRAW)


def seconds_of_dividing(region: core.Region) -> float:
    """Estimate what the divisions of a region took."""
    return region.num_divided * _SECONDS_PER_BOX + region.work * _SECONDS_PER_CELL
