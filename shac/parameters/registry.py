"""Parameter classes by name, so that a saved search finds its own."""

from __future__ import annotations

from typing import Any

from shac.parameters.base import AbstractHyperParameter

__all__ = ["get_parameter", "set_custom_parameter_class"]

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
    if cls.__name__ in _own_classes() and _own_classes()[cls.__name__] is not cls:
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
    known = {**_own_classes(), **_custom_classes}
    names = sorted(known)
    if name not in names:
        raise ValueError(
            f"name: expected one of {names}, got {name!r}; "
            "make a class of your own known with set_custom_parameter_class"
        )
    return known[name]


def _own_classes() -> dict[str, type[AbstractHyperParameter]]:
    from shac import parameters

    candidates = {name: getattr(parameters, name) for name in parameters.__all__}
    return {name: c for name, c in candidates.items() if isinstance(c, type) and "Abstract" not in name}
