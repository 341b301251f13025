"""What a search learns: the classifier of a round, from the points that its strategy takes."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from shac.engine.proposals import draw_region, encoded_rows
from shac.engine.surrogate import RBFSurrogate
from shac.evaluation import derive_seed
from shac.labels import label_scores
from shac.sampling import calibrate_threshold, read_by_core
from shac.training import train_classifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shac.classifier import Classifier
    from shac.engine.earlier import EarlierPoints
    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.sampling import Cascade

    PointChooser = Callable[[SearchPlan, SearchState], tuple[NDArray[np.float32], NDArray[np.float64]]]

__all__ = ["learn", "learn_beforehand", "points_of_median", "training_points"]

_logger = logging.getLogger("shac")

_FEWEST_INSIDE = 4
_LEAST_CORRELATION = 0.1  # of ranks; below it an earlier search is taken for another one
_CALIBRATION_SAMPLES = 256


def learn(
    plan: SearchPlan,
    state: SearchState,
    *,
    skip_cv_checks: bool,
    threads: int,
    choose_points: PointChooser | None = None,
) -> tuple[SearchState, str | None]:
    """Train a classifier if enough points have come since the last attempt.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
    skip_cv_checks : bool
        Whether to train without the cross-validation gate.
    threads : int
        Threads that draw the samples of a threshold; does not change the result.
    choose_points : callable, optional
        Chooses and labels the points to train on, in place of `training_points`; benchmarks compare others.

    Returns
    -------
    state : SearchState
        With the classifier, or with the attempt; the same one where none was due.
    reason : str or None
        Why no classifier came of the points; None where one did, or none was due.
    """
    due = len(state) - max(state.training_begin, state.last_attempt) >= max(plan.points_per_classifier, 1)
    if len(state.classifiers) - state.num_initial_classifiers >= plan.total_classifiers or not due:
        return state, None
    return _train(plan, state, skip_cv_checks=skip_cv_checks, threads=threads, choose_points=choose_points)


def learn_beforehand(plan: SearchPlan, state: SearchState, *, threads: int) -> SearchState:
    """Train a classifier on the points of an earlier search, if there are as many scores as a classifier waits for.

    It comes before those of the search's rounds, and is none of their number. Where a surrogate chooses, there is none:
    it knows the points as well, and what it believes of them can be forgotten, which a classifier stays.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
        That has not begun.
    threads : int
        See `learn`.
    """
    earlier = state.informative
    has_surrogate = plan.strategy.candidates_per_sample > 1
    if earlier is None or has_surrogate or earlier.num_scores < max(plan.points_per_classifier, 1):
        return state
    learnt, reason = _train(plan, state, skip_cv_checks=False, threads=threads)
    return learnt if reason is not None else replace(learnt, earlier=earlier.with_classifier())


def _train(
    plan: SearchPlan,
    state: SearchState,
    *,
    skip_cv_checks: bool,
    threads: int,
    choose_points: PointChooser | None = None,
) -> tuple[SearchState, str | None]:
    strategy = plan.strategy
    X, y = (choose_points or training_points)(plan, state)
    trained = train_classifier(
        X,
        y,
        seed=derive_seed(plan.seed, len(state), purpose="classifier"),
        skip_cv_checks=skip_cv_checks or not strategy.cross_validation,
        trees=strategy.trees,
    )
    added, reason = None, trained.reason
    if trained.classifier is not None:
        added, reason = _add_stage(plan, state, trained.classifier, threads)
    if added is None:
        _logger.info("no classifier from %d points: %s; they are pooled with the next batch", len(y), reason)
        return state.with_attempt(), reason
    learnt = state.with_classifier(*added, trained.accuracy)
    _logger.info(
        "classifier %d of %d trained on %d points (cross-validation accuracy %.3f)",
        len(learnt.classifiers),
        plan.total_classifiers + state.num_initial_classifiers,
        len(y),
        trained.accuracy,
    )
    return learnt, None


def training_points(plan: SearchPlan, state: SearchState) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Choose the points that the next classifier is trained on, and label them.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState

    Returns
    -------
    X : ndarray of float32, shape (n, num_columns)
        Encoded configurations.
    y : ndarray of float64, shape (n,)
        1 for better than the median, else 0; see `shac.labels.label_scores`.
    """
    scores = state.scores_to_learn(plan.objective)
    earlier = state.informative
    if earlier is not None and not len(state):
        return earlier.X, label_scores(earlier.losses, "min")
    if plan.strategy.training_points == "batch":
        batch = slice(state.training_begin, None)
        return state.X[batch], label_scores(scores[batch], plan.objective)
    y = label_scores(scores, plan.objective, among=points_of_median(plan, state))
    if earlier is None or not _is_followed(earlier, state, scores, plan.objective):
        return state.X, y
    return np.concatenate([earlier.X, state.X]), np.concatenate([_labels_of(earlier, plan, state), y])


