"""A search while it runs: its plan and its state, its folder, and the round that is open."""

from __future__ import annotations

import logging
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shac.engine.arguments import checked_overlap
from shac.engine.beginning import earlier_dataset, empty_dataset, first_state
from shac.engine.enqueuing import rows_to_enqueue, with_queued
from shac.engine.evaluating import evaluate_round
from shac.engine.loop import Batch, complete_round, round_logs
from shac.engine.plan import SearchPlan
from shac.engine.pruning import KnownLimits
from shac.engine.recovery import has_batches, is_begun, is_programming_error
from shac.engine.saving import record_of, restored
from shac.engine.stopping import Limits, is_without_trend
from shac.engine.trials import Round
from shac.errors import EvaluationError
from shac.store.folder import SearchStore
from shac.store.journal import file_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import xgboost

    from shac.callbacks import CallbackList
    from shac.classifier import Classifier
    from shac.engine.plan import SearchArguments
    from shac.engine.state import SearchState
    from shac.engine.trials import Proposer
    from shac.evaluation import CurveLimits, EvaluatorPool
    from shac.space import HyperParameterList
    from shac.store.journal import FileState, Journal

__all__ = ["Search"]

_logger = logging.getLogger("shac")

_SMALL_TABLE_BYTES = 1 << 14  # of a lookup table of the cascade, where memory is limited


