"""Classifiers whose threshold is set by what they leave of a region."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from shac.export import with_lower_margins
from shac.sampling.cascade import Cascade

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

    from shac.space import HyperParameterList

__all__ = ["keeping_share"]


def keeping_share(
    model: xgboost.XGBClassifier, space: HyperParameterList, samples: NDArray[np.float32], share: float
) -> xgboost.XGBClassifier | None:
    """Move the threshold of a classifier so that it accepts a share of samples, as far as ties allow.

    Parameters
    ----------
    model : xgboost.XGBClassifier
        A fitted two-class classifier.
    space : HyperParameterList
        Of its columns.
    samples : ndarray of float32, shape (n, num_columns)
        Encoded samples of the region, at least one.
    share : float
        In (0, 1).

    Returns
    -------
    xgboost.XGBClassifier or None
        A copy that accepts at most that share of the samples and at least one; None if all have the same margin.

    Examples
    --------
    >>> import shac, xgboost
    >>> space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
    >>> X = np.linspace(0, 1, 100, dtype=np.float32).reshape(-1, 1)
    >>> model = xgboost.XGBClassifier(n_jobs=1, min_child_weight=0).fit(X, np.arange(100) % 7 > 2)
    >>> fewer = keeping_share(model, space, X, 0.25)
    >>> bool(fewer.predict(X).mean() <= 0.25)
    True
    """
    margins = np.sort(Cascade([model], space).margins(samples, threads=1)[:, 0].astype(np.float64))[::-1]
    levels = np.unique(margins)
    if len(levels) == 1:
        return None
    highest_refused = min(margins[min(int(share * len(margins)), len(margins) - 1)], levels[-2])
    lowest_kept = levels[np.searchsorted(levels, highest_refused, side="right")]
    return with_lower_margins(model, float(highest_refused + lowest_kept) / 2)
