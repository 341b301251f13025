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

from shac.sampling.arguments import thread_count
from shac.sampling.encoding import EDGE, encode_uniforms, encoding_of
from shac.sampling.extension import core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.sampling.cascade import Cascade

    Floats = NDArray[np.float64]

__all__ = ["EDGE", "MAX_SHRINKAGE_STEPS", "accepted_by", "slice_sample", "spread_of", "take_step"]

_STEPS = 6
MAX_SHRINKAGE_STEPS = 14
_CHAINS_AT_ONCE = 8192  # does not change the result


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
        numbers = range(first, min(first + samples_at_once, num_samples))
        chains = _Chains(seed, numbers, initial_points, chains_per_sample, spread)
        ends.append(chains.walk(cascade, threads))
    return np.concatenate(ends)


def spread_of(points: Floats) -> Floats:
    """Return the standard deviation of each column where it exists, and a little more: the scale of directions."""
    exists = ~np.isnan(points)
    means = np.where(exists, points, 0.0).sum(axis=0) / np.maximum(exists.sum(axis=0), 1)
    squares = np.where(exists, points - means, 0.0) ** 2
    result: Floats = np.sqrt(squares.sum(axis=0) / np.maximum(exists.sum(axis=0), 1)) + 1e-9
    return result


class _Chains:
    """The chains of several samples, and all that is random about them."""

    def __init__(self, seed: int, samples: range, initial_points: Floats, count: int, spread: Floats) -> None:
        width = initial_points.shape[1]
        total = len(samples) * count
        self._points = np.empty((total, width))
        self._directions = np.empty((_STEPS, total, width))
        self._fractions = np.empty((_STEPS, total, MAX_SHRINKAGE_STEPS))
        along_one = np.empty((_STEPS, total), dtype=np.bool_)
        chosen = np.empty((_STEPS, total), dtype=np.int64)
        for begin, sample in zip(range(0, total, count), samples, strict=True):
            own = slice(begin, begin + count)
            random = np.random.default_rng([seed, sample])
            points = initial_points[random.integers(len(initial_points), size=count)]
            missing = np.isnan(points)
            points[missing] = np.clip(random.random(int(missing.sum())), EDGE, 1 - EDGE)
            self._points[own] = points
            self._directions[:, own] = random.normal(size=(_STEPS, count, width))
            along_one[:, own] = random.random((_STEPS, count)) < 0.5
            chosen[:, own] = random.integers(width, size=(_STEPS, count))
            self._fractions[:, own] = random.random((_STEPS, count, MAX_SHRINKAGE_STEPS))
        self._directions *= spread
        step, chain = np.nonzero(along_one)
        self._directions[step, chain] = 0.0
        self._directions[step, chain, chosen[step, chain]] = 1.0

    def walk(self, cascade: Cascade, threads: int | None) -> Floats:
        """Take all steps, and return where the chains end."""
        encoding = None if cascade.space.constraints else encoding_of(cascade.space)
        if encoding is not None:
            decisions, workers = cascade.decisions, thread_count(threads)
            core.walk(encoding, decisions, self._points, self._directions, self._fractions, workers)
            return self._points
        for directions, fractions in zip(self._directions, self._fractions, strict=True):
            take_step(cascade, self._points, directions, fractions, threads)
        return self._points


def accepted_by(cascade: Cascade, uniforms: Floats, threads: int | None) -> NDArray[np.bool_]:
    """Return which rows of uniforms the cascade and the constraints of its space accept."""
    X = encode_uniforms(cascade.space, uniforms)
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
