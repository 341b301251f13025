"""`SHACSearchCV` next to `RandomizedSearchCV`, which says what a search of scikit-learn takes and leaves."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn import config_context
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, RandomizedSearchCV

from shac.integrations.sklearn import SHACSearchCV

ATTRIBUTES = (
    *("cv_results_", "best_estimator_", "best_score_", "best_params_", "best_index_", "scorer_", "n_splits_"),
    *("refit_time_", "multimetric_", "classes_", "n_features_in_", "feature_names_in_"),
    *("score", "predict", "predict_proba", "decision_function", "transform", "inverse_transform", "score_samples"),
)


def outcome(search: Any, *data: Any, **params: Any) -> Any:
    """What a fit leaves: its attributes and the columns of its results, or its error."""
    try:
        search.fit(*data, **params)
    except Exception as error:  # noqa: BLE001
        return type(error), str(error).replace(type(search).__name__, "")
    return {name for name in ATTRIBUTES if hasattr(search, name)}, {*search.cv_results_} - {"round"}


def outcomes(
    estimator: Any = None, space: Any = None, params: dict[str, Any] | None = None, **options: Any
) -> tuple[Any, Any]:
    """Those of `SHACSearchCV` and of its rival, for the same arguments."""
    X, y = make_classification(n_samples=60, n_features=4, random_state=0)
    kinds: list[tuple[Any, dict[str, Any]]] = [(SHACSearchCV, {"num_batches": 1}), (RandomizedSearchCV, {})]
    made = [
        kind(
            LogisticRegression() if estimator is None else estimator,
            {"C": loguniform(1e-3, 1e3)} if space is None else space,
            random_state=0,
            **{"n_iter": 3, "cv": 2, **options},
            **own,
        )
        for kind, own in kinds
    ]
    return outcome(made[0], X, y, **(params or {})), outcome(made[1], X, y, **(params or {}))


METRICS = ["accuracy", "roc_auc"]
WEIGHTS = np.random.default_rng(0).random(60)
GROUPS = np.arange(60) % 4


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"refit": False},
        {"refit": lambda results: 1},
        {"refit": lambda results: 99},
        {"refit": lambda results: 0.5},
        {"refit": 0.5},
        {"scoring": METRICS},
        {"scoring": METRICS, "refit": False},
        {"scoring": METRICS, "refit": "roc_auc"},
        {"scoring": METRICS, "refit": "f1"},
        {"scoring": METRICS, "refit": lambda results: 1},
        {"scoring": lambda estimator, X, y: {"one": 1.0, "C": estimator.C}, "refit": "C"},
        {"scoring": lambda estimator, X, y: "good"},
        {"space": [{"C": [1.0, 2.0, 3.0]}, {"C": loguniform(1e-3, 1.0), "class_weight": ["balanced", None]}]},
        {"space": {"nothing": [1, 2, 3]}},
        {"space": {"C": [-1.0, -2.0, -3.0]}, "error_score": "raise"},
        {"error_score": "none"},
        {"return_train_score": True},
        {"cv": 1},
        {"n_jobs": "all"},
        {"estimator": 3},
        {"params": {"groups": GROUPS}, "cv": GroupKFold(2)},
        {"cv": GroupKFold(2)},
        {"params": {"sample_weight": WEIGHTS}},
        {"params": {"weight": WEIGHTS}, "error_score": "raise"},
    ],
    ids=lambda arguments: ", ".join(f"{name}={value}" for name, value in arguments.items() if not callable(value))[:60],
)
def test_it_has_the_attributes_and_errors_of_randomized_search(arguments: Any) -> None:
    own, rival = outcomes(**arguments)
    assert own == rival


@pytest.mark.parametrize(
    ("requests", "params", "cv"),
    [
        (None, {"sample_weight": WEIGHTS}, 2),
        (True, {"sample_weight": WEIGHTS}, 2),
        (False, {"sample_weight": WEIGHTS}, 2),
        (None, {"groups": GROUPS}, GroupKFold(2)),
        (True, {"groups": GROUPS, "sample_weight": WEIGHTS}, GroupKFold(2)),
    ],
)
def test_metadata_is_routed_as_by_randomized_search(requests: bool | None, params: Any, cv: Any) -> None:
    with config_context(enable_metadata_routing=True):
        estimator = LogisticRegression()
        if requests is not None:
            estimator.set_fit_request(sample_weight=requests).set_score_request(sample_weight=requests)
        own, rival = outcomes(estimator, params=params, cv=cv)
    assert own == rival


def test_weights_reach_fits_and_scores_where_they_are_requested() -> None:
    X, y = make_classification(n_samples=120, n_features=6, random_state=0)
    seen: list[float] = []

    class Weighted(LogisticRegression):  # type: ignore[misc]
        def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
            seen.append(float(np.sum(sample_weight)))
            return super().fit(X, y, sample_weight)

    weights = np.arange(120.0)
    with config_context(enable_metadata_routing=True):
        estimator = Weighted().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        search = SHACSearchCV(estimator, {"C": [1.0, 2.0]}, n_iter=2, num_batches=1, cv=KFold(2), random_state=0)
        search.fit(X, y, sample_weight=weights)
    assert seen == [weights[60:].sum(), weights[:60].sum()] * 2 + [weights.sum()]
