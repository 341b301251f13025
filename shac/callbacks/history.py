"""The callback that every search has: the logs of its rounds."""

from __future__ import annotations

import numbers
from typing import TYPE_CHECKING, Any

from shac.callbacks.base import Callback
from shac.callbacks.later import can_wait, value_of
from shac.html_tables import table_html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shac.callbacks.base import Logs

__all__ = ["History"]


class History(Callback):
    """Keeps the logs of every round of one `fit`; every search has one, and `fit` returns it.

    Attributes
    ----------
    epochs : list of int
        The rounds, in the order in which they ended.
    failures : list of dict
        The evaluations that failed, in the order of their numbers: ``index``, ``parameters``, ``error`` (the reason),
        ``traceback``, ``worker_id``, ``attempt`` (how often it was made), ``seed``, ``started`` and ``ended``.

    Examples
    --------
    >>> history = History()
    >>> history.on_train_begin()
    >>> history.on_epoch_end(0, {"median": 0.5})
    >>> history.on_epoch_end(1, {"median": 0.7})
    >>> history.epochs, history.history
    ([0, 1], {'median': [0.5, 0.7]})
    """

    def __init__(self) -> None:
        super().__init__()
        self.epochs: list[int] = []
        self._history: dict[str, list[Any]] = {}
        self._is_read = False
        self.failures: list[dict[str, Any]] = []

    @property
    def history(self) -> dict[str, list[Any]]:
        """For each key of the logs its values, one for each round that had the key.

        Bounds of the surviving volume are worked out when it is first read, where no other callback reads them, and
        after each round from then on.
        """
        if not self._is_read:
            for values in self._history.values():
                values[:] = map(value_of, values)
            self._is_read = True
        return self._history

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_history": self.history}

    def __repr__(self) -> str:
        return f"History({len(self.epochs)} rounds, {len(self.failures)} failures)"

    def _repr_html_(self) -> str:
        numbers = {name: values for name, values in self.history.items() if all(map(_is_number, values))}
        columns = {name: values for name, values in numbers.items() if len(values) == len(self.epochs)}
        rows = [[epoch, *(float(values[i]) for values in columns.values())] for i, epoch in enumerate(self.epochs)]
        return table_html(repr(self), ["round", *columns], rows)

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        # New objects: whoever kept those of the last fit keeps their contents
        self.epochs = []
        self._history, self._is_read = {}, False
        self.failures = []

    def on_evaluation_ended(self, evaluations: Sequence[Any], logs: Logs | None = None) -> None:  # noqa: ARG002
        self.failures += (logs or {}).get("failures", [])

    @can_wait
    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epochs.append(epoch)
        for key, value in (logs or {}).items():
            self._history.setdefault(key, []).append(value_of(value) if self._is_read else value)


def _is_number(value: Any) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
