"""What scikit-learn's cross-validation says of each evaluation of a search, in memory and in the search's folder.

scikit-learn makes its results of the scores and times of all folds, of which a search's own files have the mean score
alone: without them a search that goes on could not say what it did before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shac.errors import DamagedFileError, SaveFolderError
from shac.files import dump_json, parse_json, read_file, write_atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shac.space import HyperParameterList

__all__ = ["Evaluation", "FoldResults"]

FILE = "cross_validation.json"

_MOST_BYTES = 512 << 20
_SCORES = ("test_scores", "train_scores")

_Key = tuple[int, int]  # number and rung


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation of a search.

    Parameters
    ----------
    number : int
        In the search, from 0.
    row : tuple of str
        Values of the configuration, as a table has them.
    candidate : dict
        What the estimator is given.
    round_number : int
        From 1.
    folds : sequence of dict
        scikit-learn's results of the folds.
    rung : int
        Of `resource`, from 0.
    resource : int
        What the fits had of a resource; 0 where there is none.
    """

    number: int
    row: tuple[str, ...]
    candidate: dict[str, Any]
    round_number: int
    folds: Sequence[dict[str, Any]] = ()
    rung: int = 0
    resource: int = 0

    @property
    def key(self) -> _Key:
        """What tells it from others of its search."""
        return self.number, self.rung


