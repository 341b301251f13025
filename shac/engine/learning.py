"""What a search learns: the classifier of a round, from the points that its strategy takes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from shac.dataset import label_scores
from shac.engine.proposals import draw_region
from shac.evaluation import derive_seed
from shac.sampling import keeping_share
from shac.training import train_classifier

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

    from shac.engine.shac import SHAC

__all__ = ["train_when_due"]

_logger = logging.getLogger("shac")

_FEWEST_INSIDE = 4
_SAMPLES_OF_A_THRESHOLD = 256


def train_when_due(engine: SHAC, *, skip_cv_checks: bool) -> bool:
    """Train a classifier if enough points have come since the last attempt; True if none comes of it."""
    progress, strategy = engine.progress, engine.strategy
    num_points = len(engine.dataset)
    due = num_points - max(progress.training_begin, progress.last_attempt) >= max(engine.points_per_classifier, 1)
    if len(engine.classifiers) >= engine.total_classifiers or not due:
        return False
    X, y = _labelled_points(engine)
    seed = derive_seed(engine.seed, num_points, purpose="classifier")
    trained = train_classifier(
        X, y, seed=seed, skip_cv_checks=skip_cv_checks or not strategy.cross_validation, trees=strategy.trees
    )
    progress.last_attempt = num_points
    model, reason = trained.model, trained.reason
    if model is not None and strategy.kept_share is not None:
        model, reason = _with_its_share(engine, model)
    if model is not None and strategy.training_points != "batch" and not _accepts_a_point(engine, model):
        model, reason = None, "it leaves none of the evaluated points"
    if model is None:
        _logger.info("no classifier from %d points: %s; they join the next batch", len(y), reason)
        return True
    progress.training_begin = num_points
    progress.accuracies.append(trained.accuracy)
    engine.classifiers.append(model)
    _logger.info(
        "classifier %d of %d trained on %d points (cross-validation accuracy %.3f)",
        len(engine.classifiers),
        engine.total_classifiers,
        len(y),
        trained.accuracy,
    )
    return False


def _labelled_points(engine: SHAC) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    strategy, dataset = engine.strategy, engine.dataset
    assert dataset.parameters is not None, "an engine with points has a space"
    X = dataset.parameters.encode_rows(dataset.X)
    scores = np.array(dataset.Y, dtype=np.float64)
    if strategy.training_points == "batch":
        begin = engine.progress.training_begin
        return X[begin:], label_scores(scores[begin:], engine.objective, better_share=strategy.better_share)
    inside = engine.cascade.accepts(X, threads=1)
    if np.isfinite(scores[inside]).sum() < _FEWEST_INSIDE:
        inside = _best_places(scores, engine.objective, engine.num_workers)
    y = label_scores(scores, engine.objective, better_share=strategy.better_share, among=inside)
    return (X, y) if strategy.training_points == "all" else (X[inside], y[inside])


def _best_places(scores: NDArray[np.float64], objective: str, count: int) -> NDArray[np.bool_]:
    """Tell which points are the best ones, failed evaluations last."""
    losses = np.where(np.isfinite(scores), -scores if objective == "max" else scores, np.inf)
    chosen = np.zeros(len(scores), dtype=bool)
    chosen[np.argsort(losses, kind="stable")[:count]] = True
    return chosen


def _with_its_share(engine: SHAC, model: xgboost.XGBClassifier) -> tuple[xgboost.XGBClassifier | None, str]:
    """Move the threshold of a classifier so that it keeps its share of the region, as far as ties allow."""
    share = engine.strategy.share_at(len(engine.classifiers), engine.total_classifiers)
    assert share is not None, "asked for by the caller"
    seed = derive_seed(engine.seed, len(engine.dataset), purpose="threshold")
    rows = draw_region(
        engine, engine.cascade, _SAMPLES_OF_A_THRESHOLD, seed=seed, threads=engine.num_parallel_generators
    )
    space = engine.cascade.space
    return keeping_share(model, space, space.encode_rows(rows), share), "it tells no part of the region from another"


def _accepts_a_point(engine: SHAC, model: xgboost.XGBClassifier) -> bool:
    """Whether an evaluated point passes all classifiers and a new one: then the region is known to hold something."""
    cascade = engine.cascade.extended(model)
    return bool(cascade.accepts(cascade.space.encode_rows(engine.dataset.X), threads=1).any())
