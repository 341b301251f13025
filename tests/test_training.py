"""The gate that a batch's classifier must pass."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sklearn.model_selection
import xgboost
from numpy.typing import NDArray

from shac.export import ubjson_of
from shac.training import TreeSettings, train_classifier


def line(n: int) -> NDArray[np.float32]:
    return np.linspace(0, 1, n, dtype=np.float32)[:, None]


class CountedFolds(sklearn.model_selection.StratifiedKFold):  # type: ignore[misc]  # scikit-learn has no types
    """The real one, which writes down how often it is used and with how many folds."""

    counts: list[int] = []  # noqa: RUF012 - shared on purpose

    def split(self, *arguments: Any) -> Any:
        self.counts.append(self.n_splits)
        return super().split(*arguments)


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    CountedFolds.counts = []
    monkeypatch.setattr(sklearn.model_selection, "StratifiedKFold", CountedFolds)
    return CountedFolds.counts


def test_the_gate_has_five_stratified_folds(folds: list[int]) -> None:
    trained = train_classifier(line(40), (line(40)[:, 0] > 0.5).astype(float), seed=0)
    assert folds == [5]
    assert trained.classifier is not None
    assert 0.8 < trained.accuracy <= 1.0


def test_a_class_of_fewer_than_five_points_gets_as_many_folds(folds: list[int]) -> None:
    train_classifier(line(40), (line(40)[:, 0] > 0.93).astype(float), seed=0)
    assert folds == [3]


def test_skip_cv_checks_skips_the_folds_and_nothing_else(folds: list[int]) -> None:
    trained = train_classifier(line(40), (line(40)[:, 0] > 0.5).astype(float), seed=0, skip_cv_checks=True)
    assert folds == []
    assert trained.classifier is not None
    assert np.isnan(trained.accuracy)
    alike = train_classifier(np.zeros((40, 1), np.float32), np.arange(40) % 4 == 0, seed=0, skip_cv_checks=True)
    assert alike.classifier is None
    assert alike.reason == "it predicts 0 for every point of its batch"


@pytest.mark.parametrize(("accuracy", "passes"), [(0.5, True), (0.4999, False)])
def test_the_gate_opens_at_a_mean_accuracy_of_one_half(
    accuracy: float, passes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shac.training._cross_validate", lambda *arguments: accuracy)
    trained = train_classifier(line(40), (line(40)[:, 0] > 0.5).astype(float), seed=0)
    assert (trained.classifier is not None) == passes
    assert trained.accuracy == accuracy


def test_labels_that_cannot_be_learnt_give_no_classifier() -> None:
    labels = np.arange(40) % 2  # neighbours always differ: what is learnt from four folds is wrong in the fifth
    trained = train_classifier(line(40), labels.astype(float), seed=0)
    assert trained.classifier is None
    assert trained.accuracy < 0.5
    assert "below 0.5" in trained.reason


def test_predictions_that_are_all_alike_give_no_classifier() -> None:
    # Three in four are 0 and nothing tells them apart: right in 75 % of the folds, and of no use
    trained = train_classifier(np.zeros((40, 1), np.float32), (np.arange(40) % 4 == 0).astype(float), seed=0)
    assert trained.accuracy == 0.75
    assert trained.classifier is None


def test_the_same_seed_trains_the_same_classifier() -> None:
    X = np.random.default_rng(0).random((60, 3), dtype=np.float32)
    y = (X.sum(axis=1) > 1.5).astype(float)
    one, other = (train_classifier(X, y, seed=5).classifier for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.data == other.data


@pytest.mark.parametrize(("num_points", "num_columns"), [(10, 2), (60, 3), (700, 5)])
def test_trees_are_those_of_xgboosts_own_classifier(num_points: int, num_columns: int) -> None:
    random = np.random.default_rng(num_points)
    X = random.random((num_points, num_columns), dtype=np.float32)
    X[random.random(X.shape) < 0.1] = np.nan
    y = np.nansum(X, axis=1) > num_columns / 2
    trees = TreeSettings(num_trees=20, min_child_weight=0.1)
    found = train_classifier(X, y.astype(float), seed=5, skip_cv_checks=True, trees=trees).classifier
    assert found is not None
    own = xgboost.XGBClassifier(n_jobs=1, random_state=5, **trees.arguments(num_points)).fit(X, y.astype(int))
    assert found.data == ubjson_of(own.get_booster())
    assert trees.arguments(num_points).items() <= found.model.get_params().items()


def test_the_folds_are_judged_as_by_xgboosts_own_classifier() -> None:
    X = np.random.default_rng(0).random((60, 3), dtype=np.float32)
    y = (X.sum(axis=1) + np.random.default_rng(1).normal(0, 0.5, 60) > 1.5).astype(int)
    folds = sklearn.model_selection.StratifiedKFold(5, shuffle=True, random_state=7)
    own = xgboost.XGBClassifier(n_jobs=1, random_state=7, n_estimators=200)
    accuracies = sklearn.model_selection.cross_val_score(own, X, y, cv=folds)
    assert train_classifier(X, y.astype(float), seed=7).accuracy == pytest.approx(accuracies.mean(), abs=1e-12)


def test_the_fastest_splits_are_exact_for_as_many_points_as_a_histogram_has_bins() -> None:
    trees = TreeSettings(splits="fastest")
    assert trees.arguments(256)["tree_method"] == "exact"
    assert "tree_method" not in trees.arguments(257)
    assert "tree_method" not in TreeSettings().arguments(10)
    with pytest.raises(ValueError, match="splits: expected 'default' or 'fastest', got 'exact'"):
        TreeSettings(splits="exact")


def test_the_fastest_splits_part_points_where_histograms_do() -> None:
    X = np.random.default_rng(0).permutation(200).astype(np.float32).reshape(-1, 1)
    y = ((X[:, 0] > 120) ^ (X[:, 0] > 150)).astype(float)
    trees = TreeSettings(num_trees=5, gaps="better")
    files = [
        train_classifier(X, y, seed=0, skip_cv_checks=True, trees=replace(trees, splits=splits)).classifier
        for splits in ("default", "fastest")
    ]
    default, fastest = (file.model.predict(X, output_margin=True) for file in files if file is not None)
    assert np.allclose(default, fastest, atol=1e-4)
