"""What a search has evaluated: settings, scores, and their file."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.errors import DamagedFileError
from shac.files import dump_json, parse_json, read_file, write_atomic
from shac.parameters.base import to_builtin
from shac.parameters.conditional import MISSING
from shac.space import HyperParameterList

if TYPE_CHECKING:
    import os
    from collections import OrderedDict

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from shac.parameters import AbstractHyperParameter

__all__ = ["Dataset", "is_header", "label_scores"]

DATASET_FILE = "dataset.csv"
PARAMETERS_FILE = "parameters.json"
_MOST_BYTES = 1 << 29


def label_scores(
    scores: ArrayLike, objective: str = "max", *, better_share: float = 0.5, among: NDArray[np.bool_] | None = None
) -> NDArray[np.float64]:
    """Label scores as better (1) or not better (0) than their median.

    Ties with the median are not better. A score that is not finite is not better and never enters the median
    (section 3.1 of arXiv 1805.10255, with the ancestor's rule for ties).

    Parameters
    ----------
    scores : array_like of float, shape (n,)
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.
    better_share : float
        In (0, 1): the part of the scores that counts as better; 0.5 for the median.
    among : ndarray of bool, shape (n,), optional
        The scores whose median it is; all by default.

    Returns
    -------
    ndarray of float64, shape (n,)

    Raises
    ------
    ValueError
        If `objective` is neither.

    Examples
    --------
    >>> label_scores([1.0, 2.0, 3.0, float("nan"), 4.0], "max").tolist()
    [0.0, 0.0, 1.0, 0.0, 1.0]
    """
    check_objective(objective)
    values = np.asarray(scores, dtype=np.float64)
    finite = np.isfinite(values)
    counted = finite if among is None else finite & among
    if not counted.any():
        return np.zeros(values.shape)
    losses = -values if objective == "max" else values
    ordered = np.sort(losses[counted])
    # No score lies between the two middle ones, so either can stand for the median, without a sum that could round.
    num_better = int(better_share * ordered.size)
    better: NDArray[np.bool_] = losses < ordered[num_better]
    return (better & finite).astype(np.float64)


def check_objective(objective: str) -> None:
    """Raise ValueError unless `objective` is 'max' or 'min'."""
    if objective not in ("max", "min"):
        raise ValueError(f"objective: expected 'max' or 'min', got {objective!r}")


class Dataset:
    """Evaluated settings in order, with their scores.

    Parameters
    ----------
    parameter_list : HyperParameterList or iterable of parameters, optional
        The search space; can be set later.
    save_dir : path-like
        Folder of `save_dataset`.

    Examples
    --------
    >>> from shac import UniformHP
    >>> dataset = Dataset([UniformHP("x", 0.0, 1.0)])
    >>> dataset.add_sample({"x": 0.25}, 1.5)
    >>> dataset.add_sample([0.5], 2.5)
    >>> dict(dataset.get_best_parameters("max"))
    {'x': 0.5}
    """

    def __init__(
        self,
        parameter_list: HyperParameterList | Iterable[AbstractHyperParameter] | None = None,
        *,
        save_dir: str | os.PathLike[str] = "shac_run",
    ) -> None:
        self._parameters = None if parameter_list is None else _as_space(parameter_list)
        self.save_dir = Path(save_dir)
        self.clear()

    @property
    def parameters(self) -> HyperParameterList | None:
        """The search space."""
        return self._parameters

    @parameters.setter
    def parameters(self, parameters: HyperParameterList | Iterable[AbstractHyperParameter]) -> None:
        space = _as_space(parameters)
        space.encode_rows(self.X)  # settings of another space could not be saved
        self._parameters = space

    def add_sample(self, parameters: Sequence[Any] | Mapping[str, Any], value: float) -> None:
        """Append an evaluated setting.

        Parameters
        ----------
        parameters : sequence or mapping
            A flat row of values, or a mapping from names to values.
        value : float
            Its score; NaN for a failed evaluation.

        Raises
        ------
        ValueError
            If the setting does not fit the space, or `value` is no number; the dataset is then as it was.
        """
        row = self._space.to_row(parameters) if isinstance(parameters, Mapping) else parameters
        rows, scores = self._checked([row], [value])
        self.X += rows
        self.Y += scores

    def clear(self) -> None:
        """Forget all settings and scores."""
        self.X: list[list[Any]] = []
        self.Y: list[float] = []

    def encode_dataset(
        self, X: Sequence[Sequence[Any]] | None = None, Y: ArrayLike | None = None, objective: str = "max"
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Encode settings and label their scores, as a classifier is trained on them.

        Parameters
        ----------
        X : sequence of rows, optional
            Flat rows; the dataset's own by default.
        Y : array_like of float, optional
            Scores; the dataset's own by default.
        objective : {'max', 'min'}
            Whether larger or smaller scores are better.

        Returns
        -------
        X : ndarray of float32, shape (n, num_columns)
        y : ndarray of float64, shape (n,)
            1 for scores better than the median, else 0; see `label_scores`.

        Raises
        ------
        ValueError
            If `X` and `Y` differ in length, a row does not fit, or `objective` is neither.
        """
        rows = self.X if X is None else X
        labels = label_scores(self.Y if Y is None else Y, objective)
        if len(rows) != len(labels):
            raise ValueError(f"Y: expected {len(rows)} scores, one for each row of X, got {len(labels)}")
        return self._space.encode_rows(rows), labels

    def decode_dataset(self, X: ArrayLike | None = None) -> NDArray[Any]:
        """Decode encoded rows; by default the dataset's own, encoded and decoded.

        Parameters
        ----------
        X : array_like of float32, shape (n, num_columns), optional

        Returns
        -------
        ndarray of object, shape (n, num_columns)

        Raises
        ------
        ValueError
            If `X` has another shape, or holds what no value is encoded as.
        """
        encoded = self._space.encode_rows(self.X) if X is None else X
        return _object_array(self._space.decode_rows(encoded), self._space.num_columns)

    def get_dataset(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the settings, object array of shape (n, num_columns), and the scores, float64 of shape (n,)."""
        return _object_array(self.X, self._space.num_columns), np.array(self.Y, dtype=np.float64)

    def to_pandas(self) -> pd.DataFrame:
        """Return a data frame: a column for each of the space, with values as they are, and ``scores``.

        What does not exist in a setting is missing in the frame: NaN, or None where values are no numbers.

        Raises
        ------
        ImportError
            If pandas is not installed.
        ValueError
            If no space is set.

        Examples
        --------
        >>> from shac import UniformHP
        >>> dataset = Dataset([UniformHP("x", 0.0, 1.0)])
        >>> dataset.add_sample([0.5], 2.0)
        >>> dataset.to_pandas().to_dict("records")
        [{'x': 0.5, 'scores': 2.0}]
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("data frames need pandas: pip install 'shac[pandas]'") from error
        names = self._space.get_parameter_names()
        columns = {name: [row[c] for row in self.X] for c, name in enumerate(names)}
        series = {
            name: pd.Series([None if value is MISSING else value for value in values], dtype=_dtype(values))
            for name, values in columns.items()
        }
        frame = pd.DataFrame(series)
        return frame.assign(scores=np.array(self.Y, dtype=np.float64))

    def set_dataset(self, X: Iterable[Sequence[Any]], Y: Iterable[float]) -> None:
        """Replace all settings and scores.

        Parameters
        ----------
        X : iterable of rows
            Flat rows of values.
        Y : iterable of float
            A score for each.

        Raises
        ------
        ValueError
            If the lengths differ, a row does not fit, or a score is no number; the dataset is then as it was.
        """
        self.X, self.Y = self._checked(X, Y)

    def get_best_parameters(self, objective: str = "max") -> OrderedDict[str, Any]:
        """Return the setting with the best score; the first of equals.

        Parameters
        ----------
        objective : {'max', 'min'}

        Returns
        -------
        OrderedDict

        Raises
        ------
        ValueError
            If `objective` is neither, or no score is finite.
        """
        check_objective(objective)
        sign = 1.0 if objective == "max" else -1.0
        finite = [i for i, score in enumerate(self.Y) if math.isfinite(score)]
        if not finite:
            raise ValueError(f"dataset: expected at least one finite score, got none among {len(self)}")
        return self.prepare_parameter(self.X[max(finite, key=lambda i: sign * self.Y[i])])

    def prepare_parameter(self, sample: Sequence[Any]) -> OrderedDict[str, Any]:
        """Turn a flat row into the mapping that evaluations get.

        Raises
        ------
        ValueError
            If the row has another length.
        """
        return self._space.to_parameters(sample)

    def save_dataset(self, directory: str | os.PathLike[str] | None = None) -> None:
        """Write ``dataset.csv`` and ``parameters.json``.

        Parameters
        ----------
        directory : path-like, optional
            Where; `save_dir` by default. Made if it does not exist.

        Raises
        ------
        ValueError
            If no space is set, or it holds values that cannot be saved.
        OSError
            If the folder cannot be written.
        """
        folder = self.save_dir if directory is None else Path(directory)
        parameters, table = dump_json(self._space.get_config(), "parameters"), self.to_csv()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / PARAMETERS_FILE, parameters)
        write_atomic(folder / DATASET_FILE, table)

    @classmethod
    def load_from_directory(cls, directory: str | os.PathLike[str] = "shac_run") -> Self:
        """Read what `save_dataset` wrote.

        Parameters
        ----------
        directory : path-like

        Returns
        -------
        Dataset

        Raises
        ------
        FileNotFoundError
            If the folder does not hold both files.
        DamagedFileError
            If one of them is damaged.
        """
        folder = Path(directory)
        config = parse_json(read_file(folder / PARAMETERS_FILE, _MOST_BYTES), str(folder / PARAMETERS_FILE))
        try:
            space = HyperParameterList.load_from_config(config)
        except ValueError as error:
            raise DamagedFileError(f"{folder / PARAMETERS_FILE}: {error}") from error
        table = read_file(folder / DATASET_FILE, _MOST_BYTES)
        dataset = cls.from_csv(table, space, where=str(folder / DATASET_FILE))
        dataset.save_dir = folder
        return dataset

    def to_csv(self) -> str:
        """Write the table: ``id``, the columns, ``scores``; floats to the last bit."""
        columns = self._space.columns
        lines = [_csv_line(["id", *self._space.get_parameter_names(), "scores"])]
        for index, (row, score) in enumerate(zip(self.X, self.Y, strict=True)):
            fields = [column.to_text(value) for column, value in zip(columns, row, strict=True)]
            lines.append(_csv_line([str(index), *fields, repr(score)]))
        return "".join(lines)

    @classmethod
    def from_csv(
        cls,
        table: str | bytes,
        parameters: HyperParameterList | Iterable[AbstractHyperParameter],
        *,
        where: str = DATASET_FILE,
    ) -> Self:
        """Read what `to_csv` wrote.

        Parameters
        ----------
        table : str or bytes
            The table; bytes are UTF-8.
        parameters : HyperParameterList or iterable of parameters
            The search space.
        where : str
            Where the table comes from, for error messages.

        Returns
        -------
        Dataset

        Raises
        ------
        DamagedFileError
            If the table is not one of this space; names the line, the column and what came.
        """
        dataset = cls(parameters)
        records = _csv_records(table, where)
        names = ["id", *dataset._space.get_parameter_names(), "scores"]
        header = records[0][1] if records else []
        if header != names:
            raise DamagedFileError(f"{where}, line 1: expected the header {names}, got {header}")
        for index, (line, fields) in enumerate(records[1:]):
            place = f"{where}, line {line}"
            if len(fields) != len(names):
                raise DamagedFileError(f"{place}: expected {len(names)} fields, got {len(fields)}")
            if fields[0] != str(index):
                raise DamagedFileError(f"{place}, column 'id': expected {index}, got {fields[0]!r}")
            row = [
                _read(c.from_text, c.to_text, field, f"{place}, column {name!r}")
                for c, field, name in zip(dataset._space.columns, fields[1:-1], names[1:-1], strict=True)
            ]
            dataset.X.append(row)
            dataset.Y.append(_read(float, repr, fields[-1], f"{place}, column 'scores'"))
        return dataset

    def _checked(self, X: Iterable[Sequence[Any]], Y: Iterable[float]) -> tuple[list[list[Any]], list[float]]:
        """Rows and scores as the dataset keeps them: of Python's own types, and sure to be encoded and saved."""
        rows = [_checked_row(row) for row in X]
        self._space.encode_rows(rows)
        scores = [_checked_score(score) for score in Y]
        if len(rows) != len(scores):
            raise ValueError(f"Y: expected {len(rows)} scores, one for each row of X, got {len(scores)}")
        return rows, scores

    @property
    def _space(self) -> HyperParameterList:
        if self._parameters is None:
            raise ValueError("parameters: expected a search space, got none; set `dataset.parameters` first")
        return self._parameters

    def __len__(self) -> int:
        return len(self.Y)


def is_header(text: str) -> bool:
    r"""Return whether a text is a table without rows, or the beginning of one.

    Examples
    --------
    >>> is_header("id,x,scores\n"), is_header("id,x,scores\n0,0.5,1.0\n"), is_header("image,label\n")
    (True, False, False)
    """
    return not text or (text.startswith("id,") and text.endswith("scores\n") and len(_csv_records(text, "")) == 1)


def _as_space(parameters: HyperParameterList | Iterable[AbstractHyperParameter]) -> HyperParameterList:
    if parameters is None:
        raise ValueError("parameters: expected a search space, got None")
    return parameters if isinstance(parameters, HyperParameterList) else HyperParameterList(parameters)


def _checked_row(row: Iterable[Any]) -> list[Any]:
    if isinstance(row, (str, bytes, Mapping)) or not isinstance(row, Iterable):
        raise ValueError(f"row: expected a sequence of values, got {row!r}")
    return [to_builtin(value) for value in row]


def _checked_score(score: Any) -> float:
    try:
        if not isinstance(score, (str, bytes)):
            return float(score)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"score: expected a number, got {score!r}")


