"""A search of the ancestor, taken over from its save folder.

The folder has ``dataset.csv`` and ``parameters.json``, or ``datasets/`` with them. Its classifiers are pickles, which
nobody should read from a folder that was sent to them: they are trained again from the table.
"""

from __future__ import annotations

import logging
import math
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.dataset import Dataset
from shac.engine import SHAC
from shac.errors import DamagedFileError, SaveFolderError
from shac.files import parse_json, read_file, write_atomic
from shac.labels import check_objective
from shac.space import HyperParameterList
from shac.store.manifest import holds_search
from shac.store.table import DATASET_FILE, PARAMETERS_FILE, column_of, header_of, read_evaluations

if TYPE_CHECKING:
    import os

    from shac.engine import Strategy
    from shac.parameters import AbstractHyperParameter

__all__ = ["import_ancestor", "read_ancestor"]

_logger = logging.getLogger("shac")

_MOST_BATCHES = 20
_MOST_BYTES = 1 << 24


def import_ancestor(
    old: str | os.PathLike[str],
    new: str | os.PathLike[str],
    *,
    objective: str,
    num_batches: int | None = None,
    total_budget: int | None = None,
    strategy: str | Strategy | None = None,
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
        Rounds of the old search; its files do not say. By default they are guessed, which is logged as a warning: from
        ids that begin anew with each round, else the most up to 20 that leave out the fewest evaluations and have a
        multiple of 10 each, or of 5. Rows that do not fill a round at the end are left out, with a warning.
    total_budget : int, optional
        Evaluations of the old search, if it was not finished: `fit` goes on with what is left. By default those that
        it has.
    strategy : str or Strategy, optional
        See `SHAC`; 'ancestor' trains trees as the ancestor did.
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
        If there are fewer rows than rounds, or more than `total_budget`, or an argument is out of its range.

    Examples
    --------
    >>> import tempfile
    >>> old, new = tempfile.mkdtemp(), tempfile.mkdtemp()
    >>> space = '{"x": ["UniformContinuousHyperParameter", {"name": "x", "min_value": 0.0, "max_value": 1.0}]}'
    >>> _ = (Path(old) / "parameters.json").write_text(space)
    >>> table = "id,x,scores" + "".join(f"\n{i},{i / 40},{i / 40}" for i in range(40)) + "\n"
    >>> _ = (Path(old) / "dataset.csv").write_text(table)
    >>> import_ancestor(old, new, objective="max", num_batches=4).predict(num_samples=2, seed=0)[0]["x"] > 0.5
    True
    """
    if holds_search(Path(new)):
        raise SaveFolderError(f"new: expected a folder without a search, got {new}")
    check_objective(objective)
    dataset = read_ancestor(old)
    num_rows = len(dataset)
    if total_budget is not None and not total_budget >= num_rows:
        raise ValueError(f"total_budget: expected at least {num_rows}, the evaluations there are, got {total_budget}")
    count = _guessed_rounds(old, total_budget or num_rows) if num_batches is None else num_batches
    if not 1 <= count <= (total_budget or num_rows):
        raise ValueError(f"num_batches: expected 1 to {total_budget or num_rows}, the evaluations, got {count}")
    total = num_rows // count * count if total_budget is None else total_budget
    taken = num_rows if total % count else num_rows // (total // count) * (total // count)
    if taken < num_rows:
        _logger.warning("%d rows fill no round and are left out: %d rows, %d rounds", num_rows - taken, num_rows, count)
    engine = SHAC(
        None,
        dataset.parameters,
        total_budget=total,
        num_batches=count,
        objective=objective,
        max_classifiers=max_classifiers,
        save_dir=new,
        seed=seed,
        strategy=strategy,
    )
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / DATASET_FILE
        write_atomic(table, dataset.to_csv())
        engine.fit_dataset(table, skip_cv_checks=skip_cv_checks, presort=False, partial=total_budget is not None)
    return engine


def _guessed_rounds(old: str | os.PathLike[str], total: int) -> int:
    """Guess the rounds of so many evaluations, and say what was guessed and from what."""
    size = _first_run(_ids(_place_of(old) / DATASET_FILE))
    if size is not None and total % size == 0:
        rounds, source = total // size, "ids that begin anew with each round"
    else:
        rounds, source = _usual_rounds(total), "the number of evaluations alone"
    _logger.warning("num_batches: guessed %d rounds of %d evaluations, from %s", rounds, total // rounds, source)
    return rounds


def _usual_rounds(total: int) -> int:
    """Return the rounds that leave out the fewest evaluations, of sizes that people choose."""
    candidates = range(2, min(_MOST_BATCHES, total) + 1)

    def rank(count: int) -> tuple[int, bool, bool, int]:
        size = total // count
        return total % count, size % 10 != 0, size % 5 != 0, -count

    return min(candidates, key=rank, default=1)


def _ids(file: Path) -> list[int]:
    try:
        return [int(float(text)) for text in column_of(file, "id")]
    except (ValueError, OverflowError, DamagedFileError):
        return []


def _first_run(ids: list[int]) -> int | None:
    """Return after how many rows ids begin anew, if they do so again and again."""
    size = next((i for i in range(1, len(ids)) if ids[i] <= ids[i - 1]), 0)
    is_steady = size > 0 and all((b <= a) == (i % size == 0) for i, (a, b) in enumerate(pairwise(ids), start=1))
    return size if is_steady else None


def read_ancestor(folder: str | os.PathLike[str]) -> Dataset:
    """Read the ancestor's table and search space.

    Parameters
    ----------
    folder : path-like
        With ``dataset.csv`` and ``parameters.json``, or ``datasets/`` with them. Where the table lacks the name of a
        parameter its columns are taken by their position, as the ancestor took them, with a warning.

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
    place = _place_of(folder)
    where = place / PARAMETERS_FILE
    try:
        space = HyperParameterList.load_from_config(parse_json(read_file(where, _MOST_BYTES), str(where)))
    except ValueError as error:
        raise DamagedFileError(f"{where}: {error}") from error
    dataset = Dataset(space)
    file = place / DATASET_FILE
    names, header = space.get_parameter_names(), header_of(file)
    by_position = not {*names} <= {*header}
    if by_position:
        _logger.warning("%s: columns are read by their position: %s for %s", file, header[1:-1], names)
    dataset.set_dataset(*read_evaluations(file, space, _value, by_position=by_position))
    if not len(dataset):
        raise DamagedFileError(f"{file}: expected evaluations, got a table without rows")
    return dataset


def _place_of(folder: str | os.PathLike[str]) -> Path:
    for place in (Path(folder), Path(folder) / "datasets"):
        if (place / DATASET_FILE).is_file() and (place / PARAMETERS_FILE).is_file():
            return place
    raise FileNotFoundError(
        f"{folder}: expected {DATASET_FILE} and {PARAMETERS_FILE}, in the folder or in its datasets/"
    )


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
