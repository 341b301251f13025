"""Parts of a search that only ablations have, put in the place of the library's own.

The library's strategies do without them; how much each is worth is what they are compared for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import shac
from shac.engine.learning import learn, points_of_median, training_points
from shac.engine.proposals import best_by_surrogate, encoded_rows, propose
from shac.engine.smoothing import rbf_matrix
from shac.evaluation import derive_seed
from shac.sampling import PointCoordinates, UniformRows, encode_uniforms, uniforms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shac.engine.learning import PointChooser
    from shac.engine.plan import SearchPlan
    from shac.engine.proposals import CandidateChooser
    from shac.engine.state import SearchState

__all__ = [
    "Ablation",
    "Forest",
    "best_third",
    "by_margins",
    "error_left_out",
    "points_of_the_region",
    "recombined",
    "run_search",
    "sobol",
]

_PARENTS = 8
_PART_OF_SPREAD = 0.25
_LARGE_ERROR = 0.5
_SMOOTHINGS = (1e-4, 1e-2, 0.1, 1.0)
_EDGE = 2.0**-40


@dataclass(frozen=True)
class Ablation:
    """What takes the place of the library's own; None leaves it there."""

    first_batch: Callable[[SearchPlan, int], list[list[Any]]] | None = None
    choose: CandidateChooser | None = None
    choose_points: PointChooser | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest(shac.TreeSettings):
    """A random forest: each tree on its own 70 % of the points, each split among 60 % of the columns."""

    def arguments(self, num_points: int) -> dict[str, Any]:
        boosted = shac.TreeSettings.arguments(self, num_points)
        return {
            **boosted,
            "n_estimators": 1,
            "num_parallel_tree": self.num_trees,
            "learning_rate": 1.0,
            "subsample": 0.7,
            "colsample_bynode": 0.6,
        }


def sobol(plan: SearchPlan, seed: int) -> list[list[Any]]:
    """The first batch from a scrambled Sobol sequence in the prior."""
    from scipy.stats import qmc

    assert plan.space is not None, "of a problem"
    exponent = max(plan.batch_size - 1, 0).bit_length()  # SciPy warns of other numbers than powers of two
    points = qmc.Sobol(plan.space.num_columns, rng=np.random.default_rng(seed)).random_base2(exponent)
    edge = 2.0**-40
    return plan.space.values_from_uniforms(np.clip(points[: plan.batch_size], edge, 1 - edge))


def by_margins(
    plan: SearchPlan,
    state: SearchState,
    rows: list[list[Any]],
    group_size: int,
    *,
    seed: int,
    threads: int,
) -> list[list[Any]]:
    """Choose of each group of candidates the one with the largest sum of the classifiers' margins."""
    margins = state.cascade.margins(state.space.encode_rows(rows), threads=1)
    sums = margins.sum(axis=1, dtype=np.float64).reshape(-1, group_size)
    return [rows[group * group_size + int(index)] for group, index in enumerate(sums.argmax(axis=1))]


def recombined(
    plan: SearchPlan,
    state: SearchState,
    rows: list[list[Any]],
    group_size: int,
    *,
    seed: int,
    threads: int,
) -> list[list[Any]]:
    """Choose as the library does, from the middle of the search on for half a batch among children of the best points.

    Each parameter is that of one of two parents among the best eight, half of them moved by a quarter of the parents'
    spread. Children need not pass the classifiers. The other half is that which goes on by the local search. Where
    parameters are conditional, or the surrogate predicts well, nothing changes.
    """
    is_late = 2 * state.cascade.num_stages >= plan.total_classifiers
    if is_late and not np.isnan(state.X).any() and error_left_out(state) > _LARGE_ERROR:
        random = np.random.default_rng([seed, 2])
        uniforms = uniforms_of(state.space, encoded_rows(state, rows))
        candidates = uniforms.reshape(len(rows) // group_size, group_size, -1)  # a view
        parents = uniforms_of(state.space, state.X[np.argsort(state.scores, kind="stable")[:_PARENTS]])
        spread = parents.std(axis=0)
        for group in (group for group in range(len(candidates)) if group % 4 < 2):
            first, second = parents[random.integers(len(parents), size=(2, group_size))]
            children = np.where(random.random(first.shape) < 0.5, first, second)
            moves = random.normal(size=first.shape) * (random.random(first.shape) < 0.5)
            candidates[group] = np.clip(children + _PART_OF_SPREAD * spread * moves, _EDGE, 1 - _EDGE)
        rows = UniformRows(state.space, uniforms, encode_uniforms(state.space, uniforms))
    return best_by_surrogate(plan, state, rows, group_size, seed=seed, threads=threads)


def error_left_out(state: SearchState) -> float:
    """Return the surrogate's squared error at better points, each left out, over their variance: 1 is to know nothing.

    Of the smoothing that has the least; scores are minimised.
    """
    median, least = np.median(state.scores), state.scores.min()
    if median == least:
        return 0.0
    losses = np.minimum((state.scores - least) / (median - least), 1.0)
    coordinates = PointCoordinates(state.space, state.X)
    points, is_better = coordinates.of(state.X), losses < 1
    errors = []
    for smoothing in _SMOOTHINGS:
        inverse = np.linalg.inv(rbf_matrix(coordinates, points, smoothing))[: len(points), : len(points)]
        errors.append(np.square((inverse @ losses / inverse.diagonal())[is_better]).mean())
    return float(min(errors) / losses[is_better].var())


def best_third(plan: SearchPlan, state: SearchState) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The points since the last classifier, a third of which counts as better."""
    X, scores = state.X[state.training_begin :], state.scores[state.training_begin :]
    losses = -scores if plan.objective == "max" else scores
    finite = np.isfinite(losses)
    if not finite.any():
        return X, np.zeros(len(X))
    ordered = np.sort(losses[finite])
    return X, (finite & (losses < ordered[int(ordered.size / 3)])).astype(np.float64)


def points_of_the_region(plan: SearchPlan, state: SearchState) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Of all points, those that the classifiers so far accept; with the strategy that trains on all."""
    X, y = training_points(plan, state)
    inside = points_of_median(plan, state)
    return X[inside], y[inside]


def run_search(
    plan: SearchPlan, state: SearchState, function: Callable[[dict[str, Any]], float], ablation: Ablation
) -> SearchState:
    """Spend a budget as `SHAC` does: round after round of proposals, from the seeds that it takes."""
    while len(state) < plan.total_budget:
        seed = derive_seed(plan.seed, len(state), purpose="batch")
        if ablation.first_batch is not None and not len(state):
            rows = ablation.first_batch(plan, seed)
        else:
            begins = not len(state)
            rows = propose(plan, state, plan.batch_size, seed=seed, threads=1, choose=ablation.choose, begins=begins)
        scores = [function(dict(state.space.to_parameters(row))) for row in rows]
        state, _ = learn(
            plan,
            state.with_points(rows, scores),
            skip_cv_checks=False,
            threads=1,
            choose_points=ablation.choose_points,
        )
    return state