def _csv_line(fields: Sequence[str]) -> str:
    """Quote what a reader takes for the end of a line; `csv` only does where the terminator has both characters."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerow(fields)
    return text.getvalue().removesuffix("\r\n") + "\n"


def _csv_records(table: str | bytes, where: str) -> list[tuple[int, list[str]]]:
    """Split a table into records, with the numbers of the lines that they begin on."""
    records, line = [], 1
    try:
        text = table if isinstance(table, str) else table.decode("utf-8-sig")  # spreadsheets write a byte-order mark
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        for fields in reader:
            records.append((line, fields))
            line = reader.line_num + 1
    except (UnicodeDecodeError, csv.Error) as error:
        if isinstance(error, UnicodeDecodeError):
            line = error.object.count(b"\n", 0, error.start) + 1
        raise DamagedFileError(f"{where}, line {line}: expected a table in CSV: {error}") from error
    if records and not text.endswith("\n"):  # what is left of a score of 1.25 may read 1.2
        raise DamagedFileError(f"{where}, line {records[-1][0]}: expected an end of the line, got the end of the file")
    return records


def _read(from_text: Callable[[str], Any], to_text: Callable[[Any], str], field: str, place: str) -> Any:
    """Read a field that is, to the letter, what is written for its value; Python also reads 1_0 and other digits."""
    try:
        value = from_text(field)
        written = to_text(value)
    except (ValueError, TypeError, LookupError) as error:  # a user's class may raise any of them
        raise DamagedFileError(f"{place}: {error}") from error
    if written != field:
        raise DamagedFileError(f"{place}: expected {written!r}, which stands for {value!r}, got {field!r}")
    return value


def _dtype(values: Sequence[Any]) -> Any:
    """Numbers and bools as such where all are of one kind; everything else stays the Python object that it is."""
    kinds = {type(value) for value in values if value is not MISSING}
    if len(kinds) < len({type(value) for value in values}):
        return float if kinds in ({int}, {float}) else object
    return kinds.pop() if len(kinds) == 1 and kinds <= {bool, int, float} else object


def _object_array(rows: Sequence[Sequence[Any]], width: int) -> NDArray[Any]:
    """Values may be tuples, which NumPy would take for one more dimension."""
    array = np.empty((len(rows), width), dtype=object)
    for i, row in enumerate(rows):
        for c, value in enumerate(row):
            array[i, c] = value
    return array
