"""The stored form of a search space: a mapping from names to classes and arguments, in types that JSON has."""

from __future__ import annotations

import hashlib
import inspect
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from shac.constraints import Constraint, constraint_from_config
from shac.files import dump_json
from shac.parameters import AbstractHyperParameter, get_parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shac.conditions import Conditions

__all__ = ["config_of", "digest_of", "parts_of"]


def config_of(
    parameters: Iterable[AbstractHyperParameter], conditions: Conditions, constraints: Sequence[Constraint]
) -> OrderedDict[str, Any]:
    """Return the config of a space; see `HyperParameterList.get_config`."""
    config: OrderedDict[str, Any] = OrderedDict()
    for parameter in parameters:
        arguments = parameter.get_config()
        _check_restorable(parameter, arguments)
        config[parameter.name] = [type(parameter).__name__, arguments]
    for name, when in conditions.get_config().items():
        config[name].append({"when": when})
    if constraints:
        config[""] = ["constraints", [constraint.get_config() for constraint in constraints]]
    return config


def _check_restorable(parameter: AbstractHyperParameter, arguments: Mapping[str, Any]) -> None:
    """Raise ValueError where a class of a user's could be saved, but never restored."""
    cls = type(parameter)
    if cls.load_from_config.__func__ is not AbstractHyperParameter.load_from_config.__func__:  # type: ignore[attr-defined]
        return
    misfit = _misfit_of(cast("Any", cls), tuple(arguments))
    if misfit:
        raise ValueError(
            f"parameter {parameter.name!r}: expected a class whose constructor takes what get_config returns, {misfit}"
        )


@lru_cache(maxsize=256)
def _misfit_of(cls: Any, names: tuple[str, ...]) -> str:
    """Return why a class cannot be made of arguments of these names; empty where it can."""
    signature = inspect.signature(cls)
    takes_seed = "seed" in signature.parameters or any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
    given = {name: None for name in names if takes_seed or name != "seed"}
    try:
        signature.bind(**given)
    except TypeError as error:
        return f"{[*given]}, got {cls.__name__}{signature}: {error}"
    return ""


def parts_of(config: Any) -> tuple[list[AbstractHyperParameter], dict[str, Any], list[Constraint]]:
    """Return the parameters, conditions and constraints that a config holds.

    Raises
    ------
    ValueError
        If it has another form than `config_of` writes, or names a class that is not known.
    """
    if not isinstance(config, Mapping):
        raise ValueError(f"config: expected a mapping from names to [class, arguments], got {config!r}")
    parameters = []
    conditions: dict[str, Any] = {}
    constraints: list[Constraint] = []
    for name, entry in config.items():
        match entry:
            case ["constraints", list(configs)] if name == "":
                constraints = [constraint_from_config(one) for one in configs]
                continue
            case [str(class_name), dict(arguments)] if arguments.get("name") == name:
                pass
            case [str(class_name), dict(arguments), {"when": when}] if arguments.get("name") == name:
                conditions[name] = when
            case _:
                raise ValueError(
                    f"config: expected [class name, arguments] with name {name!r} for {name!r}, got {entry!r}"
                )
        try:
            parameters.append(get_parameter(class_name).load_from_config(dict(arguments)))
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"config: {name!r}: expected arguments of {class_name}: {error}") from error
    return parameters, conditions, constraints


def digest_of(config: Mapping[str, Any]) -> str:
    """Return a SHA-256 hex digest of a config; seeds do not count.

    Raises
    ------
    ValueError
        If a parameter has values that cannot be saved.
    """
    counted = [
        [name, kind, {k: v for k, v in given.items() if k != "seed"} if isinstance(given, dict) else given, *when]
        for name, (kind, given, *when) in config.items()
    ]
    return hashlib.sha256(dump_json(counted, "space").encode()).hexdigest()
