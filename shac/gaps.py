"""The gaps that splits leave: to which side of a split the room between the two points that it parts belongs.

XGBoost's histogram trees put a split at a point, so that all of the room below it belongs to the lower side. Where that
side is the worse one, a classifier cuts off what lies just below the best point; where evaluations fail below a bound,
and not above it, it cuts off all that is nearer to the bound than the nearest point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.export import base_score_of, document_of, with_base_score

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xgboost
    from numpy.typing import DTypeLike, NDArray

__all__ = ["give_gaps_to_better"]


def give_gaps_to_better(model: xgboost.XGBClassifier, X: NDArray[np.float32]) -> xgboost.XGBClassifier:
    """Copy a classifier with the gap at each split on the side of the higher weight.

    No point that it was trained on changes sides, so the margins of these points stay as they are.

    Parameters
    ----------
    model : xgboost.XGBClassifier
        A fitted two-class classifier without early stopping.
    X : ndarray of float32, shape (n, num_columns)
        The points that it was trained on; may hold NaN.

    Returns
    -------
    xgboost.XGBClassifier

    Examples
    --------
    >>> import numpy as np, xgboost
    >>> X = np.array([[0.0], [0.25], [0.75], [1.0]], dtype=np.float32)
    >>> model = xgboost.XGBClassifier(n_estimators=1, min_child_weight=0, n_jobs=1).fit(X, [0, 0, 1, 1])
    >>> between = np.array([[0.3]], dtype=np.float32)
    >>> int(model.predict(between)[0]), int(give_gaps_to_better(model, X).predict(between)[0])
    (0, 1)
    """
    document = document_of(model.get_booster())
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    begins = np.cumsum([0, *(len(tree["left_children"]) for tree in trees)])
    moved = _moved_splits(trees, begins, X)
    for tree, begin, end in zip(trees, begins[:-1], begins[1:], strict=True):
        # The fewest digits that name a float32: XGBoost reads longer ones by the locale's decimal point
        tree["split_conditions"] = [float(str(value)) for value in moved[begin:end]]
    return with_base_score(document, base_score_of(document))


def _moved_splits(
    trees: Sequence[dict[str, Any]], begins: NDArray[np.int64], X: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the split conditions of all trees, one after the other, of which leaves have their own."""

    def gather(field: str, dtype: DTypeLike) -> NDArray[Any]:
        return np.concatenate([np.array(tree[field], dtype=dtype) for tree in trees])

    first_of_tree = np.repeat(begins[:-1], np.diff(begins))
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
