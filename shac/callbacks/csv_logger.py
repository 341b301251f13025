"""The callback that writes a table of the rounds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.callbacks.base import Callback

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from shac.callbacks.base import Logs

__all__ = ["CSVLogger"]


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
