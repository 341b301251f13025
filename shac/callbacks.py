"""Callbacks: what a search tells those who watch it.

An epoch is a round of the search: one batch of evaluations and the classifier that is trained on it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import os
    from collections import OrderedDict
    from collections.abc import Iterator, Sequence

__all__ = ["CSVLogger", "Callback", "CallbackList", "History"]

Logs = dict[str, Any]


class Callback:
    """Base class of callbacks; each method does nothing and may be overridden.

    Attributes
    ----------
    engine : SHAC or None
        The engine whose search is watched; set before the search starts.

    Examples
    --------
    >>> class Stopwatch(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print("round", epoch, "is over")
    >>> Stopwatch().on_epoch_end(0)
    round 0 is over
    """

    # On the class too: a subclass may forget to call __init__
    engine: Any = None

    def __init__(self) -> None:
        self.engine = None

    def set_engine(self, engine: Any) -> None:
        """Remember the engine.

        Parameters
        ----------
        engine : SHAC
            The engine whose search is watched.
        """
        self.engine = engine

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Announce the start of `fit` or `fit_dataset`.

        Parameters
        ----------
        logs : dict, optional
            Quantities of this moment.
        """

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Announce the end of `fit` or `fit_dataset`.

        Parameters
        ----------
        logs : dict, optional
            Quantities of this moment.
        """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Announce the start of a round.

        Parameters
        ----------
        epoch : int
            The round's number.
        logs : dict, optional
            Quantities of this moment.
        """

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Announce the end of a round.

        Parameters
        ----------
        epoch : int
            The round's number.
        logs : dict, optional
            Quantities of this round.
        """

    def on_evaluation_begin(self, params: Sequence[OrderedDict[str, Any]], logs: Logs | None = None) -> None:
        """Announce settings that are about to be evaluated.

        Parameters
        ----------
        params : sequence of OrderedDict
            The settings of the batch.
        logs : dict, optional
            Quantities of this moment.
        """

    def on_evaluation_ended(self, evaluations: Sequence[float], logs: Logs | None = None) -> None:
        """Announce the scores of a batch.

        Parameters
        ----------
        evaluations : sequence of float
            The scores, in the order of the settings; NaN where an evaluation failed.
        logs : dict, optional
            ``failures``: a mapping for each evaluation that failed, as `History.failures` keeps them.
        """

    def on_outcome(self, outcome: Any, logs: Logs | None = None) -> None:
        """Announce one evaluation of a batch that has ended, as soon as it has.

        Parameters
        ----------
        outcome : EvaluationOutcome
            Its index, parameters, score and, where it failed, the reason.
        logs : dict, optional
            Quantities of this moment.
        """

    def on_dataset_changed(self, dataset: Any, logs: Logs | None = None) -> None:
        """Announce evaluated settings that the dataset has gained.

        Parameters
        ----------
        dataset : Dataset
            The engine's dataset.
        logs : dict, optional
            Quantities of this moment.
        """


class History(Callback):
    """Keeps the logs of every round of one `fit`; every search has one, and `fit` returns it.

    Attributes
    ----------
    epochs : list of int
        The rounds, in the order in which they ended.
    history : dict
        For each key of the logs its values, one for each round that had the key.
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
        self.history: dict[str, list[Any]] = {}
        self.failures: list[dict[str, Any]] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        # New objects: whoever kept those of the last fit keeps their contents
        self.epochs = []
        self.history = {}
        self.failures = []

    def on_evaluation_ended(self, evaluations: Sequence[float], logs: Logs | None = None) -> None:  # noqa: ARG002
        self.failures += (logs or {}).get("failures", [])

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epochs.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)


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
        self._tell("on_epoch_end", epoch, logs=logs)

    def on_evaluation_begin(self, params: Sequence[OrderedDict[str, Any]], logs: Logs | None = None) -> None:
        self._tell("on_evaluation_begin", params, logs=logs)

    def on_evaluation_ended(self, evaluations: Sequence[float], logs: Logs | None = None) -> None:
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


