"""The callbacks of one search, called in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from shac.callbacks.base import Callback
from shac.callbacks.history import History
from shac.callbacks.later import value_of, waits

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Iterator, Sequence

    from shac.callbacks.base import Logs

__all__ = ["CallbackList"]


class CallbackList(Callback):
    """Passes every call on to a list of callbacks, in order.

    Parameters
    ----------
    callbacks : iterable of Callback, optional
        Copied, never changed. Without a `History` among them one is added at the end.

    Attributes
    ----------
    callbacks : list of Callback
        Those that are called.

    Raises
    ------
    TypeError
        If one of `callbacks` is not a `Callback`.

    Examples
    --------
    >>> callbacks = CallbackList()
    >>> [type(callback).__name__ for callback in callbacks]
    ['History']
    """

    def __init__(self, callbacks: Iterable[Callback] | None = None) -> None:
        super().__init__()
        given: Any = () if callbacks is None else callbacks
        if not isinstance(given, Iterable):
            raise TypeError(f"callbacks must be a list of Callback objects, got {type(given).__name__}")
        self.callbacks: list[Callback] = []
        for callback in given:
            self.append(callback)
        if not any(isinstance(callback, History) for callback in self.callbacks):
            self.append(History())

    def __iter__(self) -> Iterator[Callback]:
        return iter(self.callbacks)

    def __len__(self) -> int:
        return len(self.callbacks)

    @property
    def history(self) -> History:
        """The first `History` of the list."""
        return next(callback for callback in self.callbacks if isinstance(callback, History))

    def append(self, callback: Callback) -> None:
        """Add a callback at the end.

        Parameters
        ----------
        callback : Callback
            It gets the engine at once where that is known.

        Raises
        ------
        TypeError
            If `callback` is not a `Callback`.
        """
        if not isinstance(callback, Callback):
            raise TypeError(f"callback must be a Callback, got {callback!r} of type {type(callback).__name__}")
        self.callbacks.append(callback)
        if self.engine is not None:
            callback.set_engine(self.engine)

    def set_engine(self, engine: Any) -> None:
        super().set_engine(engine)
        for callback in self.callbacks:
            callback.set_engine(engine)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self._tell("on_train_begin", logs=logs)

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._tell("on_train_end", logs=logs)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._tell("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is not None and not all(map(waits, self.callbacks)):
            logs.update({key: value_of(value) for key, value in logs.items()})
        self._tell("on_epoch_end", epoch, logs=logs)

    def on_evaluation_begin(self, params: Sequence[OrderedDict[str, Any]], logs: Logs | None = None) -> None:
        self._tell("on_evaluation_begin", params, logs=logs)

    def on_evaluation_ended(self, evaluations: Sequence[Any], logs: Logs | None = None) -> None:
        self._tell("on_evaluation_ended", evaluations, logs=logs)

    def on_outcome(self, outcome: Any, logs: Logs | None = None) -> None:
        self._tell("on_outcome", outcome, logs=logs)

    def on_dataset_changed(self, dataset: Any, logs: Logs | None = None) -> None:
        self._tell("on_dataset_changed", dataset, logs=logs)

    def _tell(self, event: str, *arguments: Any, logs: Logs | None) -> None:
        # All get the same dictionary, never None: a callback may add to it for those after it
        shared = {} if logs is None else logs
        for callback in self.callbacks:
            getattr(callback, event)(*arguments, shared)
