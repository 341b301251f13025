"""The end of a round: its points join the search, a classifier is trained when it is due, and numbers are told."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.callbacks import Later
from shac.engine.candidates import keys_of
from shac.engine.learning import learn
from shac.nondominated import front_of
from shac.objectives import have_scores
from shac.reals import median
from shac.replicates import Replicates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.sampling import Cascade
    from shac.store.journal import JournalEntry

__all__ = ["Batch", "complete_round", "round_logs", "round_of_table"]


@dataclass(frozen=True, slots=True)
class Batch:
    """Configurations of one round and their scores.

    Parameters
    ----------
    rows : sequence of rows
        Flat rows of values.
    scores : sequence of float, or of tuples of float
        A score for each, or one of each objective; NaN for a failed evaluation.
    seconds : dict
        Time spent, by kind of work.
    first_failure : str
        What to say of the first evaluation that failed; empty where none did.
    pruned : sequence of float or None
        The last value of each evaluation that was pruned, whose score is NaN, and None of others; empty where none can
        be.
    is_in_journal : bool
        Whether the journal ends with this batch.
    durations : sequence of float
        How long each evaluation took, in seconds; empty where that is not known.
    """

    rows: Sequence[Sequence[Any]]
    scores: Sequence[Any]
    seconds: dict[str, float]
    first_failure: str = ""
    pruned: Sequence[float | None] = ()
    is_in_journal: bool = False
    durations: Sequence[float] = ()

    @classmethod
    def evaluated(
        cls,
        rows: Sequence[Sequence[Any]],
        scores: Sequence[Any],
        entries: Sequence[JournalEntry],
        seconds: dict[str, float],
        first_failure: str = "",
        *,
        is_in_journal: bool = False,
    ) -> Self:
        """Return the batch of evaluations of which the journal has these entries."""
        pruned, durations = [entry.last_value for entry in entries], [entry.duration for entry in entries]
        return cls(rows, scores, seconds, first_failure, pruned, is_in_journal, durations)

    @property
    def num_pruned(self) -> int:
        """How many evaluations were pruned."""
        return sum(last is not None for last in self.pruned)

    @property
    def failed_whole(self) -> bool:
        """Whether no evaluation gave a score, and none was pruned, which says something as well."""
        return not self.num_pruned and not have_scores(self.scores).any()


def round_of_table(plan: SearchPlan, state: SearchState, rows: Sequence[Any], scores: Sequence[Any]) -> Batch:
    """Return the batch of a round whose evaluations somebody made before; row i is the search's evaluation i."""
    part = slice(len(state), len(state) + plan.size_of_round(len(state)))
    return Batch(rows[part], scores[part], {})


def complete_round(
    plan: SearchPlan, state: SearchState, batch: Batch, *, skip_cv_checks: bool, threads: int
) -> tuple[SearchState, bool]:
    """Take in the batch of a round, and train when it is time.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
    batch : Batch
    skip_cv_checks, threads
        See `shac.engine.learning.learn`.

    Returns
    -------
    state : SearchState
        After the round.
    failed_training : bool
        Whether a classifier was due and none came of it.
    """
    grown = state.with_points(batch.rows, batch.scores, batch.pruned, batch.durations)
    learnt, reason = learn(plan, grown, skip_cv_checks=skip_cv_checks, threads=threads)
    return learnt, reason is not None


def round_logs(plan: SearchPlan, state: SearchState, batch: Batch, seconds_of_training: float) -> dict[str, Any]:
    """Return the numbers of a round that has ended, as `CallbackList.on_epoch_end` gets them."""
    counts = have_scores(batch.scores)
    return {
        "evaluations": len(state),
        "failed": int((~counts).sum()) - batch.num_pruned,
        **({} if plan.pruning is None else {"pruned": batch.num_pruned}),
        **_scores_of_round(plan, state, batch),
        "classifiers": len(state.classifiers),
        "volume_lower": Later(partial(_volume, state.cascade, 0)),
        "volume_upper": Later(partial(_volume, state.cascade, 1)),
        "sampling_seconds": batch.seconds.get("sampling", 0.0),
        "evaluating_seconds": batch.seconds.get("evaluating", 0.0),
        "training_seconds": seconds_of_training,
    }


def _scores_of_round(plan: SearchPlan, state: SearchState, batch: Batch) -> dict[str, Any]:
    """Return the best scores; of several objectives, which have none, how many evaluations no other dominates."""
    if state.objectives is not None:
        front = front_of(state.objectives.losses(state.objective_scores))
        return {"best": np.nan, "batch_best": np.nan, "batch_median": np.nan, "front": len(front)}
    scores = np.array(batch.scores, dtype=np.float64)
    finite = scores[np.isfinite(scores)]
    best = np.max if plan.objective == "max" else np.min
    return {
        "best": _best_score(plan, state),
        "batch_best": float(best(finite)) if finite.size else np.nan,
        "batch_median": median(finite) if finite.size else np.nan,
    }


def _best_score(plan: SearchPlan, state: SearchState) -> float:
    """Return the score of the best configuration so far: a mean, where it was evaluated more than once."""
    if len(set(keys_of(state.X))) == len(state):  # nothing was, which is sooner known than the means
        finite = state.scores[np.isfinite(state.scores)]
        return float(finite.max() if plan.objective == "max" else finite.min()) if finite.size else np.nan
    ranked = Replicates.of(state.rows, state.scores.tolist(), plan.objective).ranked()
    sign = -1.0 if plan.objective == "max" else 1.0
    return sign * ranked[0].loss if ranked else np.nan


def _volume(cascade: Cascade, bound: int) -> float:
    """Bound the share of the prior that passes the classifiers, by an index that grows from round to round."""
    try:
        return cascade.grown_volume()[bound]
    except ValueError:  # a parameter without a quantile function
        return np.nan
