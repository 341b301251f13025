"""Samples of a region by slice sampling from points that are known to lie in it.

The chains run in the space of uniforms, where the prior is flat: a step takes a line through the current point, along
one column or along all of them, and draws from the part of it that the cascade accepts, by Neal's shrinkage (Slice
sampling, Annals of Statistics 31, 2003, section 4): a candidate anywhere on the line, and after each rejection one
from between it and the current point. That leaves the flat density on the region as it is, and costs about ten
decisions a step however small the region is. A chain stays in the part of the region that its initial point lies in,
and a short one near it.

Chain j of a sample is a function of the seed, the sample's number and j alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.sampling.cascade import Cascade
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["EDGE", "MAX_SHRINKAGE_STEPS", "accepted_by", "slice_sample", "spread_of", "take_step", "uniforms_of"]

_STEPS = 6
MAX_SHRINKAGE_STEPS = 14
_CHAINS_AT_ONCE = 8192  # does not change the result
EDGE = 2.0**-40  # uniforms stay within (0, 1)


def uniforms_of(space: HyperParameterList, X: NDArray[np.float32]) -> Floats:
    """Return uniforms that encoded rows come from: the middles of those of each value.

    Parameters
    ----------
    space : HyperParameterList
        All of its parameters have a quantile function.
    X : ndarray of float32, shape (n, num_columns)

    Returns
    -------
    ndarray of float64, shape (n, num_columns)
        NaN for what does not exist.
    """
    uniforms = np.full(X.shape, np.nan)
    for c, column in enumerate(space.columns):
        exists = ~np.isnan(X[:, c])
        below = column.cdf(X[exists, c])
        up_to = column.cdf(np.nextafter(X[exists, c], np.float32(np.inf)))
        uniforms[exists, c] = 0.5 * (below + up_to)
    result: Floats = np.clip(uniforms, EDGE, 1 - EDGE)
    return result


def slice_sample(
    cascade: Cascade,
    initial_points: Floats,
    num_samples: int,
    chains_per_sample: int,
    *,
    seed: int,
    threads: int | None = None,
) -> Floats:
    """Draw by slice sampling within the region that a cascade accepts.

    Parameters
    ----------
    cascade : Cascade
        Decides.
    initial_points : ndarray of float64, shape (n, num_columns)
        Uniforms of points that it accepts, at least one; each chain takes one of them at random. What does not exist
        there is drawn from the prior: it may come into being on the way.
    num_samples, chains_per_sample : int
        Their product is the number of chains.
    seed : int
        Not negative.
    threads : int, optional
        Threads that decide; does not change the result.

    Returns
    -------
    ndarray of float64, shape (num_samples * chains_per_sample, num_columns)
        Uniforms where the chains end, all within the region.
    """
    cascade = cascade.newest_first()
    spread = spread_of(initial_points)
    samples_at_once = max(1, _CHAINS_AT_ONCE // chains_per_sample)
    ends = [np.empty((0, initial_points.shape[1]))]
    for first in range(0, num_samples, samples_at_once):
        chains = [
            _Chains(np.random.default_rng([seed, sample]), initial_points, chains_per_sample, spread)
            for sample in range(first, min(first + samples_at_once, num_samples))
        ]
        current = np.concatenate([chain.initial for chain in chains])
        for step in range(_STEPS):
            directions = np.concatenate([chain.directions[step] for chain in chains])
            fractions = np.concatenate([chain.fractions[step] for chain in chains])
            take_step(cascade, current, directions, fractions, threads)
        ends.append(current)
    return np.concatenate(ends)


def spread_of(points: Floats) -> Floats:
    """Return the standard deviation of each column where it exists, and a little more: the scale of directions."""
    exists = ~np.isnan(points)
    means = np.where(exists, points, 0.0).sum(axis=0) / np.maximum(exists.sum(axis=0), 1)
    squares = np.where(exists, points - means, 0.0) ** 2
    result: Floats = np.sqrt(squares.sum(axis=0) / np.maximum(exists.sum(axis=0), 1)) + 1e-9
    return result


class _Chains:
    """All that is random about the chains of one sample."""

    def __init__(self, random: np.random.Generator, initial_points: Floats, count: int, spread: Floats) -> None:
        width = initial_points.shape[1]
        self.initial = initial_points[random.integers(len(initial_points), size=count)]
        missing = np.isnan(self.initial)
        self.initial[missing] = np.clip(random.random(int(missing.sum())), EDGE, 1 - EDGE)
        self.directions = random.normal(size=(_STEPS, count, width)) * spread
        along_one = random.random((_STEPS, count)) < 0.5
        one = np.eye(width)[random.integers(width, size=(_STEPS, count))]
        self.directions[along_one] = one[along_one]
        self.fractions = random.random((_STEPS, count, MAX_SHRINKAGE_STEPS))


def accepted_by(cascade: Cascade, uniforms: Floats, threads: int | None) -> NDArray[np.bool_]:
    """Return which rows of uniforms the cascade and the constraints of its space accept."""
    X = cascade.space.encode_uniforms(uniforms)
    accepted = cascade.accepts(X, threads=threads)
    if cascade.space.constraints:
        accepted &= cascade.space.satisfied_by_uniforms(np.where(np.isnan(X), np.nan, uniforms))
    return accepted


def take_step(cascade: Cascade, current: Floats, directions: Floats, fractions: Floats, threads: int | None) -> None:
    """Move each point along its line to one that the cascade accepts; where none is found it stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        to_low, to_high = (EDGE - current) / directions, (1 - EDGE - current) / directions
    still = directions == 0
    begin = np.where(still, -np.inf, np.minimum(to_low, to_high)).max(axis=1)
    end = np.where(still, np.inf, np.maximum(to_low, to_high)).min(axis=1)
    active = np.arange(len(current))
    for shrinkage in range(MAX_SHRINKAGE_STEPS):
        along = begin[active] + (end[active] - begin[active]) * fractions[active, shrinkage]
        candidates = np.clip(current[active] + along[:, None] * directions[active], EDGE, 1 - EDGE)
        accepted = accepted_by(cascade, candidates, threads)
        current[active[accepted]] = candidates[accepted]
        active, along = active[~accepted], along[~accepted]
        if not active.size:
            return
        behind = along < 0
        begin[active[behind]] = along[behind]
        end[active[~behind]] = along[~behind]
