"""When a search stops before its budget does: it does not improve, or a call of `fit` has limits of its own."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.engine.arguments import checked_count, checked_seconds
from shac.nondominated import front_of

if TYPE_CHECKING:
    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState

__all__ = ["Limits", "is_without_improvement", "is_without_trend"]

_logger = logging.getLogger("shac")

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


def is_without_improvement(plan: SearchPlan, state: SearchState, num_rounds: int) -> bool:
    """Return whether the last rounds have not made the best score better, or put nothing into the Pareto front.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
        After a round.
    num_rounds : int
        How many rounds in a row.

    Returns
    -------
    bool
        False before a round more than that.

    Examples
    --------
    >>> import shac, tempfile
    >>> engine = shac.SHAC(None, [shac.UniformHP("x", 0.0, 1.0)], 8, 4, "min", save_dir=tempfile.mkdtemp())
    >>> state = engine.state.with_points([[0.5]] * 6, [3.0, 1.0, 1.0, 2.0, np.nan, 5.0])
    >>> is_without_improvement(engine.plan, state, 2), is_without_improvement(engine.plan, state, 3)
    (True, False)
    """
    before = len(state) - num_rounds * plan.batch_size
    if before <= 0:
        return False
    if state.objectives is not None:
        return not (front_of(state.objectives.losses(state.objective_scores)) >= before).any()
    losses = -state.scores if plan.objective == "max" else state.scores
    losses = np.where(np.isfinite(losses), losses, np.inf)
    return bool(losses[before:].min() >= losses[:before].min())


class Limits:
    """What ends one call of `fit` before its search is over; see `SHAC.fit`.

    Parameters
    ----------
    max_seconds : float or None
        From now on.
    max_evaluations, patience : int or None

    Raises
    ------
    ValueError
        If one is out of its range.
    """

    def __init__(self, max_seconds: Any, max_evaluations: Any, patience: Any) -> None:
        seconds = checked_seconds("max_seconds", max_seconds)
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._most = None if max_evaluations is None else checked_count("max_evaluations", max_evaluations)
        self._patience = None if patience is None else checked_count("patience", patience)
        self._started: set[int] = set()

    def may_start(self, index: int) -> bool:
        """Decide about an evaluation, and count it; another attempt at it is no other evaluation."""
        if self._is_late() or (index not in self._started and self._is_used_up()):
            return False
        self._started.add(index)
        return True

    def ends_before_round(self, plan: SearchPlan, state: SearchState) -> bool:
        """Return whether no other round may begin."""
        if self._patience is not None and is_without_improvement(plan, state, self._patience):
            _logger.info("patience: %d rounds have not made the best score better; the search is saved", self._patience)
            return True
        return self._is_late() or self._is_used_up()

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _is_used_up(self) -> bool:
        return self._most is not None and len(self._started) >= self._most
