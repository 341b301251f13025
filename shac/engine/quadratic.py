"""The optimum of a quadratic model through the best points, where it predicts points that are left out.

Near its optimum a smooth function is a parabola. A model of a surface that may be anything ends near it, by short
steps; a parabola's optimum is known from a few points to the last digits. Whether the function is one there is what
points tell that are left out, one at a time.
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
    from collections.abc import Sequence

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
    order, d = np.argsort(losses, kind="stable"), state.space.num_columns
    for num_terms, mixed in ((1 + 2 * d + d * (d - 1) // 2, True), (1 + 2 * d, False)):
        count = _POINTS_PER_TERM * num_terms + 1
        if num_terms > _MOST_TERMS or count > len(order):
            continue
        best = order[:count]
        points = uniforms_of(state.space, state.X[finite[best]])
        model = QuadraticModel.fit(points, losses[best], mixed=mixed)
        if model is None or model.explained < _LEAST_EXPLAINED:
            continue
        low, high = points.min(axis=0), points.max(axis=0)
        room = _ROOM * (high - low)
        found = model.minimum(np.maximum(low - room, _EDGE), np.minimum(high + room, 1 - _EDGE))
        if found is not None:
            found = np.clip(np.round(found * _GRID) / _GRID, _EDGE, 1 - _EDGE)
            return _if_new(state, state.space.values_from_uniforms(found[None]), pending)
    return []


def _has_parabolas(space: HyperParameterList) -> bool:
    return space.has_quantile and space.has_cdf and not space.constraints and is_real_space(space)


def _if_new(state: SearchState, rows: list[list[Any]], pending: Sequence[list[Any]]) -> list[list[Any]]:
    known = set(keys_of(state.X)) | set(keys_of(state.space.encode_rows(pending)) if pending else ())
    return rows if known.isdisjoint(keys_of(state.space.encode_rows(rows))) else []