def _is_followed(earlier: EarlierPoints, state: SearchState, scores: NDArray[np.float64], objective: str) -> bool:
    """Whether the search's scores come in the order that those of an earlier one let expect, as far as can be seen."""
    from scipy.stats import spearmanr

    finite = np.isfinite(scores)
    losses = -scores[finite] if objective == "max" else scores[finite]
    surrogate = RBFSurrogate(state.space, state.X[:0], scores[:0], objective, earlier=earlier)
    expected = surrogate.predict(state.X[finite])
    if len(losses) < _FEWEST_INSIDE or np.ptp(losses) == 0 or np.ptp(expected) == 0:
        return True
    return float(spearmanr(expected, losses).statistic) > _LEAST_CORRELATION


def _labels_of(earlier: EarlierPoints, plan: SearchPlan, state: SearchState) -> NDArray[np.float64]:
    """Label the points of an earlier search by a median of their own, as those of the search are by theirs."""
    losses = earlier.losses
    inside = state.cascade.accepts(earlier.X, threads=1)
    if np.isfinite(losses[inside]).sum() < _FEWEST_INSIDE:
        inside = _best_points(losses, "min", plan.batch_size)
    return label_scores(losses, "min", among=inside)


def points_of_median(plan: SearchPlan, state: SearchState) -> NDArray[np.bool_]:
    """Mark the points whose median parts better from worse: those that the classifiers accept.

    Where these have fewer than four scores, the best points of the search as many as a round's.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState

    Returns
    -------
    ndarray of bool, shape (len(state),)
    """
    inside = state.cascade.accepts(state.X, threads=1)
    if np.isfinite(state.scores[inside]).sum() < _FEWEST_INSIDE:
        return _best_points(state.scores, plan.objective, plan.batch_size)
    return inside


def _best_points(scores: NDArray[np.float64], objective: str, count: int) -> NDArray[np.bool_]:
    """Mark the best points, failed evaluations last."""
    losses = np.where(np.isfinite(scores), -scores if objective == "max" else scores, np.inf)
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[np.argsort(losses, kind="stable")[:count]] = True
    return chosen


def _add_stage(
    plan: SearchPlan, state: SearchState, classifier: Classifier, threads: int
) -> tuple[tuple[Classifier, Cascade] | None, str]:
    """Make a classifier the last stage, with the acceptance rate that the strategy asks for, as far as ties allow."""
    strategy = plan.strategy
    stage = len(state.classifiers) - state.num_initial_classifiers
    rate = strategy.share_at(stage, plan.total_classifiers)
    if rate is None:
        calibrated, cascade = classifier, state.cascade.extended(read_by_core(classifier.data))
    else:
        rows = draw_region(
            plan,
            state,
            _CALIBRATION_SAMPLES,
            seed=derive_seed(plan.seed, len(state), purpose="threshold"),
            threads=threads,
        )
        found = calibrate_threshold(classifier, state.space, encoded_rows(state, rows), rate)
        if found is None:
            return None, "it scores all samples of the region alike"
        calibrated, cascade = found.classifier, state.cascade.extended(found.forest)
    if strategy.training_points != "batch" and not cascade.accepts(state.known_points, threads=1).any():
        return None, "it accepts none of the evaluated points"
    return (calibrated, cascade), ""
