"""Linear inequalities in constraints: what an expression says as ``sum of coefficient * value <= bound``."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["LinearInequality", "linear_inequalities"]

Form = tuple[dict[int, float], float]  # coefficients by column, and a constant


@dataclass(frozen=True, slots=True)
class LinearInequality:
    """What a configuration must satisfy: ``sum(coefficients[c] * value of column c) <= bound``.

    Parameters
    ----------
    coefficients : dict of int to float
        Not zero, by column.
    bound : float
    is_strict : bool
        Whether equal is not enough.
    """

    coefficients: dict[int, float]
    bound: float
    is_strict: bool = False


def linear_inequalities(
    tree: ast.expr, columns: Mapping[str, slice], multiple: Collection[str] = ()
) -> list[LinearInequality]:
    """List the linear inequalities that an expression implies; what else it says is left out.

    Parameters
    ----------
    tree : ast.expr
        See `shac.expressions.parse`.
    columns : mapping of str to slice
        The columns of each parameter.
    multiple : collection of str
        Names of the parameters whose value is a list.

    Examples
    --------
    >>> from shac.expressions import parse
    >>> [found] = linear_inequalities(parse("2 * a + b <= 1 + a"), {"a": slice(0, 1), "b": slice(1, 2)})
    >>> found.coefficients, found.bound
    ({0: 1.0, 1: 1.0}, 1.0)
    """
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        return [found for part in tree.values for found in linear_inequalities(part, columns, multiple)]
    if not isinstance(tree, ast.Compare):
        return []
    found = []
    sides = [tree.left, *tree.comparators]
    for op, left, right in zip(tree.ops, sides, sides[1:], strict=False):
        if isinstance(op, (ast.Gt, ast.GtE)):
            left, right = right, left  # noqa: PLW2901 - the same inequality, the other way round
        elif not isinstance(op, (ast.Lt, ast.LtE)):
            continue
        lower, upper = _form(left, columns, multiple), _form(right, columns, multiple)
        if lower is not None and upper is not None:
            (coefficients, constant) = _added(lower, upper, -1.0)
            found.append(LinearInequality(coefficients, -constant, isinstance(op, (ast.Lt, ast.Gt))))
    return found


def _form(node: ast.expr, columns: Mapping[str, slice], multiple: Collection[str]) -> Form | None:
    """Return a linear form that equals the expression; None where there is none."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return {}, float(value)
        case ast.Name(id=name) if name not in multiple:
            return {columns[name].start: 1.0}, 0.0
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(index))):
            own = range(columns[name].start, columns[name].stop)
            return ({own[index]: 1.0}, 0.0) if -len(own) <= index < len(own) else None
        case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=name)]):
            return dict.fromkeys(range(columns[name].start, columns[name].stop), 1.0), 0.0
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as op, operand=operand):
            form = _form(operand, columns, multiple)
            return None if form is None else _added(({}, 0.0), form, -1.0 if isinstance(op, ast.USub) else 1.0)
        case ast.BinOp(left=left, op=op, right=right):
            first, second = _form(left, columns, multiple), _form(right, columns, multiple)
            return None if first is None or second is None else _combined(first, op, second)
    return None


def _combined(first: Form, op: ast.operator, second: Form) -> Form | None:
    match op:
        case ast.Add():
            return _added(first, second, 1.0)
        case ast.Sub():
            return _added(first, second, -1.0)
        case ast.Mult() if not first[0]:
            return _added(({}, 0.0), second, first[1])
        case ast.Mult() if not second[0]:
            return _added(({}, 0.0), first, second[1])
        case ast.Div() if not second[0] and second[1] != 0:
            return _added(({}, 0.0), first, 1 / second[1])
    return None


def _added(first: Form, second: Form, factor: float) -> Form:
    coefficients = dict(first[0])
    for column, coefficient in second[0].items():
        coefficients[column] = coefficients.get(column, 0.0) + factor * coefficient
    return {c: a for c, a in coefficients.items() if a != 0}, first[1] + factor * second[1]
