"""XGBoost models to flat arrays: the one place that knows XGBoost's model format.

The trees are read from the JSON form of the model that XGBoost itself writes. Leaves of scalar trees stand in
``split_conditions``; ``base_weights`` holds the unpruned estimate and differs. The base score is a probability: a bare
number up to XGBoost 3.0 and a list of one inside a string from 3.1 on.

XGBoost from 3.2 on predicts with a base score that is at least 1e-6 away from 0 and 1, whatever stands in the model.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shac.errors import InvalidModelError, ShacError, UnsupportedModelError
from shac.ubjson import FlatTrees, parse_ubjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import xgboost
    from numpy.typing import DTypeLike, NDArray

    from shac.ubjson import ReadTrees

    Model: TypeAlias = xgboost.XGBClassifier | xgboost.Booster

__all__ = [
    "ForestArrays",
    "base_score_of",
    "export_file",
    "export_forest",
    "installed_xgboost",
    "read_document",
    "ubjson_of",
]

_LEAST_BASE_SCORE = np.float32(1e-6)
_INDEX_FIELDS = ("left_children", "right_children", "split_indices")


@dataclass(frozen=True, slots=True)
class ForestArrays:
    """Trees of one model, all trees one after the other.

    Parameters
    ----------
    tree_begin : ndarray of int64, shape (num_trees + 1,)
        First node of each tree, then the number of nodes.
    left, right, feature : ndarray of int32, shape (num_nodes,)
        Children, counted from the start of their tree, and the feature tested. A node is a leaf iff its left
        child is negative.
    value : ndarray of float32, shape (num_nodes,)
        Threshold of a split (a row goes left iff its value is below), score of a leaf.
    default_left : ndarray of uint8, shape (num_nodes,)
        Whether a missing value goes left.
    base_score : float
        Probability that the sum of leaves starts from.
    num_features : int
        Width of the rows that the model was trained on.
    """

    tree_begin: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    value: NDArray[np.float32]
    default_left: NDArray[np.uint8]
    base_score: float
    num_features: int


def export_forest(model: Model, read_trees: ReadTrees | None = None) -> ForestArrays:
    """Read the trees that a fitted model predicts with.

    Parameters
    ----------
    model : xgboost.XGBClassifier or xgboost.Booster
        Fitted with objective ``binary:logistic`` and tree booster ``gbtree``. Of a classifier trained with early
        stopping the trees up to ``best_iteration`` are taken, and of a Booster all, as their own ``predict`` does.
    read_trees : callable, optional
        Reads the list of trees out of XGBoost's UBJSON, see `parse_ubjson`, as `FlatTrees`; Python reads them out of
        its JSON by default.

    Returns
    -------
    ForestArrays

    Raises
    ------
    TypeError
        If `model` is neither an ``XGBClassifier`` nor a ``Booster``.
    UnsupportedModelError
        If the model is not fitted, or is multi-class, linear, dart, of another objective, or has categorical
        splits, vector leaves or a missing value other than NaN. The message names what was found.
    InvalidModelError
        If fields of the model are absent or do not have the lengths they should.

    Examples
    --------
    >>> import numpy as np, xgboost
    >>> X = np.linspace(0, 1, 20, dtype=np.float32).reshape(-1, 1)
    >>> model = xgboost.XGBClassifier(n_estimators=3, max_depth=1).fit(X, X[:, 0] > 0.5)
    >>> arrays = export_forest(model)
    >>> arrays.num_features, len(arrays.tree_begin) - 1
    (1, 3)
    """
    booster, num_iterations = _booster_of(model)
    if read_trees is not None:
        return export_file(ubjson_of(booster), read_trees, num_iterations)
    document = json.loads(bytes(booster.save_raw(raw_format="json")))
    return _as_predicted(read_document(document, num_iterations))


def export_file(data: bytes, read_trees: ReadTrees, num_iterations: int | None = None) -> ForestArrays:
    """Read the trees that the file of a model predicts with.

    Parameters
    ----------
    data : bytes
        See `ubjson_of`.
    read_trees, num_iterations
        See `export_forest` and `read_document`.

    Returns
    -------
    ForestArrays

    Raises
    ------
    UnsupportedModelError, InvalidModelError
        See `export_forest`.
    """
    return _as_predicted(read_document(parse_ubjson(data, read_trees), num_iterations))


def ubjson_of(booster: xgboost.Booster) -> bytes:
    """Return a booster as UBJSON."""
    return bytes(booster.save_raw(raw_format="ubj"))


def base_score_of(text: str) -> float:
    """Return the probability that a model's text of the base score names."""
    value = json.loads(text)
    if isinstance(value, list):
        if len(value) != 1:
            raise UnsupportedModelError(f"model: expected one base score, got {len(value)}")
        value = value[0]
    return float(value)


def _as_predicted(arrays: ForestArrays) -> ForestArrays:
    """Return a forest with the base score that the installed XGBoost predicts with where a model has its own."""
    import xgboost

    if tuple(map(int, xgboost.__version__.split(".")[:2])) < (3, 2):
        return arrays
    base_score = np.clip(np.float32(arrays.base_score), _LEAST_BASE_SCORE, 1 - _LEAST_BASE_SCORE)
    return replace(arrays, base_score=float(base_score))


