"""The state that a search begins with."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from shac.dataset import Dataset
from shac.engine.earlier import EarlierPoints
from shac.engine.learning import learn_beforehand
from shac.engine.state import SearchState
from shac.engine.warm_start import earlier_evaluations
from shac.training import check_xgboost

if TYPE_CHECKING:
    from pathlib import Path

    from shac.engine.plan import SearchPlan
    from shac.engine.warm_start import WarmStart
    from shac.space import HyperParameterList

__all__ = ["earlier_dataset", "empty_dataset", "first_state"]


def earlier_dataset(state: SearchState, folder: Path) -> Dataset | None:
    """Return the table of what a search began with."""
    if state.earlier is None:
        return None
    evaluations = state.earlier.evaluations
    dataset = Dataset(state.space, save_dir=folder)
    dataset.objective = evaluations.objective
    dataset.X, dataset.Y = [list(row) for row in evaluations.rows], list(evaluations.scores)
    dataset.pruned = dict.fromkeys(evaluations.pruned, math.nan)  # their last values did not come along
    return dataset


def empty_dataset(plan: SearchPlan, folder: Path) -> Dataset:
    """Return the table of a search that has not begun."""
    dataset = Dataset(plan.space, save_dir=folder)
    dataset.objective = plan.given_objective
    return dataset


def first_state(
    plan: SearchPlan, space: HyperParameterList, warm_start: WarmStart | None, **tables: int
) -> SearchState:
    """Return the state of a search that has not begun, with what it learns of an earlier one.

    Parameters
    ----------
    plan : SearchPlan
    space : HyperParameterList
    warm_start : WarmStart or None
    **tables
        Limits of the cascade's tables; see `Cascade`.

    Raises
    ------
    FileNotFoundError, DamagedFileError, ValueError
        See `earlier_evaluations`.
    """
    if plan.objectives is not None:
        plan.objectives.check_names(space.get_parameter_names())
    state = SearchState.empty(space, plan.objectives, **tables)
    if warm_start is None:
        return state
    check_xgboost()
    found = earlier_evaluations(warm_start, space, plan.objective, plan.seed)
    return learn_beforehand(plan, replace(state, earlier=EarlierPoints.of(space, found)), threads=1)
