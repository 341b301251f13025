"""Samples of a region by slice sampling from points that are known to lie in it.

The chains run in the space of uniforms, where the prior is flat: a step takes a line through the current point, along
one column or along all of them, and draws from the part of it that the cascade accepts, by Neal's shrinkage (Slice
sampling, Annals of Statistics 31, 2003, section 4): a candidate anywhere on the line, and after each rejection one
from between it and the current point. That leaves the flat density on the region as it is, and costs about ten
decisions a step however small the region is. A chain stays in the part of the region that its initial point lies in,
and a short one near it.

Where a chain ends is a function of the seed and of its place among all chains: more of them change nothing for those
before. Each kind of random number has a stream for all chains. Searches of earlier versions had a generator for each
sample, whose making took longer than the walks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

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
    shared_stream: bool = True,
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
    shared_stream : bool
        Whether chains share their streams of random numbers; else those of each sample have a generator.

    Returns
    -------
    ndarray of float64, shape (num_samples * chains_per_sample, num_columns)
        Uniforms where the chains end, all within the region.
    """
    cascade = cascade.newest_first()
    spread = spread_of(initial_points)
    samples_at_once = max(1, _CHAINS_AT_ONCE // chains_per_sample)
    streams = _Streams(seed, initial_points)
    ends = [np.empty((0, initial_points.shape[1]))]
    for first in range(0, num_samples, samples_at_once):
        numbers = range(first, min(first + samples_at_once, num_samples))
        if shared_stream:
            numbers_of_chains = streams.next(len(numbers) * chains_per_sample)
        else:
            own = [_numbers_of_sample(seed, number, initial_points, chains_per_sample) for number in numbers]
            numbers_of_chains = _RandomNumbers(*map(np.concatenate, zip(*own, strict=True)))
        ends.append(_walk(cascade, numbers_of_chains, spread, threads))
    return np.concatenate(ends)


def spread_of(points: Floats) -> Floats:
    """Return the standard deviation of each column where it exists, and a little more: the scale of directions."""
    exists = ~np.isnan(points)
    means = np.where(exists, points, 0.0).sum(axis=0) / np.maximum(exists.sum(axis=0), 1)
    squares = np.where(exists, points - means, 0.0) ** 2
    result: Floats = np.sqrt(squares.sum(axis=0) / np.maximum(exists.sum(axis=0), 1)) + 1e-9
    return result


class _RandomNumbers(NamedTuple):
    """All that is random about chains, in arrays whose first dimension is theirs."""

    points: Floats  # where they begin, chains by columns
    directions: Floats  # standard normal, chains by steps by columns
    along_one: NDArray[np.bool_]  # whether a step is along one column, chains by steps
    columns: NDArray[np.int64]  # along which it is then
    fractions: Floats  # chains by steps by shrinkages


class _Streams:
    """Streams of random numbers, one for each kind of them."""

    def __init__(self, seed: int, initial_points: Floats) -> None:
        self._initial_points = initial_points
        self._has_missing = bool(np.isnan(initial_points).any())
        self._of_kind = [np.random.default_rng([seed, kind]) for kind in range(6)]

    def next(self, count: int) -> _RandomNumbers:
        """Return the numbers of the chains that come next."""
        start, existence, direction, coin, column, fraction = self._of_kind
        width = self._initial_points.shape[1]
        points = self._initial_points[start.integers(len(self._initial_points), size=count)]
        if self._has_missing:
            points = np.where(np.isnan(points), np.clip(existence.random(points.shape), EDGE, 1 - EDGE), points)
        return _RandomNumbers(
            points,
            direction.standard_normal((count, _STEPS, width)),
            coin.random((count, _STEPS)) < 0.5,
            column.integers(width, size=(count, _STEPS)),
            fraction.random((count, _STEPS, MAX_SHRINKAGE_STEPS)),
        )


def _numbers_of_sample(seed: int, sample: int, initial_points: Floats, count: int) -> _RandomNumbers:
    """Return the numbers of the chains of a sample, from a generator of its own."""
    width = initial_points.shape[1]
    random = np.random.default_rng([seed, sample])
    points = initial_points[random.integers(len(initial_points), size=count)]
    missing = np.isnan(points)
    points[missing] = np.clip(random.random(int(missing.sum())), EDGE, 1 - EDGE)
    return _RandomNumbers(
        points,
        np.moveaxis(random.normal(size=(_STEPS, count, width)), 0, 1),
        (random.random((_STEPS, count)) < 0.5).T,
        random.integers(width, size=(_STEPS, count)).T,
        np.moveaxis(random.random((_STEPS, count, MAX_SHRINKAGE_STEPS)), 0, 1),
    )


def _walk(cascade: Cascade, numbers: _RandomNumbers, spread: Floats, threads: int | None) -> Floats:
    """Take all steps, and return where the chains end."""
    points = np.ascontiguousarray(numbers.points)
    directions = np.ascontiguousarray(np.moveaxis(numbers.directions, 1, 0)) * spread
    step, chain = np.nonzero(numbers.along_one.T)
    directions[step, chain] = 0.0
    directions[step, chain, numbers.columns.T[step, chain]] = 1.0
    fractions = np.ascontiguousarray(np.moveaxis(numbers.fractions, 1, 0))
    encoding = None if cascade.space.constraints else encoding_of(cascade.space)
    if encoding is not None:
        core.walk(encoding, cascade.fastest_decisions, points, directions, fractions, thread_count(threads))
        return points
    for of_step, fractions_of_step in zip(directions, fractions, strict=True):
        take_step(cascade, points, of_step, fractions_of_step, threads)
    return points


def accepted_by(cascade: Cascade, uniforms: Floats, threads: int | None) -> NDArray[np.bool_]:
    """Return which rows of uniforms the cascade and the constraints of its space accept."""
    X = encode_uniforms(cascade.space, uniforms)
    accepted = cascade.accepts(X, threads=threads)
    if cascade.space.constraints:  # functions of Python, which are asked about no more rows than they have to be
        places = np.flatnonzero(accepted)
        exist = np.where(np.isnan(X[places]), np.nan, uniforms[places])
        accepted[places] = cascade.space.satisfied_by_uniforms(exist)
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
