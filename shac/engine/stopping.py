"""Whether a search improves, for strategies whose classifiers pass no gate that could end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState

__all__ = ["is_without_trend"]

_FEWEST_ROUNDS = 4
_LEVEL = 0.01


def is_without_trend(plan: SearchPlan, state: SearchState) -> bool:
    """Return whether the second half of a search has begun and its scores do not get better with their number.

    They do if Spearman's rank correlation with the order of evaluation is better than 0 at the level 0.01, one-sided.
    Of a function that is noise, 1 search in 100 seems to improve at a time.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
        After a round.

    Returns
    -------
    bool
        False before the middle of the budget, before the fourth round, and where a cross-validation gate decides.

    Examples
    --------
    >>> import shac, tempfile
    >>> engine = shac.SHAC(None, [shac.UniformHP("x", 0.0, 1.0)], 100, 10, "min", save_dir=tempfile.mkdtemp())
    >>> scores = np.arange(60)[::-1] + 20.0 * np.sin(np.arange(60))
    >>> better, worse = (engine.state.with_points([[0.5]] * 60, y) for y in (scores, scores[::-1]))
    >>> is_without_trend(engine.plan, better), is_without_trend(engine.plan, worse)
    (False, True)
    """
    rounds = plan.round_of(len(state))
    if plan.strategy.cross_validation or 2 * len(state) < plan.total_budget or rounds < _FEWEST_ROUNDS:
        return False
    from scipy.stats import spearmanr

    losses = -state.scores if plan.objective == "max" else state.scores
    losses = np.where(np.isfinite(losses), losses, np.inf)
    if (losses == losses[0]).all():
        return True
    return not float(spearmanr(np.arange(len(losses)), losses, alternative="less").pvalue) <= _LEVEL
