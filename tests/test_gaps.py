"""Splits whose gaps belong to the better side."""

from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import given
from hypothesis import strategies as st

from shac.classifier import Classifier
from shac.gaps import give_gaps_to_better
from shac.model_edits import tree_arrays
from shac.training import TreeSettings, train_classifier


def trained(X: Any, y: Any, gaps: str, **settings: Any) -> xgboost.XGBClassifier:
    trees = TreeSettings(**{"num_trees": 1, "gaps": gaps, **settings})
    model = train_classifier(X, y, seed=0, skip_cv_checks=True, trees=trees).classifier
    assert model is not None
    return model.model


def splits_of(model: xgboost.XGBClassifier) -> list[float]:
    splits: list[float] = model.get_booster().trees_to_dataframe()["Split"].dropna().tolist()
    return splits


@pytest.mark.parametrize(
    ("better", "gaps", "split"),
    [
        ("above", "lower", 0.75),
        ("above", "better", np.nextafter(np.float32(0.25), np.float32(1))),
        ("below", "lower", 0.75),
        ("below", "better", 0.75),
    ],
)
def test_the_gap_between_two_points_belongs_to_the_side_that_the_settings_name(
    better: str, gaps: str, split: float
) -> None:
    X = np.repeat(np.array([0.25, 0.75], dtype=np.float32), 20).reshape(-1, 1)
    y = (X[:, 0] > 0.5) == (better == "above")
    model = trained(X, y.astype(float), gaps)
    assert splits_of(model) == pytest.approx([split], abs=1e-9)
    gap = np.linspace(0.26, 0.74, 9, dtype=np.float32).reshape(-1, 1)
    assert (model.predict(gap) == (1 if gaps == "better" or better == "below" else 0)).all()


@given(st.integers(0, 2**32 - 1), st.integers(10, 600), st.integers(1, 5), st.booleans(), st.sampled_from([0.1, 1.0]))
def test_no_point_that_a_classifier_was_trained_on_gets_another_margin(
    seed: int, count: int, num_columns: int, coarse: bool, min_child_weight: float
) -> None:
    rng = np.random.default_rng(seed)
    X: Any = rng.random((count, num_columns), dtype=np.float32)
    if coarse:
        X = np.round(X * 8) / 8
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nansum(X, axis=1) + rng.normal(0, 0.3, count) > num_columns / 2).astype(float)
    y[:2] = 0, 1
    model = xgboost.XGBClassifier(n_estimators=5, min_child_weight=min_child_weight, n_jobs=1).fit(X, y)
    moved = Classifier(give_gaps_to_better(Classifier.of(model).data, X)).model
    margins = [m.predict(X, output_margin=True) for m in (model, moved)]
    assert np.array_equal(*margins)
    nodes, moved_nodes = (m.get_booster().trees_to_dataframe() for m in (model, moved))
    assert len(nodes) == len(moved_nodes)
    for name, before, after in zip(nodes["Feature"], nodes["Split"], moved_nodes["Split"], strict=True):
        if name != "Leaf":
            values = X[:, int(name[1:])]
            assert np.array_equal(values < np.float32(before), values < np.float32(after))


@given(st.integers(0, 2**32 - 1), st.integers(4, 60), st.booleans())
def test_each_split_is_at_the_end_of_its_gap_that_the_better_side_has(seed: int, count: int, coarse: bool) -> None:
    rng = np.random.default_rng(seed)
    X: Any = rng.normal(size=(count, 3)).astype(np.float32)
    if coarse:
        X = np.copysign(np.round(X), rng.normal(size=X.shape).astype(np.float32))  # zeros of both signs
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (rng.random(count) < 0.5).astype(float)
    y[:2] = 0, 1
    model = xgboost.XGBClassifier(n_estimators=3, min_child_weight=0, n_jobs=1).fit(X, y)
    data = Classifier.of(model).data
    fields = ("left_children", "right_children", "split_indices", "base_weights", "split_conditions")
    trees = zip(*(tree_arrays(data, field) for field in fields), strict=True)
    moved = tree_arrays(give_gaps_to_better(data, X), "split_conditions")
    for (left, right, columns, weights, before), after in zip(trees, moved, strict=True):
        for node in np.flatnonzero(left >= 0):
            values = X[~np.isnan(X[:, columns[node]]), columns[node]]
            below, above = values[values < before[node]], values[values >= before[node]]
            expected = before[node]
            if below.size and above.size:
                is_right_better = weights[right[node]] > weights[left[node]]
                expected = np.nextafter(below.max(), np.float32(np.inf)) if is_right_better else above.min()
            assert after[node] == expected


def test_a_split_between_missing_values_and_all_points_stays() -> None:
    X = np.array([[np.nan]] * 10 + [[0.5]] * 10, dtype=np.float32)
    y = np.repeat([0.0, 1.0], 10)
    lower, better = (trained(X, y, gaps) for gaps in ("lower", "better"))
    assert splits_of(lower) == splits_of(better)
    assert better.predict(X).tolist() == y.tolist()


@pytest.mark.parametrize("gaps", ["upper", None, 1])
def test_another_side_is_refused(gaps: Any) -> None:
    with pytest.raises(ValueError, match=f"gaps: expected 'lower' or 'better', got {gaps!r}"):
        TreeSettings(gaps=gaps)
