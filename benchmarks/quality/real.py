"""Real problems on the data inside scikit-learn: support vectors for real, two others through tables.

A table holds every setting of a grid, evaluated once and kept in `.cache/benchmarks`, or in the folder that the
environment variable SHAC_BENCHMARK_CACHE names. Making the two tables takes about four minutes on one core.
"""

from __future__ import annotations

import functools
import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.quality.axes import Axis, Choice, Number
    from benchmarks.workloads import cache_folder
else:
    from workloads import cache_folder

    from quality.axes import Axis, Choice, Number

__all__ = ["BOOSTING_AXES", "MLP_AXES", "SVC_AXES", "boosting_table", "mlp_table", "svc_cancer", "svc_digits"]

SVC_AXES: tuple[Axis, ...] = (
    Choice("kernel", ("rbf", "poly", "sigmoid")),
    Choice("scaling", ("none", "standard", "minmax", "l2")),
    Number("C", 1e-3, 1e4, log=True),
    Number("gamma", 1e-6, 1e1, log=True),
    Number("coef0", -2.0, 2.0),
    Number("degree", 2, 5, integer=True),
)

# Every axis of a table is an index into its levels.
BOOSTING_LEVELS: dict[str, tuple[Any, ...]] = {
    "learning_rate": tuple(np.geomspace(0.01, 1.0, 8).tolist()),
    "max_depth": (1, 2, 4),
    "subsample": (0.5, 1.0),
    "max_features": (2, 6, 18),
    "min_samples_leaf": (1, 8, 40),
    "n_estimators": (3, 5, 8, 12, 17, 23, 30, 38, 48, 60),
}
MLP_LEVELS: dict[str, tuple[Any, ...]] = {
    "activation": ("relu", "tanh", "logistic"),
    "hidden": (8, 32),
    "alpha": tuple(np.geomspace(1e-5, 1.0, 4).tolist()),
    "learning_rate_init": tuple(np.geomspace(3e-4, 0.3, 8).tolist()),
    "batch_size": (16, 48, 144),
    "epochs": (1, 2, 4, 8, 12, 16),
}
BOOSTING_AXES: tuple[Axis, ...] = tuple(
    Number(name, 0, len(levels) - 1, integer=True) for name, levels in BOOSTING_LEVELS.items()
)
MLP_AXES: tuple[Axis, ...] = (
    Choice("activation", MLP_LEVELS["activation"]),
    *(Number(name, 0, len(levels) - 1, integer=True) for name, levels in MLP_LEVELS.items() if name != "activation"),
)


@functools.cache
def _halves(name: str, limit: int) -> tuple[Any, Any, Any, Any]:
    """Train and test halves of a data set's first `limit` shuffled rows."""
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))[:limit]
    return tuple(train_test_split(X[order], y[order], test_size=0.5, random_state=0, stratify=y[order]))


@functools.cache
def _scaled(name: str, limit: int, scaling: str) -> tuple[Any, Any, Any, Any]:
    from sklearn.preprocessing import MinMaxScaler, Normalizer, StandardScaler

    X, X_test, y, y_test = _halves(name, limit)
    scalers: dict[str, Any] = {"standard": StandardScaler(), "minmax": MinMaxScaler(), "l2": Normalizer()}
    if scaling not in scalers:
        return X, X_test, y, y_test
    scaler = scalers[scaling].fit(X)
    return scaler.transform(X), scaler.transform(X_test), y, y_test


def _svc_error(name: str, limit: int, setting: dict[str, Any]) -> float:
    """Share of the test half that a support vector classifier gets wrong, both halves in turn."""
    from sklearn.svm import SVC

    X, X_test, y, y_test = _scaled(name, limit, setting["scaling"])
    kinds = {key: setting[key] for key in ("kernel", "C", "gamma", "coef0", "degree")}
    errors = []
    for X_fit, y_fit, X_new, y_new in ((X, y, X_test, y_test), (X_test, y_test, X, y)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # settings that do not converge are bad ones
            model = SVC(**kinds, max_iter=2000, random_state=0).fit(X_fit, y_fit)
        errors.append(float(np.mean(model.predict(X_new) != y_new)))
    return float(np.mean(errors))


def svc_digits(setting: dict[str, Any]) -> float:
    return _svc_error("digits", 500, setting)


def svc_cancer(setting: dict[str, Any]) -> float:
    return _svc_error("breast_cancer", 569, setting)


def boosting_table() -> Callable[[dict[str, Any]], float]:
    """Cross-entropy of gradient boosting on breast_cancer, by the levels of six parameters."""
    return _lookup("boosting-cancer", BOOSTING_LEVELS, _boosting_losses)


def mlp_table() -> Callable[[dict[str, Any]], float]:
    """Cross-entropy of a network on digits, by the levels of six parameters."""
    return _lookup("mlp-digits", MLP_LEVELS, _mlp_losses)


def _lookup(
    name: str, levels: dict[str, tuple[Any, ...]], losses: Callable[..., list[float]]
) -> Callable[[dict[str, Any]], float]:
    table = _table(name, levels, losses)
    names = tuple(levels)

    def function(setting: dict[str, Any]) -> float:
        place = tuple(
            setting[key] if isinstance(setting[key], int) else levels[key].index(setting[key]) for key in names
        )
        return float(table[place])

    return function


def _table(name: str, levels: dict[str, tuple[Any, ...]], losses: Callable[..., list[float]]) -> NDArray[np.float64]:
    """Evaluate a grid, or read it; the last parameter's levels come from one fit."""
    shape = tuple(len(values) for values in levels.values())
    path = cache_folder() / f"quality-{name}.npy"
    if path.exists():
        table: NDArray[np.float64] = np.load(path, allow_pickle=False)
        if table.shape == shape:
            return table
    *fitted, last = levels
    rows = [losses(dict(zip(fitted, values, strict=True)), levels[last]) for values in _grid(levels, fitted)]
    table = np.array(rows).reshape(shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, table)
    return table


def _grid(levels: dict[str, tuple[Any, ...]], names: list[str]) -> Any:
    return itertools.product(*(levels[name] for name in names))


def _boosting_losses(setting: dict[str, Any], checkpoints: tuple[int, ...]) -> list[float]:
    from sklearn.ensemble import GradientBoostingClassifier
    from sklearn.metrics import log_loss

    X, X_test, y, y_test = _halves("breast_cancer", 569)
    model = GradientBoostingClassifier(**setting, n_estimators=max(checkpoints), random_state=0).fit(X, y)
    staged = list(model.staged_predict_proba(X_test))
    return [float(log_loss(y_test, staged[count - 1])) for count in checkpoints]


def _mlp_losses(setting: dict[str, Any], checkpoints: tuple[int, ...]) -> list[float]:
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    X, X_test, y, y_test = _scaled("digits", 600, "minmax")
    arguments = {key: value for key, value in setting.items() if key != "hidden"}
    model = MLPClassifier((setting["hidden"],), solver="adam", random_state=0, **arguments)
    result = []
    for epoch in range(1, max(checkpoints) + 1):
        model.partial_fit(X, y, classes=np.arange(10))
        if epoch in checkpoints:
            result.append(float(log_loss(y_test, model.predict_proba(X_test))))
    return result
