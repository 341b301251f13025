"""Trees read by the core out of XGBoost's UBJSON, next to those that Python reads out of its JSON."""

from typing import Any

import numpy as np
import pytest
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ubjson_writer import dump_ubjson

import shac
from shac.export import ForestArrays, export_forest
from shac.sampling import compiled
from shac.sampling.extension import core
from shac.ubjson import FlatTrees, parse_ubjson


@pytest.fixture(scope="module")
def model() -> xgboost.XGBClassifier:
    X = np.random.default_rng(0).random((80, 3), dtype=np.float32)
    X[::7, 1] = np.nan
    return xgboost.XGBClassifier(n_estimators=300, max_depth=5, n_jobs=1).fit(X, X[:, 0] > 0.5)


def saved(model: Any) -> bytes:
    return bytes(model.get_booster().save_raw(raw_format="ubj"))


def place_of_trees(data: bytes) -> int:
    return data.index(b"trees[") + len(b"trees")


def assert_same_arrays(found: ForestArrays, expected: ForestArrays) -> None:
    for name in ForestArrays.__slots__:
        one, other = getattr(found, name), getattr(expected, name)
        assert np.array_equal(one, other), name
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None), name


def test_both_readers_read_the_same_trees(model: xgboost.XGBClassifier) -> None:
    assert_same_arrays(export_forest(model, compiled._read_trees), export_forest(model))


def test_early_stopping_takes_the_first_trees_of_either_reader() -> None:
    X = np.random.default_rng(1).random((200, 2), dtype=np.float32)
    labels = X[:, 0] + np.random.default_rng(2).normal(0, 0.3, 200) > 0.5
    stopped = xgboost.XGBClassifier(n_estimators=100, early_stopping_rounds=3, num_parallel_tree=2, n_jobs=1)
    stopped.fit(X[:100], labels[:100], eval_set=[(X[100:], labels[100:])], verbose=False)
    expected = export_forest(stopped)
    assert len(expected.tree_begin) - 1 < 2 * stopped.get_booster().num_boosted_rounds()
    assert_same_arrays(export_forest(stopped, compiled._read_trees), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tree: tree.pop("split_indices"), "arrays of one length, in tree 2"),
        (lambda tree: tree.pop("tree_param"), "arrays of one length, in tree 2"),
        (lambda tree: tree.update(left_children=tree["left_children"].astype(np.float32)), "expected integers"),
        (lambda tree: tree.update(left_children=tree["left_children"].astype(np.int64) + 2**40), "smaller numbers"),
        (lambda tree: tree.update(split_conditions=tree["split_conditions"].astype(np.float64)), "float32 numbers"),
        (lambda tree: tree.update(split_type=tree["split_conditions"]), "expected integers"),
        (lambda tree: tree.update(tree_param={}), "size_leaf_vector"),
        (lambda tree: tree.update(tree_param=3), "expected '{'"),
    ],
)
def test_broken_trees_are_refused_by_name(model: xgboost.XGBClassifier, change: Any, message: str) -> None:
    document = parse_ubjson(saved(model))
    change(document["learner"]["gradient_booster"]["model"]["trees"][2])
    data = dump_ubjson(document)
    with pytest.raises(ValueError, match=message):
        core.read_trees(data, place_of_trees(data))


def test_kinds_of_trees_that_no_forest_takes_are_found(model: xgboost.XGBClassifier) -> None:
    document = parse_ubjson(saved(model))
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    trees[3]["tree_param"]["size_leaf_vector"] = "3"
    trees[5]["split_type"][0] = 1
    data = dump_ubjson(document)
    read = FlatTrees(*core.read_trees(data, place_of_trees(data))[:8])
    assert (read.vector_tree, read.categorical_tree) == (3, 5)


def test_a_list_of_numbers_of_several_kinds_is_read_as_it_was_written() -> None:
    values = [*range(300), 2**40, -5, "text", 0.5, 1, [2], None, 3]
    assert parse_ubjson(dump_ubjson(values)) == values


@given(st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
def test_bytes_that_are_changed_or_cut_are_read_or_refused(model: xgboost.XGBClassifier, data: st.DataObject) -> None:
    document = bytearray(saved(model)[: data.draw(st.sampled_from([6000, 30_000, 10**9]))])
    begin = place_of_trees(bytes(document))
    for _ in range(data.draw(st.integers(0, 4))):
        document[data.draw(st.integers(begin, len(document) - 1))] = data.draw(st.integers(0, 255))
    try:
        *_, end = core.read_trees(bytes(document), begin)
    except ValueError as error:
        assert str(error).startswith("model, byte ")  # noqa: PT017
    else:
        assert begin < end <= len(document)


def test_a_place_behind_the_document_is_refused() -> None:
    with pytest.raises(ValueError, match="within the document"):
        core.read_trees(b"abc", 4)


def test_a_broken_model_is_named_by_its_stage(model: xgboost.XGBClassifier, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = saved(model).replace(b"split_indices", b"split_indicez", 1)
    monkeypatch.setattr(xgboost.Booster, "save_raw", lambda *_, **__: bytearray(broken))
    with pytest.raises(shac.InvalidModelError, match="in tree 0"):
        shac.Cascade([model], shac.HyperParameterList([shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(3)]))
