"""How long to look for samples, and when a cascade gives way."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.sampling.draws import UniformRows

if TYPE_CHECKING:
    from shac.sampling.cascade import Cascade
    from shac.sampling.draws import Draw

__all__ = ["draw_all", "draw_candidates", "draw_relaxing"]

_logger = logging.getLogger("shac")

_CANDIDATES_BETWEEN_MESSAGES = 1_000_000_000
_MOST_CANDIDATES = 2**62  # within what the core counts


def draw_all(cascade: Cascade, n: int, *, seed: int, threads: int | None = None) -> list[list[Any]]:
    """Draw `n` samples that pass every stage, however long it takes; the log tells how far it is.

    Parameters
    ----------
    cascade : Cascade
        Its first candidates are those of `seed`.
    n : int
        Samples wanted.
    seed : int
        In [0, 2**64).
    threads : int, optional
        Threads to use; all cores by default.

    Returns
    -------
    list of list
        Values of each sample, flat rows of the space.

    Raises
    ------
    EmptyRegionError
        If it is proven that the cascade accepts nothing.

    Examples
    --------
    >>> import shac
    >>> space = shac.HyperParameterList([shac.DiscreteHP("x", ["only"])])
    >>> draw_all(shac.Cascade([], space), 2, seed=0)
    [['only'], ['only']]
    """
    return list(draw_candidates(cascade, n, seed=seed, threads=threads))


def draw_candidates(
    cascade: Cascade, n: int, *, seed: int, threads: int | None = None
) -> UniformRows | list[list[Any]]:
    """Draw as `draw_all` does; the values of a row are made when it is asked for, where the core draws."""
    if cascade.method_for(n) == "region":
        return _rows_of(cascade, [cascade.draw(n, seed=seed, threads=threads, method="region", values=False)])
    draws: list[Draw] = []
    num_found = first_candidate = 0
    while True:
        draw = cascade.draw(
            n - num_found,
            seed=seed,
            threads=threads,
            first_candidate=first_candidate,
            max_candidates=_CANDIDATES_BETWEEN_MESSAGES,
            method="plain",
            values=False,
        )
        draws.append(draw)
        num_found += len(draw.X)
        if num_found == n:
            return _rows_of(cascade, draws)
        first_candidate = draw.next_candidate
        _logger.info("%d of %d samples found among %d candidates; still drawing", num_found, n, first_candidate)


def _rows_of(cascade: Cascade, draws: list[Draw]) -> UniformRows | list[list[Any]]:
    uniforms = [draw.uniforms for draw in draws if draw.uniforms is not None]
    if len(uniforms) < len(draws):
        return [row for draw in draws for row in draw.rows]
    return UniformRows(cascade.space, np.concatenate(uniforms), np.concatenate([draw.X for draw in draws]))


def draw_relaxing(cascade: Cascade, n: int, *, seed: int, threads: int | None = None) -> list[list[Any]]:
    """Draw `n` samples; whenever 2**k candidates in a row give none, allow one more failed stage.

    Here k is the number of stages of the cascade. The level counts for the samples still missing, and rises until
    they are found; at the latest at level k, where every candidate passes. Candidates that break a constraint of the
    space do not count: as many as hold 2**k others on average are drawn at a time, and the level rises when they give
    no sample.

    Parameters
    ----------
    cascade, n, seed, threads
        See `draw_all`.

    Returns
    -------
    list of list
        Values of each sample, flat rows of the space.

    Examples
    --------
    >>> import shac
    >>> space = shac.HyperParameterList([shac.DiscreteHP("x", ["only"])])
    >>> draw_relaxing(shac.Cascade([], space), 2, seed=0)
    [['only'], ['only']]
    """
    rows: list[list[Any]] = []
    relax = first_candidate = 0
    while True:
        max_gap, max_candidates = _limits_of_level(cascade) if relax < cascade.num_stages else (None, None)
        draw = cascade.draw(
            n - len(rows),
            seed=seed,
            threads=threads,
            relax=relax,
            first_candidate=first_candidate,
            max_gap=max_gap,
            max_candidates=max_candidates,
            method="plain",
        )
        rows += draw.rows
        if len(rows) == n:
            return rows
        first_candidate = draw.next_candidate
        if draw.rows and cascade.space.constraints:
            continue
        relax += 1
        _logger.info(
            "no sample among %d candidates in a row: a sample may now fail %d of %d classifiers",
            2**cascade.num_stages,
            relax,
            cascade.num_stages,
        )


def _limits_of_level(cascade: Cascade) -> tuple[int | None, int | None]:
    """Return the longest gap, and the most candidates, before one more stage may fail."""
    gap = 2**cascade.num_stages
    if cascade.space.constraints:
        return None, min(math.ceil(gap / cascade.space.feasible_share), _MOST_CANDIDATES)
    return min(gap, _MOST_CANDIDATES), None
