"""Classifiers made of others: what is edited, and nothing else."""

import json
from typing import Any

import numpy as np
import pytest
import xgboost

from shac.errors import InvalidModelError
from shac.export import export_forest, ubjson_of
from shac.model_edits import (
    base_score_in,
    joined_tree_arrays,
    load_classifier,
    tree_arrays,
    with_base_score,
    with_split_conditions,
)

X = np.random.default_rng(0).random((300, 3), dtype=np.float32)
FIELDS = ("left_children", "right_children", "split_indices", "base_weights", "split_conditions", "default_left")


def trained(**settings: Any) -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(n_estimators=7, n_jobs=1, **settings).fit(X, X.sum(axis=1) > 1.4)


def json_of(model: xgboost.XGBClassifier) -> Any:
    return json.loads(bytes(model.get_booster().save_raw(raw_format="json")))


@pytest.mark.parametrize("field", FIELDS)
def test_the_arrays_of_trees_are_those_of_xgboosts_json(field: str) -> None:
    model = trained()
    trees = json_of(model)["learner"]["gradient_booster"]["model"]["trees"]
    arrays = tree_arrays(ubjson_of(model.get_booster()), field)
    assert len(arrays) == len(trees) == 7
    for array, tree in zip(arrays, trees, strict=True):
        assert np.array_equal(array, np.array(tree[field], dtype=array.dtype))
    joined, sizes = joined_tree_arrays(ubjson_of(model.get_booster()), field)
    assert sizes == [len(array) for array in arrays]
    assert np.array_equal(joined, np.concatenate(arrays))


def test_split_conditions_are_all_that_differs() -> None:
    model = trained()
    data = ubjson_of(model.get_booster())
    conditions = np.concatenate(tree_arrays(data, "split_conditions")).astype(np.float32)
    moved = np.nextafter(conditions, np.float32(1))
    edited = load_classifier(with_split_conditions(data, moved), base_score_in(data))
    before, after = json_of(model), json_of(edited)
    trees, edited_trees = (d["learner"]["gradient_booster"]["model"]["trees"] for d in (before, after))
    found = np.concatenate([np.array(tree.pop("split_conditions"), dtype=np.float32) for tree in edited_trees])
    assert np.array_equal(found, moved)
    for tree in trees:
        del tree["split_conditions"]
    assert before == after


@pytest.mark.parametrize("change", [-1, 1])
def test_other_numbers_than_nodes_are_refused(change: int) -> None:
    data = ubjson_of(trained().get_booster())
    num_nodes = sum(map(len, tree_arrays(data, "split_conditions")))
    with pytest.raises(InvalidModelError, match=f"expected {num_nodes + change} nodes, got {num_nodes}"):
        with_split_conditions(data, np.zeros(num_nodes + change, np.float32))


@pytest.mark.parametrize("base_score", [0.125, 1e-6, 0.33333334, 0.98765432])
def test_a_base_score_is_all_that_differs(base_score: float) -> None:
    model = trained()
    edited = load_classifier(with_base_score(ubjson_of(model.get_booster()), base_score), base_score)
    assert np.float32(export_forest(edited).base_score) == np.float32(base_score)
    before, after = json_of(model), json_of(edited)
    for document in (before, after):
        del document["learner"]["learner_model_param"]["base_score"]
    assert before == after


def test_names_that_others_gave_are_not_taken_for_xgboosts_own() -> None:
    misleading = b"L" + (10).to_bytes(8, "big") + b"base_score" + b"SL" + (3).to_bytes(8, "big") + b"abc"
    stand_in = b"n" * len(misleading)
    booster = trained().get_booster()
    booster.set_attr(note=stand_in.decode())  # whose own texts end at a zero; those of a file do not
    file = ubjson_of(booster).replace(stand_in, misleading)
    data = ubjson_of(load_classifier(file, base_score_in(file)).get_booster())
    assert misleading in data
    assert export_forest(load_classifier(with_base_score(data, 0.25), 0.25)).base_score == 0.25


def test_a_model_without_a_base_score_is_refused() -> None:
    with pytest.raises(InvalidModelError, match="expected a text for the base score, got none"):
        with_base_score(b"{}", 0.5)
