"""Evaluations: many configurations at once, on processes, threads or any joblib back end."""

from shac.evaluation.curves import CurveLimits, checked_point
from shac.evaluation.devices import torch_device, torch_devices, visible_gpus
from shac.evaluation.pool import EvaluatorPool
from shac.evaluation.reporting import Pruned, report
from shac.evaluation.running import evaluation_dir, evaluation_seed, is_within_evaluation
from shac.evaluation.seeding import derive_seed
from shac.evaluation.signals import StopSignals, TerminatedError
from shac.evaluation.tasks import EvaluationOutcome, EvaluationSettings, EvaluationTask

__all__ = [
    "CurveLimits",
    "EvaluationOutcome",
    "EvaluationSettings",
    "EvaluationTask",
    "EvaluatorPool",
    "Pruned",
    "StopSignals",
    "TerminatedError",
    "checked_point",
    "derive_seed",
    "evaluation_dir",
    "evaluation_seed",
    "is_within_evaluation",
    "report",
    "torch_device",
    "torch_devices",
    "visible_gpus",
]
