"""A search of the ancestor, taken over from its save folder.

The folder has ``dataset.csv`` and ``parameters.json``, or ``datasets/`` with them. Its classifiers are pickles, which
nobody should read from a folder that was sent to them: they are trained again from the table.
"""

from __future__ import annotations

import logging
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.dataset import Dataset
from shac.engine import SHAC
from shac.errors import DamagedFileError, SaveFolderError
from shac.files import parse_json, read_file, write_atomic
from shac.space import HyperParameterList
from shac.store.manifest import holds_search
from shac.store.table import DATASET_FILE, PARAMETERS_FILE, read_evaluations

if TYPE_CHECKING:
    import os

    from shac.parameters import AbstractHyperParameter

__all__ = ["import_ancestor", "read_ancestor"]

_logger = logging.getLogger("shac")

_MOST_BATCHES = 20
_MOST_BYTES = 1 << 24


def import_ancestor(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    objective: str = "max",
    num_batches: int | None = None,
    max_classifiers: int = 18,
    skip_cv_checks: bool = False,
    seed: int = 0,
) -> SHAC:
    r"""Train and save a search from the ancestor's table.

    Parameters
    ----------
    old : path-like
        The ancestor's save folder.
    new : path-like
        Folder of the search; must not hold one.
    objective : {'max', 'min'}
        What the old search looked for; its files do not say.
    num_batches : int, optional
        Rounds of the old search; its files do not say. By default the number up to 20 that leaves out the fewest rows.
        Rows that do not fill a round at the end are left out, with a warning.
    max_classifiers, skip_cv_checks, seed
        See `SHAC` and `fit`.

    Returns
    -------
    SHAC
        An engine without an evaluation function, for `predict`, pictures and `ask`.

    Raises
    ------
    FileNotFoundError
        If `old` does not hold both files.
    DamagedFileError
        If one of them is not what the ancestor writes.
    SaveFolderError
        If `new` holds a search.
    ValueError
        If there are fewer rows than rounds, or an argument is out of its range.

    Examples
    --------
    >>> import tempfile
    >>> old, new = tempfile.mkdtemp(), tempfile.mkdtemp()
    >>> space = '{"x": ["UniformContinuousHyperParameter", {"name": "x", "min_value": 0.0, "max_value": 1.0}]}'
    >>> _ = (Path(old) / "parameters.json").write_text(space)
    >>> table = "id,x,scores" + "".join(f"\n{i},{i / 40},{i / 40}" for i in range(40)) + "\n"
    >>> _ = (Path(old) / "dataset.csv").write_text(table)
    >>> import_ancestor(old, new, num_batches=4).predict(num_samples=2, seed=0)[0]["x"] > 0.5
    True
    """
    if holds_search(Path(new)):
        raise SaveFolderError(f"new: expected a folder without a search, got {new}")
    dataset = read_ancestor(old)
    count = _default_batches(len(dataset)) if num_batches is None else num_batches
    if not 1 <= count <= len(dataset):
        raise ValueError(f"num_batches: expected 1 to {len(dataset)}, the number of rows, got {count}")
    total = len(dataset) // count * count
    if total < len(dataset):
        _logger.warning(
            "%d rows fill no round and are left out: %d rows, %d rounds", len(dataset) - total, len(dataset), count
        )
    engine = SHAC(
        None,
        dataset.parameters,
        total_budget=total,
        num_batches=count,
        objective=objective,
        max_classifiers=max_classifiers,
        save_dir=new,
        seed=seed,
    )
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / DATASET_FILE
        write_atomic(table, dataset.to_csv())
        engine.fit_dataset(table, skip_cv_checks=skip_cv_checks, presort=False)
    return engine


def _default_batches(num_rows: int) -> int:
    candidates = range(1, min(_MOST_BATCHES, num_rows) + 1)
    return min(candidates, key=lambda count: (num_rows % count if count > 1 else num_rows, -count), default=1)


def read_ancestor(folder: str | os.PathLike[str]) -> Dataset:
    """Read the ancestor's table and search space.

    Parameters
    ----------
    folder : path-like
        With ``dataset.csv`` and ``parameters.json``, or ``datasets/`` with them.

    Returns
    -------
    Dataset

    Raises
    ------
    FileNotFoundError
        If the files are missing.
    DamagedFileError
        If one of them is not what the ancestor writes.
    """
    places = [Path(folder), Path(folder) / "datasets"]
    place = next((p for p in places if (p / DATASET_FILE).is_file() and (p / PARAMETERS_FILE).is_file()), None)
    if place is None:
        raise FileNotFoundError(
            f"{folder}: expected {DATASET_FILE} and {PARAMETERS_FILE}, in the folder or in its datasets/"
        )
    where = place / PARAMETERS_FILE
    try:
        space = HyperParameterList.load_from_config(parse_json(read_file(where, _MOST_BYTES), str(where)))
    except ValueError as error:
        raise DamagedFileError(f"{where}: {error}") from error
    dataset = Dataset(space)
    file = place / DATASET_FILE
    dataset.set_dataset(*read_evaluations(file, space, _value))
    if not len(dataset):
        raise DamagedFileError(f"{file}: expected evaluations, got a table without rows")
    return dataset


def _value(column: AbstractHyperParameter, text: str, at: str) -> Any:
    """Read a field as pandas writes it: None is empty, and integers of a column with None are floats."""
    try:
        return column.from_text(text)
    except ValueError as error:
        for attempt in _attempts(text):
            try:
                return column.from_text(attempt)
            except ValueError:
                continue
        raise DamagedFileError(f"{at}: {error}") from error


def _attempts(text: str) -> tuple[str, ...]:
    """Return what a field that cannot be read as it is may stand for; nothing where it is no number."""
    if not text:
        return "None", "nan"
    try:
        number = float(text)
    except ValueError:
        return ()
    is_integer = math.isfinite(number) and number == int(number)
    return (str(int(number)), repr(number)) if is_integer else (repr(number),)
