"""Hydra's overrides as a search space, and its configurations as overrides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.types import IntervalSweep, QuotedString, RangeSweep, Transformer
from hydra.errors import HydraException

import shac

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hydra.core.override_parser.types import Override

__all__ = ["SweepSpace", "sweep_space"]

_SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class _Choice:
    """A value of a choice: in the search space, as an override has it, and as a plain value."""

    value: Any
    text: str
    plain: Any


@dataclass(frozen=True)
class SweepSpace:
    """What is swept, and what is the same in all jobs.

    Parameters
    ----------
    space : HyperParameterList
        Of the overrides that are swept.
    keys : dict
        For each override, in the order given, its key; those that are swept by their name, others by their text.
    choices : dict
        For each parameter that is a choice, its values.
    """

    space: shac.HyperParameterList
    keys: dict[str, str | None]
    choices: dict[str, list[_Choice]]

    def overrides(self, configuration: Mapping[str, Any]) -> list[str]:
        """Return the overrides of a job; a parameter that does not exist in a configuration has none."""
        texts = []
        for name, key in self.keys.items():
            if key is None:
                texts.append(name)
            elif name in configuration:
                choice = self._choice(name, configuration[name])
                texts.append(f"{key}={configuration[name] if choice is None else choice.text}")
        return texts

    def plain(self, configuration: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a configuration as YAML has them, lists and mappings among them."""
        choices = {name: self._choice(name, value) for name, value in configuration.items()}
        return {
            name: value if (choice := choices[name]) is None else choice.plain for name, value in configuration.items()
        }

    def _choice(self, name: str, value: Any) -> _Choice | None:
        known = self.choices.get(name, [])
        return next((c for c in known if type(c.value) is type(value) and c.value == value), None)


def sweep_space(
    overrides: Iterable[Override], conditions: Mapping[str, Any] | None = None, constraints: Sequence[str] = ()
) -> SweepSpace:
    """Build a search space from overrides.

    Parameters
    ----------
    overrides : iterable of Override
        Of one key the last one counts.
    conditions, constraints
        See `shac.HyperParameterList`.

    Returns
    -------
    SweepSpace

    Raises
    ------
    HydraException
        If nothing is swept, or a sweep has no meaning here.
    ValueError
        If a range is empty, a value is given twice, or a condition or a constraint is none.
    """
    last = {override.get_key_element(): override for override in overrides}
    keys: dict[str, str | None] = {}
    choices: dict[str, list[_Choice]] = {}
    parameters = []
    for key, override in last.items():
        if not override.is_sweep_override():
            keys[override.input_line or f"{key}={override.get_value_element_as_str()}"] = None
            continue
        name = override.key_or_group if override.package is None else f"{override.key_or_group}@{override.package}"
        keys[name] = key
        parameters.append(_parameter(name, override, choices))
    if not parameters:
        raise HydraException(
            "hydra.sweeper.params: expected at least one parameter to search, such as 'lr=tag(log, interval(1e-5, "
            f"1e-1))', there or on the command line, got {[*last]}"
        )
    return SweepSpace(
        shac.HyperParameterList(parameters, conditions=conditions, constraints=constraints),
        keys,
        choices,
    )


def _parameter(name: str, override: Override, choices: dict[str, list[_Choice]]) -> Any:
    sweep = override.value()
    tags = set(getattr(sweep, "tags", ()))
    if unknown := tags - {"log", "int"}:
        raise HydraException(f"{override.input_line}: expected the tags log and int, got {sorted(unknown)}")
    if isinstance(sweep, IntervalSweep):
        start, end = sweep.start, sweep.end
        if "int" in tags or (isinstance(start, int) and isinstance(end, int)):
            return _integer(name, _whole(override, start), _whole(override, end), is_log="log" in tags)
        kind = shac.LogUniformHP if "log" in tags else shac.UniformHP
        return kind(name, start, end)
    if isinstance(sweep, RangeSweep) and isinstance(numbers := sweep.range(), range) and abs(numbers.step) == 1:
        if not numbers:
            raise HydraException(f"{override.input_line}: expected a range with a value in it, got none")
        return _integer(name, min(numbers), max(numbers), is_log="log" in tags)
    if tags:
        raise HydraException(
            f"{override.input_line}: expected tags on an interval, or a range of integers in steps of one, got "
            f"{sorted(tags)} on values that are searched as they are"
        )
    if getattr(sweep, "shuffle", False):  # an order is nothing to a search, and one that goes on has to find its own
        sweep.shuffle = False
    known = choices[name] = [_choice(element) for element in override.sweep_iterator()]
    if isinstance(sweep, RangeSweep):
        known.sort(key=lambda choice: choice.value)
    return shac.DiscreteHP(name, [choice.value for choice in known])


def _choice(element: Any) -> _Choice:
    text = Transformer.str(element)
    plain = _plain(element)
    return _Choice(plain if isinstance(plain, _SCALARS) else text, text, plain)


def _plain(element: Any) -> Any:
    if isinstance(element, QuotedString):
        return element.text
    if isinstance(element, list):
        return [_plain(item) for item in element]
    if isinstance(element, dict):
        return {_plain(key): _plain(item) for key, item in element.items()}
    return element


def _integer(name: str, low: int, high: int, *, is_log: bool) -> Any:
    return (shac.LogIntegerHP if is_log else shac.IntegerHP)(name, low, high)


def _whole(override: Override, number: Any) -> int:
    if number != int(number):
        raise HydraException(f"{override.input_line}: expected whole numbers as ends, got {number!r}")
    return int(number)
