"""A search's plan and state to the record on disk, and back."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shac.engine.earlier import EarlierPoints
from shac.engine.plan import SearchArguments, SearchPlan
from shac.engine.pruning import Pruning
from shac.engine.state import SearchState
from shac.engine.strategy import STRATEGIES, Strategy, named_strategy
from shac.errors import DamagedFileError
from shac.sampling import Cascade
from shac.store.record import SearchRecord

if TYPE_CHECKING:
    from pathlib import Path

    from shac.space import HyperParameterList

__all__ = ["record_of", "restored"]


def record_of(plan: SearchPlan, state: SearchState, engine: str) -> SearchRecord:
    """Return what is written of a search.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
    engine : str
        Name of the engine's class.
    """
    return SearchRecord(
        engine=engine,
        total_budget=plan.total_budget,
        num_batches=plan.num_batches,
        objective=plan.objective,
        total_classifiers=plan.total_classifiers,
        seed=plan.seed,
        strategy=plan.strategy.as_config(),
        training_begin=state.training_begin,
        last_attempt=state.last_attempt,
        accuracies=state.accuracies,
        space=state.space,
        rows=state.rows,
        scores=state.given_scores,
        classifiers=state.classifiers,
        overlap=plan.overlap,
        pruning=None if plan.pruning is None else plan.pruning.as_config(),
        pruned=state.pruned,
        cost_aware=plan.cost_aware,
        seconds=state.seconds if plan.cost_aware else (),
        queue=[(since, _texts(state.space, row)) for since, row in state.queue],
        enqueued=sorted(state.enqueued),
        earlier=None if state.earlier is None else state.earlier.evaluations,
        costs_version=state.cascade.costs_version,
        objectives=plan.objectives,
    )


def restored(
    record: SearchRecord, given: SearchArguments, folder: Path, **tables: int
) -> tuple[SearchPlan, SearchState]:
    """Make the plan and the state of a search that goes on as an engine's arguments say.

    Parameters
    ----------
    record : SearchRecord
        Of the search.
    given : SearchArguments
        Of the engine; what they leave open is the search's.
    folder : Path
        Where the record was, for error messages.
    **tables
        Limits of the cascade's tables; see `Cascade`.

    Returns
    -------
    plan : SearchPlan
    state : SearchState

    Raises
    ------
    DamagedFileError
        If the record's strategy is none, or its candidates were drawn by rules that are not known here.
    ValueError
        If the search has another space, objective, seed or strategy.
    """
    _check_objective(record, given, folder)
    if given.space is not None and given.space.fingerprint() != record.space.fingerprint():
        raise ValueError(
            f"hyperparameter_list: expected the search space of {folder}, got another:\n"
            f"{_difference(record.space, given.space)}"
        )
    _check_goes_on(record, given, folder)
    space = record.space
    if given.space is not None:
        relative = record.space.encodes_relatively
        same = given.space.encodes_relatively == relative
        space = given.space if same else given.space.with_encoding(relative=relative)
    saved = _strategy_of(record, folder)
    plan = SearchPlan.resolve(
        given,
        saved_space=space,
        saved_seed=record.seed,
        saved_strategy=saved,
        overlap=record.overlap,
        saved_pruning=_pruning_of(record, folder),
        saved_cost_aware=record.cost_aware,
    )
    plan = replace(plan, strategy=saved)  # a name may stand for another than it did
    state = SearchState.empty(space, plan.objectives)
    state = state.with_points(record.rows, record.scores, seconds=record.seconds)
    state = replace(
        state,
        classifiers=tuple(record.classifiers),
        cascade=_cascade_of(record, space, folder, **tables),
        accuracies=tuple(record.accuracies),
        training_begin=record.training_begin,
        last_attempt=record.last_attempt,
        pruned=record.pruned,
        earlier=None if record.earlier is None else EarlierPoints.of(space, record.earlier),
        queue=_queue_of(record, space, folder),
        enqueued=frozenset(record.enqueued),
    )
    return plan, state


def _check_objective(record: SearchRecord, given: SearchArguments, folder: Path) -> None:
    """Refuse other objectives than those of the search."""
    saved, own = record.objectives, given.objectives
    if record.objective == given.objective and saved == own:
        return
    expected = record.objective if saved is None else saved.as_given
    got = given.objective if own is None else own.as_given
    numbers = tuple(1 if one is None else len(one) for one in (saved, own))
    counts = "" if numbers[0] == numbers[1] else f" ({numbers[0]} and {numbers[1]} objectives)"
    raise ValueError(f"objective: expected {expected!r}, that of {folder}, got {got!r}{counts}")


def _texts(space: HyperParameterList, row: list[Any]) -> list[str]:
    return [column.to_text(value) for column, value in zip(space.columns, row, strict=True)]


def _queue_of(record: SearchRecord, space: HyperParameterList, folder: Path) -> tuple[tuple[int, list[Any]], ...]:
    try:
        rows = [
            [column.from_text(text) for column, text in zip(space.columns, texts, strict=True)]
            for _, texts in record.queue
        ]
        space.encode_rows(rows)
    except (ValueError, TypeError, LookupError) as error:
        raise DamagedFileError(f"{folder}: queue: {error}") from error
    return tuple((since, row) for (since, _), row in zip(record.queue, rows, strict=True))


def _cascade_of(record: SearchRecord, space: HyperParameterList, folder: Path, **tables: int) -> Cascade:
    try:
        Cascade([], space, costs_version=record.costs_version)
    except ValueError as error:
        raise DamagedFileError(f"{folder}: {error}") from error
    return Cascade(
        [classifier.model for classifier in record.classifiers], space, costs_version=record.costs_version, **tables
    )


def _check_goes_on(record: SearchRecord, given: SearchArguments, folder: Path) -> None:
    """Refuse a seed or a strategy that would give a table which neither search has."""
    if given.seed is not None and given.seed != record.seed:
        raise ValueError(f"seed: expected {record.seed}, that of {folder}, or None for it, got {given.seed}")
    if given.pruning is not None and given.pruning != (saved_pruning := _pruning_of(record, folder)):
        raise ValueError(
            f"pruning: expected that of {folder}, {saved_pruning}, or None for it, got {given.pruning}: a search does "
            "not change its pruning"
        )
    if given.cost_aware not in (None, record.cost_aware):
        raise ValueError(
            f"cost_aware: expected {record.cost_aware}, that of {folder}, or None for it, got {given.cost_aware}: a "
            "search does not change what it goes by"
        )
    if given.warm_start is not None and record.earlier is None:
        raise ValueError(
            f"warm_start: expected None, as the search in {folder} began without one, got {given.warm_start}: a search "
            "does not change what it began with"
        )
    if given.strategy is None:
        return
    saved = _strategy_of(record, folder)
    own = replace(
        given,
        total_budget=record.total_budget,
        num_batches=record.num_batches,
        max_classifiers=record.total_classifiers,
    )
    plan = SearchPlan.resolve(own, saved_space=record.space, saved_seed=record.seed)
    allowed = [plan.strategy]
    if isinstance(given.strategy, str):
        allowed = [_as_it_was(saved, strategy) for strategy in (plan.strategy, named_strategy(given.strategy))]
    if saved not in allowed:
        raise ValueError(
            f"strategy: expected that of {folder}, {saved}, or None for it, got {given.strategy!r}: a search does not "
            f"change its strategy"
        )


def _as_it_was(saved: Strategy, strategy: Strategy) -> Strategy:
    """Return what a name stood for when a search began, as far as names have come to stand for others since."""
    return replace(
        strategy,
        trees=replace(strategy.trees, gaps=saved.trees.gaps, splits=saved.trees.splits),
        avoid_repeats=saved.avoid_repeats,
        estimate_noise=saved.estimate_noise,
        center_point=saved.center_point,
        shared_stream=saved.shared_stream,
        repeat_best=saved.repeat_best,
        quadratic_model=saved.quadratic_model,
        ridge_quadratic=saved.ridge_quadratic,
        grown_factorization=saved.grown_factorization,
    )


def _difference(saved: HyperParameterList, given: HyperParameterList) -> str:
    """Name the lines in which two spaces differ; a space may have thousands of values."""
    lines = difflib.ndiff(repr(saved).splitlines(), repr(given).splitlines())
    return "\n".join(line if len(line) <= 300 else f"{line[:297]}..." for line in lines if line[0] in "+-")


def _pruning_of(record: SearchRecord, folder: Path) -> Pruning | None:
    if record.pruning is None:
        return None
    try:
        return Pruning.from_config(record.pruning)
    except ValueError as error:
        raise DamagedFileError(f"{folder}: pruning: {error}") from error


def _strategy_of(record: SearchRecord, folder: Path) -> Strategy:
    """Return a search's strategy; searches that were saved before there was one followed the paper."""
    if record.strategy is None:
        return STRATEGIES["paper"]
    try:
        return Strategy.from_config(record.strategy)
    except ValueError as error:
        raise DamagedFileError(f"{folder}: strategy: {error}") from error
