"""How long drawing exactly will take, estimated before it is done, by counting work and never by a clock.

The same cascade gets the same estimate on every machine, so that what is decided by it is a function of the seed too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shac.sampling.arguments import LARGEST_COUNT
from shac.sampling.costs import DIVIDING_SHARE
from shac.sampling.python_path import draw_in_python
from shac.sampling.refining import RefiningSampler

if TYPE_CHECKING:
    from shac.sampling.compiled import CompiledCascade
    from shac.sampling.extension import core

__all__ = ["DrawEstimate", "estimate_draw"]

_CORES = 2
# The constants of `costs` are those of an idle machine. On a busy one of the same kind six cascades of 2 to 30 columns
# took 1.4 to 4 times that for a candidate, and 0.5 to 7 times for a draw.
_SLOWDOWN = 4.0
_SECONDS_PER_PYTHON_VALUE = 1e-6
_SECONDS_PER_CONSTRAINED_VALUE = 5e-8  # whole arrays: 2.6e-8 to 9e-8, on one core
_PILOT_SEED = 0x9E3779B97F4A7C15  # not that of any draw that is returned
_PILOT_SAMPLES = 16
_FIRST_PILOT = 4096
_PILOT_SHARE = 0.1  # of the time allowed
_PROOF_BOXES = 4096  # to divide before a region that gave nothing counts as one that may give something


@dataclass(frozen=True, slots=True)
class DrawEstimate:
    """What drawing exactly is expected to take.

    Parameters
    ----------
    seconds : float
        On two cores.
    is_lower_bound : bool
        Whether no sample was found while estimating, so that it may take any longer.
    """

    seconds: float
    is_lower_bound: bool = False


def estimate_draw(compiled: CompiledCascade, n: int, *, max_seconds: float, threads: int) -> DrawEstimate:
    """Estimate how long the draw of `n` samples takes.

    Parameters
    ----------
    compiled : CompiledCascade
    n : int
        Samples wanted.
    max_seconds : float
        Time allowed for the draw; a tenth of it is spent on the estimate at most.
    threads : int
        Threads that draw; do not change the result.

    Returns
    -------
    DrawEstimate

    Raises
    ------
    EmptyRegionError
        If it is proven that the cascade accepts nothing.
    """
    if not n or not compiled.forests:
        return DrawEstimate(0.0)
    sampler = compiled.choose_sampler("auto", {"count": n, "relax": 0}, limited=False)
    pilot = _Pilot(compiled, sampler, threads)
    candidates = _FIRST_PILOT
    drawn = passed = hits = 0
    allowed = _PILOT_SHARE * max_seconds
    while hits < _PILOT_SAMPLES and (
        not drawn or pilot.seconds(2 * drawn) + pilot.seconds_of_constraints(2 * passed) <= allowed
    ):
        more_passed, more_hits = pilot.count(drawn, candidates)
        passed, hits = passed + more_passed, hits + more_hits
        drawn += candidates
        candidates = drawn
    if not hits and sampler is not None:
        _prove_not_empty(compiled)
    of_each = n / (hits + 0.5)
    samples = of_each * (passed + 0.5)
    seconds = pilot.seconds(of_each * (drawn + 0.5), samples) + pilot.seconds_of_constraints(samples)
    return DrawEstimate(seconds, is_lower_bound=not hits)


class _Pilot:
    """Draws a few candidates as a sampler would, and knows what one costs; Python draws where there is none."""

    def __init__(
        self, compiled: CompiledCascade, sampler: core.PlainSampler | RefiningSampler | None, threads: int
    ) -> None:
        self._compiled, self._sampler, self._threads = compiled, sampler, threads

    def count(self, first: int, count: int) -> tuple[int, int]:
        """Count what passes the cascade among so many candidates, and what satisfies the constraints as well."""
        request = {"count": LARGEST_COUNT, "seed": _PILOT_SEED, "relax": 0, "first_candidate": first}
        if self._sampler is None:
            limits = {"max_candidates": count, "max_gap": LARGEST_COUNT}
            space = self._compiled.space
            num_rows = len(draw_in_python(self._compiled.decisions, space, request, limits, self._threads).rows)
            return num_rows, num_rows
        sampler = self._sampler.sampler if isinstance(self._sampler, RefiningSampler) else self._sampler
        uniforms = sampler.sample(threads=self._threads, max_candidates=count, **request)["uniforms"]
        if not self._compiled.space.constraints:
            return len(uniforms), len(uniforms)
        return len(uniforms), int(self._compiled.space.satisfied_by_uniforms(uniforms).sum())

    def seconds(self, candidates: float, samples: float = 0) -> float:
        """Estimate what so many candidates take, and what the samples among them take beyond that."""
        costs = self._compiled.costs
        if self._sampler is None:
            cost = candidates * self._compiled.space.num_columns * _SECONDS_PER_PYTHON_VALUE
        elif isinstance(self._sampler, RefiningSampler):
            cost = costs.of_draws(self._sampler.region, candidates) * (1 + DIVIDING_SHARE if samples else 1)
        elif samples:
            cost = costs.of_samples(self._sampler, samples, samples / candidates, len(self._compiled.forests))
        else:
            cost = candidates * costs.of_candidate(self._sampler)
        return cost * _SLOWDOWN / _CORES

    def seconds_of_constraints(self, samples: float) -> float:
        """Estimate what asking the constraints about so many that pass the cascade takes, on one core."""
        if self._sampler is None or not self._compiled.space.constraints:
            return 0.0
        return samples * self._compiled.space.num_columns * _SECONDS_PER_CONSTRAINED_VALUE * _SLOWDOWN


def _prove_not_empty(compiled: CompiledCascade) -> None:
    """Raise EmptyRegionError where dividing the space proves that nothing passes."""
    try:
        compiled.regions().sampler(0, _PROOF_BOXES)
    except ValueError:
        return  # more stages or thresholds than a region can index
