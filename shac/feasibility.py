"""Proofs that no configuration satisfies the constraints of a space."""

from __future__ import annotations

import ast
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from shac.linear import LinearInequality
    from shac.parameters import AbstractHyperParameter

__all__ = ["are_contradictory", "can_hold", "range_of"]

Range = tuple[float, float]
_EVERYTHING = (-math.inf, math.inf)
_RELATIVE_TOLERANCE = 1e-7  # of a linear program's solution; by so much inequalities may be broken and still hold


def range_of(column: AbstractHyperParameter) -> Range | None:
    """Return the smallest and the largest value of a column of numbers; None for one of other values.

    Examples
    --------
    >>> from shac import DiscreteHP, UniformHP
    >>> range_of(UniformHP("x", 0.0, 2.0)), range_of(DiscreteHP("act", ["relu", "elu"]))
    ((0.0, 2.0), None)
    """
    values = getattr(column, "values", None)
    if values is not None:
        is_number = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        return (float(min(values)), float(max(values))) if is_number and not any(map(math.isnan, values)) else None
    low, high = getattr(column, "min_value", None), getattr(column, "max_value", None)
    return _EVERYTHING if low is None or high is None else (float(low), float(high))


def can_hold(tree: ast.expr, ranges: Mapping[str, Sequence[Range | None]], multiple: Collection[str] = ()) -> bool:
    """Return whether an expression may be true; False is a proof that it never is.

    Arithmetic on float64 never decreases where that on real numbers does not, so that the results for the ends of
    ranges bound those of all numbers between them, roundings included.

    Parameters
    ----------
    tree : ast.expr
        See `shac.expressions.parse`.
    ranges : mapping of str to sequence
        The range of each column of a parameter; None for values that are no numbers.
    multiple : collection of str
        Names of the parameters whose value is a list.

    Examples
    --------
    >>> from shac.expressions import parse
    >>> ranges = {"a": [(0.0, 1.0)], "b": [(0.0, 1.0)]}
    >>> can_hold(parse("a + b > 3"), ranges), can_hold(parse("a + b > 1"), ranges)
    (False, True)
    """
    match tree:
        case ast.BoolOp(op=op, values=parts):
            return (all if isinstance(op, ast.And) else any)(can_hold(part, ranges, multiple) for part in parts)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            sides = [_bounds(side, ranges, multiple) for side in (left, *comparators)]
            return all(
                _can_compare(op, first, second) for op, first, second in zip(ops, sides, sides[1:], strict=False)
            )
    return True


def _can_compare(op: ast.cmpop, first: Range | None, second: Range | None) -> bool:
    if first is None or second is None:
        return True
    match op:
        case ast.Lt():
            return first[0] < second[1]
        case ast.LtE():
            return first[0] <= second[1]
        case ast.Gt():
            return first[1] > second[0]
        case ast.GtE():
            return first[1] >= second[0]
        case ast.Eq():
            return first[0] <= second[1] and second[0] <= first[1]
    return True


def _bounds(node: ast.expr, ranges: Mapping[str, Sequence[Range | None]], multiple: Collection[str]) -> Range | None:
    """Return what an expression's value lies between; None where that is not known."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value), float(value)
        case ast.Name(id=name) if name not in multiple:
            return ranges[name][0]
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=int(index))):
            own = ranges[name]
            return own[index] if -len(own) <= index < len(own) else None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = _bounds(operand, ranges, multiple)
            return None if inner is None else (-inner[1], -inner[0])
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _bounds(operand, ranges, multiple)
        case ast.BinOp(left=left, op=op, right=right):
            first, second = _bounds(left, ranges, multiple), _bounds(right, ranges, multiple)
            return None if first is None or second is None else _of_ends(first, op, second)
        case ast.Call(func=ast.Name(id="min" | "max" as name), args=arguments):
            parts = [_bounds(argument, ranges, multiple) for argument in arguments]
            known = [part for part in parts if part is not None]
            choose = min if name == "min" else max
            if len(known) == len(parts):
                return choose(low for low, _ in known), choose(high for _, high in known)
    return None


def _of_ends(first: Range, op: ast.operator, second: Range) -> Range | None:
    with np.errstate(all="ignore"):
        match op:
            case ast.Add():
                ends = [np.float64(first[0]) + second[0], np.float64(first[1]) + second[1]]
            case ast.Sub():
                ends = [np.float64(first[0]) - second[1], np.float64(first[1]) - second[0]]
            case ast.Mult():
                ends = [np.float64(a) * b for a in first for b in second]
            case ast.Div() if second[0] > 0 or second[1] < 0:
                ends = [np.float64(a) / b for a in first for b in second]
            case _:
                return None
    return None if np.isnan(ends).any() else (float(min(ends)), float(max(ends)))


def are_contradictory(inequalities: Sequence[LinearInequality], ranges: Sequence[Range | None]) -> bool:
    """Return whether no point satisfies all inequalities, not even with some tolerance.

    Parameters
    ----------
    inequalities : sequence of LinearInequality
    ranges : sequence
        The range of each column; None where it has no numbers.

    Examples
    --------
    >>> from shac.linear import LinearInequality
    >>> below, above = LinearInequality({0: 1.0, 1: -1.0}, 0.0), LinearInequality({1: 1.0, 0: -1.0}, -0.5)
    >>> are_contradictory([below, above], [(0.0, 1.0)] * 2), are_contradictory([below], [(0.0, 1.0)] * 2)
    (True, False)
    """
    if not inequalities:
        return False
    from scipy.optimize import linprog

    columns = sorted({c for inequality in inequalities for c in inequality.coefficients})
    matrix = np.zeros((len(inequalities), len(columns)))
    bounds = np.empty(len(inequalities))
    for i, inequality in enumerate(inequalities):
        scale = max([abs(inequality.bound), *map(abs, inequality.coefficients.values())])
        for c, coefficient in inequality.coefficients.items():
            matrix[i, columns.index(c)] = coefficient / scale
        bounds[i] = inequality.bound / scale + _RELATIVE_TOLERANCE * (1 + abs(inequality.bound / scale))
    of_columns = [ranges[c] or _EVERYTHING for c in columns]
    return bool(linprog(np.zeros(len(columns)), A_ub=matrix, b_ub=bounds, bounds=of_columns).status == 2)  # infeasible
