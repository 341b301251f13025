"""A round of `fit`: what is left of it runs in the pool, and each outcome is in the journal at once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from shac.engine.configurations import named_values
from shac.evaluation import EvaluationTask
from shac.store.journal import JournalEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shac.engine.configurations import Trial
    from shac.engine.trials import Round
    from shac.evaluation import CurveLimits, EvaluationOutcome, EvaluatorPool
    from shac.space import HyperParameterList
    from shac.store.journal import Journal

__all__ = ["evaluate_round"]


def evaluate_round(
    trials: Round,
    pool: EvaluatorPool,
    journal: Journal,
    space: HyperParameterList,
    folder: Path,
    *,
    on_begin: Callable[[Sequence[Any]], object],
    on_outcome: Callable[[EvaluationOutcome], object],
    may_start: Callable[[int], bool],
    limits_for: Callable[[Trial], CurveLimits | None],
) -> None:
    """Evaluate the trials of a round that are not told; those ahead start where evaluators are free, and run on.

    Parameters
    ----------
    trials : Round
        Its batch is in the journal.
    pool : EvaluatorPool
        Runs the evaluations.
    journal : Journal
        Gets every evaluation as soon as it ends.
    space : HyperParameterList
    folder : pathlib.Path
        Has the folder of each evaluation.
    on_begin : callable
        Gets all configurations of the round.
    on_outcome : callable
        Gets each outcome, after the journal.
    may_start : callable
        Asked with the number of an evaluation before it starts; where it says no, those that run are the last.
    limits_for : callable
        Returns where a trial is pruned.
    """
    on_begin([space.to_parameters(row) for row in trials.batch_rows()])
    waiting = {trial.number: (trial, seed) for trial, seed in trials.open_trials()}

    def entry_of(outcome: EvaluationOutcome) -> JournalEntry:
        row = waiting[outcome.index][0].row
        last = outcome.curve[-1][1] if outcome.curve else None
        return JournalEntry(
            index=outcome.index,
            parameters=named_values(space, row),
            score=last if outcome.pruned else None if outcome.failed else outcome.score,
            error=outcome.error,
            traceback=outcome.traceback,
            worker_id=outcome.worker_id,
            seed=outcome.seed,
            attempt=outcome.attempt,
            started=outcome.started,
            ended=outcome.ended,
            curve=[list(point) for point in outcome.curve],
            pruned=outcome.pruned,
        )

    def finish(outcome: EvaluationOutcome) -> None:
        trials.tell(waiting[outcome.index][0], entry_of(outcome), journal)
        on_outcome(outcome)

    under_way = pool.under_way
    pool.begin(
        EvaluationTask(
            number, space.to_parameters(trial.row), seed, _directory(folder, space, trial, seed), limits_for(trial)
        )
        for number, (trial, seed) in waiting.items()
        if number not in under_way
    )
    pool.wait(
        lambda: trials.is_evaluated,
        finish,
        lambda outcome: trials.retry(waiting[outcome.index][0], entry_of(outcome), journal),
        may_start=may_start,
    )


def _directory(folder: Path, space: HyperParameterList, trial: Trial, seed: int) -> str:
    # Not by its number alone: what an earlier search left in the folder must not be taken for its own
    told_apart = hashlib.blake2b(f"{seed} {named_values(space, trial.row)}".encode(), digest_size=4).hexdigest()
    return str(folder / f"{trial.number:05d}-{told_apart}")
