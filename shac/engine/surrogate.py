"""The surrogate: a smooth model of the scores of a search, and candidates ranked by it.

It is a sum of cubic radial basis functions around all points, with a linear tail: it has no scale to tune (Regis and
Shoemaker, INFORMS Journal on Computing 19, 2007). As there, the worse half of the scores counts as the median, so that
a few terrible points do not bend it elsewhere, and a candidate's prediction is weighed against its distance from all
points, by weights that the proposals of a batch take in turns (the paper's merit function).

`scipy.interpolate.RBFInterpolator` has the same kernel, but refuses points that leave the linear tail undetermined,
which categories and few points do.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.engine.candidates import MeritFunction, RankedCandidates, keys_of, values_of
from shac.engine.factorization import FIRST_POINTS, factorization_of
from shac.engine.smoothing import LEAST_SMOOTHING, best_scale, best_smoothing, one_blas_thread, rbf_matrix
from shac.reals import median
from shac.sampling import SAME_POINT, Merit, PointCoordinates, encode_uniforms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from shac.engine.earlier import EarlierPoints
    from shac.engine.local_search import LocalSearch
    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]
    Scales = tuple[float, float, float, float, float]
    Loss = Callable[[NDArray[np.float32]], Floats]

__all__ = ["RBFSurrogate", "best_and_newest"]

_LEAST_WEIGHT_TO_IMPROVE = 0.95  # the other half of a batch keeps its distance
_REMEMBERED_CHOICES = 1000
_LARGE = 2.0**1000
_LOSSES_BELIEVED = 0.25  # squared: what three losses between 0 and 1 weigh
_MOST_POINTS = 2000  # solving takes the cube of it: two seconds


class RBFSurrogate:
    """The interpolant of evaluated points.

    Parameters
    ----------
    space : HyperParameterList
        The search space.
    X : ndarray of float32, shape (n, num_columns)
        Encoded configurations, at least one.
    scores : ndarray of float64, shape (n,)
        Their scores; what is not finite is a failed evaluation. Of more than 2,000 points the
        best 1,000 and the newest 1,000 are taken.
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.
    earlier : EarlierPoints, optional
        Points of another search. Where there are points of this one, a surrogate of the others, on the scale that fits
        these best, is what the model of what is left of their losses is added to. `X` may be empty then.
    estimate_noise : bool
        Whether it passes the points by as much as predicts them best (see `best_smoothing`); else it goes through all.
    root_losses : bool
        Whether it goes through the square roots of losses where these are predicted better (see `best_scale`); not
        beside points of another search, nor without `estimate_noise`.
    grown_factorization : bool
        Whether the equations of more than 256 points go on from those of the points before; see `Strategy`.
    """

    _weights_of_prediction: tuple[float, ...] = (0.5, 0.8, 0.95, 1.0)
    _exponent = 1.0  # of the losses that it goes through

    def __init__(
        self,
        space: HyperParameterList,
        X: NDArray[np.float32],
        scores: Floats,
        objective: str,
        earlier: EarlierPoints | None = None,
        *,
        estimate_noise: bool = False,
        root_losses: bool = False,
        grown_factorization: bool = False,
    ) -> None:
        self._space = space
        losses = _losses(scores, objective)
        self._best_score, self._median_score = _best_and_median(scores, objective)
        kept = best_and_newest(losses)
        X, losses = X[kept], losses[kept]
        self._estimate_noise, self._grown_factorization = estimate_noise, grown_factorization
        if earlier is None:
            self._coordinates = PointCoordinates(space, X)
            tail = self._fit(self._coordinates.of(X), losses, choose_power=root_losses)
            self._model = self._coordinates.model(self._points, self._weights, tail)
            return
        other_losses = _losses(earlier.losses, "min")
        kept = best_and_newest(other_losses)
        other_X = earlier.X[kept]
        self._coordinates = PointCoordinates(space, np.concatenate([other_X, X]))
        others = self._coordinates.of(other_X)
        tail = self._fit(others, other_losses[kept])
        self._model = self._coordinates.model(others, self._weights, tail)
        if len(X):
            self._add_own(self._coordinates.of(X), losses, others, tail)

    def _add_own(self, points: Floats, losses: Floats, others: Floats, tail_of_others: Floats) -> None:
        """Put the losses of the search's own points on top of what those of another one let expect."""
        expected = self._model.predict(points)[0]
        slope, level = _fit_line(expected, losses)
        weights_of_others = slope * self._weights
        tail = self._fit(points, losses - (level + slope * expected)) + slope * tail_of_others
        tail[0] += level
        self._model = self._coordinates.model(
            np.concatenate([others, points]), np.concatenate([weights_of_others, self._weights]), tail
        )

    def _fit(self, points: Floats, losses: Floats, *, choose_power: bool = False) -> Floats:
        """Find the weights of basis functions around points; returns those of the linear tail."""
        self._points = points
        self._smoothing = LEAST_SMOOTHING
        if self._estimate_noise and choose_power:
            self._exponent, self._smoothing = best_scale(self._coordinates, points, losses)
            losses = losses if self._exponent == 1 else losses**self._exponent
        elif self._estimate_noise:
            self._smoothing = best_smoothing(self._coordinates, points, losses)
        self._weights, tail = self._solve(losses)
        return tail

    def predicted_scores(self, X: NDArray[np.float32]) -> Floats:
        """Return the scores that it predicts; the worse half of the scores counts as their median.

        Parameters
        ----------
        X : ndarray of float32, shape (n, num_columns)
            Encoded configurations.

        Returns
        -------
        ndarray of float64, shape (n,)
            NaN where no score is finite.
        """
        losses = self._on_scale_of_scores(self.predict(X))
        result: Floats = self._best_score + losses * (self._median_score - self._best_score)
        return result

    def error(self, X: NDArray[np.float32]) -> float:
        """Return by how much it is wrong at most at four of five given points that it goes through, as a loss.

        It is what it would be wrong by at a point without that point: its weight over its element of the inverse
        (Rippa, Advances in Computational Mathematics 11, 1999).

        Parameters
        ----------
        X : ndarray of float32, shape (m, num_columns)
            Encoded configurations; those that it does not go through do not count.

        Returns
        -------
        float
            Infinite where it goes through none of them.
        """
        with one_blas_thread():
            inverse = np.linalg.inv(rbf_matrix(self._coordinates, self._points, self._smoothing))
        chosen = self._coordinates.nearest(self._points, self._coordinates.of(X)) < SAME_POINT
        if not chosen.any():
            return np.inf
        errors = (self._weights / inverse.diagonal()[: len(self._points)])[chosen]
        if self._exponent != 1:
            predicted = self._model.predict(self._points[chosen])[0]
            errors = self._on_scale_of_scores(predicted) - self._on_scale_of_scores(predicted - errors)
        return float(np.quantile(np.abs(errors), 0.8))

    def _on_scale_of_scores(self, losses: Floats) -> Floats:
        """Turn losses as they are predicted into those of which scores are a line."""
        if self._exponent == 1:
            return losses
        result: Floats = np.sign(losses) * np.abs(losses) ** (1 / self._exponent)
        return result

    def distances(self, X: NDArray[np.float32], others: NDArray[np.float32]) -> Floats:
        """Return the distance of each configuration from the nearest of others, where each column has the length 1.

        Parameters
        ----------
        X, others : ndarray of float32, shapes (n, num_columns) and (m, num_columns)

        Returns
        -------
        ndarray of float64, shape (n,)
            Infinite where there are no others.
        """
        return self._coordinates.nearest(self._coordinates.of(X), self._coordinates.of(others))

    @property
    def score_range(self) -> float:
        """The distance between the best score and the median: what a loss of 1 is."""
        return abs(self._median_score - self._best_score)

    @property
    def is_smoothed(self) -> bool:
        """Whether it passes its points by more than the least: their scores seem noisy, or the function is rugged."""
        return self._smoothing > LEAST_SMOOTHING

    @property
    def num_points(self) -> int:
        """Points that it goes through."""
        return len(self._points)

    def predict(self, X: NDArray[np.float32]) -> Floats:
        """Return the losses that it predicts, or their roots: 0 for the best of its points, 1 for the median and worse.

        Parameters
        ----------
        X : ndarray of float32, shape (n, num_columns)
            Encoded configurations.

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        return self._model.predict(self._coordinates.of(X))[0]

    def best_of(
        self,
        rows: Sequence[list[Any]],
        X: NDArray[np.float32],
        group_size: int,
        local_search: LocalSearch | None = None,
        *,
        pending: Sequence[list[Any]] = (),
        evaluated: NDArray[np.float32] | None = None,
        wider: Iterable[tuple[Sequence[list[Any]], NDArray[np.float32]]] = (),
    ) -> list[list[Any]]:
        """Choose a candidate of each group: of low predicted loss, and far from all points and the choices before it.

        The choice of a group depends on those before it and on nothing after it.

        Parameters
        ----------
        rows : sequence of list
            Values of the candidates, group after group, as many as groups times `group_size`.
        X : ndarray of float32, shape (n, num_columns)
            The candidates, encoded.
        group_size : int
        local_search : LocalSearch, optional
            Makes each choice better before the next one.
        pending : sequence of rows
            As if they were choices before these.
        evaluated : ndarray of float32, shape (m, num_columns), optional
            Encoded configurations that are not chosen again, nor are `pending` and choices, while there are others.
        wider : iterable of (rows, X)
            Other candidates, as many. Where a group has nothing that may be chosen, it is that of the first of these
            that has; they are asked for as they are needed.

        Returns
        -------
        list of list
            Values of the choices.
        """
        earlier = np.empty((0, self._points.shape[1]))
        taken: set[bytes] | None = None if evaluated is None else set(keys_of(evaluated))
        if pending:
            encoded = self._space.encode_rows(pending)
            earlier = self._coordinates.of(encoded)
            if taken is not None:
                taken.update(keys_of(encoded))
        levels, more = [self._ranked(rows, X)], iter(wider)
        chosen: list[list[Any] | Floats] = []
        for group in range(len(rows) // group_size):
            ranked, places = self._to_choose_from(
                levels, more, slice(group * group_size, (group + 1) * group_size), taken
            )
            points = ranked.points[places]
            nearest = np.minimum(ranked.distances[places], self._coordinates.nearest(points, earlier))
            losses = self._losses_for(group, ranked.predictions[places], earlier)
            merit = MeritFunction(group, losses, nearest, self._weights_of_prediction)
            best = int(np.argmin(merit.of_candidates + self._penalties(ranked.X[places])))
            place = best + places.start if isinstance(places, slice) else int(places[best])
            choice, encoded, point = ranked.choice(place), ranked.X[[place]], ranked.points[[place]]
            if local_search is not None and merit.weight >= _LEAST_WEIGHT_TO_IMPROVE:
                loss = self._merit_for(group, earlier, merit.scales)
                better = local_search.find_better(group, encoded[0], ranked.X[places], loss)
                if better is not None:
                    found = encode_uniforms(self._space, better[None])
                    if taken is None or taken.isdisjoint(keys_of(found)):
                        choice, encoded, point = better, found, self._coordinates.of(found)
            if taken is not None:
                taken.update(keys_of(encoded))
            chosen.append(choice)
            earlier = np.concatenate([earlier, point])[-_REMEMBERED_CHOICES:]
        return values_of(self._space, chosen)

    def _ranked(self, rows: Sequence[list[Any]], X: NDArray[np.float32]) -> RankedCandidates:
        points = self._coordinates.of(X)
        return RankedCandidates(rows, X, points, *self._predictions(points))

    def _predictions(self, points: Floats) -> tuple[Floats, Floats]:
        """Return what is predicted of points, and their distances from the nearest point of the model."""
        return self._model.predict(points)

    def _losses_for(self, group: int, predictions: Floats, earlier: Floats) -> Floats:  # noqa: ARG002 - one loss for all
        """Return the losses that the choice of a group goes by, after others."""
        return predictions

    def _penalties(self, X: NDArray[np.float32]) -> Floats | float:  # noqa: ARG002 - none here
        """Return what is added to the merit of candidates."""
        return 0.0

    def _merit_for(self, group: int, earlier: Floats, scales: Scales) -> Merit | Loss:  # noqa: ARG002
        """Return what the local search from the choice of a group lowers."""
        return Merit(self._coordinates, self._model, earlier, scales)

    def _to_choose_from(
        self,
        levels: list[RankedCandidates],
        more: Iterator[tuple[Sequence[list[Any]], NDArray[np.float32]]],
        group: slice,
        taken: set[bytes] | None,
    ) -> tuple[RankedCandidates, slice | NDArray[np.intp]]:
        """Return candidates and the places of those to choose from, of the first level that has one not taken."""
        if taken is None:
            return levels[0], group
        for ranked in self._each_level(levels, more):
            keys = keys_of(ranked.X[group])
            free = [place for place, key in enumerate(keys, group.start) if key not in taken]
            if free:
                return ranked, group if len(free) == len(keys) else np.array(free)
        return levels[0], group

    def _each_level(
        self, levels: list[RankedCandidates], more: Iterator[tuple[Sequence[list[Any]], NDArray[np.float32]]]
    ) -> Iterator[RankedCandidates]:
        yield from [*levels]
        for rows, X in more:
            levels.append(self._ranked(rows, X))
            yield levels[-1]

    def _solve(self, losses: Floats) -> tuple[Floats, Floats]:
        """Return the weights of the basis functions, and those of the linear tail."""
        num_points = len(self._points)
        num_tails = self._coordinates.linear_terms(self._points[:1]).shape[1]
        if losses.min() == losses.max():  # a constant, without the last bits of a solution that candidates would go by
            return np.zeros(num_points), np.concatenate([losses[:1], np.zeros(num_tails - 1)])
        with one_blas_thread():
            solution: Floats | None = None
            if self._grown_factorization and num_points > FIRST_POINTS:
                with suppress(np.linalg.LinAlgError):  # points in one place, nearly
                    solution = factorization_of(self._coordinates, self._points, self._smoothing).solve(losses)
            if solution is None:
                matrix = rbf_matrix(self._coordinates, self._points, self._smoothing)
                solution = np.linalg.solve(matrix, np.concatenate([losses, np.zeros(num_tails)]))
        return solution[:num_points], solution[num_points:]


def _losses(scores: Floats, objective: str) -> Floats:
    """Turn scores into losses from 0 for the best to 1 for the median and all that is worse, or is not finite."""
    counts = np.isfinite(scores)
    losses = np.ones(len(scores))
    if counts.any():
        lower_is_better = -scores[counts] if objective == "max" else scores[counts]
        if np.abs(lower_is_better).max() > _LARGE:
            lower_is_better = lower_is_better / _LARGE  # differences would be beyond float64
        losses[counts] = _from_0_to_1(np.minimum(lower_is_better, median(lower_is_better)))
    return losses


def _fit_line(expected: Floats, losses: Floats) -> tuple[float, float]:
    """Return the slope and the level of losses over what was expected: the slope is at least 0, and 1 before any loss.

    Where the two have nothing to do with each other the slope comes to 0: what was expected does not matter then.
    """
    x, y = expected - expected.mean(), losses - losses.mean()
    slope = max(0.0, float((x @ y + _LOSSES_BELIEVED) / (x @ x + _LOSSES_BELIEVED)))
    return slope, float(losses.mean() - slope * expected.mean())


def _best_and_median(scores: Floats, objective: str) -> tuple[float, float]:
    finite = scores[np.isfinite(scores)]
    if not len(finite):
        return np.nan, np.nan
    return float(finite.max() if objective == "max" else finite.min()), float(median(finite))


def best_and_newest(losses: Floats) -> NDArray[np.intp]:
    """Return the places of the points that a surrogate is made of: all, or the best and the newest of too many."""
    count = len(losses)
    if count <= _MOST_POINTS:
        return np.arange(count)
    half = _MOST_POINTS // 2
    return np.union1d(np.argsort(losses, kind="stable")[:half], np.arange(count - half, count))


def _from_0_to_1(values: Floats) -> Floats:
    low, high = values.min(), values.max()
    result: Floats = (values - low) / (high - low) if high > low else np.zeros(len(values))
    return result
