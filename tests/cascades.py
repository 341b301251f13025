"""Real cascades for the tests: XGBoost models trained on nested halves of a function's domain."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

import shac

Floats = NDArray[np.float32]


def unit_space(width: int) -> shac.HyperParameterList:
    return shac.HyperParameterList([shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(width)])


def train_stage(X: Floats, scores: NDArray[Any], **settings: Any) -> xgboost.XGBClassifier:
    settings = {"n_estimators": 200, "n_jobs": 1, **settings}
    return xgboost.XGBClassifier(**settings).fit(X, (scores < np.median(scores)).astype(int))


def train_cascade(
    function: Callable[[Floats], NDArray[Any]], width: int, num_stages: int, batch_size: int, seed: int = 0
) -> list[xgboost.XGBClassifier]:
    """Train each stage on points that pass all stages before it, as a search that minimises `function` does."""
    space = unit_space(width)
    models: list[xgboost.XGBClassifier] = []
    for stage in range(num_stages):
        X, _ = shac.Cascade(models, space).sample(batch_size, seed=seed * 1000 + stage)
        models.append(train_stage(X, function(X)))
    return models


def bowl(X: Floats) -> NDArray[Any]:
    """A smooth function of all columns with its minimum inside."""
    centre = np.linspace(0.3, 0.7, X.shape[1])
    result: NDArray[Any] = ((X - centre) ** 2).sum(axis=1)
    return result


def predict_margins(model: Any, X: Floats) -> Floats:
    booster = model.get_booster() if isinstance(model, xgboost.XGBClassifier) else model
    iterations = (0, 0)
    if isinstance(model, xgboost.XGBClassifier) and getattr(model, "early_stopping_rounds", None):
        iterations = (0, model.best_iteration + 1)
    margins: Floats = booster.inplace_predict(X, predict_type="margin", iteration_range=iterations)
    return margins


def neighbours_of_thresholds(thresholds: NDArray[np.float32]) -> Floats:
    below = np.nextafter(thresholds, np.float32(-np.inf))
    above = np.nextafter(thresholds, np.float32(np.inf))
    return np.concatenate([below, thresholds, above]).astype(np.float32)
