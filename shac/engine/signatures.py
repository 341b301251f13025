"""The arguments of both ancestors: the function first, or the search space first and the function given to `fit`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

__all__ = ["takes_either_order", "takes_evaluation_function"]

Method = TypeVar("Method", bound=Callable[..., Any])


def takes_either_order(init: Method) -> Method:
    """Let a constructor whose first arguments are a function and a space take the space first, and no function.

    Parameters
    ----------
    init : callable
        A constructor with the arguments `evaluation_function`, `hyperparameter_list` and more.

    Returns
    -------
    callable
        Raises ValueError where the first argument is neither a function, None nor a space.
    """

    @functools.wraps(init)
    def run(self: Any, *given: Any, **named: Any) -> None:
        has_space_first = False
        if "parameters" in named:
            has_space_first = True
            named = {"evaluation_function": None, **named, "hyperparameter_list": named["parameters"]}
            del named["parameters"]
        elif given and not callable(given[0]):
            has_space_first = given[0] is not None or (len(given) > 1 and _is_number(given[1]))
            if given[0] is not None and (isinstance(given[0], str) or not isinstance(given[0], Iterable)):
                raise ValueError(
                    "evaluation_function: expected a callable or None, followed by the search space, or the search "
                    f"space and no function, which fit takes then, got {given[0]!r}"
                )
            given = (None, *given) if has_space_first else given
        init(self, *given, **named)
        if has_space_first:
            self._has_space_first = True

    return cast("Method", run)


def takes_evaluation_function(fit: Method) -> Method:
    """Let `fit` take the evaluation function, by position before its own arguments, or by name.

    Parameters
    ----------
    fit : callable
        A method whose first argument is `skip_cv_checks`.

    Returns
    -------
    callable
        Raises ValueError where the first argument is neither a function nor a bool.
    """

    @functools.wraps(fit)
    def run(self: Any, *given: Any, **named: Any) -> Any:
        if given and callable(given[0]):
            named, given = {"evaluation_function": given[0], **named}, given[1:]
        elif given and given[0] not in (True, False):
            raise ValueError(f"skip_cv_checks: expected True or False, or an evaluation function, got {given[0]!r}")
        for name in ("evaluation_function", "eval_fn"):
            if name in named:
                self.evaluation_function = named.pop(name)
        return fit(self, *given, **named)

    return cast("Method", run)


def _is_number(value: Any) -> bool:
    return hasattr(value, "__index__")
