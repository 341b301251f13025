"""Samples of a region by walks from points that are known to lie in it.

The walks run in the space of uniforms, where the prior is flat: a step takes a line through the present point, along
one column or along all of them, and draws from the part of it that the cascade accepts, by Neal's shrinkage (Slice
sampling, Annals of Statistics 31, 2003, section 4): a candidate anywhere on the line, and after each rejection one
from between it and the present point. That leaves the flat density on the region as it is, and costs about ten
decisions a step however small the region is. A walk stays in the part of the region that its start lies in, and a
short one near its start.

Walk j of a sample is a function of the seed, the sample's number and j alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.sampling.cascade import Cascade
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["uniforms_of", "walk"]

_STEPS = 6
_SHRINKS = 14
_WALKS_AT_ONCE = 8192  # does not change the result
_EDGE = 2.0**-40  # uniforms stay within (0, 1)


def uniforms_of(space: HyperParameterList, X: NDArray[np.float32]) -> Floats:
    """Give uniforms that encoded rows come from: the middles of those of each value.

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
        there = ~np.isnan(X[:, c])
        below = column.cdf(X[there, c])
        up_to = column.cdf(np.nextafter(X[there, c], np.float32(np.inf)))
        uniforms[there, c] = 0.5 * (below + up_to)
    result: Floats = np.clip(uniforms, _EDGE, 1 - _EDGE)
    return result


def walk(
    cascade: Cascade, starts: Floats, num_samples: int, walks_per_sample: int, *, seed: int, threads: int | None = None
) -> Floats:
    """Walk within the region that a cascade accepts.

    Parameters
    ----------
    cascade : Cascade
        Decides.
    starts : ndarray of float64, shape (n, num_columns)
        Uniforms of points that it accepts, at least one; each walk takes one of them at random. What does not exist
        there is drawn from the prior: it may come into being on the way.
    num_samples, walks_per_sample : int
        Their product is the number of walks.
    seed : int
        Not negative.
    threads : int, optional
        Threads that decide; does not change the result.

    Returns
    -------
    ndarray of float64, shape (num_samples * walks_per_sample, num_columns)
        Uniforms where the walks end, all within the region.
    """
    cascade = cascade.newest_first()
    there = ~np.isnan(starts)
    means = np.where(there, starts, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    squares = np.where(there, starts - means, 0.0) ** 2
    spread = np.sqrt(squares.sum(axis=0) / np.maximum(there.sum(axis=0), 1)) + 1e-9
    samples_at_once = max(1, _WALKS_AT_ONCE // walks_per_sample)
    ends = [np.empty((0, starts.shape[1]))]
    for first in range(0, num_samples, samples_at_once):
        chosen = [
            _Plan(np.random.default_rng([seed, sample]), starts, walks_per_sample, spread)
            for sample in range(first, min(first + samples_at_once, num_samples))
        ]
        present = np.concatenate([plan.start for plan in chosen])
        for step in range(_STEPS):
            directions = np.concatenate([plan.directions[step] for plan in chosen])
            places = np.concatenate([plan.places[step] for plan in chosen])
            _take_step(cascade, present, directions, places, threads)
        ends.append(present)
    return np.concatenate(ends)


class _Plan:
    """All that is random about the walks of one sample."""

    def __init__(self, random: np.random.Generator, starts: Floats, count: int, spread: Floats) -> None:
        width = starts.shape[1]
        self.start = starts[random.integers(len(starts), size=count)]
        missing = np.isnan(self.start)
        self.start[missing] = np.clip(random.random(int(missing.sum())), _EDGE, 1 - _EDGE)
        self.directions = random.normal(size=(_STEPS, count, width)) * spread
        along_one = random.random((_STEPS, count)) < 0.5
        one = np.eye(width)[random.integers(width, size=(_STEPS, count))]
        self.directions[along_one] = one[along_one]
        self.places = random.random((_STEPS, count, _SHRINKS))


def _take_step(cascade: Cascade, present: Floats, directions: Floats, places: Floats, threads: int | None) -> None:
    """Move each point along its line to a place that the cascade accepts; one that finds none stays."""
    with np.errstate(divide="ignore", invalid="ignore"):
        to_low, to_high = (_EDGE - present) / directions, (1 - _EDGE - present) / directions
    still = directions == 0
    begin = np.where(still, -np.inf, np.minimum(to_low, to_high)).max(axis=1)
    end = np.where(still, np.inf, np.maximum(to_low, to_high)).min(axis=1)
    active = np.arange(len(present))
    for shrink in range(_SHRINKS):
        along = begin[active] + (end[active] - begin[active]) * places[active, shrink]
        candidates = np.clip(present[active] + along[:, None] * directions[active], _EDGE, 1 - _EDGE)
        X = cascade.space.encode_uniforms(candidates)
        accepted = cascade.accepts(X, threads=threads)
        if cascade.space.constraints:
            accepted &= cascade.space.satisfied_by_uniforms(np.where(np.isnan(X), np.nan, candidates))
        present[active[accepted]] = candidates[accepted]
        active, along = active[~accepted], along[~accepted]
        if not active.size:
            return
        behind = along < 0
        begin[active[behind]] = along[behind]
        end[active[~behind]] = along[~behind]
