"""Hyper-parameter search by Successive Halving and Classification (SHAC, arXiv 1805.10255).

Names are imported where they are first used, so that ``import shac`` is light; type checkers read ``__init__.pyi``.
"""

from __future__ import annotations

import logging
from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_NAMES_BY_MODULE = {
    "callbacks": ("CSVLogger", "Callback", "CallbackList", "History"),
    "codec": ("flatten_parameters",),
    "constraints": ("Constraint", "set_custom_constraint"),
    "dataset": ("Dataset",),
    "engine": ("SHAC", "Prediction", "Pruning", "Recommendation", "Strategy", "TorchSHAC", "TreeSettings", "WarmStart"),
    "errors": (
        "DamagedFileError",
        "EmptyRegionError",
        "EvaluationError",
        "InvalidModelError",
        "SaveFolderError",
        "ShacError",
        "UnsupportedModelError",
    ),
    "evaluation": ("Pruned", "evaluation_dir", "evaluation_seed", "report", "torch_device", "torch_devices"),
    "html_report": ("write_report",),
    "parameters": (
        "MISSING",
        "AbstractContinuousHyperParameter",
        "AbstractHyperParameter",
        "AbstractMultiContinuousHyperParameter",
        "DiscreteHP",
        "DiscreteHyperParameter",
        "IntegerHP",
        "IntegerHyperParameter",
        "LogIntegerHP",
        "LogIntegerHyperParameter",
        "LogUniformHP",
        "LogUniformHyperParameter",
        "MultiDiscreteHP",
        "MultiDiscreteHyperParameter",
        "MultiNormalContinuousHyperParameter",
        "MultiNormalHP",
        "MultiUniformContinuousHyperParameter",
        "MultiUniformHP",
        "NormalContinuousHyperParameter",
        "NormalHP",
        "ScipyHyperParameter",
        "UniformContinuousHyperParameter",
        "UniformHP",
        "get_parameter",
        "set_custom_parameter_class",
    ),
    "plots": ("plot_dataset", "plot_history", "plot_importance", "plot_parallel", "plot_region", "plot_volume"),
    "progress": ("SearchProgress",),
    "sampling": ("Cascade", "SampleReport"),
    "space": ("HyperParameterList",),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = ["__version__", *_MODULE_OF]

logging.getLogger("shac").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'shac' has no attribute {name!r}")
    value = getattr(import_module(f"shac.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
