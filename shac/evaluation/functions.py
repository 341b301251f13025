"""What can be seen of an evaluation function before it runs."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

__all__ = ["check_function"]


def check_function(function: Any) -> None:
    """Refuse what no evaluation can come of, as far as the signature tells.

    Parameters
    ----------
    function : callable
        The evaluation function.

    Raises
    ------
    TypeError
        If it is a class, a coroutine or generator function, or does not take two arguments.

    Examples
    --------
    >>> check_function(lambda worker_id, parameters: 0.0)
    >>> check_function(lambda parameters: 0.0)
    Traceback (most recent call last):
        ...
    TypeError: evaluation_function: expected a function of (worker_id, parameters), got one of (parameters)
    """
    if inspect.isclass(function):
        raise TypeError(f"evaluation_function: expected a function, got the class {function.__name__}")
    code = function
    while isinstance(code, partial):
        code = code.func
    if not (inspect.isroutine(code) or inspect.isclass(code)):
        code = type(code).__call__
    if inspect.iscoroutinefunction(code):
        raise TypeError(
            "evaluation_function: expected a function, got a coroutine function; run it inside of one: "
            "asyncio.run(train(...))"
        )
    if inspect.isgeneratorfunction(code) or inspect.isasyncgenfunction(code):
        raise TypeError("evaluation_function: expected a function that returns a score, got one that yields")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin may have none
        return
    try:
        signature.bind(0, {})
    except TypeError:
        raise TypeError(
            f"evaluation_function: expected a function of (worker_id, parameters), got one of {signature}"
        ) from None
