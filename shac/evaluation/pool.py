"""The evaluator pool: runs the evaluations of a batch at once and keeps one worker id for each."""

from __future__ import annotations

import logging
import operator
import threading
import time
from collections import deque
from dataclasses import dataclass
from multiprocessing import connection, util
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

from shac.evaluation.cores import share_of_cores, thread_environment
from shac.evaluation.devices import gpu_of_worker, visible_gpus
from shac.evaluation.processes import PROCESS_BACKENDS, ProcessSlot
from shac.evaluation.slots import JoblibRunner, ThreadSlot
from shac.evaluation.tasks import EvaluationOutcome
from shac.evaluation.worker import WorkerSetup, pickler, run_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shac.evaluation.slots import Slot
    from shac.evaluation.tasks import EvaluationTask, Reply
    from shac.evaluation.worker import EvaluationFunction

__all__ = ["EvaluatorPool"]

_LOGGER = logging.getLogger("shac")

# Bounds how long Ctrl-C waits on Windows, and how long a worker's death may go unnoticed where the system
# does not announce it
_WAKE_SECONDS = 0.2
_CLOSE_SECONDS = 5.0
_BEFORE_MULTIPROCESSING_JOINS = 100


@dataclass(frozen=True, slots=True)
class _Lease:
    position: int
    task: EvaluationTask
    slot: Slot


class EvaluatorPool:
    """Runs an evaluation function for many settings at once.

    The pool has `num_evaluators` slots, one for each worker id. The lowest free slot takes the next
    evaluation, however long the others last, so that no two evaluations that run at the same time have
    the same worker id. Workers start with their first evaluation and live until `close`.

    An evaluation that fails is an outcome like any other: an exception, a result that is not one finite
    real number, and on processes also the death of the worker, which is then replaced.

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
        `evaluation_seed`) and cannot be killed. Any other name that is registered with joblib: one job at
        a time for each worker id on that back end.
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
        If a number is less than 1, `backend` is unknown, `threads_per_evaluator` comes with
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
    ) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {type(function).__name__}")
        self.num_evaluators = _positive("num_evaluators", num_evaluators)
        self.backend = backend
        factory = _registered_backend(backend)
        if pin_gpus and backend not in PROCESS_BACKENDS:
            raise ValueError(
                f"pin_gpus must be False unless backend is one of {PROCESS_BACKENDS}, got backend={backend!r}"
            )
        limits: dict[str, str] = {}
        if backend in PROCESS_BACKENDS or threads_per_evaluator is not None:
            limits = _thread_limits(self.num_evaluators, limit_threads, threads_per_evaluator)
        worker_ids = range(self.num_evaluators)
        self.threads_per_evaluator: int | None = None
        self._slots: list[Slot]
        if backend in PROCESS_BACKENDS:
            # Some libraries heed the environment, others are told; both hear the same number
            self.threads_per_evaluator = threads = int(limits["OMP_NUM_THREADS"]) if limits else None
            gpus = visible_gpus() if pin_gpus else []
            payload = _pickled(function, backend)
            setups = [
                WorkerSetup(worker_id, payload, {**limits, **_pinned(worker_id, gpus)}, threads, seed_torch)
                for worker_id in worker_ids
            ]
            self._slots = [ProcessSlot(backend, setup) for setup in setups]
        elif backend == "threading":
            self._slots = [_thread_slot(worker_id, function, seed_torch) for worker_id in worker_ids]
        else:
            shared = bool(getattr(factory, "supports_sharedmem", False))
            shared_payload = None if shared else _pickled(function, backend)
            self._slots = [
                _joblib_slot(worker_id, backend, function, shared_payload, seed_torch) for worker_id in worker_ids
            ]
        self._leases: list[_Lease] = []
        self._busy = threading.Lock()
        self._closed = False
        # A pool that nobody closes must not leave processes, nor make the interpreter wait for them when
        # it ends: this runs when the pool is collected, and before multiprocessing joins its children
        self._finalizer = util.Finalize(self, _kill_slots, (self._slots,), exitpriority=_BEFORE_MULTIPROCESSING_JOINS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def evaluate(
        self,
        tasks: Iterable[EvaluationTask],
        on_finished: Callable[[EvaluationOutcome], object] | None = None,
    ) -> list[EvaluationOutcome]:
        """Run evaluations and wait for all of them.

        After an exception in here, Ctrl-C included, all workers are dead and the pool is closed. Only
        evaluations on threads, which cannot be killed, go on to their end, and nobody hears of them.

        Parameters
        ----------
        tasks : iterable of EvaluationTask
            What to evaluate; taken in this order.
        on_finished : callable, optional
            Called in this thread with each outcome as soon as it is there.

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
        queue = deque(enumerate(tasks))
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("evaluate must not be called while it runs")
        try:
            if self._closed:
                raise RuntimeError("evaluate must not be called after close")
            try:
                return self._run(queue, on_finished)
            except BaseException:
                self._kill()
                raise
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
        except BaseException:
            self._kill()
            raise
        self._finalizer.cancel()

    def _run(
        self,
        queue: deque[tuple[int, EvaluationTask]],
        on_finished: Callable[[EvaluationOutcome], object] | None,
    ) -> list[EvaluationOutcome]:
        outcomes: dict[int, EvaluationOutcome] = {}
        self._fill_slots(queue)
        while self._leases:
            ended = self._collect()
            # Before anybody hears of the outcome: a callback may take long, an idle GPU costs money
            self._fill_slots(queue)
            for lease, reply in ended:
                outcome = _outcome(lease, reply)
                outcomes[lease.position] = outcome
                if on_finished is not None:
                    on_finished(outcome)
        return [outcomes[position] for position in range(len(outcomes))]

    def _fill_slots(self, queue: deque[tuple[int, EvaluationTask]]) -> None:
        leased = {lease.slot.worker_id for lease in self._leases}
        for slot in self._slots:
            if not queue:
                return
            if slot.worker_id not in leased:
                position, task = queue.popleft()
                self._leases.append(_Lease(position, task, slot))
                slot.submit(task)

    def _collect(self) -> list[tuple[_Lease, Reply]]:
        watched = [lease.slot.waitables() for lease in self._leases]
        # A slot with nothing to watch has its answer already
        timeout = _WAKE_SECONDS if all(watched) else 0.0
        connection.wait([waitable for waitables in watched for waitable in waitables], timeout)
        ended: list[tuple[_Lease, Reply]] = []
        for lease in self._leases:
            reply = lease.slot.poll()
            if reply is not None:
                ended.append((lease, reply))
        free = {lease.slot.worker_id for lease, _ in ended}
        self._leases = [lease for lease in self._leases if lease.slot.worker_id not in free]
        return ended

    def _kill(self) -> None:
        self._closed = True
        # In a thread, because a second Ctrl-C interrupts this one only, and the interpreter waits for it
        thread = threading.Thread(target=self._finalizer)
        thread.start()
        thread.join()


