"""Parameters by name, in order: none takes the name or the column of another, and one seed makes those of all."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.checks import checked_seed

__all__ = ["NamedParameters"]

_MOST_COLUMNS = 65_536


class NamedParameters(Mapping[str, AbstractHyperParameter]):
    """Parameters that names and seeds are checked for; empty at first.

    Examples
    --------
    >>> from shac import DiscreteHP, MultiUniformHP
    >>> parameters = NamedParameters()
    >>> parameters.append(MultiUniformHP("x", 0.0, 1.0, sample_count=2))
    >>> parameters.append(DiscreteHP("x_2", [1, 2]))
    Traceback (most recent call last):
    ValueError: parameter: expected names that are not taken, got 'x_2' twice
    """

    def __init__(self) -> None:
        self._by_name: dict[str, AbstractHyperParameter] = {}
        self._taken: set[str] = set()  # names of parameters and columns
        self._seed: int | None = None
        self._column_names: list[str] | None = None  # until they are asked for
        self.num_columns = 0

    def check_new(self, parameter: AbstractHyperParameter) -> None:
        """Raise ValueError unless `append` would take a parameter."""
        given: object = parameter
        if not isinstance(given, AbstractHyperParameter):
            hint = "; a space is a list of parameters, each with its name" if isinstance(given, str) else ""
            raise ValueError(f"parameter: expected a hyper-parameter, got {given!r}{hint}")
        if taken := sorted(_names_of(parameter) & self._taken):
            raise ValueError(f"parameter: expected names that are not taken, got {taken[0]!r} twice")
        if self.num_columns + parameter.num_columns > _MOST_COLUMNS:
            raise ValueError(
                f"parameter: expected at most {_MOST_COLUMNS} columns, got {parameter.num_columns} more than the "
                f"{self.num_columns} there are"
            )

    def append(self, parameter: AbstractHyperParameter) -> None:
        """Add a parameter at the end; it gets a seed of its own if the whole has one.

        Raises
        ------
        ValueError
            If it is no parameter, a name is taken, or there would be too many columns.
        """
        self.check_new(parameter)
        self._taken |= _names_of(parameter)
        self.num_columns += parameter.num_columns
        self._by_name[parameter.name] = parameter
        self._column_names = None
        if self._seed is not None:
            parameter.set_seed(_seed_of(self._seed, parameter.name))

    def remove(self, name: str) -> None:
        """Remove the parameter of a name that there is."""
        removed = self._by_name.pop(name)
        self._column_names = None
        self._taken -= _names_of(removed)
        self.num_columns -= removed.num_columns

    def column_names(self) -> list[str]:
        """Return the names of the columns, in order."""
        if self._column_names is None:
            self._column_names = [name for parameter in self.values() for name in parameter.column_names()]
        return [*self._column_names]

    @property
    def seed(self) -> int | None:
        """Seed of the whole: the one given, or one made of the parameters' seeds when all of them have one."""
        if self._seed is not None or not self._by_name:
            return self._seed
        seeds = [parameter.seed for parameter in self.values()]
        if any(seed is None for seed in seeds):
            return None
        digest = hashlib.sha256(repr(seeds).encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1

    def set_seed(self, seed: int | None) -> None:
        """Seed each parameter with what this seed and its name make; None leaves theirs alone.

        Raises
        ------
        ValueError
            If `seed` is not an integer of at least 0.
        """
        self._seed = checked_seed(seed)
        if self._seed is None:
            return
        for parameter in self.values():
            parameter.set_seed(_seed_of(self._seed, parameter.name))

    def __getitem__(self, name: str) -> AbstractHyperParameter:
        return self._by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_name)

    def __len__(self) -> int:
        return len(self._by_name)


def _names_of(parameter: AbstractHyperParameter) -> set[str]:
    return {parameter.name, *parameter.column_names()}


def _seed_of(seed: int, name: str) -> int:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")
