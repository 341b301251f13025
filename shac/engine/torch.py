"""The engine for PyTorch models, on GPUs or on the CPU."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from shac.cores import num_cores
from shac.engine.arguments import checked_count
from shac.engine.shac import SHAC
from shac.engine.signatures import takes_either_order
from shac.evaluation import visible_gpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shac.engine.pruning import Pruning
    from shac.engine.shac import EvaluationFunction
    from shac.engine.strategy import Strategy
    from shac.engine.warm_start import WarmStartSource
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["TorchSHAC"]

_logger = logging.getLogger("shac")


class TorchSHAC(SHAC):
    """Search whose evaluations train PyTorch models.

    Each worker seeds `random`, NumPy and PyTorch (CPU and CUDA) with the evaluation's own seed before it, and limits
    PyTorch's threads to its share of the cores, so that results do not depend on how many evaluations run at once.
    ``shac.torch_device(worker_id)`` gives an evaluation the device of its slot.

    Parameters
    ----------
    evaluation_function, hyperparameter_list, total_budget, num_batches, objective, max_classifiers
        See `SHAC`.
    save_dir, seed, evaluation_timeout, max_retries, strategy, max_failed_rounds, evaluations_per_worker,
        max_memory_per_evaluation, pruning, warm_start, cost_aware
        See `SHAC`.
    max_gpu_evaluators : int, optional
        Above 0: evaluations that run at once, on GPU slots; may exceed the number of GPUs, which then are shared.
        0: evaluations run on the CPU, `max_cpu_evaluators` at once. By default as many as the visible GPUs serve,
        `gpus_per_evaluation` for each.
    max_cpu_evaluators : int
        Above 0, or -1 for all cores.
        Both are attributes; `num_parallel_evaluators` is what counts when they are set afterwards.
    pin_gpus : bool
        Whether each worker process sees the GPUs of its evaluations only: ``CUDA_VISIBLE_DEVICES`` is set before
        PyTorch is imported.
    gpus_per_evaluation : int
        GPUs that each evaluation has, listed by ``shac.torch_devices(worker_id)``. With g GPUs and m for each,
        ``max_gpu_evaluators = g // m`` gives each GPU to one evaluation at a time.

    Raises
    ------
    ValueError
        See `SHAC`; if `max_gpu_evaluators` is negative, `max_cpu_evaluators` neither above 0 nor -1, or `pin_gpus` or
        `gpus_per_evaluation` is set without GPU evaluators.

    Examples
    --------
    >>> import shac
    >>> def train(worker_id, parameters):
    ...     device = shac.torch_device(worker_id)
    ...     return 0.0  # the validation accuracy of a model trained on `device`
    >>> engine = shac.TorchSHAC(
    ...     train, [shac.LogUniformHP("lr", 1e-5, 1e-1)], total_budget=200, num_batches=20, max_gpu_evaluators=4
    ... )
    >>> engine.num_workers, engine.total_classifiers, engine.num_parallel_evaluators
    (10, 18, 4)
    """

    @takes_either_order
    def __init__(
        self,
        evaluation_function: EvaluationFunction | None,
        hyperparameter_list: HyperParameterList | Iterable[AbstractHyperParameter] | None,
        total_budget: int,
        num_batches: int,
        max_gpu_evaluators: int | None = None,
        objective: str | Sequence[str] | Mapping[str, str] = "max",
        max_classifiers: int = 18,
        max_cpu_evaluators: int = 1,
        *,
        save_dir: str | os.PathLike[str] = "shac_run",
        seed: int | None = None,
        evaluation_timeout: float | None = None,
        max_retries: int = 0,
        pin_gpus: bool = False,
        strategy: str | Strategy | None = None,
        max_failed_rounds: int = 3,
        evaluations_per_worker: int | None = None,
        max_memory_per_evaluation: int | None = None,
        pruning: str | Pruning | None = None,
        warm_start: WarmStartSource | None = None,
        overwrite: bool = False,
        cost_aware: bool | None = None,
        gpus_per_evaluation: int = 1,
    ) -> None:
        super().__init__(
            evaluation_function,
            hyperparameter_list,
            total_budget,
            num_batches,
            objective,
            max_classifiers,
            save_dir=save_dir,
            seed=seed,
            evaluation_timeout=evaluation_timeout,
            max_retries=max_retries,
            strategy=strategy,
            max_failed_rounds=max_failed_rounds,
            evaluations_per_worker=evaluations_per_worker,
            max_memory_per_evaluation=max_memory_per_evaluation,
            pruning=pruning,
            warm_start=warm_start,
            overwrite=overwrite,
            cost_aware=cost_aware,
        )
        self.gpus_per_evaluation = checked_count("gpus_per_evaluation", gpus_per_evaluation)
        if max_gpu_evaluators is None:
            max_gpu_evaluators = _num_gpus() // self.gpus_per_evaluation
        num_gpu_evaluators = checked_count("max_gpu_evaluators", max_gpu_evaluators, lowest=0)
        num_cpu_evaluators = _checked_cpu_evaluators(max_cpu_evaluators)
        if pin_gpus and not num_gpu_evaluators:
            raise ValueError("pin_gpus: expected max_gpu_evaluators above 0 with it, got 0")
        if self.gpus_per_evaluation > 1 and not num_gpu_evaluators:
            raise ValueError("gpus_per_evaluation: expected max_gpu_evaluators above 0 with it, got 0")
        self.num_parallel_evaluators = num_gpu_evaluators or num_cpu_evaluators
        self.limit_memory = num_gpu_evaluators > 0
        self.max_gpu_evaluators = num_gpu_evaluators
        self.max_cpu_evaluators = num_cpu_evaluators
        self.pin_gpus = bool(pin_gpus)

    def evaluator_settings(self) -> dict[str, Any]:
        if self.max_gpu_evaluators and self.evaluator_cluster is None and _is_without_gpus():
            _logger.warning(
                "max_gpu_evaluators: PyTorch sees no GPU; %d evaluations at a time run on the CPU",
                self.num_parallel_evaluators,
            )
        return {"seed_torch": True, "pin_gpus": self.pin_gpus, "gpus_per_evaluation": self.gpus_per_evaluation}


def _num_gpus() -> int:
    try:
        return len(visible_gpus())
    except ImportError:  # evaluations may have PyTorch where this process has none, but no GPU is known of
        return 0


def _is_without_gpus() -> bool:
    # Importing PyTorch only to ask would take seconds in a program whose evaluations alone import it
    return ("CUDA_VISIBLE_DEVICES" in os.environ or "torch" in sys.modules) and not visible_gpus()


def _checked_cpu_evaluators(value: Any) -> int:
    if value == -1:
        return num_cores()
    try:
        return checked_count("max_cpu_evaluators", value)
    except ValueError:
        raise ValueError(
            f"max_cpu_evaluators: expected an integer above 0, or -1 for all cores, got {value!r}"
        ) from None
