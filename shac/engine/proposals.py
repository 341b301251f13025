"""The settings that a search tries next: candidates from what the classifiers accept, and the best of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.engine.climbing import Climber
from shac.engine.surface import Surface
from shac.sampling import draw_all, draw_relaxing, uniforms_of, walk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.engine.shac import SHAC
    from shac.sampling import Cascade

__all__ = ["draw_region", "propose_rows"]

_PILOT_SAMPLES = 32
_STAGES_OF_FULL_GROUPS = 6  # where nothing can walk, each stage more halves the candidates to choose from
_PILOT_CANDIDATES = 8192  # rarer samples are found sooner by walking


def propose_rows(
    engine: SHAC, cascade: Cascade, n: int, *, seed: int, threads: int, relax_checks: bool
) -> list[list[Any]]:
    """Propose settings by the engine's strategy; the first ones do not depend on how many are wanted.

    Parameters
    ----------
    engine : SHAC
        Its strategy and the points of its dataset decide.
    cascade : Cascade
        Its classifiers, or the first ones of them.
    n : int
        Settings wanted.
    seed : int
        In [0, 2**63).
    threads : int
        Threads that draw; does not change the result.
    relax_checks : bool
        As of `SHAC.fit`.

    Returns
    -------
    list of list
        Flat rows of values.
    """
    strategy, dataset = engine.strategy, engine.dataset
    has_scores = bool(np.isfinite(np.array(dataset.Y, dtype=np.float64)).any())
    if not has_scores:
        is_free = cascade.space.has_quantile and not cascade.space.constraints
        if strategy.first_batch == "sobol" and is_free and not cascade.num_stages:
            return cascade.space.values_from_uniforms(_sobol(n, cascade.space.num_columns, seed))
        return draw_region(engine, cascade, n, seed=seed, threads=threads, relax_checks=relax_checks)
    group_size = strategy.candidates_per_sample
    if engine.strategy.candidates == "walk" and not _can_walk(engine, cascade):
        group_size = max(1, group_size >> max(0, cascade.num_stages - _STAGES_OF_FULL_GROUPS))
    rows = draw_region(
        engine, cascade, n * group_size, seed=seed, threads=threads, relax_checks=relax_checks, walks=group_size
    )
    if group_size == 1 or n == 0:
        return rows
    return _best_of(engine, cascade, rows, group_size, seed=seed, threads=threads)


def draw_region(
    engine: SHAC, cascade: Cascade, n: int, *, seed: int, threads: int, relax_checks: bool = False, walks: int = 1
) -> list[list[Any]]:
    """Draw flat rows that a cascade accepts, by the engine's way to candidates, without choosing among them.

    Parameters
    ----------
    engine, cascade, n, seed, threads, relax_checks
        As of `propose_rows`.
    walks : int
        Of walks, how many share a stream of random numbers; divides `n`.

    Returns
    -------
    list of list
    """
    starts = walk_starts(engine, cascade, seed=seed, threads=threads)
    if starts is None:
        return (draw_relaxing if relax_checks else draw_all)(cascade, n, seed=seed, threads=threads)
    ends = walk(cascade, starts, n // walks, walks, seed=seed, threads=threads)
    return cascade.space.values_from_uniforms(ends)


def walk_starts(engine: SHAC, cascade: Cascade, *, seed: int, threads: int) -> NDArray[np.float64] | None:
    """Give uniforms of the evaluated points that a cascade accepts; None where the prior gives samples easily.

    Whether it does is found by drawing a number of candidates that does not depend on what is wanted.
    """
    space = cascade.space
    if not cascade.num_stages or not _can_walk(engine, cascade):
        return None
    pilot = cascade.draw(
        _PILOT_SAMPLES, seed=seed, threads=threads, max_candidates=_PILOT_CANDIDATES, method="plain", values=False
    )
    if len(pilot.X) == _PILOT_SAMPLES:
        return None
    starts = uniforms_of(space, space.encode_rows(engine.dataset.X))
    # A point's encoding has the precision of float32: what comes back from it may not be what passed.
    rows = space.values_from_uniforms(starts)
    starts = starts[cascade.accepts(space.encode_rows(rows), threads=threads) & space.satisfied(rows)]
    return starts if len(starts) else None


def _can_walk(engine: SHAC, cascade: Cascade) -> bool:
    return engine.strategy.candidates == "walk" and cascade.space.has_quantile and cascade.space.has_cdf


def _best_of(
    engine: SHAC, cascade: Cascade, rows: list[list[Any]], group_size: int, *, seed: int, threads: int
) -> list[list[Any]]:
    X = cascade.space.encode_rows(rows)
    if engine.strategy.ranking == "margins":
        sums = cascade.margins(X, threads=1).sum(axis=1, dtype=np.float64).reshape(-1, group_size)
        return [rows[group * group_size + int(place)] for group, place in enumerate(sums.argmax(axis=1))]
    points = cascade.space.encode_rows(engine.dataset.X)
    scores = np.array(engine.dataset.Y, dtype=np.float64)
    surface = Surface(cascade.space, points, scores, engine.objective)
    is_late = 2 * cascade.num_stages >= engine.total_classifiers
    can_climb = _can_walk(engine, cascade) and not cascade.space.constraints and not np.isnan(X).any()
    has_climber = engine.strategy.climb and is_late and can_climb
    climber = Climber(cascade, seed=seed, threads=threads) if has_climber else None
    return surface.best_of(rows, group_size, climber)


def _sobol(n: int, width: int, seed: int) -> NDArray[np.float64]:
    """Give the first points of a scrambled Sobol sequence."""
    from scipy.stats import qmc

    exponent = max(n - 1, 0).bit_length()  # SciPy warns of other numbers than powers of two
    points = qmc.Sobol(width, rng=np.random.default_rng(seed)).random_base2(exponent)[:n]
    edge = 2.0**-40
    result: NDArray[np.float64] = np.clip(points, edge, 1 - edge)
    return result
