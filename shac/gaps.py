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

    sizes = joined_tree_arrays(data, "left_children")[1]
    first_of_tree = np.repeat(np.cumsum([0, *sizes[:-1]]), sizes)
    left, right = gather("left_children", np.int64), gather("right_children", np.int64)
    weights, conditions = gather("base_weights", np.float32), gather("split_conditions", np.float32)
    splits = np.flatnonzero(left >= 0)
    columns = gather("split_indices", np.int64)[splits]
    first = first_of_tree[splits]
    is_right_better = weights[first + right[splits]] > weights[first + left[splits]]
    for column in np.unique(columns):
        points = np.unique(X[~np.isnan(X[:, column]), column])
        here = columns == column
        above = np.searchsorted(points, conditions[splits[here]])  # the first point of the right side
        has_gap = (above > 0) & (above < len(points))  # a split may also part missing values from all points
        here[here] = has_gap
        above = above[has_gap]
        just_above = np.nextafter(points[above - 1], np.float32(np.inf))
        conditions[splits[here]] = np.where(is_right_better[here], just_above, points[above])
    return conditions
