"""The slots of each back end, and the checks of what a pool is told."""

from __future__ import annotations

import hashlib
import math
import numbers
import operator
import pickle
import threading
import uuid
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, SupportsIndex

from shac.evaluation.clusters import CLUSTER_BACKENDS, connect
from shac.evaluation.cores import share_of_cores, thread_environment
from shac.evaluation.devices import checked_gpus, gpus_of_worker, visible_gpus
from shac.evaluation.nodes import SMALL_PAYLOAD, NodeJob, own_version, run_sent_job
from shac.evaluation.processes import PROCESS_BACKENDS, ProcessLimits, ProcessSlot
from shac.evaluation.slots import JoblibRunner, ThreadRunner, ThreadSlot
from shac.evaluation.worker import WorkerSetup, pickler, run_evaluation, sendable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from shac.evaluation.clusters import Cluster
    from shac.evaluation.slots import Slot
    from shac.evaluation.tasks import EvaluationSettings, EvaluationTask
    from shac.evaluation.worker import EvaluationFunction

__all__ = ["SlotPlan", "Slots", "at_least", "checked_timeout", "make_slots"]


_LARGE_PAYLOAD = 100_000_000  # bytes


def _nothing() -> None:
    """Close nothing."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What slots are made from: arguments of `EvaluatorPool`, where they are described."""

    function: EvaluationFunction
    num_evaluators: int
    backend: str
    limit_threads: bool
    threads_per_evaluator: SupportsIndex | None
    settings: EvaluationSettings
    pin_gpus: bool
    limits: ProcessLimits
    cluster: Any


@dataclass(frozen=True, slots=True)
class Slots:
    """What a pool runs evaluations on.

    Parameters
    ----------
    slots : list of Slot
        One for each worker id.
    threads : int or None
        The limit of threads in use; None where threads are not limited.
    close : callable
        Lets go of what the slots share, after all of them have ended.
    """

    slots: list[Slot]
    threads: int | None
    close: Callable[[], object] = _nothing


def make_slots(plan: SlotPlan) -> Slots:
    """Make a slot for each worker id; nothing starts yet.

    Parameters
    ----------
    plan : SlotPlan
        What to make.

    Returns
    -------
    Slots

    Raises
    ------
    TypeError, ValueError, ImportError
        See `EvaluatorPool`.
    """
    factory = _registered_backend(plan.backend)
    is_local = plan.backend in PROCESS_BACKENDS
    if plan.pin_gpus and not is_local:
        raise ValueError(
            f"pin_gpus must be False unless backend is one of {PROCESS_BACKENDS}, got backend={plan.backend!r}"
        )
    if plan.cluster is not None and plan.backend not in CLUSTER_BACKENDS:
        raise ValueError(
            f"cluster must be None unless backend is one of {CLUSTER_BACKENDS}, got backend={plan.backend!r}"
        )
    if plan.limits.max_memory is not None and not _runs_on_processes(plan.backend, factory):
        raise ValueError(
            f"max_memory_per_evaluation must be None unless evaluations run on processes, got backend={plan.backend!r}"
        )
    limits: dict[str, str] = {}
    if is_local or plan.threads_per_evaluator is not None:
        limits = _thread_limits(plan)
    if is_local:
        return _process_slots(plan, limits)
    if plan.backend == "threading":
        return Slots([_thread_slot(worker_id, plan) for worker_id in range(plan.num_evaluators)], None)
    if not _runs_on_processes(plan.backend, factory):
        return Slots([_shared_slot(worker_id, plan) for worker_id in range(plan.num_evaluators)], None)
    return _node_slots(plan, limits)


def _runs_on_processes(backend: str, factory: Any) -> bool:
    return backend != "threading" and not getattr(factory, "supports_sharedmem", False)


def at_least(name: str, value: SupportsIndex, lowest: int) -> int:
    """Return an integer of `lowest` or more.

    Raises
    ------
    TypeError
        If it is no integer.
    ValueError
        If it is less.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer of {lowest} or more, got {value!r} of type {type(value).__name__}")
    number = operator.index(value)
    if number < lowest:
        raise ValueError(f"{name} must be {lowest} or more, got {number}")
    return number


def checked_timeout(value: object) -> float:
    """Return a number of seconds above 0.

    Raises
    ------
    TypeError
        If it is no real number.
    ValueError
        If it is not above 0, or not finite.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"evaluation_timeout must be a number of seconds or None, got {value!r}")
    seconds = float(value)
    if not 0 < seconds < math.inf:
        raise ValueError(f"evaluation_timeout must be above 0 and finite, or None, got {value!r}")
    return seconds


def _process_slots(plan: SlotPlan, limits: dict[str, str]) -> Slots:
    # Some libraries heed the environment, others are told; both hear the same number
    threads = int(limits["OMP_NUM_THREADS"]) if limits else None
    gpus = visible_gpus() if plan.pin_gpus else []
    checked_gpus(gpus, plan.settings.gpus_per_evaluation)
    payload = _pickled(plan)
    slots: list[Slot] = []
    for worker_id in range(plan.num_evaluators):
        setup = WorkerSetup([payload], {**limits, **_pinned(worker_id, gpus, plan)}, threads, plan.settings)
        slots.append(ProcessSlot(plan.backend, worker_id, setup, plan.limits))
    return Slots(slots, threads)


