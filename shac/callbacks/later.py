"""Numbers of a round's logs that are worked out when somebody reads them: few read all, and some take long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Later", "can_wait", "value_of", "waits"]

Method = TypeVar("Method")


@dataclass(frozen=True, slots=True)
class Later:
    """Stands for a number.

    Parameters
    ----------
    work_out : callable
        Returns it; always the same one.
    """

    work_out: Callable[[], Any]


def value_of(value: Any) -> Any:
    """Return what an entry of logs is, or stands for.

    Examples
    --------
    >>> value_of(Later(lambda: 0.5)), value_of(0.25)
    (0.5, 0.25)
    """
    return value.work_out() if isinstance(value, Later) else value


def can_wait(method: Method) -> Method:
    """Mark an `on_epoch_end` that reads none of the numbers that may stand in the logs as `Later`, or keeps them so."""
    method.can_wait = True  # type: ignore[attr-defined]
    return method


def waits(callback: Any) -> bool:
    """Whether a callback's `on_epoch_end` is marked, which a method of a user's never is."""
    return bool(getattr(type(callback).on_epoch_end, "can_wait", False))
