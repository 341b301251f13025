"""Expressions over parameters: arithmetic, comparisons, and, or, not, and a few functions.

They are written as in Python, and read by its parser into a tree in which nothing else can stand: no attribute, no call
of anything but the functions named here. None that comes from a file can run code.
"""

from __future__ import annotations

import ast
import operator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["evaluate", "names_in", "parse"]

_LONGEST = 2000  # characters of an expression


def _equal(first: Any, second: Any) -> Any:
    """Compare elementwise, values of any types; a number never equals a text."""
    if all(np.asarray(value).dtype.kind in "biuf" for value in (first, second)):
        return np.equal(first, second)
    first, second = np.broadcast_arrays(np.asarray(first, dtype=object), np.asarray(second, dtype=object))
    return np.array([bool(a == b) for a, b in zip(first.ravel(), second.ravel(), strict=True)]).reshape(first.shape)


def _is_in(first: Any, listed: Sequence[Any]) -> Any:
    return np.logical_or.reduce([_equal(first, value) for value in listed]) if listed else np.False_


def _truth(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype != np.bool_ and not (array.dtype == object and all(isinstance(v, bool) for v in array.ravel())):
        raise ValueError(f"expected truth values beside 'and', 'or' and 'not', got {array.dtype}")
    return array.astype(np.bool_)


_BINARY: Final[dict[type[ast.operator], Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_UNARY: Final[dict[type[ast.unaryop], Callable[[Any], Any]]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: lambda value: np.logical_not(_truth(value)),
}
_COMPARE: Final[dict[type[ast.cmpop], Callable[..., Any]]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: _equal,
    ast.NotEq: lambda first, second: np.logical_not(_equal(first, second)),
    ast.In: lambda first, *listed: _is_in(first, listed),
    ast.NotIn: lambda first, *listed: np.logical_not(_is_in(first, listed)),
}
_FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": np.abs,
    "ceil": np.ceil,
    "exp": np.exp,
    "floor": np.floor,
    "log": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "max": lambda *values: np.maximum.reduce(np.broadcast_arrays(*values)),
    "min": lambda *values: np.minimum.reduce(np.broadcast_arrays(*values)),
    "sqrt": np.sqrt,
    "sum": lambda values: np.sum(values, axis=-1),
}


def parse(expression: str) -> ast.expr:
    """Read an expression.

    Parameters
    ----------
    expression : str

    Returns
    -------
    ast.expr
        A tree that `evaluate` takes.

    Raises
    ------
    ValueError
        If it holds anything else than the module describes.

    Examples
    --------
    >>> bool(evaluate(parse("width * depth <= 64 and act in ('relu', 'elu')"), {"width": 8, "depth": 4, "act": "elu"}))
    True
    >>> parse("__import__('os')")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    ValueError: condition: expected an expression over parameters, got "__import__('os')": "__import__('os')" is not ...
    """
    if len(expression) > _LONGEST:
        raise ValueError(f"condition: expected at most {_LONGEST} characters, got {len(expression)}")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body
        _check(tree)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
        raise ValueError(f"condition: expected an expression over parameters, got {expression!r}: {error}") from None
    return tree


def _check(node: ast.AST) -> None:
    match node:
        case ast.Constant(value=int(value)):
            float(value)  # raises where it is too large for the arithmetic
            parts: list[ast.AST] = []
        case ast.Name() | ast.Constant(value=float() | str() | None):
            parts = []
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            parts = [left, right]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            parts = [operand]
        case ast.BoolOp(values=values):
            parts = list(values)
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            parts = [left]
            for comparison, right in zip(ops, comparators, strict=True):
                parts += _compared(comparison, right)
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS and arguments:
            parts = list(arguments)
        case ast.Subscript(value=ast.Name() as array, slice=ast.Constant(value=int())):
            parts = [array]
        case _:
            raise ValueError(f"{ast.unparse(node)!r} is not understood")
    for part in parts:
        _check(part)


def _compared(op: ast.cmpop, right: ast.expr) -> list[ast.expr]:
    if not isinstance(op, (ast.In, ast.NotIn)):
        if type(op) in _COMPARE:
            return [right]
        raise ValueError(f"{type(op).__name__} is not understood")
    if not isinstance(right, (ast.Tuple, ast.List, ast.Set)):
        raise ValueError("expected a list of values behind 'in'")
    return right.elts


def names_in(tree: ast.expr) -> tuple[str, ...]:
    """Return the names of an expression, in the order of their first use."""
    functions = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in functions]
    return tuple(dict.fromkeys(names))


def evaluate(node: ast.expr, values: Mapping[str, Any]) -> Any:
    """Evaluate a tree that `parse` gave.

    Parameters
    ----------
    node : ast.expr
    values : mapping of str to ndarray
        The values of its names, shape (n,) or (n, k).

    Returns
    -------
    ndarray or scalar

    Raises
    ------
    TypeError, IndexError, ValueError
        If values do not fit what is done with them.
    """

    def at(part: ast.expr) -> Any:
        return evaluate(part, values)

    result: Any
    match node:
        case ast.Name(id=name):
            result = values[name]
        case ast.Constant(value=value):
            result = np.float64(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
        case ast.Subscript(value=array, slice=ast.Constant(value=int(place))):
            result = at(array)[:, place]
        case ast.BinOp(left=left, op=op, right=right):
            result = _BINARY[type(op)](at(left), at(right))
        case ast.UnaryOp(op=op, operand=operand):
            result = _UNARY[type(op)](at(operand))
        case ast.BoolOp(op=op, values=parts):
            combine = np.logical_and if isinstance(op, ast.And) else np.logical_or
            result = combine.reduce(np.broadcast_arrays(*[_truth(at(part)) for part in parts]))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            result = _FUNCTIONS[name](*[at(argument) for argument in arguments])
        case ast.Compare(left=left, ops=ops, comparators=comparators):
            result, first = np.True_, at(left)
            for comparison, right in zip(ops, comparators, strict=True):
                second = [at(entry) for entry in _compared(comparison, right)]
                result = np.logical_and(result, _COMPARE[type(comparison)](first, *second))
                first = second[0] if second else None
        case _:
            raise AssertionError(f"{ast.dump(node)} was checked")
    return result
