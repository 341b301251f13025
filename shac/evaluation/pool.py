"""The evaluator pool: runs the evaluations of a batch at once and keeps one worker id for each."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, nullcontext
from multiprocessing import util
from typing import TYPE_CHECKING, Any, Self, SupportsIndex

from shac.evaluation.backends import SlotPlan, at_least, checked_timeout, make_slots
from shac.evaluation.dispatcher import Dispatcher
from shac.evaluation.functions import check_function
from shac.evaluation.processes import ProcessLimits
from shac.evaluation.tasks import EvaluationSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from shac.evaluation.slots import Slot
    from shac.evaluation.tasks import EvaluationOutcome, EvaluationTask
    from shac.evaluation.worker import EvaluationFunction

    Listener = Callable[[EvaluationOutcome], object]

__all__ = ["EvaluatorPool"]

_CLOSE_SECONDS = 5.0
_BEFORE_MULTIPROCESSING_JOINS = 100


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
        objectives: Sequence[str] = (),
        undisturbed: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {type(function).__name__}")
        check_function(function)
        self.num_evaluators = at_least("num_evaluators", num_evaluators, 1)
        self.backend = backend
        max_retries = at_least("max_retries", max_retries, 0)
        plan = SlotPlan(
            function=function,
            num_evaluators=self.num_evaluators,
            backend=backend,
            limit_threads=limit_threads,
            threads_per_evaluator=threads_per_evaluator,
            settings=EvaluationSettings(
                seed_torch, at_least("gpus_per_evaluation", gpus_per_evaluation, 1), tuple(objectives)
            ),
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
        self._dispatcher = Dispatcher(self._slots, max_retries, undisturbed)
        self._last_listener: Listener = _ignore
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
        on_finished: Listener | None = None,
        on_retry: Listener | None = None,
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
        waiting = list(tasks)
        outcomes: dict[int, EvaluationOutcome] = {}

        def finish(number: int, outcome: EvaluationOutcome) -> None:
            outcomes[number] = outcome
            if on_finished is not None:
                on_finished(outcome)

        with self._in_use("evaluate"):
            numbers = self._dispatcher.add(waiting)
            self._dispatcher.run(finish, _numberless(on_retry), lambda: len(outcomes) == len(numbers))
        return [outcomes[number] for number in numbers]

    @property
    def under_way(self) -> set[int]:
        """Indices of the tasks that were begun and whose ends nobody has heard of yet."""
        return self._dispatcher.indices

    def begin(self, tasks: Iterable[EvaluationTask]) -> None:
        """Add evaluations behind those that wait; they start and end within `wait`, and run on between its calls.

        Parameters
        ----------
        tasks : iterable of EvaluationTask
            What to evaluate; taken in this order.
        """
        waiting = list(tasks)
        with self._in_use("begin"):
            self._dispatcher.add(waiting)

    def wait(
        self,
        is_enough: Callable[[], bool],
        on_finished: Listener,
        on_retry: Listener | None = None,
        *,
        may_start: Callable[[int], bool] = lambda index: True,  # noqa: ARG005 - the signature of gates
    ) -> None:
        """Run what was begun, until it is enough; the rest goes on without being heard of until the next call.

        Parameters
        ----------
        is_enough : callable
            Asked after each outcome, and at first.
        on_finished, on_retry
            See `evaluate`, also for what happens after an exception.
        may_start : callable
            Asked with the index of a task before it starts. Where it says no, this returns when none runs.

        Raises
        ------
        RuntimeError, OSError
            See `evaluate`.

        Examples
        --------
        >>> from collections import OrderedDict
        >>> from shac.evaluation import EvaluationTask
        >>> outcomes = []
        >>> with EvaluatorPool(lambda worker_id, p: p["x"], num_evaluators=1, backend="threading") as pool:
        ...     pool.begin(EvaluationTask(i, OrderedDict(x=float(i)), seed=i) for i in range(3))
        ...     pool.wait(lambda: len(outcomes) == 2, outcomes.append)
        ...     len(outcomes), pool.under_way
        (2, {2})
        """
        self._last_listener = on_finished
        with self._in_use("wait"):
            self._dispatcher.run(_numberless(on_finished), _numberless(on_retry), is_enough, may_start)

    def stop(self) -> None:
        """Let the last listener of `wait` hear of what has ended since, and kill what has not.

        Evaluations on threads go on to their end, and nobody hears of them.
        """
        if self._closed or not self._dispatcher.is_running:
            return
        self._dispatcher.take_ended(_numberless(self._last_listener), _numberless(None))
        if self._dispatcher.is_running:
            self._kill()

    @contextmanager
    def _in_use(self, name: str) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("evaluate must not be called while it runs")
        try:
            if self._closed:
                raise RuntimeError(f"{name} must not be called after close")
            try:
                yield
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
            self._close_shared()
        except BaseException:
            self._kill()
            raise
        self._finalizer.cancel()

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


def _numberless(listener: Listener | None) -> Callable[[int, EvaluationOutcome], object]:
    return lambda _, outcome: None if listener is None else listener(outcome)
