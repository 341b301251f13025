"""The optimum of a quadratic model through the best points, where it predicts points that are left out.

Near its optimum a smooth function is a parabola. A model of a surface that may be anything ends near it, by short
steps; a parabola's optimum is known from a few points to the last digits. Whether the function is one there is what
points tell that are left out, one at a time. While points are too few for all of its terms, the model is as near to
a round bowl as predicts them best (ridge regression of what makes the Hessian another than a multiple of 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.engine.candidates import keys_of
from shac.engine.smoothing import one_blas_thread
from shac.engine.strategy import is_real_space
from shac.replicates import squares_exponent
from shac.sampling import uniforms_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["QuadraticModel", "optimum_rows"]

_POINTS_PER_TERM = 2
_MOST_TERMS = 300
_LEAST_EXPLAINED = 0.9  # of the variance of the points, each predicted from the others
_ROOM = 0.5  # beyond the points on either side, of their range
_LEAST_CURVATURE = 1e-6  # of the largest
_LEAST_PIVOT = 1e-9
_SWEEPS = 100
_EDGE = 2.0**-40
_GRID = 2.0**30  # the last bits of a solution differ from one machine to the next, and searches must not
_FEWEST_BETWEEN = 4  # evaluations, where rounds are shorter
_RIDGES = (1e-8, 1e-6, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1e4)  # of the mean element of the kernel's diagonal
_FEWEST_COLUMNS_BY_RIDGE = 8  # where there are fewer, points are soon enough for all terms
_SPARE_POINTS = 6  # more than the terms that are not held back
_MOST_POINTS_BY_RIDGE = 100
_SHARES_BY_RIDGE = (0.5, 0.75, 1.0)  # of the points, the best of them
_LEAST_EXPLAINED_BY_RIDGE = 0.7


@dataclass(frozen=True, slots=True)
class QuadraticModel:
    """A quadratic model of losses.

    Parameters
    ----------
    center, scale : ndarray of float64, shape (d,)
        Of the points: its coordinates are 0 at the best point, and have a standard deviation of 1.
    gradient : ndarray of float64, shape (d,)
        At the centre.
    hessian : ndarray of float64, shape (d, d)
    explained : float
        The part of the losses' variance that it explains, each point predicted from the others; at most 1.
    """

    center: Floats
    scale: Floats
    gradient: Floats
    hessian: Floats
    explained: float

    @classmethod
    def fit(cls, points: Floats, losses: Floats, *, mixed: bool) -> QuadraticModel | None:
        """Fit a model by least squares.

        Parameters
        ----------
        points : ndarray of float64, shape (n, d)
        losses : ndarray of float64, shape (n,)
        mixed : bool
            Whether it has products of different coordinates.

        Returns
        -------
        QuadraticModel or None
            None where the points leave it undetermined.

        Examples
        --------
        >>> points = np.random.default_rng(0).random((20, 2))
        >>> model = QuadraticModel.fit(points, ((points - 0.4) ** 2).sum(axis=1), mixed=True)
        >>> round(model.explained, 6), model.minimum(np.zeros(2), np.ones(2)).round(6).tolist()
        (1.0, [0.4, 0.4])
        """
        center, scale = points[np.argmin(losses)], points.std(axis=0)
        if not scale.all() or losses.min() == losses.max():
            return None
        z, d = (points - center) / scale, points.shape[1]
        first, second = np.triu_indices(d, 1) if mixed else (np.empty(0, np.intp),) * 2
        terms = np.concatenate([np.ones((len(z), 1)), z, np.square(z) / 2, z[:, first] * z[:, second]], axis=1)
        with one_blas_thread():
            basis, triangle = np.linalg.qr(terms)
            pivots = np.abs(np.diag(triangle))
            leverages = np.square(basis).sum(axis=1)
            if pivots.min() <= _LEAST_PIVOT * pivots.max() or leverages.max() > 1 - _LEAST_PIVOT:
                return None
            coefficients = np.linalg.solve(triangle, basis.T @ losses)
            left_out = (losses - terms @ coefficients) / (1 - leverages)
        explained = 1 - float(np.square(left_out).sum() / np.square(losses - losses.mean()).sum())
        hessian = np.diag(coefficients[1 + d : 1 + 2 * d])
        hessian[first, second] = hessian[second, first] = coefficients[1 + 2 * d :]
        return cls(center, scale, coefficients[1 : 1 + d], hessian, explained)

    @classmethod
    def fit_by_ridge(cls, points: Floats, losses: Floats) -> QuadraticModel | None:
        """Fit a model to points that may be fewer than its terms.

        Its Hessian is a multiple of 1 and what is added to that, whose squares are held back by as much as predicts
        best points that are left out. Nothing changes with a turn of the scaled coordinates.

        Parameters
        ----------
        points : ndarray of float64, shape (n, d)
            More than d + 2.
        losses : ndarray of float64, shape (n,)

        Returns
        -------
        QuadraticModel or None
            None where the points leave it undetermined.

        Examples
        --------
        >>> points = np.random.default_rng(0).random((30, 8))
        >>> model = QuadraticModel.fit_by_ridge(points, ((points - 0.4) ** 2).sum(axis=1))
        >>> round(model.explained, 1), model.minimum(np.zeros(8), np.ones(8)).round(1).tolist()
        (1.0, [0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4])
        """
        center, scale = points[np.argmin(losses)], points.std(axis=0)
        if not scale.all() or losses.min() == losses.max():
            return None
        z, d = (points - center) / scale, points.shape[1]
        tail = np.concatenate([np.ones((len(z), 1)), z, np.square(z).sum(axis=1, keepdims=True) / 2], axis=1)
        with one_blas_thread():
            kernel = np.square(z @ z.T) / 4  # of Hessians whose elements are as likely in all directions
            basis, triangle = np.linalg.qr(tail, mode="complete")
            pivots = np.abs(np.diag(triangle))
            if pivots.min() <= _LEAST_PIVOT * pivots.max():
                return None
            beside = basis[:, d + 2 :]  # combinations of losses that the terms of the tail have no part in
            eigenvalues, vectors = np.linalg.eigh(beside.T @ kernel @ beside)
            directions = beside @ vectors
            along, squares = directions.T @ losses, np.square(directions)
            ridges = np.array(_RIDGES) * kernel.diagonal().mean()
            inverses = 1 / (np.maximum(eigenvalues, 0.0) + ridges[:, np.newaxis])
            weights = (inverses * along) @ directions.T
            errors = np.square(weights / (inverses @ squares.T)).sum(axis=1)  # Rippa; see `best_smoothing`
            best = int(np.argmin(errors))
            rest = losses - kernel @ weights[best] - ridges[best] * weights[best]
            coefficients = np.linalg.solve(triangle[: d + 2], basis[:, : d + 2].T @ rest)
            hessian = coefficients[-1] * np.eye(d) + (z.T * weights[best]) @ z / 2
        explained = 1 - float(errors[best] / np.square(losses - losses.mean()).sum())
        return cls(center, scale, coefficients[1 : 1 + d], hessian, explained)

    def minimum(self, low: Floats, high: Floats) -> Floats | None:
        """Return where it is least within bounds; None where it has no single minimum.

        Parameters
        ----------
        low, high : ndarray of float64, shape (d,)

        Returns
        -------
        ndarray of float64, shape (d,), or None
        """
        with one_blas_thread():
            curvatures = np.linalg.eigvalsh(self.hessian)
            if curvatures[0] <= _LEAST_CURVATURE * curvatures[-1]:
                return None
            z = np.linalg.solve(self.hessian, -self.gradient)
        lowest, highest = (low - self.center) / self.scale, (high - self.center) / self.scale
        if not ((lowest <= z) & (z <= highest)).all():
            z = np.clip(z, lowest, highest)
            for _ in range(_SWEEPS):
                for i, curvature in enumerate(np.diag(self.hessian)):
                    step = (self.gradient[i] + float((self.hessian[i] * z).sum())) / curvature
                    z[i] = min(max(z[i] - step, lowest[i]), highest[i])
        result: Floats = np.clip(self.center + self.scale * z, low, high)
        return result


def optimum_rows(plan: SearchPlan, state: SearchState, pending: Sequence[list[Any]] = ()) -> list[list[Any]]:
    """Return the optimum of a quadratic model, as one row, or none where no model predicts points that are left out.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
    pending : sequence of rows
        Drawn before; they are not returned again.

    Returns
    -------
    list of list
        One flat row of values, or none.
    """
    if not plan.strategy.quadratic_model or state.objectives is not None or plan.cost_aware:
        return []
    size = plan.size_of_round(len(state))
    if (size < _FEWEST_BETWEEN and len(state) % _FEWEST_BETWEEN) or not _has_parabolas(state.space):
        return []
    finite = np.flatnonzero(np.isfinite(state.scores))
    losses = -state.scores[finite] if plan.objective == "max" else state.scores[finite]
    losses = np.ldexp(losses, -squares_exponent(losses))
    order = np.argsort(losses, kind="stable")[: _POINTS_PER_TERM * _MOST_TERMS + 1]
    points, losses = uniforms_of(state.space, state.X[finite[order]]), losses[order]
    for model, count in _models(points, losses, by_ridge=plan.strategy.ridge_quadratic):
        low, high = points[:count].min(axis=0), points[:count].max(axis=0)
        room = _ROOM * (high - low)
        found = model.minimum(np.maximum(low - room, _EDGE), np.minimum(high + room, 1 - _EDGE))
        if found is not None:
            found = np.clip(np.round(found * _GRID) / _GRID, _EDGE, 1 - _EDGE)
            return _if_new(state, state.space.values_from_uniforms(found[None]), pending)
    return []


def _models(points: Floats, losses: Floats, *, by_ridge: bool) -> Iterator[tuple[QuadraticModel, int]]:
    """Fit models to the best points, and yield those that predict points left out, with how many they go through."""
    d = points.shape[1]
    num_terms = 1 + 2 * d + d * (d - 1) // 2
    fewest = _POINTS_PER_TERM * num_terms + 1
    for count, mixed in ((fewest, True), (_POINTS_PER_TERM * (1 + 2 * d) + 1, False)):
        if count <= len(points):
            model = QuadraticModel.fit(points[:count], losses[:count], mixed=mixed)
            if model is not None and model.explained >= _LEAST_EXPLAINED:
                yield model, count
    if (
        not by_ridge
        or d < _FEWEST_COLUMNS_BY_RIDGE
        or not d + 2 + _SPARE_POINTS <= len(points) < min(fewest, _MOST_POINTS_BY_RIDGE + 1)
    ):
        return
    counts = {max(d + 2 + _SPARE_POINTS, int(share * len(points))) for share in _SHARES_BY_RIDGE}
    made = [(QuadraticModel.fit_by_ridge(points[:count], losses[:count]), count) for count in sorted(counts)]
    usable = [(m, count) for m, count in made if m is not None and m.explained >= _LEAST_EXPLAINED_BY_RIDGE]
    yield from sorted(usable, key=lambda item: -item[0].explained)[:1]


def _has_parabolas(space: HyperParameterList) -> bool:
    return space.has_quantile and space.has_cdf and not space.constraints and is_real_space(space)


def _if_new(state: SearchState, rows: list[list[Any]], pending: Sequence[list[Any]]) -> list[list[Any]]:
    known = set(keys_of(state.X)) | set(keys_of(state.space.encode_rows(pending)) if pending else ())
    return rows if known.isdisjoint(keys_of(state.space.encode_rows(rows))) else []
