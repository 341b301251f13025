"""Labels that classifiers are trained on: which scores are better than the median."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_objective", "label_scores"]


def label_scores(
    scores: ArrayLike, objective: str = "max", *, among: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Label scores as better (1) or not better (0) than their median.

    Ties with the median are not better. A score that is not finite is not better and never enters the median
    (section 3.1 of arXiv 1805.10255, with the ancestor's rule for ties).

    Parameters
    ----------
    scores : array_like of float, shape (n,)
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.
    among : ndarray of bool, shape (n,), optional
        The scores whose median it is; all by default.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        If `objective` is neither.

    Examples
    --------
    >>> label_scores([1.0, 2.0, 3.0, float("nan"), 4.0], "max").tolist()
    [0.0, 0.0, 1.0, 0.0, 1.0]
    """
    check_objective(objective)
    values = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(values)
    counted = finite if among is None else finite & among
    if not counted.any():
        return np.zeros(values.shape)
    losses = -values if objective == "max" else values
    ordered = np.sort(losses[counted])
    # No score lies between the two middle ones, so either can stand for the median, without a sum that could round.
    better: NDArray[np.bool_] = losses < ordered[ordered.size // 2]
    return (better & finite).astype(np.float64)


def check_objective(objective: str) -> None:
    """Raise ValueError unless `objective` is 'max' or 'min'."""
    if objective not in ("max", "min"):
        raise ValueError(f"objective: expected 'max' or 'min', got {objective!r}")
