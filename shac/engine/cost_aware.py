"""Cost-aware choices: how long an evaluation will take is predicted, and weighed against what it promises.

Trainings of one search may differ in their time by a factor of a thousand. The acquisition is lowered by the predicted
cost, in decades above the median of the first round, and less so as the budget is used up (cost cooling: Lee et al.,
Cost-aware Bayesian Optimization, arXiv 2003.10870). What is faster than that median gains nothing by being faster
still: the cheapest configurations are rarely the best, and a thousand of them would be evaluations spent for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.engine.smoothing import one_blas_thread
from shac.engine.surrogate import RBFSurrogate
from shac.sampling import PointCoordinates, merit_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.engine.surrogate import Loss, Scales
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["CostAwareSurrogate", "CostModel"]

_WEIGHT = 0.6  # of a decade, where predictions and distances of the candidates each range over 1
_RIDGE = 0.05
_SHORTEST = 1e-9  # seconds, of which there is a logarithm
_MOST_DECADES = 30.0


class CostModel:
    """A linear model of the logarithm of seconds: times of trainings are products of what each parameter does to them.

    Parameters
    ----------
    space : HyperParameterList
    X : ndarray of float32, shape (n, num_columns)
        Encoded configurations, at least one.
    seconds : ndarray of float64, shape (n,)
        How long each took.
    reference : float
        Seconds, up to which about what is predicted costs nothing.

    Examples
    --------
    >>> import shac
    >>> space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
    >>> X = np.array([[0.1], [0.5], [0.9]], dtype=np.float32)
    >>> model = CostModel(space, X, np.array([1.0, 10.0, 100.0]), reference=1.0)
    >>> costs = model.costs(X)
    >>> bool(costs[0] < costs[1] < costs[2] < 2.1)
    True
    """

    def __init__(self, space: HyperParameterList, X: NDArray[np.float32], seconds: Floats, reference: float) -> None:
        self._coordinates = PointCoordinates(space, X)
        self._reference = max(reference, _SHORTEST)
        decades = np.log10(np.maximum(seconds, _SHORTEST))
        terms = self._terms(X)
        self._level, self._center = decades.mean(), terms.mean(axis=0)
        centered = terms - self._center
        with one_blas_thread():
            matrix = centered.T @ centered + _RIDGE * np.eye(centered.shape[1])
            self._slopes = np.linalg.solve(matrix, centered.T @ (decades - self._level))

    @classmethod
    def of(cls, plan: SearchPlan, state: SearchState) -> Self | None:
        """Return the model of the evaluations whose time is known and that did not fail; None where there are none.

        The time of one that was pruned is what one like it will take, too.
        """
        seconds = np.array(state.seconds)
        has_ended = np.isfinite(state.scores)
        has_ended[sorted(state.pruned)] = True
        known = np.flatnonzero(has_ended & np.isfinite(seconds))
        if not known.size:
            return None
        reference = float(np.quantile(seconds[known[: plan.batch_size]], 0.5))
        return cls(state.space, state.X[known], seconds[known], reference)

    def costs(self, X: NDArray[np.float32]) -> Floats:
        """Return the predicted decades above the reference, which bend to 0 below it.

        Parameters
        ----------
        X : ndarray of float32, shape (n, num_columns)
            Encoded configurations.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        with one_blas_thread():
            decades = self._level + (self._terms(X) - self._center) @ self._slopes
        costs: Floats = np.log10(1 + 10 ** np.clip(decades, -_MOST_DECADES, _MOST_DECADES) / self._reference)
        return costs

    def _terms(self, X: NDArray[np.float32]) -> Floats:
        return self._coordinates.linear_terms(self._coordinates.of(X))[:, 1:]


class CostAwareSurrogate(RBFSurrogate):
    """A surrogate by which slow configurations are chosen only where they promise more.

    Parameters
    ----------
    *arguments, **options
        See `RBFSurrogate`.
    costs : CostModel
    share_left : float
        Of the budget; the less, the less costs weigh.
    """

    def __init__(self, *arguments: Any, costs: CostModel, share_left: float, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._costs = costs
        self._weight_of_costs = _WEIGHT * share_left

    def _penalties(self, X: NDArray[np.float32]) -> Floats:
        penalties: Floats = self._weight_of_costs * self._costs.costs(X)
        return penalties

    def _merit_for(self, group: int, earlier: Floats, scales: Scales) -> Loss:  # noqa: ARG002
        def merit(X: NDArray[np.float32]) -> Floats:
            points = self._coordinates.of(X)
            predictions, distances = self._predictions(points)
            nearest = np.minimum(distances, self._coordinates.nearest(points, earlier))
            return merit_of(scales, predictions, nearest) + self._penalties(X)

        return merit