class FoldResults:
    """The evaluations of a search, with what each fold gave.

    Parameters
    ----------
    num_folds : int
    data : str
        Tells the data from all others; empty where nothing is kept on disk.
    """

    def __init__(self, num_folds: int, data: str = "") -> None:
        self._num_folds = num_folds
        self._data = data
        self._known: dict[_Key, Evaluation] = {}
        self._read: dict[_Key, tuple[tuple[str, ...], list[dict[str, Any]]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        """Nothing of it: scikit-learn sends the search estimator to every worker."""
        return FoldResults, (self._num_folds,)

    def add(self, evaluation: Evaluation) -> None:
        """Take in an evaluation, in place of an earlier one of its number and rung."""
        self._known[evaluation.key] = replace(evaluation, folds=[_plain(fold) for fold in evaluation.folds])

    def add_failed(self, evaluation: Evaluation, error: str, *, train_scores: bool) -> None:
        """Take in an evaluation of which scikit-learn gave no results, since every fit beside it failed as well."""
        scores = dict.fromkeys(_SCORES if train_scores else _SCORES[:1], math.nan)
        fold = {**scores, "fit_time": math.nan, "score_time": math.nan, "n_test_samples": 0, "fit_error": error}
        self.add(replace(evaluation, folds=[fold] * self._num_folds))

    def knows(self, evaluation: Evaluation) -> bool:
        """Return whether there are results of an evaluation, in memory or among those read."""
        row, folds = self._read.get(evaluation.key, ((), []))
        if evaluation.key not in self._known and row == evaluation.row:
            self.add(replace(evaluation, folds=folds))
        return evaluation.key in self._known

    def missing(self, end: int) -> list[int]:
        """Return the numbers below `end` of evaluations that there are no results of in memory."""
        return [number for number in range(end) if (number, 0) not in self._known]

    def rungs_read(self, number: int) -> list[int]:
        """Return the rungs of an evaluation that were read; the first at least."""
        return sorted({0, *(rung for other, rung in self._read if other == number)})

    def row_read(self, number: int, space: HyperParameterList) -> list[Any]:
        """Return the flat row of an evaluation that was read.

        Raises
        ------
        DamagedFileError
            If there is none, or it does not fit the space.
        """
        try:
            texts, _ = self._read[number, 0]
            return [column.from_text(text) for column, text in zip(space.columns, texts, strict=True)]
        except (LookupError, ValueError, TypeError) as error:
            raise DamagedFileError(f"{FILE}: expected results of evaluation {number}: {error}") from error

    def recover(self, evaluation: Evaluation) -> None:
        """Take in the results of an evaluation whose score the search has.

        Raises
        ------
        DamagedFileError
            If there are none.
        """
        if not self.knows(evaluation):
            raise DamagedFileError(f"{FILE}: expected results of evaluation {evaluation.number}, {evaluation.row}")

    def evaluations(self) -> list[Evaluation]:
        """Return the evaluations round by round, rung by rung, in the order of their numbers."""
        return sorted(self._known.values(), key=lambda e: (e.round_number, e.rung, e.number))

    def has_success(self) -> bool:
        """Return whether a fit succeeded."""
        return any(_succeeded(evaluation) for evaluation in self._known.values())

    def last_success(self) -> Evaluation:
        """Return the last evaluation of which a fit succeeded; the last one where there is none."""
        evaluations = self.evaluations()
        return next(filter(_succeeded, reversed(evaluations)), evaluations[-1])

    def metrics(self) -> list[str]:
        """Return the names of the metrics; scikit-learn calls a single one "score"."""
        scores = next((f["test_scores"] for f in self._folds() if f["fit_error"] is None), None)
        return [*scores] if isinstance(scores, dict) else ["score"]

    def scores(self, key: _Key, metric: str, error_score: Any) -> list[float]:
        """Return an evaluation's scores; of fits that failed `error_score`."""
        folds = self._known[key].folds
        scores = [error_score if fold["fit_error"] is not None else fold["test_scores"] for fold in folds]
        return [float(score[metric] if isinstance(score, dict) else score) for score in scores]

    def out(self, error_score: Any) -> list[dict[str, Any]]:
        """Return the results of all folds in the order of the evaluations, as scikit-learn makes its own of them."""
        folds = self._folds()
        metrics = self.metrics()
        failed = error_score if metrics == ["score"] else dict.fromkeys(metrics, error_score)
        return [
            fold if fold["fit_error"] is None else {**fold, **dict.fromkeys([s for s in _SCORES if s in fold], failed)}
            for fold in folds
        ]

    def _folds(self) -> list[dict[str, Any]]:
        return [fold for evaluation in self.evaluations() for fold in evaluation.folds]

    def write(self, folder: Path) -> None:
        """Write the results to the search's folder."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / FILE
        evaluations = [
            {"number": e.number, "row": e.row, "folds": e.folds} | ({"rung": e.rung} if e.rung else {})
            for e in self.evaluations()
        ]
        document = {"data": self._data, "num_folds": self._num_folds, "evaluations": evaluations}
        write_atomic(path, dump_json(document, str(path), one_line=True) + "\n")

    def check(self, folder: Path) -> None:
        """Refuse a folder without a search in which the results' file is somebody else's: it is not written over.

        Raises
        ------
        SaveFolderError
            If it is.
        """
        path = folder / FILE
        if path.exists():
            try:
                _parts_of(path)
            except (DamagedFileError, OSError) as error:
                raise SaveFolderError(
                    f"save_dir: expected a folder with no {FILE} but that of a SHACSearchCV, got {folder}: {error}"
                ) from error

    def read(self, folder: Path) -> None:
        """Read the results of a search that goes on.

        Raises
        ------
        SaveFolderError
            If the folder's search is none of scikit-learn, or one of other data.
        DamagedFileError
            If the file is damaged.
        """
        path = folder / FILE
        if not path.exists():
            raise SaveFolderError(f"save_dir: expected the folder of a SHACSearchCV, got {folder}, which has no {FILE}")
        data, num_folds, evaluations = _parts_of(path)
        if (data, num_folds) != (self._data, self._num_folds):
            raise SaveFolderError(
                f"save_dir: expected a folder without a search, or with one over the same data and {self._num_folds} "
                f"folds, got {folder}, whose search has other data, {num_folds} folds or other resources; each fit of "
                "a cross_val_score has its own data: leave save_dir out there"
            )
        for evaluation in evaluations:
            match {"rung": 0, **evaluation} if isinstance(evaluation, dict) else evaluation:
                case {"number": int(number), "row": tuple(row), "folds": [*folds], "rung": int(rung)} if len(
                    folds
                ) == num_folds and all(map(_is_sound, folds)):
                    self._read[number, rung] = row, folds
                case _:
                    raise DamagedFileError(f"{path}: expected the folds of an evaluation, got {evaluation!r}")


def _parts_of(path: Path) -> tuple[str, int, list[Any]]:
    match parse_json(read_file(path, _MOST_BYTES), str(path)):
        case {"data": str(data), "num_folds": int(num_folds), "evaluations": list(evaluations)}:
            return data, num_folds, evaluations
    raise DamagedFileError(f"{path}: expected the results of a SHACSearchCV")


def _succeeded(evaluation: Evaluation) -> bool:
    return any(fold["fit_error"] is None for fold in evaluation.folds)


def _plain(fold: dict[str, Any]) -> dict[str, Any]:
    """Keep what results are made of, as Python's own numbers."""
    numbers = {name: _as_float(fold[name]) for name in (*_SCORES, "fit_time", "score_time") if name in fold}
    return {**numbers, "n_test_samples": int(fold["n_test_samples"]), "fit_error": fold["fit_error"]}


def _as_float(value: Any) -> Any:
    return {name: float(score) for name, score in value.items()} if isinstance(value, dict) else float(value)


def _is_sound(fold: Any) -> bool:
    match fold:
        case {
            "test_scores": float() | dict(),
            "fit_time": float(),
            "score_time": float(),
            "n_test_samples": int(),
            "fit_error": str() | None,
        }:
            return True
    return False
