"""Evaluations made again: whether scores are noisy, and which of the best configurations are good.

The best of many noisy scores is the luckiest. Later than the middle of a search its best configuration is evaluated a
second time. If its scores differ, the last evaluations of the search are spent on what seems best, by the mean of their
scores and of the surrogate's prediction: first once more on each of many, then, in as many equal parts as it takes, on
the better half of these, until few are left (successive halving among known configurations).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.engine.candidates import keys_of
from shac.replicates import Replicates

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.engine.surrogate import RBFSurrogate

    Floats = NDArray[np.float64]

__all__ = ["repeated_rows"]

_FIRST_TEST = 0.6  # of the budget
_LAST_PART = 0.85
_FEWEST_IN_THE_RUNNING = 3
_MOST_IN_THE_LAST_RUNG = 5
_FEWEST_RUNGS = 3
_LEAST_NOISE = 0.1  # of the distance between the best and the last of those that would be repeated
_LEAST_BUDGET = 100  # with fewer evaluations, what new ones find is worth more


def repeated_rows(
    plan: SearchPlan,
    state: SearchState,
    surrogate_of: Callable[[SearchPlan, SearchState], RBFSurrogate],
    pending: Sequence[list[Any]] = (),
) -> list[list[Any]]:
    """Return the rows of known configurations that a round evaluates again, before it evaluates others.

    Parameters
    ----------
    plan : SearchPlan
        Its strategy repeats the best ones, or nothing is repeated.
    state : SearchState
    surrogate_of : callable
        Returns the search's surrogate; called where it matters.
    pending : sequence of rows
        Drawn before, with scores that are not known: they are as if they were evaluated.

    Returns
    -------
    list of list
        Flat rows of values, as many as the round has at most.
    """
    if not plan.strategy.repeat_best or state.objectives is not None or plan.pruning is not None:
        return []
    budget, begin = plan.total_budget, len(state)
    if budget < _LEAST_BUDGET or not _FIRST_TEST * budget <= begin < budget:
        return []
    known = Replicates.of(state.rows, state.scores.tolist(), plan.objective, keys=keys_of(state.X))
    if not len(known.losses):
        return []
    firsts, means, counts = known.firsts, known.means, known.counts
    if pending:
        waiting = Counter(repr(list(row)) for row in pending)
        counts = counts + [waiting[repr(list(state.rows[i]))] for i in firsts]
    first = math.ceil(_LAST_PART * budget)
    best = np.sort(means)[: max((budget - first) // 3, _FEWEST_IN_THE_RUNNING)]
    if known.noise is None or known.noise <= _LEAST_NOISE * (best[-1] - best[0]):
        place = _place_to_test(counts, means, 1 if known.noise is None else 2)
        if place is None or (known.noise is not None and not surrogate_of(plan, state).is_smoothed):
            return []
        return [list(state.rows[firsts[place]])]
    numbers = range(max(begin, first), begin + plan.size_of_round(begin))
    if not numbers:
        return []
    predicted = np.ldexp(surrogate_of(plan, state).predicted_scores(state.X[firsts]), -known.exponent)
    losses = (known.counts * means + (-predicted if plan.objective == "max" else predicted)) / (known.counts + 1)
    places = _places_to_repeat(losses, counts, [number - first for number in numbers], budget - first)
    return [list(state.rows[firsts[place]]) for place in places]


def _place_to_test(counts: Floats, means: Floats, most: int) -> int | None:
    """Return the best configuration that was evaluated once; None where enough were evaluated more often."""
    if np.count_nonzero(counts > 1) >= most or not (counts == 1).any():
        return None
    return int(np.argmin(np.where(counts == 1, means, np.inf)))


def _places_to_repeat(losses: Floats, counts: Floats, numbers: Sequence[int], budget: int) -> list[int]:
    """Return which configurations are evaluated again, for the given numbers of the budget of repeats."""
    counts, places = counts.copy(), []
    num_rungs = _num_rungs(budget)
    for number in numbers:
        rung = number * num_rungs // budget
        if rung == 0 and (counts == 1).any():
            place = int(np.argmin(np.where(counts == 1, losses, np.inf)))
        else:
            repeated = np.flatnonzero(counts > 1)
            in_the_running = max(budget // (num_rungs << rung), _FEWEST_IN_THE_RUNNING)
            best = repeated[np.argsort(losses[repeated], kind="stable")[:in_the_running]]
            place = int(best[np.argmin(counts[best])])
        counts[place] += 1
        places.append(place)
    return places


def _num_rungs(budget: int) -> int:
    """Return into how many parts repeats are divided, so that few configurations are in the running in the last."""
    num_rungs = _FEWEST_RUNGS
    while budget // (num_rungs << (num_rungs - 1)) > _MOST_IN_THE_LAST_RUNG:
        num_rungs += 1
    return num_rungs
