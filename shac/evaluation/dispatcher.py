"""Deals evaluations that wait out to slots that are free, and hears how they end."""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import connection
from typing import TYPE_CHECKING

from shac.evaluation.tasks import EvaluationOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from shac.evaluation.slots import Slot
    from shac.evaluation.tasks import EvaluationTask, Reply

    Listener = Callable[[int, EvaluationOutcome], object]

__all__ = ["Dispatcher"]

_LOGGER = logging.getLogger("shac")

# Bounds how long Ctrl-C waits on Windows, and how long a worker's death may go unnoticed where the system
# does not announce it
_WAKE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class _Job:
    number: int
    task: EvaluationTask
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class _Lease:
    job: _Job
    slot: Slot


class Dispatcher:
    """The evaluations of a pool that wait and run; see `EvaluatorPool`.

    They go on while nobody is in `run`, and what ends meanwhile is heard of in the next one.

    Parameters
    ----------
    slots : sequence of Slot
        The lowest free one takes the next evaluation.
    max_retries : int
        How often a failed one is made again.
    undisturbed : callable
        Gives the context manager within which outcomes are announced.
    """

    def __init__(
        self, slots: Sequence[Slot], max_retries: int, undisturbed: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._slots, self._max_retries, self._undisturbed = slots, max_retries, undisturbed
        self._queue: deque[_Job] = deque()
        self._leases: list[_Lease] = []
        self._numbers = itertools.count()

    @property
    def indices(self) -> set[int]:
        """Indices of the tasks that wait or run."""
        return {job.task.index for job in self._queue} | {lease.job.task.index for lease in self._leases}

    @property
    def is_running(self) -> bool:
        """Whether any of them runs."""
        return bool(self._leases)

    def add(self, tasks: Iterable[EvaluationTask]) -> list[int]:
        """Let tasks wait behind the others; returns the number of each."""
        jobs = [_Job(next(self._numbers), task) for task in tasks]
        self._queue += jobs
        return [job.number for job in jobs]

    def run(
        self,
        on_finished: Listener,
        on_retry: Listener,
        is_enough: Callable[[], bool],
        may_start: Callable[[int], bool] = lambda index: True,  # noqa: ARG005 - the signature of gates
    ) -> None:
        """Start evaluations and hear of them.

        Parameters
        ----------
        on_finished, on_retry : callable
            Get the number of each evaluation that ended, or failed and is made again, and its outcome.
        is_enough : callable
            Says when to return, although others wait or run.
        may_start : callable
            Asked before each start with the task's index; where it says no, this returns when nothing runs.
        """
        self._fill_slots(may_start)
        while self._leases and not is_enough():
            try:
                self._wait()
            except (KeyboardInterrupt, SystemExit):
                # What has ended meanwhile is not to be lost
                self.take_ended(on_finished, on_retry)
                raise
            with self._undisturbed():
                self._take_ended(on_finished, on_retry, may_start)

    def take_ended(self, on_finished: Listener, on_retry: Listener) -> None:
        """Hear of what has ended, and start nothing."""
        with self._undisturbed():
            self._take_ended(on_finished, on_retry, None)

    def _fill_slots(self, may_start: Callable[[int], bool]) -> None:
        if not self._queue:
            return
        leased = {lease.slot.worker_id for lease in self._leases}
        for slot in self._slots:
            if not self._queue:
                return
            if slot.worker_id not in leased:
                if not may_start(self._queue[0].task.index):
                    return
                job = self._queue.popleft()
                self._leases.append(_Lease(job, slot))
                slot.submit(job.task)

    def _wait(self) -> None:
        watched = [lease.slot.waitables() for lease in self._leases]
        # A slot with nothing to watch has its answer already
        timeout = _WAKE_SECONDS if all(watched) else 0.0
        deadlines = [moment for lease in self._leases if (moment := lease.slot.deadline()) is not None]
        if deadlines:
            timeout = max(0.0, min(timeout, min(deadlines) - time.monotonic()))
        connection.wait([waitable for waitables in watched for waitable in waitables], timeout)

    def _take_ended(self, on_finished: Listener, on_retry: Listener, may_start: Callable[[int], bool] | None) -> None:
        ended = self._collect()
        if may_start is not None:
            retried = [lease.job for lease, reply in ended if self._is_retried(lease, reply)]
            self._queue.extendleft(_Job(job.number, job.task, job.attempt + 1) for job in reversed(retried))
            # Before anybody hears of the outcome: a callback may take long, an idle GPU costs money
            self._fill_slots(may_start)
        for lease, reply in ended:
            outcome = _outcome(lease, reply)
            is_retried = self._is_retried(lease, reply)
            if outcome.failed:
                _log_failure(outcome, self._max_retries + 1, is_retried=is_retried)
            (on_retry if is_retried else on_finished)(lease.job.number, outcome)

    def _collect(self) -> list[tuple[_Lease, Reply]]:
        ended: list[tuple[_Lease, Reply]] = []
        running: list[_Lease] = []
        for lease in self._leases:
            reply = lease.slot.poll()
            if reply is None:
                # Asked after the answer: one that is there in time counts, however late it is looked for
                deadline = lease.slot.deadline()
                if deadline is not None and time.monotonic() >= deadline:
                    reply = lease.slot.abandon()
            if reply is None:
                running.append(lease)
            else:
                ended.append((lease, reply))
        self._leases = running
        return ended

    def _is_retried(self, lease: _Lease, reply: Reply) -> bool:
        return reply.error is not None and lease.job.attempt <= self._max_retries


def _outcome(lease: _Lease, reply: Reply) -> EvaluationOutcome:
    task = lease.job.task
    return EvaluationOutcome(
        index=task.index,
        parameters=task.parameters,
        worker_id=lease.slot.worker_id,
        seed=task.seed,
        score=reply.score,
        error=reply.error,
        traceback=reply.traceback,
        started=reply.started,
        ended=reply.ended,
        attempt=lease.job.attempt,
        curve=reply.curve,
        pruned=reply.pruned,
    )


def _log_failure(outcome: EvaluationOutcome, max_attempts: int, *, is_retried: bool) -> None:
    _LOGGER.warning(
        "evaluation %s failed on evaluator %s%s: %s\n%s",
        outcome.index,
        outcome.worker_id,
        f" (attempt {outcome.attempt} of {max_attempts}{', runs again' if is_retried else ''})"
        if max_attempts > 1
        else "",
        outcome.error,
        outcome.traceback,
    )