class CSVLogger(Callback):
    """Writes the logs of every round to a CSV file, one row a round.

    The first row names the columns: ``epoch``, then the keys of the logs in alphabetical order. A key
    that comes up later gets a column at the end, and a key that is missing leaves its cell empty. The
    file is complete after every round and is open only while a row is written, so that nothing is lost
    when the search ends with an exception.

    Parameters
    ----------
    filename : str or path
        The file; folders that are missing are made when the search begins.
    separator : str, default ','
        One character between the cells.
    append : bool, default False
        Whether to go on with a file that is there already, in its columns and without a second header,
        rather than to start it anew with every `fit`.

    Raises
    ------
    ValueError
        If `separator` is not one character, or is a quote or a line break. `on_train_begin` raises it when
        the file to append to has no column ``epoch``.
    OSError
        Raised by `on_train_begin` and `on_epoch_end` when the file cannot be written.

    Notes
    -----
    Values are written as `str` gives them, and iterables (lists, arrays) as ``[a, b]``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     logger = CSVLogger(Path(folder) / "search.csv")
    ...     logger.on_train_begin()
    ...     logger.on_epoch_end(0, {"median": 0.5, "scores": [0.25, 0.75]})
    ...     print(logger.filename.read_text().rstrip())
    epoch,median,scores
    0,0.5,"[0.25, 0.75]"
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        separator: str = ",",
        append: bool = False,
    ) -> None:
        super().__init__()
        if len(separator) != 1 or separator in '"\r\n':
            raise ValueError(f"separator must be one character other than a quote or line break, got {separator!r}")
        self.filename = Path(filename)
        self.separator = separator
        self.append = append
        self._path = self.filename.absolute()
        self._columns: list[str] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        # The working directory may change during a search; the log stays one file
        self._path = self.filename.absolute()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._columns = []
        if not self.append or not self._path.exists():
            self._path.write_text("", encoding="utf-8")
            return
        header, rest = self._read()
        if not header:
            return
        if "epoch" not in header:
            raise ValueError(
                f"filename must be a file whose first line has the column 'epoch' for append=True, "
                f"got {header} in {self._path}"
            )
        self._columns = header
        complete, newline, last = rest.rpartition("\n")
        if last or not rest:
            # No line break at the end: a row without one, or the half of a row whose writer was killed.
            # A half would swallow the rows after it where it ends within quotes.
            try:
                cells = next(csv.reader([last], delimiter=self.separator, strict=True), [])
            except csv.Error:
                cells = []
            self._replace(complete + newline + (f"{last}\n" if len(cells) == len(header) else ""))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = {key: _cell(value) for key, value in (logs or {}).items()}
        row["epoch"] = epoch
        if not self._columns or not self._path.exists():
            self._columns = ["epoch", *sorted(key for key in row if key != "epoch")]
            self._replace("")
        later = sorted(key for key in row if key not in self._columns)
        if later:
            # Rows before this one stay as they are: a short row is one whose last cells are empty
            _, rest = self._read()
            self._columns = [*self._columns, *later]
            self._replace(rest)
        with self._path.open("a", encoding="utf-8", newline="") as file:
            file.write(self._line([row.get(column, "") for column in self._columns]))

    def _read(self) -> tuple[list[str], str]:
        with self._path.open(encoding="utf-8-sig", newline="") as file:
            return next(csv.reader(file, delimiter=self.separator), []), file.read()

    def _replace(self, rest: str) -> None:
        fresh = self._path.with_name(f"{self._path.name}.new")
        with fresh.open("w", encoding="utf-8", newline="") as file:
            file.write(self._line(self._columns) + rest)
        fresh.replace(self._path)

    def _line(self, cells: Sequence[Any]) -> str:
        line = io.StringIO(newline="")
        csv.writer(line, delimiter=self.separator, lineterminator="\n").writerow(cells)
        return line.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str | bytes | Mapping):
        return value
    try:
        items = list(value)
    except TypeError:  # arrays and tensors without dimensions look iterable and are not
        return value
    return f"[{', '.join(map(str, items))}]"
