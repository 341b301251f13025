"""Which parameters exist only where others take certain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters import AbstractHyperParameter, DiscreteHyperParameter, IntegerHyperParameter

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Conditions"]

_MOST_VALUES = 10_000


class Conditions:
    """Conditions of the parameters of one search space.

    Parameters
    ----------
    parameters : mapping of str to AbstractHyperParameter
        The parameters by name.
    given : mapping of str to mapping
        For each parameter that depends on others, the values of each of those with which it exists.

    Raises
    ------
    ValueError
        If a name is not known, a parent has no separate values or does not have the given ones, or parameters depend
        on each other.

    Examples
    --------
    >>> from shac import DiscreteHP, UniformHP
    >>> parameters = {"optimizer": DiscreteHP("optimizer", ["sgd", "adam"]), "momentum": UniformHP("momentum", 0, 1)}
    >>> Conditions(parameters, {"momentum": {"optimizer": "sgd"}}).get_config()
    {'momentum': {'optimizer': ['sgd']}}
    """

    def __init__(self, parameters: Mapping[str, AbstractHyperParameter], given: Mapping[str, Any] | None) -> None:
        if given is not None and not isinstance(given, Mapping):
            raise ValueError(f"conditions: expected a mapping from names to mappings, got {given!r}")
        self._values: dict[str, dict[str, list[Any]]] = {}
        for name, when in (given or {}).items():
            if name not in parameters:
                raise ValueError(f"conditions: expected names among {list(parameters)}, got {name!r}")
            if not isinstance(when, Mapping) or not when:
                raise ValueError(
                    f"conditions: {name!r}: expected a mapping from names of other parameters to values, got {when!r}"
                )
            self._values[name] = {
                parent: _values_of(parameters, name, parent, values) for parent, values in when.items()
            }
        self.order = self._ordered()
        self._encoded = {
            name: {parent: np.unique(parameters[parent].encode_array(values)) for parent, values in when.items()}
            for name, when in self._values.items()
        }

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def parents(self, name: str) -> dict[str, NDArray[np.float32]]:
        """Return the encoded values of each parent with which a parameter exists; ascending."""
        return self._encoded.get(name, {})

    def get_config(self) -> dict[str, dict[str, list[Any]]]:
        """Return the conditions as they are given, in types that JSON has."""
        return {name: {parent: list(values) for parent, values in when.items()} for name, when in self._values.items()}

    def describe(self, name: str) -> str:
        """Say when a parameter exists, for messages."""
        return " and ".join(
            f"{parent} is {values[0]!r}" if len(values) == 1 else f"{parent} is one of {values!r}"
            for parent, values in self._values[name].items()
        )

    def dependents(self, name: str) -> list[str]:
        """Names of the parameters that depend on one."""
        return [other for other, when in self._values.items() if name in when]

    def _ordered(self) -> tuple[str, ...]:
        """Names of conditional parameters, each after those that it depends on."""
        order: list[str] = []
        left = list(self._values)
        while left:
            ready = [name for name in left if not any(parent in left for parent in self._values[name])]
            if not ready:
                raise ValueError(f"conditions: expected no parameters that depend on each other, got {left}")
            order += ready
            left = [name for name in left if name not in ready]
        return tuple(order)


def _values_of(parameters: Mapping[str, AbstractHyperParameter], name: str, parent: str, values: Any) -> list[Any]:
    where = f"conditions: {name!r}"
    if parent not in parameters or parent == name:
        raise ValueError(
            f"{where}: expected names of other parameters among {[n for n in parameters if n != name]}, got {parent!r}"
        )
    parameter = parameters[parent]
    if not isinstance(parameter, (DiscreteHyperParameter, IntegerHyperParameter)):
        raise ValueError(
            f"{where}: expected {parent!r} to be a discrete or integer parameter, got a {type(parameter).__name__}"
        )
    is_one = isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable)
    listed = [values] if is_one or _is_value(parameter, values) else list(values)
    if not 0 < len(listed) <= _MOST_VALUES:
        raise ValueError(f"{where}: expected 1 to {_MOST_VALUES} values of {parent!r}, got {len(listed)}")
    for value in listed:
        if not _is_value(parameter, value):
            raise ValueError(f"{where}: expected values of {parent!r}, got {value!r}")
    return listed


def _is_value(parameter: AbstractHyperParameter, value: Any) -> bool:
    try:
        encoded = parameter.encode_array([value])
        return bool(parameter.encode_array(parameter.decode_array(encoded)) == encoded)
    except ValueError:
        return False
