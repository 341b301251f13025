"""Evaluations: many configurations at once, on processes, threads or any joblib back end."""

from shac.evaluation.devices import torch_device
from shac.evaluation.pool import EvaluatorPool
from shac.evaluation.seeding import derive_seed, evaluation_seed
from shac.evaluation.signals import StopSignals, TerminatedError
from shac.evaluation.tasks import EvaluationOutcome, EvaluationTask

__all__ = [
    "EvaluationOutcome",
    "EvaluationTask",
    "EvaluatorPool",
    "StopSignals",
    "TerminatedError",
    "derive_seed",
    "evaluation_seed",
    "torch_device",
]
