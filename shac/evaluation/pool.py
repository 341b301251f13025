"""The evaluator pool: runs the evaluations of a batch at once and keeps one worker id for each."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass
from multiprocessing import connection, util
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

from shac.evaluation.backends import SlotPlan, at_least, checked_timeout, make_slots
from shac.evaluation.functions import check_function
from shac.evaluation.processes import ProcessLimits
from shac.evaluation.tasks import EvaluationOutcome, EvaluationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from shac.evaluation.slots import Slot
    from shac.evaluation.tasks import EvaluationTask, Reply
    from shac.evaluation.worker import EvaluationFunction

    _Listeners = tuple[Callable[[EvaluationOutcome], object], Callable[[EvaluationOutcome], object]]

__all__ = ["EvaluatorPool"]

_LOGGER = logging.getLogger("shac")

# Bounds how long Ctrl-C waits on Windows, and how long a worker's death may go unnoticed where the system
# does not announce it
_WAKE_SECONDS = 0.2
_CLOSE_SECONDS = 5.0
_BEFORE_MULTIPROCESSING_JOINS = 100


@dataclass(frozen=True, slots=True)
class _Job:
    position: int
    task: EvaluationTask
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class _Lease:
    job: _Job
    slot: Slot


class EvaluatorPool:
    """Runs an evaluation function for many configurations at once.

    The pool has `num_evaluators` slots, one for each worker id. The lowest free slot takes the next
    evaluation, however long the others last, so that no two evaluations that run at the same time have
    the same worker id. Workers start with their first evaluation and live until `close`.

    An evaluation that fails is an outcome like any other: an exception, a result that is not one finite real number,
    one that lasts too long, and on processes also the death of the worker, which is then replaced.

    Parameters
    ----------
    function : callable
        ``function(worker_id: int, parameters: OrderedDict) -> float``. It may return what `as_score`
        takes. For processes it is pickled by cloudpickle now, and loaded once in each: lambdas, closures
        and functions of ``__main__`` work, and each worker has a copy of what they refer to.
    num_evaluators : int
        Evaluations that run at once.
    backend : str, default 'loky'
        ``'loky'``: processes that start afresh. ``'multiprocessing'``: processes of the standard
        library, forked on Linux up to Python 3.13; they must not use CUDA if this process does.
        ``'threading'``: threads of this process, which share its global random generators (see
        `evaluation_seed`) and cannot be killed. ``'dask'`` and ``'ray'``: processes on the nodes of a
        cluster. Any other name that is registered with joblib: one job at a time for each worker id on that
        back end.
    limit_threads : bool, default True
        Whether worker processes limit the threads of OpenMP, BLAS and PyTorch. Threads and other joblib
        back ends are left alone.
    threads_per_evaluator : int, optional
        That limit. By default the cores are divided: ``max(1, cores // num_evaluators)``, or what
        ``OMP_NUM_THREADS`` and its kin say where that is less.
    seed_torch : bool, default False
        Whether PyTorch is seeded, besides `random` and `numpy.random`, before each evaluation.
    pin_gpus : bool, default False
        Whether each worker process sees one GPU only, as ``cuda:0``; GPUs are dealt out in turn.
    cluster : distributed.Client or str, optional
        With ``'dask'`` a client or the scheduler's address, with ``'ray'`` an address. By default the cluster that
        this process is connected to, else a local one. Where the cluster declares GPUs, each evaluation takes one.
    evaluation_timeout : float, optional
        Seconds that one evaluation may last, from the moment at which its worker has loaded the function. The process
        of one that lasts longer is killed, with all that it has started, and only that one. A thread cannot be
        killed: it is left behind, gets an exception when it next runs Python code, and another one takes its id.
    max_retries : int, default 0
        How often an evaluation that failed is made again, with the same seed; whatever the reason.
    evaluations_per_worker : int, optional
        Evaluations after which a worker process is replaced by a fresh one; by default it is kept as long as its
        evaluations succeed.
    max_memory_per_evaluation : int, optional
        Bytes that a worker process may take, with all that its evaluation has started. One that takes more is killed;
        the evaluation fails, or, where the process was not fresh, gets one more try in one that is. Not for threads.
    gpus_per_evaluation : int, default 1
        GPUs that each evaluation has: what `torch_devices` lists, `pin_gpus` shows and a cluster gives.
    undisturbed : callable, optional
        Gives a context manager; what is done with an evaluation that has ended is done within it. See
        `StopSignals.held`.

    Attributes
    ----------
    num_evaluators, backend
        As given.
    threads_per_evaluator : int or None
        The limit in use; None where threads are not limited.

    Raises
    ------
    TypeError
        If `function` is not callable or cannot be pickled for a back end of processes, `backend` is not a
        string, or a number is not an integer.
    ValueError
        If a number is out of its range, `backend` is unknown, `threads_per_evaluator` comes with
        ``limit_threads=False``, or `pin_gpus` with a back end other than ``'loky'`` and
        ``'multiprocessing'``.
    ImportError
        If `pin_gpus` has to count the GPUs and PyTorch is not installed, or a back end's package is missing.

    Examples
    --------
    >>> from collections import OrderedDict
    >>> from shac.evaluation import EvaluationTask
    >>> tasks = [EvaluationTask(i, OrderedDict(x=float(i)), seed=i) for i in range(3)]
    >>> with EvaluatorPool(lambda worker_id, p: p["x"] ** 2, num_evaluators=2, backend="threading") as pool:
    ...     [outcome.score for outcome in pool.evaluate(tasks)]
    [0.0, 1.0, 4.0]
    """

    def __init__(
        self,
        function: EvaluationFunction,
        *,
        num_evaluators: SupportsIndex,
        backend: str = "loky",
        limit_threads: bool = True,
        threads_per_evaluator: SupportsIndex | None = None,
        seed_torch: bool = False,
        pin_gpus: bool = False,
        cluster: Any = None,
        evaluation_timeout: float | None = None,
        max_retries: SupportsIndex = 0,
        evaluations_per_worker: SupportsIndex | None = None,
        max_memory_per_evaluation: SupportsIndex | None = None,
        gpus_per_evaluation: SupportsIndex = 1,
        undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {type(function).__name__}")
        check_function(function)
        self.num_evaluators = at_least("num_evaluators", num_evaluators, 1)
        self.backend = backend
        self._max_retries = at_least("max_retries", max_retries, 0)
        self._undisturbed = undisturbed
        plan = SlotPlan(
            function=function,
            num_evaluators=self.num_evaluators,
            backend=backend,
            limit_threads=limit_threads,
            threads_per_evaluator=threads_per_evaluator,
            settings=EvaluationSettings(seed_torch, at_least("gpus_per_evaluation", gpus_per_evaluation, 1)),
            pin_gpus=pin_gpus,
            limits=ProcessLimits(
                None if evaluation_timeout is None else checked_timeout(evaluation_timeout),
                None
                if evaluations_per_worker is None
                else at_least("evaluations_per_worker", evaluations_per_worker, 1),
                None
                if max_memory_per_evaluation is None
                else at_least("max_memory_per_evaluation", max_memory_per_evaluation, 1),
            ),
            cluster=cluster,
        )
        made = make_slots(plan)
        self._slots, self.threads_per_evaluator = made.slots, made.threads
        self._close_shared = made.close
        self._leases: list[_Lease] = []
        self._busy = threading.Lock()
        self._closed = False
        # A pool that nobody closes must not leave processes, nor make the interpreter wait for them when
        # it ends: this runs when the pool is collected, and before multiprocessing joins its children
        self._finalizer = util.Finalize(
            self, _kill_slots, (self._slots, made.close), exitpriority=_BEFORE_MULTIPROCESSING_JOINS
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def evaluate(
        self,
        tasks: Iterable[EvaluationTask],
        on_finished: Callable[[EvaluationOutcome], object] | None = None,
        on_retry: Callable[[EvaluationOutcome], object] | None = None,
    ) -> list[EvaluationOutcome]:
        """Run evaluations and wait for all of them.

        After an exception in here, Ctrl-C included, all workers are dead and the pool is closed; those that had ended
        before have been announced. Only evaluations on threads, which cannot be killed, go on to their end, and
        nobody hears of them.

        Parameters
        ----------
        tasks : iterable of EvaluationTask
            What to evaluate; taken in this order.
        on_finished : callable, optional
            Called in this thread with each outcome as soon as it is there.
        on_retry : callable, optional
            The same for a failed attempt that is made again.

        Returns
        -------
        list of EvaluationOutcome
            In the order of `tasks`.

        Raises
        ------
        RuntimeError
            If the pool is closed, or `evaluate` runs in another thread.
        OSError
            If the system cannot start a worker process.
        """
        queue = deque(_Job(position, task) for position, task in enumerate(tasks))
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("evaluate must not be called while it runs")
        try:
            if self._closed:
                raise RuntimeError("evaluate must not be called after close")
            outcomes: dict[int, EvaluationOutcome] = {}
            listeners = (on_finished or _ignore, on_retry or _ignore)
            try:
                self._run(queue, outcomes, listeners)
            except BaseException:
                self._kill()
                raise
            return [outcomes[position] for position in range(len(outcomes))]
        finally:
            self._busy.release()

    def close(self) -> None:
        """End the workers and wait for them; those that do not end within seconds are killed.

        A closed pool stays closed, and closing it again does nothing.

        Examples
        --------
        >>> pool = EvaluatorPool(lambda worker_id, parameters: 0.0, num_evaluators=1, backend="threading")
        >>> pool.close()
        >>> pool.close()
        """
        if self._closed:
            return
        self._closed = True
        try:
            for slot in self._slots:
                slot.stop()
            deadline = time.monotonic() + _CLOSE_SECONDS
            for slot in self._slots:
                slot.join(max(0.0, deadline - time.monotonic()))
            self._close_shared()
        except BaseException:
            self._kill()
            raise
        self._finalizer.cancel()

    def _run(self, queue: deque[_Job], outcomes: dict[int, EvaluationOutcome], listeners: _Listeners) -> None:
        self._fill_slots(queue)
        while self._leases:
            try:
                self._wait()
            except (KeyboardInterrupt, SystemExit):
                # What has ended meanwhile is not to be lost
                with self._undisturbed():
                    self._take_ended(None, outcomes, listeners)
                raise
            with self._undisturbed():
                self._take_ended(queue, outcomes, listeners)

    def _fill_slots(self, queue: deque[_Job]) -> None:
        if not queue:
            return
        leased = {lease.slot.worker_id for lease in self._leases}
        for slot in self._slots:
            if not queue:
                return
            if slot.worker_id not in leased:
                job = queue.popleft()
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

    def _take_ended(
        self, queue: deque[_Job] | None, outcomes: dict[int, EvaluationOutcome], listeners: _Listeners
    ) -> None:
        ended = self._collect()
        if queue is not None:
            retried = [lease.job for lease, reply in ended if self._is_retried(lease, reply)]
            queue.extendleft(_Job(job.position, job.task, job.attempt + 1) for job in reversed(retried))
            # Before anybody hears of the outcome: a callback may take long, an idle GPU costs money
            self._fill_slots(queue)
        on_finished, on_retry = listeners
        for lease, reply in ended:
            outcome = _outcome(lease, reply)
            is_retried = self._is_retried(lease, reply)
            if outcome.failed:
                _log_failure(outcome, self._max_retries + 1, is_retried=is_retried)
            if is_retried:
                on_retry(outcome)
            else:
                outcomes[lease.job.position] = outcome
                on_finished(outcome)

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

    def _kill(self) -> None:
        self._closed = True
        # In a thread, because a second Ctrl-C interrupts this one only, and the interpreter waits for it
        thread = threading.Thread(target=self._finalizer)
        thread.start()
        thread.join()


def _kill_slots(slots: Sequence[Slot], close_shared: Callable[[], object]) -> None:
    for slot in slots:
        slot.kill()
    close_shared()
    for slot in slots:
        slot.join(0.0)


def _ignore(outcome: EvaluationOutcome) -> None:
    """Listen to nothing."""


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
