"""Constraints: what the configurations of a search must satisfy together.

A constraint is an expression, which is saved with the search (see `shac.expressions`), or a function, of which a file
holds the name alone.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.expressions import evaluate, names_in, parse
from shac.feasibility import can_hold
from shac.linear import linear_inequalities
from shac.parameters.conditional import is_missing

if TYPE_CHECKING:
    import ast
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from shac.linear import LinearInequality

__all__ = ["Constraint", "Constraints", "as_constraint", "constraint_from_config", "set_custom_constraint"]

_custom_functions: dict[str, Constraint] = {}


class Constraint:
    """A condition on several parameters at once that every configuration must satisfy.

    It applies where all the parameters that it names exist; a configuration without one of them satisfies it.

    Parameters
    ----------
    condition : str or callable
        An expression such as ``"batch_size * width <= 65536"``, with numbers, strings, ``+ - * / // % **``,
        comparisons, ``in (...)``, ``and``, ``or``, ``not`` and the functions abs, ceil, exp, floor, log, log10, log2,
        max, min, sqrt and sum; ``x[0]`` is the first value of a multi-parameter. Numbers are float64. Or a function
        that takes arrays, one value for each configuration, and returns an array of bool.
    names : sequence of str, optional
        Parameters that the function takes, in order; by default the names of its arguments.

    Raises
    ------
    ValueError
        If the expression is not understood, or the function's arguments do not name parameters.

    Examples
    --------
    >>> Constraint("width * depth <= 64").holds({"width": np.array([8, 32]), "depth": np.array([4, 4])}).tolist()
    [True, False]
    >>> Constraint(lambda width: width % 2 == 0).names
    ('width',)
    """

    def __init__(self, condition: str | Callable[..., Any], names: Sequence[str] | None = None) -> None:
        self._expression: str | None = None
        self._function: Callable[..., Any] | None = None
        if isinstance(condition, str):
            if names is not None:
                raise ValueError("names: expected none for an expression, which names its parameters itself")
            self._expression = condition
            self._tree = parse(condition)
            self.names = names_in(self._tree)
        elif callable(condition):
            self._function = condition
            self.names = _arguments_of(condition) if names is None else tuple(names)
        else:
            raise ValueError(f"condition: expected an expression or a function, got {condition!r}")
        if not self.names:
            raise ValueError(f"condition: expected one that names parameters, got {self}")

    @property
    def tree(self) -> ast.expr | None:
        """The expression, parsed; None for a function."""
        return self._tree if self._expression is not None else None

    def holds(self, columns: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Return which configurations satisfy it.

        Parameters
        ----------
        columns : mapping of str to ndarray
            Values of each parameter that it names, shape (n,), or (n, k) for a multi-parameter of k values; all there.

        Returns
        -------
        ndarray of bool, shape (n,)

        Raises
        ------
        ValueError
            If what comes out is not a truth value for each configuration.
        """
        values = [columns[name] for name in self.names]
        n = len(values[0])
        with np.errstate(all="ignore"):
            if self._function is not None:
                result = np.asarray(self._function(*values))
            else:
                numbers = {name: _as_number(value) for name, value in zip(self.names, values, strict=True)}
                try:
                    result = np.broadcast_to(np.asarray(evaluate(self._tree, numbers)), (n,))
                except (TypeError, IndexError, ValueError) as error:
                    raise ValueError(f"constraint {self}: {error}") from error
        if result.dtype != np.bool_ or result.shape != (n,):
            raise ValueError(
                f"constraint {self}: expected an array of bool of shape ({n},), got {result.dtype} of shape "
                f"{result.shape}"
            )
        return result

    def get_config(self) -> str | dict[str, Any]:
        """Return what the constraint is saved as: an expression as it is, a function by its name."""
        if self._expression is not None:
            return self._expression
        return {"function": self._function_name(), "names": list(self.names)}

    def _function_name(self) -> str:
        return str(getattr(self._function, "__qualname__", type(self._function).__name__))

    def __call__(self, *values: NDArray[Any]) -> NDArray[np.bool_]:
        return self.holds(dict(zip(self.names, values, strict=True)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constraint) and self.get_config() == other.get_config()

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return repr(self._expression) if self._expression is not None else self._function_name()

    def __repr__(self) -> str:
        return f"Constraint({self})"


class Constraints:
    """The constraints of one search space.

    Parameters
    ----------
    constraints : sequence of Constraint
    columns : mapping of str to slice
        The columns of each parameter.
    multiple : collection of str
        Names of the parameters whose value is a list.

    Examples
    --------
    >>> both = Constraints([Constraint("x < y")], {"x": slice(0, 1), "y": slice(1, 2)})
    >>> both.satisfied([[1, 2], [2, 1]], 2).tolist()
    [True, False]
    """

    def __init__(
        self, constraints: Sequence[Constraint], columns: Mapping[str, slice], multiple: Collection[str] = ()
    ) -> None:
        self._constraints = tuple(constraints)
        self._columns = {name: columns[name] for constraint in constraints for name in constraint.names}
        self._multiple = multiple

    @property
    def columns(self) -> list[int]:
        """The columns that they ask for."""
        return sorted({c for own in self._columns.values() for c in range(own.start, own.stop)})

    def inequalities(self, conditional: Collection[str]) -> list[LinearInequality]:
        """List the linear inequalities that hold in every configuration.

        Parameters
        ----------
        conditional : collection of str
            Names of the parameters that some configurations do not have.
        """
        return [
            inequality
            for constraint in self._constraints
            if constraint.tree is not None and not set(constraint.names) & set(conditional)
            for inequality in linear_inequalities(constraint.tree, self._columns, self._multiple)
        ]

    def can_hold(self, ranges: Sequence[tuple[float, float] | None], conditional: Collection[str]) -> bool:
        """Return whether each constraint may hold for values within ranges; False is a proof that one does not.

        Parameters
        ----------
        ranges : sequence
            Of each column of the space; None where the values are no numbers.
        conditional : collection of str
            Names of the parameters that some configurations do not have.
        """
        of_names = {name: list(ranges[own]) for name, own in self._columns.items()}
        return all(
            can_hold(constraint.tree, of_names, self._multiple)
            for constraint in self._constraints
            if constraint.tree is not None and not set(constraint.names) & set(conditional)
        )

    def satisfied(self, columns: Mapping[int, Any] | Sequence[Any], n: int) -> NDArray[np.bool_]:
        """Return which rows satisfy all; one without a parameter satisfies what names it.

        Parameters
        ----------
        columns : mapping of int to sequence
            The values of each of `columns`, shape (n,).
        n : int
            Rows.

        Returns
        -------
        ndarray of bool, shape (n,)

        Raises
        ------
        ValueError
            If a constraint gives anything else than truth values.
        """
        satisfied = np.ones(n, dtype=np.bool_)
        values = {c: natural_array(columns[c]) for c in self.columns}
        missing = {name: is_missing(values[own.start]) for name, own in self._columns.items()}
        for constraint in self._constraints:
            applies = satisfied & ~np.logical_or.reduce([missing[name] for name in constraint.names])
            if applies.any():
                given = {name: self._value(name, values, applies) for name in constraint.names}
                satisfied[applies] = constraint.holds(given)
        return satisfied

    def _value(self, name: str, values: Mapping[int, NDArray[Any]], applies: NDArray[np.bool_]) -> NDArray[Any]:
        own = self._columns[name]
        existing = [natural_array(values[c][applies]) for c in range(own.start, own.stop)]
        return np.stack(existing, axis=1) if name in self._multiple else existing[0]


def natural_array(values: Any) -> NDArray[Any]:
    """Make an array of numbers, or of bools, where all values are; else of objects.

    Examples
    --------
    >>> natural_array([1, 2.5]).dtype.kind, natural_array([True, 1]).dtype.kind
    ('f', 'O')
    """
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    kinds = {type(value) for value in values}
    if kinds and (kinds <= {int, float} or kinds == {bool}) and not any(abs(value) >= 2**63 for value in values):
        return np.array(list(values))
    result = np.empty(len(values), dtype=object)
    result[:] = list(values)
    return result


def as_constraint(condition: Any) -> Constraint:
    """Make a constraint of an expression or a function, or give the one that it is."""
    return condition if isinstance(condition, Constraint) else Constraint(condition)


def set_custom_constraint(function: Callable[..., Any] | Constraint) -> None:
    """Make a function known by its name; to be called before a search that it constrains is restored.

    Parameters
    ----------
    function : callable or Constraint
        The function that was given as a constraint.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> def even(width):
    ...     return width % 2 == 0
    >>> set_custom_constraint(even)
    """
    constraint = as_constraint(function)
    config = constraint.get_config()
    if isinstance(config, str):
        raise ValueError(f"function: expected a function, got the expression {config!r}, which needs no name")
    _custom_functions[config["function"]] = constraint


def constraint_from_config(config: Any) -> Constraint:
    """Build the constraint from what `Constraint.get_config` gave.

    Raises
    ------
    ValueError
        If it has another layout, or names a function that is not known.
    """
    match config:
        case str():
            return Constraint(config)
        case {"function": str(name), "names": list(names)} if name in _custom_functions:
            known = _custom_functions[name]
            if list(known.names) != names:
                raise ValueError(f"constraint {name}: expected a function of {names}, got one of {list(known.names)}")
            return known
        case {"function": str(name), "names": list()}:
            raise ValueError(
                f"constraint {name}: expected one of the functions {sorted(_custom_functions)}; files hold no code: "
                "make the function known with set_custom_constraint"
            )
    raise ValueError(f"constraint: expected an expression, or a function's name and arguments, got {config!r}")


def _arguments_of(function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        arguments = ()  # type: ignore[assignment]
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if not arguments or any(argument.kind not in positional for argument in arguments):
        raise ValueError(
            f"condition: expected a function whose arguments name parameters, got {function!r}; "
            "Constraint(function, names) names them"
        )
    return tuple(argument.name for argument in arguments)


def _as_number(values: NDArray[Any]) -> NDArray[Any]:
    """Numbers as float64; everything else as it is."""
    return values.astype(np.float64) if values.dtype.kind in "iuf" else values