def _thread_slot(worker_id: int, plan: SlotPlan) -> ThreadSlot:
    return ThreadSlot(worker_id, lambda: ThreadRunner(worker_id, plan.function, plan.settings), plan.limits.timeout)


def _shared_slot(worker_id: int, plan: SlotPlan) -> ThreadSlot:
    """Make a slot on a back end of threads that is registered with joblib."""

    def make_jobs(task: EvaluationTask) -> list[Any]:
        import joblib

        return [joblib.delayed(run_evaluation)(plan.function, worker_id, task, plan.settings)]

    return ThreadSlot(worker_id, lambda: JoblibRunner(lambda: plan.backend, make_jobs), plan.limits.timeout)


def _node_slots(plan: SlotPlan, limits: dict[str, str]) -> Slots:
    """Make slots on a cluster, or on processes of a back end that is registered with joblib.

    They have no time limit of their own: a job may wait for a place. The clock runs next to the evaluation.
    """
    payload = _pickled(plan)
    threads = int(limits["OMP_NUM_THREADS"]) if limits else None
    cluster: Cluster | None = None
    if plan.backend in CLUSTER_BACKENDS:
        cluster = connect(plan.backend, plan.cluster, plan.num_evaluators, plan.settings.gpus_per_evaluation)
    search = uuid.uuid4().hex if cluster is None else cluster.search
    function = hashlib.sha256(payload).hexdigest()
    sharing = threading.Lock()

    def make_slot(worker_id: int) -> ThreadSlot:
        def make_jobs(task: EvaluationTask) -> Iterator[Any]:
            import joblib

            message = pickler().dumps((worker_id, task))
            job = NodeJob(search, function, None, message, limits, threads, plan.settings, plan.limits)
            if len(payload) > SMALL_PAYLOAD:  # a node that has it already need not get it again
                yield joblib.delayed(run_sent_job)(pickle.dumps(job), own_version())
                if cluster is not None:
                    with sharing:
                        cluster.share(function, payload)
                    yield joblib.delayed(run_sent_job)(pickle.dumps(job), own_version())
            yield joblib.delayed(run_sent_job)(pickle.dumps(replace(job, payload=payload)), own_version())

        def make_backend() -> Any:
            return plan.backend if cluster is None else cluster.make_backend()

        return ThreadSlot(worker_id, lambda: JoblibRunner(make_backend, make_jobs))

    slots: list[Slot] = [make_slot(worker_id) for worker_id in range(plan.num_evaluators)]
    return Slots(slots, threads, _nothing if cluster is None else cluster.close)


def _registered_backend(name: str) -> Any:
    if not isinstance(name, str):
        raise TypeError(f"backend must be a string, got {type(name).__name__}")
    if name in PROCESS_BACKENDS or name in CLUSTER_BACKENDS or name == "threading":
        return None
    from joblib import parallel

    if name not in parallel.BACKENDS and name in getattr(parallel, "EXTERNAL_BACKENDS", {}):
        parallel.EXTERNAL_BACKENDS[name]()
    if name not in parallel.BACKENDS:
        known = sorted({*PROCESS_BACKENDS, *CLUSTER_BACKENDS, *parallel.BACKENDS})
        raise ValueError(f"backend must be a name that is registered with joblib, one of {known}, got {name!r}")
    return parallel.BACKENDS[name]


def _pickled(plan: SlotPlan) -> bytes:
    try:
        payload = sendable(plan.function)
    except Exception as error:
        raise TypeError(
            f"function must be one that cloudpickle can send to the {plan.backend!r} back end, got "
            f"{type(error).__name__}: {error}; the 'threading' back end needs no pickling"
        ) from error
    if len(payload) > _LARGE_PAYLOAD:
        warnings.warn(
            f"evaluation_function: it carries {len(payload) / 1e6:,.0f} MB, of which each of {plan.num_evaluators} "
            f"workers gets a copy; load the data inside the function, or memory-map it",
            stacklevel=2,
        )
    return payload


def _thread_limits(plan: SlotPlan) -> dict[str, str]:
    if plan.threads_per_evaluator is not None:
        if not plan.limit_threads:
            raise ValueError(
                f"threads_per_evaluator must be None with limit_threads=False, got {plan.threads_per_evaluator!r}"
            )
        threads = at_least("threads_per_evaluator", plan.threads_per_evaluator, 1)
        return thread_environment(threads, explicit=True)
    return thread_environment(share_of_cores(plan.num_evaluators), explicit=False) if plan.limit_threads else {}


def _pinned(worker_id: int, gpus: Sequence[str], plan: SlotPlan) -> dict[str, str]:
    share = gpus_of_worker(worker_id, gpus, plan.settings.gpus_per_evaluation)
    return {"CUDA_VISIBLE_DEVICES": ",".join(share)} if share else {}