class Search:
    """Holds the values of a search, and replaces them when a round ends; what stops a round on the way leaves them.

    Parameters
    ----------
    given : SearchArguments
    folder : Path
        Absolute.
    engine : str
        Name of the engine's class.

    Attributes
    ----------
    plan : SearchPlan
    store : SearchStore
    dataset : Dataset
        The points of the state, for users.
    num_predictions : int
        Calls of `predict` that took the search's own stream.
    curves : dict
        What evaluations have reported that are asked for, by their trials' numbers.
    limit_memory : bool
        Whether the tables of the cascade are kept small, from when it is first compiled on.
    """

    def __init__(self, given: SearchArguments, folder: Path, engine: str) -> None:
        self.given = given
        self.plan = SearchPlan.resolve(given)
        self.store = SearchStore(folder)
        self.dataset = empty_dataset(self.plan, folder)
        self.num_predictions = 0
        self.limit_memory = False
        self._engine = engine
        self._state: SearchState | None = None
        self._asked: Round | None = None
        self._evaluated: Round | None = None
        self._is_restored = False
        self._journal_of_rounds: tuple[int, FileState | None] | None = None
        self._limits = KnownLimits()
        self.curves: dict[int, list[tuple[int, float]]] = {}

    @property
    def space(self) -> HyperParameterList:
        """The search space.

        Raises
        ------
        ValueError
            Where there is none yet, or nothing in it.
        """
        if self.plan.space is None:
            raise ValueError("hyperparameter_list: expected a search space, got None; call restore_data() first")
        if not self.plan.space.num_columns:
            raise ValueError("hyperparameter_list: expected at least one parameter, got a search space without any")
        return self.plan.space

    @property
    def state(self) -> SearchState:
        """The search so far, with what was put into `dataset` by hand.

        Raises
        ------
        ValueError
            If there is no search space yet.
        """
        if self._state is None:
            self._state = first_state(self.plan, self.space, self.given.warm_start, **self._tables())
            self._show_points()
        if len(self.dataset) != len(self._state):
            self._state = self._state.with_table(self.dataset.X, self.dataset.Y)
        return self._state

    @property
    def classifiers(self) -> tuple[Classifier, ...]:
        """The classifiers, in the order of their training."""
        return () if self._state is None else self._state.classifiers

    def set_classifiers(self, models: Iterable[xgboost.XGBClassifier]) -> None:
        self._state = self.state.with_classifiers(models)

    @property
    def num_ended(self) -> int:
        """Evaluations that have ended, those of the round that is evaluated among them."""
        trials, count = self._evaluated, len(self.state)
        if trials is None or count not in (trials.first, trials.first + trials.size):
            return count
        return count + len(trials.told_ahead) + (len(trials.told) if trials.first == count else 0)

    def move_to(self, folder: Path) -> None:
        """Write to another folder from now on."""
        self.store = SearchStore(folder, overwrites=self.store.overwrites)
        self.dataset.save_dir = folder

    def end_within_round(self, total_budget: int) -> None:
        """Let the search, which has not begun, end within its last round: the engines only know whole ones.

        Parameters
        ----------
        total_budget : int
            Evaluations of the search: more than those of all rounds but the last, at most those of all.
        """
        self.given = self.given.with_budget(total_budget)
        self.plan = replace(self.plan, total_budget=total_budget)

    def set_overlap(self, overlap: int | None) -> None:
        """Set how many configurations of a round are drawn with the round before; None leaves it.

        Raises
        ------
        ValueError
            If it is out of its range, or another one than that with which the search has drawn configurations.
        """
        if overlap is None or checked_overlap(overlap, self.plan.batch_size) == self.plan.overlap:
            return
        if self._asked is not None or (self.store.is_known and has_batches(self.store.journal_path)):
            raise ValueError(
                f"overlap: expected {self.plan.overlap}, that of the search in {self.store.folder}, or None for it, "
                f"got {overlap}: a search does not change its overlap"
            )
        self.plan = replace(self.plan, overlap=overlap)
        if self.store.is_known:
            self.save()

    def set_seed(self, seed: int | None) -> None:
        """Set the seed; None for that of the parameters, or a fresh one."""
        self.given = self.given.with_seed(seed)
        if seed is None and self.plan.space is not None:
            self.given = self.given.with_seed(self.plan.space.seed)
        self.plan = replace(self.plan, seed=secrets.randbits(63) if self.given.seed is None else self.given.seed)
        self.num_predictions = 0
        if self.given.warm_start is not None and self._state is not None and not (self._is_restored or self.dataset.Y):
            queue, self._state = self._state.queue, None  # the rest is what the old seed drew
            self._state = replace(self.state, queue=queue)

    def enqueue(self, configurations: Any, *, repeat: bool) -> int:
        """Put configurations into the queue; see `SHAC.enqueue`."""
        state = self.state
        rows = rows_to_enqueue(state, configurations, seed=self.plan.seed, repeat=repeat)
        is_asked = self._asked is not None and self._asked.first == len(state)
        is_drawn = is_asked or (self.store.is_known and is_begun(self.store.journal_path, len(state)))
        self._state = with_queued(state, rows, since=len(state) + is_drawn)
        self.save()
        return len(rows)

    def save(self) -> None:
        """Write the search to its folder; see `SHAC.save_data` for the errors."""
        self.store.commit(record_of(self.plan, self.state, self._engine))

    def restore(self) -> None:
        """Take up the search in the folder; see `SHAC.restore_data` for the errors."""
        digest = self.store.digest()  # before the rest: what another process writes later is not known
        folder = self.store.folder
        plan, state = restored(self.store.load(), self.given, folder, **self._tables())
        self.plan, self._state, self.dataset = plan, state, empty_dataset(plan, folder)
        self._show_points()
        self.num_predictions = 0
        self._asked, self._is_restored, self._limits = None, True, KnownLimits()
        self.store.know(digest)

    def run_rounds(
        self,
        next_batch: Callable[[], Batch | None],
        callbacks: CallbackList,
        *,
        skip_cv_checks: bool,
        early_stop: bool,
        threads: int,
        max_failed_rounds: int,
        limits: Limits | None = None,
        needs_trend: bool = True,
        most_evaluations: int | None = None,
    ) -> None:
        """Run the rounds that the budget still holds; whatever ends them, what is evaluated is saved.

        Parameters
        ----------
        next_batch : callable
            Returns the batch of a round; None where `limits` ended it.
        callbacks, skip_cv_checks, early_stop, threads, max_failed_rounds
            See `SHAC.fit`.
        limits : Limits, optional
            Ends the rounds before the budget does.
        needs_trend : bool
            Whether `early_stop` looks at the order of the scores.
        most_evaluations : int, optional
            Ends the rounds before the budget does.

        Raises
        ------
        EvaluationError
            After so many rounds in a row without a score.
        """
        callbacks.on_train_begin()
        failed_rounds = 0
        try:
            while len(self.state) < min(self.plan.total_budget, most_evaluations or self.plan.total_budget):
                if limits is not None and limits.ends_before_round(self.plan, self.state):
                    return
                number = self.plan.round_of(len(self.state)) + 1
                callbacks.on_epoch_begin(number)
                batch = next_batch()
                if batch is None:
                    return
                failed_training = self._take_in(batch, callbacks, skip_cv_checks=skip_cv_checks, threads=threads)
                if batch.is_in_journal:
                    self._know_journal()
                failed_rounds = failed_rounds + 1 if batch.failed_whole else 0
                if failed_rounds == max_failed_rounds:
                    raise EvaluationError(
                        f"evaluation_function: all evaluations of {failed_rounds} rounds in a row failed, the last of "
                        f"them in round {number}; all {len(self.state)} are saved in {self.store.folder}, and another "
                        f"fit() goes on with new configurations. {batch.first_failure}"
                    )
                if early_stop and failed_training:
                    _logger.info("early_stop: round %d gave no classifier; the search is saved", number)
                    return
                if early_stop and needs_trend and is_without_trend(self.plan, self.state):
                    _logger.info("early_stop: scores have no trend after round %d; the search is saved", number)
                    return
            if not self.state.classifiers and self.plan.num_batches > 1:
                _logger.warning("no round gave a classifier: the whole search drew from the search space at random")
        finally:
            callbacks.on_train_end()

    def evaluated_batch(
        self, pool: EvaluatorPool, journal: Journal, propose: Proposer, callbacks: CallbackList, limits: Limits
    ) -> Batch | None:
        """Draw and evaluate the batch of a round, or what is left of it; None where a limit ended it.

        Raises
        ------
        EvaluationError
            If all of the first round fail, and not for their configurations.
        """
        started = time.perf_counter()
        trials = self._evaluated = Round(self.plan, self.state, propose)
        is_last = not self._is_new_to_journal() and trials.recover(journal.path, find_in_stream=False)
        if trials.told and (is_last or not self.plan.overlap):
            _logger.info("%d of %d evaluations of this round are in the journal already", len(trials.told), trials.size)
        if not is_last:
            trials.begin(journal)
        drawn = time.perf_counter()
        evaluate_round(
            trials,
            pool,
            journal,
            self.space,
            self.store.evaluations_path,
            on_begin=callbacks.on_evaluation_begin,
            on_outcome=callbacks.on_outcome,
            may_start=limits.may_start,
            limits_for=lambda trial: self.curve_limits(trials.known_when_drawn(trial)),
        )
        if not trials.is_evaluated:
            return None
        rows, scores, entries = trials.close()
        failures = [entry.as_record() for entry in entries if entry.error is not None]
        callbacks.on_evaluation_ended(scores, {"failures": failures})
        seconds = {"sampling": drawn - started, "evaluating": time.perf_counter() - drawn}
        first_failure = f"The first failure:\n{failures[0]['traceback']}" if failures else ""
        if trials.first == 0 and len(failures) == len(entries) and is_programming_error(entries):
            raise EvaluationError(
                f"evaluation_function: all {len(entries)} evaluations of the first round failed, and not for their "
                f"configurations; another fit() begins with new ones. {first_failure}"
            )
        return Batch.evaluated(rows, scores, entries, seconds, first_failure, is_in_journal=True)

    def asked_round(self, propose: Proposer, *, threads: int) -> Round:
        """Return the round that is asked for and told; it begins where the search has grown since the last one."""
        trials = self._asked
        if trials is not None and trials.first == len(self.state) and trials.is_full:
            # A process, or an exception, stopped it before it was taken in
            self.close_asked_round(trials, skip_cv_checks=False, threads=threads)
        if trials is None or trials.first != len(self.state):
            handed_out = () if trials is None else trials.handed_out
            trials = self._asked = Round(self.plan, self.state, propose, handed_out, is_shared=self._is_restored)
            if self.store.is_known and not self._is_new_to_journal():
                trials.recover(self.store.journal_path, find_in_stream=True)
                return self.asked_round(propose, threads=threads) if trials.is_full else trials
        return trials

    def close_asked_round(self, trials: Round, *, skip_cv_checks: bool, threads: int) -> None:
        """Take in a round whose scores are all told."""
        rows, scores, entries = trials.close()
        self._is_restored = False
        batch = Batch.evaluated(rows, scores, entries, {})
        if batch.failed_whole:
            _logger.warning("all %d evaluations of a round failed; their configurations count as bad", len(rows))
        self._take_in(batch, None, skip_cv_checks=skip_cv_checks, threads=threads)
        self._know_journal()

    def check_no_asked_round(self) -> None:
        """Raise unless no score of a round that is asked for would be lost by another way to go on.

        Raises
        ------
        ValueError
            If scores of an unfinished round are told.
        """
        trials = self._asked
        if trials is not None and trials.first == len(self.state) and trials.told and not trials.is_full:
            raise ValueError(
                f"tell: expected the round to be finished before fit goes on, got {len(trials.told)} of "
                f"{trials.size} scores; ask and tell can finish it"
            )

    def _take_in(self, batch: Batch, callbacks: CallbackList | None, *, skip_cv_checks: bool, threads: int) -> bool:
        """Let a round's batch join the search, and save; returns whether a classifier was due and none came."""
        number = self.plan.round_of(len(self.state)) + 1
        started = time.perf_counter()
        self._state, failed_training = complete_round(
            self.plan, self.state, batch, skip_cv_checks=skip_cv_checks, threads=threads
        )
        self._show_points()
        seconds = time.perf_counter() - started
        if callbacks is not None:
            callbacks.on_dataset_changed(self.dataset)
        self.save()
        if callbacks is not None:  # the volume that the logs have costs more than a small round
            callbacks.on_epoch_end(number, round_logs(self.plan, self.state, batch, seconds))
        return failed_training

    def _know_journal(self) -> None:
        """Note that the journal ends with the round that has just joined the search."""
        self._journal_of_rounds = len(self.state), file_state(self.store.journal_path)

    def _is_new_to_journal(self) -> bool:
        """Whether the journal, which grows with the search, need not be read: it has nothing of the round to come."""
        known = len(self.state), file_state(self.store.journal_path)
        return not self.plan.overlap and self._journal_of_rounds == known

    def curve_limits(self, num_known: int) -> CurveLimits | None:
        """Return where evaluations are pruned that were drawn when so many were over."""
        pruning = self.plan.pruning
        if pruning is None or num_known < pruning.warmup_rounds * self.plan.batch_size:
            return None
        return self._limits.at(num_known, pruning, self.plan.objective, self.store.journal_path)

    def _show_points(self) -> None:
        assert self._state is not None, "set by the caller"
        known = len(self.dataset)
        self.dataset.X += [list(row) for row in self._state.rows[known:]]
        self.dataset.Y += self._state.given_scores[known:]
        self.dataset.enqueued = self._state.enqueued
        self.dataset.pruned = dict(self._state.pruned)
        self.dataset.earlier = earlier_dataset(self._state, self.dataset.save_dir)

    def _tables(self) -> dict[str, int]:
        return {"max_table_bytes": _SMALL_TABLE_BYTES} if self.limit_memory else {}

    def __getstate__(self) -> dict[str, Any]:
        """All but open rounds, whose scores are in the journal."""
        return {**self.__dict__, "_asked": None, "_evaluated": None, "_journal_of_rounds": None}
