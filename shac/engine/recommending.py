"""The best configurations that a search knows of, for use: evaluated ones, and ones that its surrogate predicts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.engine.local_search import LocalSearch
from shac.engine.proposals import surrogate_of
from shac.replicates import Replicates
from shac.sampling import slice_sample

if TYPE_CHECKING:
    from collections import OrderedDict

    from numpy.typing import NDArray

    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.engine.surrogate import RBFSurrogate

__all__ = ["RankedRow", "Recommendation", "recommended_rows"]

_CANDIDATES = 512
_IMPROVED_PER_ROW = 2
_LEAST_BEST = 5


@dataclass(frozen=True, slots=True)
class Recommendation:
    """A configuration for use.

    Parameters
    ----------
    configuration : OrderedDict
        Values of the parameters by their names.
    predicted_score : float
        What the surrogate predicts; what it is ranked by.
    score : float or None
        What its evaluation gave, the mean of several that differ; None where it was not evaluated.
    num_evaluations : int
        How many evaluations `score` is of.
    """

    configuration: OrderedDict[str, Any]
    predicted_score: float
    score: float | None
    num_evaluations: int

    @property
    def is_evaluated(self) -> bool:
        """Whether its score is known."""
        return self.score is not None


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A flat row of values; see `Recommendation`."""

    row: list[Any]
    predicted_score: float
    score: float | None
    num_evaluations: int


def recommended_rows(plan: SearchPlan, state: SearchState, n: int, *, seed: int, threads: int) -> list[RankedRow]:
    """Rank evaluated rows, and others within the region, by the surrogate, and take the best that are spread.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
        With at least one finite score.
    n : int
        Rows wanted.
    seed : int
        Not negative.
    threads : int
        Threads that decide; does not change the result.

    Returns
    -------
    list of RankedRow
        The best first; fewer than `n` where there are not so many different rows.
    """
    surrogate = surrogate_of(plan, state)
    ranked = Replicates.of(state.rows, state.scores.tolist(), plan.objective).ranked()
    evaluated = [state.rows[known.number] for known in ranked]
    scores = [known.loss if plan.objective == "min" else -known.loss for known in ranked]
    best = np.arange(len(ranked))[: max(_LEAST_BEST, len(ranked) // 10)]
    new = _new_rows(state, surrogate, n, seed=seed, threads=threads)
    X = state.space.encode_rows([*evaluated, *new])
    predicted = surrogate.predicted_scores(X)
    expected = (predicted if plan.objective == "min" else -predicted)[len(evaluated) :]
    # What is not evaluated has to be better by as much as the surrogate is wrong
    margin = surrogate.error(X[best]) * surrogate.score_range if new else 0.0
    bounds = np.array([known.bound for known in ranked])
    order = np.argsort(np.concatenate([bounds, expected + margin]), kind="stable")
    known_scores: list[float | None] = [*scores, *[None] * len(new)]
    counts = [*(known.num_evaluations for known in ranked), *[0] * len(new)]
    rows = [*evaluated, *new]
    return [
        RankedRow(rows[i], float(predicted[i]), known_scores[i], counts[i])
        for i in _spread_out(surrogate, X, order, n, _spacing(surrogate, X[best]))
    ]


def _new_rows(state: SearchState, surrogate: RBFSurrogate, n: int, *, seed: int, threads: int) -> list[list[Any]]:
    """Return rows within the region that are not evaluated: samples of it, and the best known rows made better."""
    space, cascade = state.space, state.cascade
    if not (cascade.num_stages and space.has_quantile and space.has_cdf):
        return []
    points = state.points_inside(threads=threads)
    if not len(points):
        return []
    uniforms = slice_sample(cascade, points, _CANDIDATES, 1, seed=seed, threads=threads)
    rows = [*space.values_from_uniforms(uniforms), *space.values_from_uniforms(points)]
    X = space.encode_rows(rows)
    if space.constraints or np.isnan(X).any():
        return rows[:_CANDIDATES]
    local_search = LocalSearch(cascade, seed=seed, threads=threads)
    best = np.argsort(surrogate.predict(X), kind="stable")[: _IMPROVED_PER_ROW * n]
    improved = [local_search.improve(number, rows[i], X, surrogate.predict) for number, i in enumerate(best)]
    return rows[:_CANDIDATES] + improved


def _spacing(surrogate: RBFSurrogate, X: NDArray[np.float32]) -> float:
    """Return half of the median distance between neighbours among rows; 0 for a single one."""
    if len(X) < 2:
        return 0.0
    nearest = [surrogate.distances(X[[i]], np.delete(X, i, axis=0))[0] for i in range(len(X))]
    return 0.5 * float(np.median(nearest))


def _spread_out(
    surrogate: RBFSurrogate, X: NDArray[np.float32], order: NDArray[np.intp], n: int, spacing: float
) -> list[int]:
    """Return the first rows, in an order, that are farther than a spacing from all taken before them."""
    chosen: list[int] = []
    left = order
    while len(chosen) < n and len(left):
        chosen.append(int(left[0]))
        left = left[surrogate.distances(X[left], X[left[:1]]) > spacing]
    return chosen
