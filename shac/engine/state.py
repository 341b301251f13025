"""The search so far, as a value."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.classifier import Classifier
from shac.nondominated import pareto_ranks
from shac.sampling import Cascade, encode_uniforms, uniforms_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import xgboost
    from numpy.typing import NDArray

    from shac.engine.earlier import EarlierPoints
    from shac.objectives import Objectives
    from shac.space import HyperParameterList

__all__ = ["SearchState"]


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class SearchState:
    """What was evaluated, and what was learnt of it. Functions that go on return a new one.

    Parameters
    ----------
    rows : tuple of list
        Flat rows of values, one for each evaluation, in the order of their numbers.
    X : ndarray of float32, shape (n, num_columns)
        The rows, encoded.
    scores : ndarray of float64, shape (n,)
        NaN for a failed evaluation. With several objectives the ranks of the evaluations, of which the smaller are
        better; see `shac.nondominated.pareto_ranks`.
    classifiers : tuple of Classifier
        In the order of their training.
    cascade : Cascade
        The classifiers, compiled.
    accuracies : tuple of float
        Cross-validation accuracy of each classifier; NaN where it was skipped.
    training_begin : int
        First evaluation that no classifier was trained on.
    last_attempt : int
        Number of evaluations when a classifier was last tried.
    pruned : mapping of int to float
        The evaluations that were ended because they were worse than others, by their numbers, with what they reported
        last, NaN where they reported nothing; their scores are NaN.
    earlier : EarlierPoints or None
        Points of an earlier search, which are no evaluations of this one.
    queue : tuple of (int, list)
        Flat rows that are evaluated next, in order, each with the number of evaluations from which on.
    enqueued : frozenset of int
        Numbers of the evaluations that came from the queue.
    objectives : Objectives or None
        Several objectives; None where there is one.
    objective_scores : ndarray of float64, shape (n, m), or None
        The scores of each objective.
    seconds : tuple of float
        How long each evaluation took, one that was pruned until then; NaN where that is not known.
    """

    rows: tuple[list[Any], ...]
    X: NDArray[np.float32]
    scores: NDArray[np.float64]
    classifiers: tuple[Classifier, ...]
    cascade: Cascade
    accuracies: tuple[float, ...] = ()
    training_begin: int = 0
    last_attempt: int = 0
    pruned: Mapping[int, float] = field(default_factory=dict)
    earlier: EarlierPoints | None = None
    queue: tuple[tuple[int, list[Any]], ...] = ()
    enqueued: frozenset[int] = frozenset()
    objectives: Objectives | None = None
    objective_scores: NDArray[np.float64] | None = None
    seconds: tuple[float, ...] = ()

    @classmethod
    def empty(cls, space: HyperParameterList, objectives: Objectives | None = None, **tables: int) -> Self:
        """Return the state of a search that has not begun.

        Parameters
        ----------
        space : HyperParameterList
        objectives : Objectives, optional
            Where there are several.
        **tables
            Limits of the cascade's tables; see `Cascade`.
        """
        X = np.empty((0, space.num_columns), dtype=np.float32)
        objective_scores = None if objectives is None else np.empty((0, len(objectives)))
        cascade = Cascade([], space, **tables)
        return cls((), X, np.empty(0), (), cascade, objectives=objectives, objective_scores=objective_scores)

    @property
    def space(self) -> HyperParameterList:
        """The search space."""
        return self.cascade.space

    def __len__(self) -> int:
        """Count the evaluations."""
        return len(self.rows)

    @property
    def given_scores(self) -> list[Any]:
        """The scores as evaluations gave them: numbers, or tuples of a number for each objective."""
        if self.objective_scores is None:
            return list(self.scores.tolist())
        return [tuple(scores) for scores in self.objective_scores.tolist()]

    @property
    def informative(self) -> EarlierPoints | None:
        """Points of an earlier search, if any of them has a score."""
        return self.earlier if self.earlier is not None and self.earlier.num_scores else None

    @property
    def known_points(self) -> NDArray[np.float32]:
        """Points of an earlier search and of this one, encoded."""
        earlier = self.informative
        return self.X if earlier is None else np.concatenate([earlier.X, self.X])

    @property
    def num_initial_classifiers(self) -> int:
        """Classifiers that were trained before the first evaluation."""
        return 0 if self.earlier is None else self.earlier.num_classifiers

    def scores_to_learn(self, objective: str) -> NDArray[np.float64]:
        """Return the scores, and for what was pruned the worst of them: it is worse than the median, and counts there.

        Parameters
        ----------
        objective : {'max', 'min'}

        Returns
        -------
        ndarray of float64, shape (n,)
        """
        finite = self.scores[np.isfinite(self.scores)]
        if not self.pruned or not finite.size:
            return self.scores
        scores = self.scores.copy()
        scores[sorted(self.pruned)] = finite.min() if objective == "max" else finite.max()
        return scores

    def points_inside(self, *, threads: int) -> NDArray[np.float64]:
        """Return uniforms of the evaluated points that the cascade accepts, those of an earlier search first.

        Parameters
        ----------
        threads : int
            Threads that decide.

        Returns
        -------
        ndarray of float64, shape (n, num_columns)
            NaN for what does not exist.

        Raises
        ------
        ValueError
            If a parameter of the space has no quantile function, or no distribution function.
        """
        points = uniforms_of(self.space, self.known_points)
        # A point's encoding has the precision of float32: what comes back from it may not be what passed.
        inside = self.cascade.accepts(encode_uniforms(self.space, points), threads=threads)
        if self.space.constraints:
            inside &= self.space.satisfied(self.space.values_from_uniforms(points))
        result: NDArray[np.float64] = points[inside]
        return result

    def with_points(
        self,
        rows: Sequence[Sequence[Any]],
        scores: Iterable[Any],
        pruned: Iterable[float | None] = (),
        seconds: Sequence[float] = (),
    ) -> Self:
        """Return the state after more evaluations.

        Parameters
        ----------
        rows : sequence of rows
            Flat rows of values.
        scores : iterable of float, or of tuples of float
            A score for each, or one of each objective; NaN for a failed evaluation.
        pruned : iterable of float or None
            The last value of each one that was pruned, and None of others; or nothing.
        seconds : sequence of float
            How long each took, NaN where that is not known; or nothing.

        Raises
        ------
        ValueError
            If a row does not fit the space.
        """
        queue, enqueued = self._after_queue(rows)
        ranked, of_objectives = self._with_scores(scores)
        return replace(
            self,
            queue=queue,
            enqueued=enqueued,
            rows=(*self.rows, *(list(row) for row in rows)),
            X=np.concatenate([self.X, self.space.encode_rows(rows)]),
            scores=ranked,
            objective_scores=of_objectives,
            pruned={**self.pruned, **{i: last for i, last in enumerate(pruned, len(self)) if last is not None}},
            seconds=(*self.seconds, *(seconds or [math.nan] * len(rows))),
        )

    def _with_scores(self, scores: Iterable[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Return the scores after more evaluations; with several objectives all evaluations are ranked anew."""
        if self.objectives is None or self.objective_scores is None:
            return np.concatenate([self.scores, np.fromiter(scores, dtype=np.float64)]), None
        more = np.array(list(scores), dtype=np.float64).reshape(-1, len(self.objectives))
        more[~np.isfinite(more).all(axis=1)] = np.nan
        together = np.concatenate([self.objective_scores, more])
        return pareto_ranks(self.objectives.losses(together)), together

    def _after_queue(self, rows: Sequence[Sequence[Any]]) -> tuple[tuple[tuple[int, list[Any]], ...], frozenset[int]]:
        """Return the queue without configurations that are evaluated, and which evaluations these are."""
        if not self.queue:
            return self.queue, self.enqueued
        waiting = list(self.queue)
        taken = set(self.enqueued)
        for index, row in enumerate(rows, start=len(self)):
            text = repr(list(row))
            found = next((entry for entry in waiting if repr(entry[1]) == text), None)
            if found is not None:
                waiting.remove(found)
                taken.add(index)
        return tuple(waiting), frozenset(taken)

    def with_table(self, rows: Sequence[Sequence[Any]], scores: Iterable[Any]) -> Self:
        """Return the state with other evaluations in place of its own, none of which it learns from anew."""
        other = type(self).empty(self.space, self.objectives).with_points(rows, scores)
        return replace(
            self,
            rows=other.rows,
            X=other.X,
            scores=other.scores,
            objective_scores=other.objective_scores,
            pruned={index: last for index, last in self.pruned.items() if index < len(other)},
            seconds=other.seconds,
            enqueued=frozenset(index for index in self.enqueued if index < len(other)),
        )

    def with_attempt(self) -> Self:
        """Return the state after an attempt to train that gave no classifier."""
        return replace(self, last_attempt=len(self))

    def with_classifier(self, classifier: Classifier, cascade: Cascade, accuracy: float) -> Self:
        """Return the state with one more classifier.

        Parameters
        ----------
        classifier : Classifier
        cascade : Cascade
            All classifiers with it, compiled.
        accuracy : float
            Its cross-validation accuracy.
        """
        return replace(
            self,
            classifiers=(*self.classifiers, classifier),
            cascade=cascade,
            accuracies=(*self.accuracies, accuracy),
            training_begin=len(self),
            last_attempt=len(self),
        )

    def with_classifiers(self, models: Iterable[xgboost.XGBClassifier]) -> Self:
        """Return the state with other classifiers; those that it has already are not compiled again."""
        chosen = tuple(models)
        known = 0
        while known < min(len(chosen), len(self.classifiers)) and chosen[known] is self.classifiers[known].model:
            known += 1
        cascade = self.cascade.prefix(known)
        for model in chosen[known:]:
            cascade = cascade.extended(model)
        classifiers = (*self.classifiers[:known], *(Classifier.of(model) for model in chosen[known:]))
        accuracies = (*self.accuracies[:known], *[float("nan")] * (len(chosen) - known))
        return replace(self, classifiers=classifiers, cascade=cascade, accuracies=accuracies)

    def with_stages(self, num_stages: int) -> Self:
        """Return the state as its first classifiers alone would have it.

        Raises
        ------
        ValueError
            If there are fewer.
        """
        return replace(self, classifiers=self.classifiers[:num_stages], cascade=self.cascade.prefix(num_stages))
