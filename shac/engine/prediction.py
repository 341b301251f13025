"""Samples of the region, as `predict` returns them: drawn exactly, or by chains where that would take too long."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shac.sampling import draw_all, draw_relaxing, sample_until_mixed

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from shac.engine.state import SearchState
    from shac.sampling import DrawEstimate, MixedSample

__all__ = ["DrawnRows", "Prediction", "draw_prediction"]


class Prediction(list["OrderedDict[str, Any]"]):
    """The configurations that `predict` drew, a list, and how it drew them.

    Attributes
    ----------
    is_exact : bool
        Whether they have exactly the distribution of the prior within the region of all classifiers asked for. False
        where chains walked, or `relax_checks` let one of them fail a classifier.
    rhat : float or None
        Of chains: the largest split R-hat, at most 1.1 where they have mixed. None where no chain walked.
    """

    def __init__(self, configurations: Iterable[OrderedDict[str, Any]], *, is_exact: bool, rhat: float | None) -> None:
        super().__init__(configurations)
        self.is_exact = is_exact
        self.rhat = rhat


@dataclass(frozen=True, slots=True)
class DrawnRows:
    """Flat rows of values; see `Prediction`."""

    rows: list[list[Any]]
    is_exact: bool = True
    rhat: float | None = None


def draw_prediction(
    state: SearchState,
    n: int,
    *,
    seed: int,
    threads: int,
    relax_checks: bool = False,
    exact: bool | None = None,
    max_seconds: float | None = 60.0,
) -> DrawnRows:
    """Draw rows that the cascade accepts, with the distribution of the prior.

    Parameters
    ----------
    state : SearchState
    n : int
        Rows wanted.
    seed : int
        In [0, 2**63).
    threads : int
        Threads that draw; does not change the result.
    relax_checks, exact, max_seconds
        See `SHAC.predict`.

    Returns
    -------
    DrawnRows

    Raises
    ------
    EmptyRegionError
        If it is proven that the cascade accepts nothing.
    """
    cascade = state.cascade
    if relax_checks:
        rows = draw_relaxing(cascade, n, seed=seed, threads=threads)
        return DrawnRows(rows, is_exact=bool(cascade.accepts(state.space.encode_rows(rows), threads=threads).all()))
    limit = math.inf if max_seconds is None else max_seconds
    if exact is False or (exact is None and limit < math.inf):
        estimate = None if exact is False else cascade.estimate(n, max_seconds=limit, threads=threads)
        if estimate is None or estimate.is_lower_bound or estimate.seconds > limit:
            points = _initial_points(state, threads) if n else None
            if estimate is not None:
                warnings.warn(_too_long(n, estimate, limit, 0 if points is None else len(points)), stacklevel=3)
            if points is not None:
                walked = sample_until_mixed(cascade, points, n, seed=seed, threads=threads)
                if not walked.is_mixed:
                    warnings.warn(_not_mixed(walked), stacklevel=3)
                return DrawnRows(state.space.values_from_uniforms(walked.uniforms), is_exact=False, rhat=walked.rhat)
    return DrawnRows(draw_all(cascade, n, seed=seed, threads=threads))


def _initial_points(state: SearchState, threads: int) -> NDArray[np.float64] | None:
    """Return uniforms of the evaluated points inside the region; None where no chain can walk, or needs to."""
    if not (state.cascade.num_stages and state.space.has_quantile and state.space.has_cdf):
        return None
    points = state.points_inside(threads=threads)
    return points if len(points) else None


def _too_long(n: int, estimate: DrawEstimate, max_seconds: float, num_points: int) -> str:
    if estimate.is_lower_bound:
        expected = f"may take any time, more than {estimate.seconds:.2g} s on two cores, as a pilot found none"
    else:
        expected = f"should take {estimate.seconds:.2g} s on two cores, above max_seconds={max_seconds:g}"
    instead = (
        f"chains from the {num_points} evaluated points inside the region take its place; exact=True never walks"
        if num_points
        else "and no chain can walk (no evaluated point inside, or no quantiles): drawing exactly all the same"
    )
    return f"predict: drawing {n} configurations exactly {expected}: {instead}"


def _not_mixed(walked: MixedSample) -> str:
    return (
        f"predict: the chains have not mixed after {walked.steps} steps (R-hat {walked.rhat:.2f}, expected at most "
        "1.1): parts of the region have a share that depends on how many evaluated points they have"
    )
