"""Models from files: what is known to be sound before XGBoost's own reader sees it.

XGBoost follows the child indices of a file without asking whether they lead anywhere, so that a file made to harm can
read foreign memory, walk in circles or end the process. A checksum next to the file proves that it is whole, not that
it is honest. Here every field that XGBoost reads is checked against the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.errors import InvalidModelError, ShacError
from shac.export import read_document
from shac.ubjson import parse_ubjson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.export import ForestArrays

__all__ = ["check_model"]

_FLOATS = ("base_weights", "loss_changes", "split_conditions", "sum_hessian")
_INTEGERS = ("default_left", "left_children", "parents", "right_children", "split_indices", "split_type")
_EMPTY = ("categories", "categories_nodes", "categories_segments", "categories_sizes")
_NO_PARENT = 2**31 - 1
_LONGEST_NUMBER = 9  # digits: below 2^31


def check_model(data: bytes, num_features: int) -> ForestArrays:
    """Read the trees of a model's file, and refuse one that XGBoost must not see.

    Parameters
    ----------
    data : bytes
        The file, in XGBoost's UBJSON.
    num_features : int
        Columns of the search space.

    Returns
    -------
    ForestArrays

    Raises
    ------
    UnsupportedModelError
        If it is of a kind that the cascade cannot run.
    InvalidModelError
        If it is broken, or for another number of columns. The message names what is wrong.

    Examples
    --------
    >>> import xgboost
    >>> X = np.linspace(0, 1, 20, dtype=np.float32).reshape(-1, 1)
    >>> model = xgboost.XGBClassifier(n_estimators=3, max_depth=1).fit(X, X[:, 0] > 0.5)
    >>> check_model(bytes(model.get_booster().save_raw(raw_format="ubj")), 1).num_features
    1
    """
    document = parse_ubjson(data)
    try:
        _check_layout(document)
        arrays = read_document(document)
    except ShacError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise InvalidModelError(f"model: expected XGBoost's layout: {error!r}") from error
    if arrays.num_features != num_features:
        raise InvalidModelError(f"model: expected {num_features} features, got {arrays.num_features}")
    _require("base_score", bool(0 < np.float32(arrays.base_score) < 1), "a probability in (0, 1)", arrays.base_score)
    _check_trees(arrays, [tree["parents"] for tree in _trees(document)])
    return arrays


def _check_layout(document: Any) -> None:
    learner = document["learner"]
    forest = learner["gradient_booster"]["model"]
    numbers = {**learner["learner_model_param"], **forest["gbtree_model_param"]}
    numbers.pop("base_score")  # is read by `read_document`
    for name, text in numbers.items():
        _number(name, text)
    num_features, num_trees = int(numbers["num_feature"]), len(_trees(document))
    _require("num_trees", int(numbers["num_trees"]) == num_trees, f"{num_trees}, the trees", numbers["num_trees"])
    parallel = max(int(numbers["num_parallel_tree"]), 1)
    _require("num_parallel_tree", num_trees % parallel == 0, f"a divisor of {num_trees}, the trees", parallel)
    info = np.asarray(forest["tree_info"])
    _require("tree_info", info.shape == (num_trees,) and not info.any(), f"{num_trees} zeros", info)
    if "iteration_indptr" in forest:  # from XGBoost 2.0 on
        begins = np.asarray(forest["iteration_indptr"])
        expected = np.arange(0, num_trees + 1, parallel)
        _require("iteration_indptr", np.array_equal(begins, expected), expected, begins)
    _require("cats", not any(len(part) for part in forest.get("cats", {}).values()), "no categories", "some")
    for name in ("feature_names", "feature_types"):
        texts = learner.get(name, [])
        sound = isinstance(texts, list) and all(isinstance(text, str) for text in texts)
        is_whole = sound and len(texts) in (0, num_features) and "c" not in texts
        _require(name, is_whole, f"no or {num_features} texts, none of a category", texts)
    attributes = learner["attributes"]
    _require("attributes", all(isinstance(text, str) for text in attributes.values()), "texts", attributes)
    for index, tree in enumerate(_trees(document)):
        _require(
            f"id of tree {index}", tree["id"] == index, index, tree["id"]
        )  # XGBoost writes a tree to the place that it names
        _check_fields(tree, num_features)


def _trees(document: Any) -> list[Any]:
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    _require("trees", isinstance(trees, list), "a list", type(trees).__name__)
    return list(trees)


def _check_fields(tree: Any, num_features: int) -> None:
    parameters = tree["tree_param"]
    for name, text in parameters.items():
        _number(name, text)
    num_nodes = int(parameters["num_nodes"])
    _require("num_feature", int(parameters["num_feature"]) == num_features, num_features, parameters["num_feature"])
    _require("num_nodes", 0 < num_nodes == len(tree["left_children"]), len(tree["left_children"]), num_nodes)
    for names, kinds in ((_FLOATS, "f"), (_INTEGERS, "iu")):
        for name in names:
            field = tree[name]
            _require(
                name, isinstance(field, np.ndarray) and field.dtype.kind in kinds, f"an array of kind {kinds!r}", field
            )
            _require(name, field.shape == (num_nodes,), f"shape {(num_nodes,)}", field.shape)
    for name in _EMPTY:
        _require(name, len(tree.get(name, ())) == 0, "no categories", "some")


def _check_trees(arrays: ForestArrays, parents: list[NDArray[Any]]) -> None:
    """Every split is reached from its root, once, so that every walk ends at a leaf of its tree."""
    sizes = np.diff(arrays.tree_begin)
    begin = np.repeat(arrays.tree_begin[:-1], sizes)  # root of each node's tree
    size = np.repeat(sizes, sizes)
    splits = np.flatnonzero(arrays.left >= 0)
    leaves = np.flatnonzero(arrays.left < 0)
    is_leaf = (arrays.left[leaves] == -1) & (arrays.right[leaves] == -1)
    _require("children", bool(is_leaf.all()), "both -1 at a leaf", "others")
    children = np.concatenate([arrays.left[splits], arrays.right[splits]]).astype(np.int64)
    above = np.concatenate([splits, splits])
    is_inside = (children > 0) & (children < size[above])
    _require("children", bool(is_inside.all()), "nodes of their tree below its root", children)
    children += begin[above]
    _require("children", len(np.unique(children)) == len(children), "one parent for each node", "two for some")
    nodes = np.arange(len(begin))
    known = nodes.copy()
    known[children] = above
    claimed = np.concatenate(parents).astype(np.int64) if parents else nodes
    is_child = known != nodes
    _require(
        "parents",
        np.array_equal(claimed[is_child] + begin[is_child], known[is_child]),
        "those of the children",
        claimed,
    )
    _require("parents", bool((claimed[nodes == begin] == _NO_PARENT).all()), f"{_NO_PARENT} at each root", claimed)
    for _ in range(int(size.max(initial=1)).bit_length()):  # pointer doubling: ends on the root, or goes in circles
        known = known[known]
    _require("children", np.array_equal(known[splits], begin[splits]), "all splits below their root", "one that is not")
    features = arrays.feature[splits]
    is_column = (features >= 0) & (features < arrays.num_features)
    _require("split_indices", bool(is_column.all()), f"0 to {arrays.num_features - 1}", features)
    _require("split_conditions", bool(np.isfinite(arrays.value).all()), "finite numbers", "others")


def _number(name: str, text: Any) -> None:
    sound = isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER
    _require(name, sound, f"digits, {_LONGEST_NUMBER} at most", text)


def _require(name: str, holds: bool, expected: Any, found: Any) -> None:
    if not holds:
        raise InvalidModelError(f"model: {name}: expected {str(expected)[:200]}, got {str(found)[:200]!r}")
