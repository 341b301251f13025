"""What a search has evaluated: configurations, scores, and their file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.errors import DamagedFileError
from shac.files import dump_json, parse_json, read_file, write_atomic
from shac.frames import checked_evaluations, data_frame, object_array
from shac.labels import check_objective, label_scores
from shac.ranking import RankedEvaluations
from shac.space import HyperParameterList
from shac.store.table import DATASET_FILE, PARAMETERS_FILE, read_table_text, table_text

if TYPE_CHECKING:
    import os
    from collections import OrderedDict

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from shac.objectives import Score
    from shac.parameters import AbstractHyperParameter

__all__ = ["Dataset"]

_MOST_BYTES = 1 << 29


class Dataset(RankedEvaluations):
    """Evaluated configurations in order, with their scores.

    Parameters
    ----------
    parameter_list : HyperParameterList or iterable of parameters, optional
        The search space; can be set later.
    save_dir : path-like
        Folder of `save_dataset`.

    Attributes
    ----------
    objective : {'max', 'min'}, or a tuple or mapping of them
        Of the search that the evaluations are of. With several, a score is a tuple of numbers.
    enqueued : frozenset of int
        Which of them were asked for by `SHAC.enqueue`.
    pruned : dict of int to float
        Which of them were ended because they were worse than others (see `shac.report`), with what they reported last,
        NaN where that was nothing. Their scores are NaN, so that none of them is ever the best.
    earlier : Dataset or None
        What the search began with, of an earlier one: no evaluations of this one.

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
        self.objective: Any = "max"
        self.earlier: Dataset | None = None
        self.clear()

    @property
    def parameters(self) -> HyperParameterList | None:
        """The search space."""
        return self._parameters

    @parameters.setter
    def parameters(self, parameters: HyperParameterList | Iterable[AbstractHyperParameter]) -> None:
        space = _as_space(parameters)
        space.encode_rows(self.X)  # configurations of another space could not be saved
        self._parameters = space

    def get_parameters(self) -> HyperParameterList | None:
        """Return the search space; see `parameters`."""
        return self._parameters

    def set_parameters(self, parameters: HyperParameterList | Iterable[AbstractHyperParameter]) -> None:
        """Set the search space; see `parameters`. Raises ValueError if an evaluation does not fit it."""
        self.parameters = parameters

    @property
    def size(self) -> int:
        """Number of evaluations."""
        return len(self.Y)

    def add_sample(self, parameters: Sequence[Any] | Mapping[str, Any], value: Score) -> None:
        """Append an evaluated configuration.

        Parameters
        ----------
        parameters : sequence or mapping
            A flat row of values, or a mapping from names to values.
        value : float, or sequence of float
            Its score, or one of each objective; NaN for a failed evaluation.

        Raises
        ------
        ValueError
            If the configuration does not fit the space, or `value` is no number; the dataset is then as it was.
        """
        row = self._space.to_row(parameters) if isinstance(parameters, Mapping) else parameters
        rows, scores = self._checked([row], [value])
        self.X += rows
        self.Y += scores

    def clear(self) -> None:
        """Forget all configurations and scores."""
        self.X: list[list[Any]] = []
        self.Y: list[Any] = []
        self.enqueued: frozenset[int] = frozenset()
        self.pruned: dict[int, float] = {}

    def encode_dataset(
        self, X: Sequence[Sequence[Any]] | None = None, Y: ArrayLike | None = None, objective: str = "max"
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Encode configurations and label their scores, as a classifier is trained on them.

        Parameters
        ----------
        X : sequence of rows, optional
            Flat rows; the dataset's own by default.
        Y : array_like of float, optional
            Scores; the dataset's own by default, and none for rows that are given where their number is another.
        objective : {'max', 'min'}
            Whether larger or smaller scores are better.

        Returns
        -------
        X : ndarray of float32, shape (n, num_columns)
        y : ndarray of float64, shape (n,)
            1 for scores better than the median, else 0; see `label_scores`. Empty for rows without scores.

        Raises
        ------
        ValueError
            If `X` and `Y` differ in length, a row does not fit, `objective` is neither, or there are several.
        """
        rows = self.X if X is None else X
        if Y is None and len(rows) != len(self.Y):
            check_objective(objective)
            return self._space.encode_rows(rows), np.empty(0)
        if Y is None:
            self.check_single("encode_dataset")
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
        return object_array(self._space.decode_rows(encoded), self._space.num_columns)

    def get_dataset(self) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Return the configurations, object array of shape (n, num_columns), and the scores, float64 of shape (n,).

        With m objectives the scores have the shape (n, m).
        """
        scores = np.array(self.Y, dtype=np.float64)
        return object_array(self.X, self._space.num_columns), scores

    def to_pandas(self, *, earlier: bool = False) -> pd.DataFrame:
        """Return a data frame: a column for each of the space, with values as they are, and ``scores``.

        A parameter of that name keeps it; the scores' column is called ``scores_`` then. What does not exist in a
        configuration is missing in the frame: NaN, or None where values are no numbers.

        With several objectives, there is a column of each in place of ``scores``.

        Where configurations were enqueued, or the search began with those of an earlier one, a column ``source`` has
        ``'enqueued'`` or ``'drawn'``; ``'earlier'`` for the rows of `earlier`, which come first where it is asked for.
        Where any were pruned, ``pruned`` says which, and ``last_value`` has what they reported last, NaN for others.

        Parameters
        ----------
        earlier : bool
            Whether the frame has the rows of the earlier search, too.

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
        sources = ["enqueued" if index in self.enqueued else "drawn" for index in range(len(self))]
        X, Y, pruned = self.X, self.Y, self.pruned
        if earlier and self.earlier is not None:
            X, Y, sources = self.earlier.X + X, self.earlier.Y + Y, ["earlier"] * len(self.earlier) + sources
            pruned = {**self.earlier.pruned, **{len(self.earlier) + i: last for i, last in pruned.items()}}
        marks = sources if self.enqueued or self.earlier is not None else None
        names = None if self.objectives is None else self.objectives.names
        return data_frame(self._space.get_parameter_names(), X, Y, marks, pruned, objectives=names)

    def set_dataset(self, X: Iterable[Sequence[Any]], Y: Iterable[Any]) -> None:
        """Replace all configurations and scores.

        Parameters
        ----------
        X : iterable of rows
            Flat rows of values.
        Y : iterable of float, or of sequences of float
            A score for each, or one of each objective.

        Raises
        ------
        ValueError
            If the lengths differ, a row does not fit, or a score is no number; the dataset is then as it was.
        """
        self.X, self.Y = self._checked(X, Y)
        self.pruned = {i: last for i, last in self.pruned.items() if i < len(self.Y) and np.all(np.isnan(self.Y[i]))}

    def __repr__(self) -> str:
        if self.objectives is None:
            score = "".join(f", best {score:.6g}" for _, score in self.ranked()[:1])
        else:
            score = f", Pareto front of {len(self.pareto_indices())}"
        of_space = "" if self._parameters is None else f" of {len(self._parameters)} parameters"
        return f"Dataset({len(self)} configurations{of_space}{score})"

    def column_names(self) -> list[str]:
        """Return the names of a row's values."""
        return self._space.get_parameter_names()

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

    def restore_dataset(self) -> None:
        """Take up the search space and the evaluations in `save_dir`, as `save_dataset` wrote them.

        Raises
        ------
        FileNotFoundError, DamagedFileError
            See `load_from_directory`; the dataset is then as it was.
        """
        stored = type(self).load_from_directory(self.save_dir, objective=self.objective)
        self._parameters, self.X, self.Y, self.pruned = stored._parameters, stored.X, stored.Y, stored.pruned

    @classmethod
    def load_from_directory(cls, directory: str | os.PathLike[str] = "shac_run", *, objective: Any = "max") -> Self:
        """Read what `save_dataset` wrote.

        Parameters
        ----------
        directory : path-like
        objective
            See `from_csv`.

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
        dataset = cls.from_csv(table, space, where=str(folder / DATASET_FILE), objective=objective)
        dataset.save_dir = folder
        return dataset

    def to_csv(self) -> str:
        """Write the table: ``id``, the columns, ``scores``, and of pruned evaluations what `to_pandas` has of them."""
        return table_text(self._space, self.X, self.Y, self.pruned, objectives=self.objectives)

    @classmethod
    def from_csv(
        cls,
        table: str | bytes,
        parameters: HyperParameterList | Iterable[AbstractHyperParameter],
        *,
        where: str = DATASET_FILE,
        objective: Any = "max",
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
        objective : {'max', 'min'}, or a tuple or mapping of them
            Of the scores.

        Returns
        -------
        Dataset

        Raises
        ------
        DamagedFileError
            If the table is not one of this space; names the line, the column and what came.
        """
        dataset = cls(parameters)
        dataset.objective = objective
        dataset.X, dataset.Y, dataset.pruned = read_table_text(
            table, dataset._space, where=where, objectives=dataset.objectives
        )
        return dataset

    def _checked(self, X: Iterable[Sequence[Any]], Y: Iterable[Any]) -> tuple[list[list[Any]], list[Any]]:
        rows, scores = checked_evaluations(self._space.columns, X, Y, self.objectives)
        self._space.encode_rows(rows)
        return rows, scores

    @property
    def _space(self) -> HyperParameterList:
        if self._parameters is None:
            raise ValueError("parameters: expected a search space, got none; set `dataset.parameters` first")
        return self._parameters

    def __len__(self) -> int:
        return len(self.Y)


def _as_space(parameters: HyperParameterList | Iterable[AbstractHyperParameter]) -> HyperParameterList:
    if parameters is None:
        raise ValueError("parameters: expected a search space, got None")
    return parameters if isinstance(parameters, HyperParameterList) else HyperParameterList(parameters)
