"""Samples of a region by chains that are run until they have mixed, where drawing exactly would take too long.

A step is a slice (see `shac.sampling.slice_sampling`), then a jump by the difference of two known points, taken where
it ends within the region; a difference is as likely as its opposite, so that jumps leave the flat density as it is
(Metropolis), and they lead to parts of the region that lines seldom meet. The known points are where the chains were
when the phase began. Each phase takes as many steps as all before it, and every point to begin with starts as many
chains as every other.

The chains end when the split R-hat of a phase is at most 1.1 in every column (Gelman and Rubin, Statistical Science 7,
1992; split as by Vehtari and others, Bayesian Analysis 16, 2021). It compares the chains' means with the spread within
them: chains that still remember where they began, or cannot leave their part of the region, keep it above 1. For chains
that have mixed its square is about 1 + t / L, where a phase has 2 L steps and a chain takes t steps to forget: at 1.1
each chain has taken some 20 times as many steps as it takes to forget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from shac.sampling.encoding import EDGE
from shac.sampling.slice_sampling import MAX_SHRINKAGE_STEPS, accepted_by, spread_of, take_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.sampling.cascade import Cascade

    Floats = NDArray[np.float64]

__all__ = ["MixedSample", "sample_until_mixed"]

LARGEST_RHAT = 1.1
_LEAST_CHAINS = 64
_MOST_OF_A_CHAIN = 64  # samples
_FIRST_STEPS = 16
_MOST_CHAIN_STEPS = 1 << 19  # of all chains together: about a minute


@dataclass(frozen=True, slots=True)
class MixedSample:
    """Where chains were, and whether they had mixed.

    Parameters
    ----------
    uniforms : ndarray of float64, shape (n, num_columns)
        Of samples within the region.
    rhat : float
        The largest split R-hat of all columns.
    steps : int
        Of each chain.
    """

    uniforms: Floats
    rhat: float
    steps: int

    @property
    def is_mixed(self) -> bool:
        """Whether R-hat is at most 1.1."""
        return self.rhat <= LARGEST_RHAT


def sample_until_mixed(
    cascade: Cascade, initial_points: Floats, n: int, *, seed: int, threads: int | None = None
) -> MixedSample:
    """Draw by chains of slice sampling within the region that a cascade accepts, until they have mixed.

    Parameters
    ----------
    cascade : Cascade
        Decides.
    initial_points : ndarray of float64, shape (m, num_columns)
        See `slice_sample`.
    n : int
        Samples wanted. Each is the end of a chain of its own; of more than there are chains, several are
        positions of one, evenly spaced over its last half.
    seed : int
        Not negative.
    threads : int, optional
        Threads that decide; does not change the result.

    Returns
    -------
    MixedSample
        Not mixed where 2**19 steps of all chains together did not suffice.
    """
    cascade = cascade.newest_first()
    random = np.random.default_rng([seed, 2])
    count = max(_LEAST_CHAINS, len(initial_points), -(-n // _MOST_OF_A_CHAIN))
    chains = _MixingChains(cascade, initial_points, count, random, threads)
    steps = _FIRST_STEPS
    chains.run(_FIRST_STEPS, 1)
    while True:
        positions, rhat = chains.run(steps, -(-n // count))
        steps *= 2
        if rhat <= LARGEST_RHAT or 2 * steps * count > _MOST_CHAIN_STEPS:
            return MixedSample(positions[random.permutation(len(positions))[:n]], rhat, steps)


class _MixingChains:
    def __init__(
        self, cascade: Cascade, initial_points: Floats, count: int, random: np.random.Generator, threads: int | None
    ) -> None:
        self._cascade, self._random, self._threads = cascade, random, threads
        self.current = initial_points[random.permutation(count) % len(initial_points)]
        missing = np.isnan(self.current)
        self.current[missing] = np.clip(random.random(int(missing.sum())), EDGE, 1 - EDGE)
        self._known = initial_points, spread_of(initial_points)

    def run(self, steps: int, num_points: int) -> tuple[Floats, float]:
        """Take so many steps, an even number.

        Returns
        -------
        positions : ndarray of float64, shape (num_points * num_chains, num_columns)
            Where each chain was at evenly spaced steps, at its end last.
        rhat : float
            The largest split R-hat of the steps.
        """
        self._known = self.current.copy(), spread_of(self.current)
        kept = {steps - 1 - i * steps // num_points for i in range(num_points)}
        length = steps // 2
        positions: list[Floats] = []
        means, variances = [], []
        for first in (0, length):
            origin = self.current.copy()  # sums of differences from it keep their digits
            total, squares = np.zeros_like(origin), np.zeros_like(origin)
            for step in range(first, first + length):
                self._take_step()
                self._jump()
                moved = self.current - origin
                total += moved
                squares += moved**2
                if step in kept:
                    positions.append(self.current.copy())
            means.append(origin + total / length)
            variances.append((squares - total**2 / length) / (length - 1))
        within = np.concatenate(variances).mean(axis=0)
        between = np.concatenate(means).var(axis=0, ddof=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            squared = (length - 1) / length + between / within
        squared[between == 0] = 1.0  # a column that has one value only
        return np.concatenate(positions), float(np.sqrt(squared.max()))

    def _take_step(self) -> None:
        """Take a slice along one column, between two known points, or anywhere."""
        count, width = self.current.shape
        points, spread = self._known
        directions = self._random.normal(size=(count, width)) * spread
        kind = self._random.integers(4, size=count)
        along_one = kind < 2
        directions[along_one] = np.eye(width)[self._random.integers(width, size=int(along_one.sum()))]
        first, second = self._random.integers(len(points), size=(2, count))
        between = (kind == 2) & (points[first] != points[second]).any(axis=1)
        directions[between] = (points[first] - points[second])[between]
        fractions = self._random.random((count, MAX_SHRINKAGE_STEPS))
        take_step(self._cascade, self.current, directions, fractions, self._threads)

    def _jump(self) -> None:
        """Move each chain by the difference of two known points, where that ends within the region."""
        points, _ = self._known
        begin, end = self._random.integers(len(points), size=(2, len(self.current)))
        candidates = self.current + points[end] - points[begin]
        within = np.flatnonzero((begin != end) & ((candidates > EDGE) & (candidates < 1 - EDGE)).all(axis=1))
        accepted = within[accepted_by(self._cascade, candidates[within], self._threads)]
        self.current[accepted] = candidates[accepted]