def _booster_of(model: Any) -> tuple[Any, int | None]:
    """Return the booster and how many iterations its owner predicts with (None: all)."""
    import xgboost

    if isinstance(model, xgboost.Booster):
        return model, None
    if not isinstance(model, xgboost.XGBClassifier):
        raise TypeError(f"model: expected an XGBClassifier or a Booster, got {type(model).__name__}")
    if not model.__sklearn_is_fitted__():
        raise UnsupportedModelError("model: expected a fitted XGBClassifier, got one that is not fitted")
    missing = model.missing
    if missing is not None and not np.isnan(missing):
        raise UnsupportedModelError(f"model: expected missing=nan, got missing={missing!r}")
    try:
        return model.get_booster(), int(model.best_iteration) + 1
    except AttributeError:  # trained without early stopping
        return model.get_booster(), None


def read_document(document: Any, num_iterations: int | None = None) -> ForestArrays:
    """Read the trees of a model's document.

    Parameters
    ----------
    document : object
        XGBoost's JSON, parsed.
    num_iterations : int, optional
        How many are wanted; all by default.

    Returns
    -------
    ForestArrays

    Raises
    ------
    UnsupportedModelError, InvalidModelError
        See `export_forest`.
    """
    try:
        learner = document["learner"]
        _check_supported(learner)
        forest = learner["gradient_booster"]["model"]
        parallel_trees = max(int(forest["gbtree_model_param"]["num_parallel_tree"]), 1)
        parameters = learner["learner_model_param"]
        base_score = base_score_of(parameters["base_score"])
        num_features = int(parameters["num_feature"])
        trees = forest["trees"]
        wanted = sys.maxsize if num_iterations is None else num_iterations * parallel_trees
        if isinstance(trees, FlatTrees):
            return ForestArrays(*trees.first(wanted), base_score, num_features)
        trees = trees[:wanted]
        return _flatten(trees, base_score, num_features)
    except ShacError:
        raise
    except (KeyError, IndexError) as error:
        raise InvalidModelError(f"model: expected XGBoost's JSON layout, got one without {error}") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise InvalidModelError(f"model: expected XGBoost's JSON layout: {error}") from error


def _check_supported(learner: Any) -> None:
    booster = learner["gradient_booster"]
    if booster["name"] != "gbtree":
        raise UnsupportedModelError(f"model: expected booster 'gbtree', got {booster['name']!r}")
    objective = learner["objective"]["name"]
    if objective != "binary:logistic":
        raise UnsupportedModelError(f"model: expected objective 'binary:logistic', got {objective!r}")
    parameters = learner["learner_model_param"]
    if int(parameters["num_class"]) > 1:
        raise UnsupportedModelError(f"model: expected two classes, got {parameters['num_class']}")
    if int(parameters.get("num_target", 1)) > 1:
        raise UnsupportedModelError(f"model: expected one target, got {parameters['num_target']}")
    trees = booster["model"]["trees"]
    if isinstance(trees, FlatTrees):
        vector, categorical = trees.vector_tree, trees.categorical_tree
    else:
        vector = _first(int(tree["tree_param"]["size_leaf_vector"]) > 1 for tree in trees)
        categorical = _first(any(tree.get("split_type", ())) for tree in trees)
    if vector >= 0:
        raise UnsupportedModelError(f"model: expected scalar leaves, got vectors in tree {vector}")
    if categorical >= 0:
        raise UnsupportedModelError(f"model: expected numerical splits, got a categorical one in tree {categorical}")


def _first(holds: Iterable[bool]) -> int:
    return next((index for index, one in enumerate(holds) if one), -1)


def _flatten(trees: Sequence[Any], base_score: float, num_features: int) -> ForestArrays:
    sizes = [len(tree["left_children"]) for tree in trees]

    def gather(field: str, dtype: DTypeLike) -> NDArray[Any]:
        for index, (tree, size) in enumerate(zip(trees, sizes, strict=True)):
            if len(tree[field]) != size:
                raise InvalidModelError(
                    f"model: expected {size} {field} in tree {index} (one for each node), got {len(tree[field])}"
                )
        try:
            numbers = np.concatenate([np.zeros(0), *(np.asarray(tree[field], dtype=np.float64) for tree in trees)])
            with np.errstate(over="ignore", invalid="ignore"):
                result = numbers.astype(dtype)
        except (OverflowError, TypeError, ValueError) as error:
            raise InvalidModelError(f"model: {field}: expected {np.dtype(dtype)} numbers: {error}") from error
        if result.dtype.kind != "f" and not np.array_equal(result, numbers):
            wrong = numbers[result != numbers][0]
            raise InvalidModelError(f"model: {field}: expected {np.dtype(dtype)} numbers, got {wrong}")
        return result

    left, right, feature = (gather(field, np.int32) for field in _INDEX_FIELDS)
    return ForestArrays(
        tree_begin=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        left=left,
        right=right,
        feature=feature,
        value=gather("split_conditions", np.float32),
        default_left=gather("default_left", np.uint8),
        base_score=base_score,
        num_features=num_features,
    )


@cache
def installed_xgboost() -> str:
    """Return XGBoost's version without importing it, unless it is installed under another name (``xgboost-cpu``)."""
    try:
        return importlib.metadata.version("xgboost")
    except importlib.metadata.PackageNotFoundError:
        import xgboost

        return str(xgboost.__version__)
