"""Which parameters the classifiers decide by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.insight.view import SearchView

__all__ = ["gain_shares"]


def gain_shares(view: SearchView) -> NDArray[np.float64]:
    """Return the share of each column in the total gain of each classifier's splits.

    Parameters
    ----------
    view : SearchView
        The search.

    Returns
    -------
    ndarray of float64, shape (num_classifiers, num_columns)
        Each row adds up to 1, or is 0 where a classifier has no split.
    """
    shares = np.zeros((len(view.classifiers), view.space.num_columns))
    for stage, model in enumerate(view.classifiers):
        booster = model.get_booster()
        places = {name: c for c, name in enumerate(booster.feature_names or ())}
        for name, gain in booster.get_score(importance_type="total_gain").items():
            shares[stage, places.get(name, int(name[1:]) if name[1:].isdigit() else 0)] = float(np.sum(gain))
    totals = shares.sum(axis=1, keepdims=True)
    relative: NDArray[np.float64] = np.divide(shares, totals, out=np.zeros_like(shares), where=totals > 0)
    return relative
