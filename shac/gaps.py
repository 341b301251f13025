"""The gaps that splits leave: to which side of a split the room between the two points that it parts belongs.

XGBoost's histogram trees put a split at a point, so that all of the room below it belongs to the lower side. Where that
side is the worse one, a classifier cuts off what lies just below the best point; where evaluations fail below a bound,
and not above it, it cuts off all that is nearer to the bound than the nearest point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.model_edits import joined_tree_arrays, with_split_conditions

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["give_gaps_to_better"]

_SIGN = 1 << 31


def give_gaps_to_better(data: bytes, X: NDArray[np.float32]) -> bytes:
    """Return the file of a classifier with the gap at each split on the side of the higher weight.

    No point that it was trained on changes sides, so the margins of these points stay as they are.

    Parameters
    ----------
    data : bytes
        A two-class classifier without early stopping, as XGBoost itself has just written it.
    X : ndarray of float32, shape (n, num_columns)
        The points that it was trained on; may hold NaN.

    Returns
    -------
    bytes

    Examples
    --------
    >>> import numpy as np, xgboost
    >>> from shac.classifier import Classifier
    >>> X = np.array([[0.0], [0.25], [0.75], [1.0]], dtype=np.float32)
    >>> model = xgboost.XGBClassifier(n_estimators=1, min_child_weight=0, n_jobs=1).fit(X, [0, 0, 1, 1])
    >>> moved = Classifier(give_gaps_to_better(Classifier.of(model).data, X)).model
    >>> between = np.array([[0.3]], dtype=np.float32)
    >>> int(model.predict(between)[0]), int(moved.predict(between)[0])
    (0, 1)
    """
    return with_split_conditions(data, _moved_splits(data, X))


def _moved_splits(data: bytes, X: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the split conditions of all trees, one after the other, of which leaves have their own."""

    def gather(field: str, dtype: DTypeLike) -> NDArray[Any]:
        return joined_tree_arrays(data, field)[0].astype(dtype)

    left, sizes = joined_tree_arrays(data, "left_children")
    conditions = gather("split_conditions", np.float32)
    splits = np.flatnonzero(left >= 0)
    first = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)[splits]  # of the split's tree
    weights, right = gather("base_weights", np.float32), gather("right_children", np.int64)[splits]
    is_right_better = weights[first + right] > weights[first + left[splits]]
    columns = gather("split_indices", np.int64)[splits]
    points, begin, end = _sorted_points(X)
    above = np.searchsorted(points, _in_order(conditions[splits], columns))  # the first point of the right side
    has_gap = (above > begin[columns]) & (above < end[columns])  # a split may also part missing values from all points
    splits, above = splits[has_gap], above[has_gap]
    just_above = np.nextafter(_numbers_of(points[above - 1]), np.float32(np.inf))
    conditions[splits] = np.where(is_right_better[has_gap], just_above, _numbers_of(points[above]))
    return conditions


def _sorted_points(X: NDArray[np.float32]) -> tuple[NDArray[np.uint64], NDArray[np.intp], NDArray[np.intp]]:
    """Return the numbers of all columns as `_in_order` has them, sorted, and where those of each begin and end."""
    known = ~np.isnan(X)
    columns = np.broadcast_to(np.arange(X.shape[1]), X.shape)
    end = np.cumsum(known.sum(axis=0))
    return np.sort(_in_order(X[known], columns[known])), end - known.sum(axis=0), end


def _in_order(numbers: NDArray[np.float32], columns: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return integers that have the order of float32 numbers within their columns, one column behind the other."""
    bits = (numbers + np.float32(0)).view(np.uint32)  # of two zeros one is left
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(_SIGN))
    result: NDArray[np.uint64] = columns.astype(np.uint64) << np.uint64(32) | ordered
    return result


def _numbers_of(ordered: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Return the numbers that `_in_order` was given."""
    low = ordered.astype(np.uint32)
    numbers: NDArray[np.float32] = np.where(low >> 31, low ^ np.uint32(_SIGN), ~low).view(np.float32)
    return numbers
