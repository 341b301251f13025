"""Parameters of a search space: each a value space, a prior, and float32 columns for the classifiers."""

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.conditional import MISSING
from shac.parameters.continuous import (
    LogUniformHyperParameter,
    NormalContinuousHyperParameter,
    UniformContinuousHyperParameter,
)
from shac.parameters.custom import AbstractContinuousHyperParameter
from shac.parameters.discrete import DiscreteHyperParameter
from shac.parameters.distribution import ScipyHyperParameter
from shac.parameters.integer import IntegerHyperParameter, LogIntegerHyperParameter
from shac.parameters.multi import (
    AbstractMultiContinuousHyperParameter,
    AbstractMultiHyperParameter,
    MultiDiscreteHyperParameter,
    MultiNormalContinuousHyperParameter,
    MultiUniformContinuousHyperParameter,
)
from shac.parameters.registry import get_parameter, set_custom_parameter_class

DiscreteHP = DiscreteHyperParameter
UniformHP = UniformContinuousHyperParameter
NormalHP = NormalContinuousHyperParameter
IntegerHP = IntegerHyperParameter
LogUniformHP = LogUniformHyperParameter
LogIntegerHP = LogIntegerHyperParameter
MultiDiscreteHP = MultiDiscreteHyperParameter
MultiUniformHP = MultiUniformContinuousHyperParameter
MultiNormalHP = MultiNormalContinuousHyperParameter

__all__ = [
    "MISSING",
    "AbstractContinuousHyperParameter",
    "AbstractHyperParameter",
    "AbstractMultiContinuousHyperParameter",
    "AbstractMultiHyperParameter",
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
]
