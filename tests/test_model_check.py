"""What is refused before XGBoost's own reader sees it. Each change here made XGBoost crash or read foreign memory, or
might."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost
from ubjson_writer import dump_ubjson

from shac.errors import InvalidModelError, UnsupportedModelError
from shac.model_check import check_model
from shac.ubjson import parse_ubjson


def trained(**settings: Any) -> xgboost.XGBClassifier:
    X = np.random.default_rng(0).random((60, 3), dtype=np.float32)
    y = (X[:, 0] + X[:, 1] * X[:, 2] > 0.8).astype(int)
    return xgboost.XGBClassifier(**{"n_estimators": 6, "n_jobs": 1, **settings}).fit(X, y)


def document_of(model: xgboost.XGBClassifier) -> Any:
    return parse_ubjson(bytes(model.get_booster().save_raw(raw_format="ubj")))


@pytest.fixture
def document() -> Any:
    return document_of(trained())


def forest(document: Any) -> Any:
    return document["learner"]["gradient_booster"]["model"]


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"gamma": 2.0}, {"max_depth": 1}, {"n_estimators": 1}, {"num_parallel_tree": 3}, {"subsample": 0.5},
        {"grow_policy": "lossguide", "max_leaves": 4}, {"tree_method": "exact"},
    ],
)  # fmt: skip
def test_models_that_xgboost_trains_are_sound(settings: dict[str, Any]) -> None:
    model = trained(**settings)
    data = bytes(model.get_booster().save_raw(raw_format="ubj"))
    check_model(data, 3)
    read_again = xgboost.Booster()
    read_again.load_model(bytearray(dump_ubjson(parse_ubjson(data))))
    X = np.random.default_rng(1).random((50, 3), dtype=np.float32)
    assert np.array_equal(read_again.inplace_predict(X), model.get_booster().inplace_predict(X))


def entry(field: str, index: int, value: float) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        tree = forest(document)["trees"][2]
        tree[field] = tree[field].copy()
        tree[field][index] = value

    return change


def field(name: str, value: Any) -> Callable[[Any], None]:
    return lambda document: forest(document)["trees"][2].update({name: value})


def circle(document: Any) -> None:
    """Two splits that lead to each other, which the root does not reach."""
    tree = forest(document)["trees"][0]
    count = len(tree["left_children"])
    extra = {"left_children": [count + 1, count], "right_children": [1, 2], "parents": [count + 1, count]}
    for name, array in tree.items():
        if isinstance(array, np.ndarray) and array.size:
            tree[name] = np.concatenate([array, np.array(extra.get(name, [0, 0]), dtype=array.dtype)])
    tree["right_children"][count:] = [-1, -1]
    tree["tree_param"]["num_nodes"] = str(count + 2)


BROKEN = {
    "a child behind the end": entry("left_children", 0, 10**6),
    "a child that is its parent": entry("left_children", 0, 0),
    "a child with two parents": entry("right_children", 0, 1),
    "a leaf with a child": entry("right_children", -1, 1),
    "a child below -1": entry("left_children", -1, -2),
    "a parent elsewhere": entry("parents", 1, 2),
    "a root with a parent": entry("parents", 0, 0),
    "a circle": circle,
    "a feature behind the end": entry("split_indices", 0, 3),
    "a threshold that is NaN": entry("split_conditions", 0, np.nan),
    "a leaf that is infinite": entry("split_conditions", -1, np.inf),
    "a tree in another's place": field("id", 0),
    "fewer weights than nodes": field("base_weights", np.zeros(1, np.float32)),
    "text for weights": field("base_weights", "abc"),
    "integers for weights": field("sum_hessian", np.zeros(3, np.int32)),
    "no parameters": field("tree_param", {}),
    "10^9 nodes": lambda d: forest(d)["trees"][1]["tree_param"].update(num_nodes="1000000000"),
    "a million million nodes": lambda d: forest(d)["trees"][1]["tree_param"].update(num_nodes="1000000000000"),
    "a tree for more features": lambda d: forest(d)["trees"][1]["tree_param"].update(num_feature="4"),
    "more trees than there are": lambda d: forest(d)["gbtree_model_param"].update(num_trees="7"),
    "trees by the half iteration": lambda d: forest(d)["gbtree_model_param"].update(num_parallel_tree="4"),
    "a tree of another class": lambda d: forest(d).update(tree_info=[0, 0, 1, 0, 0, 0]),
    "a tree without a class": lambda d: forest(d).update(tree_info=[0]),
    "iterations out of order": lambda d: forest(d).update(iteration_indptr=[0, 2, 1, 3, 4, 5, 6]),
    "categories": lambda d: forest(d).update(cats={"enc": [1]}),
    "a name too few": lambda d: d["learner"].update(feature_names=["a"]),
    "a categorical feature": lambda d: d["learner"].update(feature_types=["q", "q", "c"]),
    "attributes that are no text": lambda d: d["learner"].update(attributes={"best_iteration": 3}),
    "a base score of 0": lambda d: d["learner"]["learner_model_param"].update(base_score="0"),
    "a base score that is NaN": lambda d: d["learner"]["learner_model_param"].update(base_score="NaN"),
    "another width": lambda d: d["learner"]["learner_model_param"].update(num_feature="2"),
    "a negative class": lambda d: d["learner"]["learner_model_param"].update(num_class="-1"),
    "no learner": lambda d: d.pop("learner"),
    "trees that are no list": lambda d: forest(d).update(trees={}),
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN)
def test_a_model_that_contradicts_itself_is_refused(document: Any, change: Callable[[Any], None]) -> None:
    change(document)
    with pytest.raises(InvalidModelError, match="model"):
        check_model(dump_ubjson(document), 3)


def test_a_model_of_another_kind_is_refused(document: Any) -> None:
    document["learner"]["objective"]["name"] = "reg:squarederror"
    with pytest.raises(UnsupportedModelError, match="expected objective 'binary:logistic'"):
        check_model(dump_ubjson(document), 3)


def test_a_model_for_another_width_is_refused(document: Any) -> None:
    with pytest.raises(InvalidModelError, match="expected 4 features, got 3"):
        check_model(dump_ubjson(document), 4)


def test_a_chain_of_a_hundred_thousand_nodes_is_checked_at_once(document: Any) -> None:
    tree = forest(document)["trees"][0]
    splits = np.arange(100_000, dtype=np.int32)
    count = 2 * len(splits) + 1
    left, right = np.full(count, -1, np.int32), np.full(count, -1, np.int32)
    left[splits * 2], right[splits * 2] = splits * 2 + 1, splits * 2 + 2
    parents = np.full(count, 2**31 - 1, np.int32)
    parents[splits * 2 + 1], parents[splits * 2 + 2] = splits * 2, splits * 2
    for name, array in tree.items():
        if isinstance(array, np.ndarray) and array.size:
            tree[name] = np.zeros(count, array.dtype)
    tree.update(left_children=left, right_children=right, parents=parents)
    tree["tree_param"]["num_nodes"] = str(count)
    check_model(dump_ubjson(document), 3)


LENGTH = b"L" + bytes(7)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected 1 bytes more, got the end after 0"),
        (b"{", "expected 9 bytes more"),
        (b"{}x", "expected the end, got 1 bytes more"),
        (b"{" + LENGTH + b"\x01ai\x01" + LENGTH + b"\x01ai\x02}", "expected each name once, got 'a' twice"),
        (b"[#L\x00\x00\x00\x00\x3b\x9a\xca\x00", "expected a length within the document, got 1000000000"),
        (b"[$l#L\x00\x00\x00\x00\x3b\x9a\xca\x00", "expected a length within the document, got 1000000000"),
        (b"[$l#" + LENGTH + b"\x04abcd", "expected 16 bytes more, got the end after 4"),
        (b"[$l#L" + b"\xff" * 8, "expected a length within the document, got -1"),
        (b"[$S#" + LENGTH + b"\x00", "expected an array of numbers, got one of 'S'"),
        (b"[i\x01]", "expected an array with its length, got 'i'"),
        (b"S" + LENGTH + b"\x01\xff", "expected UTF-8"),
        (b"Si", "expected 9 bytes more"),
        (b"Si" + bytes(8), "expected a length, got b'i'"),
        (b"Q", "expected a value, got the marker 'Q'"),
        ((b"[#" + LENGTH + b"\x01") * 33, "expected at most 32 levels"),
        (
            b"[#L\x00\x00\x00\x00\x00\x20\x00\x00" + b"{}" * 0x200000,
            "expected at most 32 levels and 1000000 containers, got more",
        ),
    ],
)
def test_bytes_that_xgboost_does_not_write_are_named(data: bytes, message: str) -> None:
    with pytest.raises(InvalidModelError, match=f"^model, byte [0-9]+: {message}"):
        parse_ubjson(data)


def test_every_type_that_xgboost_writes_is_read() -> None:
    value = {"a": [1, -1, 300, 2**20, 2**40, True, False, None, "text", 0.5], "b": {"c": np.arange(3, dtype=np.int64)}}
    read = parse_ubjson(dump_ubjson(value))
    assert read["a"] == value["a"]
    assert read["b"]["c"].tolist() == [0, 1, 2]
    for dtype in (np.int8, np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64):
        array = np.array([0, 1, 100], dtype=dtype)
        again = parse_ubjson(dump_ubjson(array))
        assert again.dtype == dtype
        assert np.array_equal(again, array)
