"""Parameter classes by name, so that a saved search finds its own."""

from __future__ import annotations

from typing import Any

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.continuous import (
    LogUniformHyperParameter,
    NormalContinuousHyperParameter,
    UniformContinuousHyperParameter,
)
from shac.parameters.discrete import DiscreteHyperParameter
from shac.parameters.distribution import ScipyHyperParameter
from shac.parameters.integer import IntegerHyperParameter, LogIntegerHyperParameter
from shac.parameters.multi import (
    MultiDiscreteHyperParameter,
    MultiNormalContinuousHyperParameter,
    MultiUniformContinuousHyperParameter,
)

__all__ = ["get_parameter", "set_custom_parameter_class"]

_OWN_CLASSES: dict[str, type[AbstractHyperParameter]] = {
    "DiscreteHP": DiscreteHyperParameter,
    "IntegerHP": IntegerHyperParameter,
    "LogIntegerHP": LogIntegerHyperParameter,
    "LogUniformHP": LogUniformHyperParameter,
    "MultiDiscreteHP": MultiDiscreteHyperParameter,
    "MultiNormalHP": MultiNormalContinuousHyperParameter,
    "MultiUniformHP": MultiUniformContinuousHyperParameter,
    "NormalHP": NormalContinuousHyperParameter,
    "UniformHP": UniformContinuousHyperParameter,
}
_OWN_CLASSES |= {own.__name__: own for own in (*_OWN_CLASSES.values(), ScipyHyperParameter)}
_custom_classes: dict[str, type[AbstractHyperParameter]] = {}


def set_custom_parameter_class(cls: Any) -> None:
    """Make a user's parameter class known by its name; to be called before a search that uses it is restored.

    Parameters
    ----------
    cls : type
        A subclass of `AbstractHyperParameter`.

    Raises
    ------
    ValueError
        If `cls` is no such class, or has the name of one of the package's own.

    Examples
    --------
    >>> class Mine(AbstractHyperParameter):
    ...     pass
    >>> set_custom_parameter_class(Mine)
    >>> get_parameter("Mine") is Mine
    True
    """
    if not (isinstance(cls, type) and issubclass(cls, AbstractHyperParameter)):
        raise ValueError(f"cls: expected a subclass of AbstractHyperParameter, got {cls!r}")
    if _OWN_CLASSES.get(cls.__name__, cls) is not cls:
        raise ValueError(f"cls: expected a name that the package does not use, got {cls.__name__!r}")
    _custom_classes[cls.__name__] = cls


def get_parameter(name: str) -> type[AbstractHyperParameter]:
    """Return the parameter class of a name or alias.

    Parameters
    ----------
    name : str
        Such as ``"DiscreteHyperParameter"``, or an alias such as ``"DiscreteHP"``.

    Returns
    -------
    type

    Raises
    ------
    ValueError
        If no class of that name is known.
    """
    known = {**_OWN_CLASSES, **_custom_classes}
    names = sorted(known)
    if name not in names:
        raise ValueError(
            f"name: expected one of {names}, got {name!r}; "
            "make a class of your own known with set_custom_parameter_class"
        )
    return known[name]