def _kill_slots(slots: Sequence[Slot]) -> None:
    for slot in slots:
        slot.kill()
    for slot in slots:
        slot.join(0.0)


def _outcome(lease: _Lease, reply: Reply) -> EvaluationOutcome:
    task = lease.task
    outcome = EvaluationOutcome(
        index=task.index,
        parameters=task.parameters,
        worker_id=lease.slot.worker_id,
        seed=task.seed,
        score=reply.score,
        error=reply.error,
        traceback=reply.traceback,
        started=reply.started,
        ended=reply.ended,
    )
    if outcome.failed:
        _LOGGER.warning(
            "evaluation %s failed on evaluator %s: %s\n%s",
            outcome.index,
            outcome.worker_id,
            outcome.error,
            outcome.traceback,
        )
    return outcome


def _positive(name: str, value: SupportsIndex) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer of 1 or more, got {value!r} of type {type(value).__name__}")
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"{name} must be 1 or more, got {number}")
    return number


def _registered_backend(name: str) -> Any:
    if not isinstance(name, str):
        raise TypeError(f"backend must be a string, got {type(name).__name__}")
    if name in PROCESS_BACKENDS or name == "threading":
        return None
    from joblib import parallel

    if name not in parallel.BACKENDS and name in getattr(parallel, "EXTERNAL_BACKENDS", {}):
        parallel.EXTERNAL_BACKENDS[name]()
    if name not in parallel.BACKENDS:
        known = sorted({*PROCESS_BACKENDS, *parallel.BACKENDS})
        raise ValueError(f"backend must be a name that is registered with joblib, one of {known}, got {name!r}")
    return parallel.BACKENDS[name]


def _pickled(function: EvaluationFunction, backend: str) -> bytes:
    try:
        return bytes(pickler().dumps(function))
    except Exception as error:
        raise TypeError(
            f"function must be one that cloudpickle can send to the {backend!r} back end, got "
            f"{type(error).__name__}: {error}; the 'threading' back end needs no pickling"
        ) from error


def _thread_limits(
    num_evaluators: int, limit_threads: bool, threads_per_evaluator: SupportsIndex | None
) -> dict[str, str]:
    if threads_per_evaluator is not None:
        if not limit_threads:
            raise ValueError(
                f"threads_per_evaluator must be None with limit_threads=False, got {threads_per_evaluator!r}"
            )
        return thread_environment(_positive("threads_per_evaluator", threads_per_evaluator), explicit=True)
    return thread_environment(share_of_cores(num_evaluators), explicit=False) if limit_threads else {}


def _pinned(worker_id: int, gpus: Sequence[str]) -> dict[str, str]:
    gpu = gpu_of_worker(worker_id, gpus)
    return {} if gpu is None else {"CUDA_VISIBLE_DEVICES": gpu}


def _thread_slot(worker_id: int, function: EvaluationFunction, seed_torch: bool) -> ThreadSlot:
    return ThreadSlot(worker_id, lambda task: run_evaluation(function, worker_id, task, seed_torch=seed_torch))


def _joblib_slot(
    worker_id: int, backend: str, function: EvaluationFunction, payload: bytes | None, seed_torch: bool
) -> ThreadSlot:
    runner = JoblibRunner(worker_id, backend, function, payload, seed_torch=seed_torch)
    return ThreadSlot(worker_id, runner, finish=runner.close)
