"""Classifiers of a search: trained on labelled points, and let in through a gate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.classifier import Classifier
from shac.export import ubjson_of
from shac.gaps import give_gaps_to_better
from shac.reals import as_real

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

__all__ = ["TrainedClassifier", "TreeSettings", "train_classifier"]

_LARGEST_DEPTH = 100  # of a tree that a few thousand points could grow
NUM_FOLDS = 5
LOWEST_ACCURACY = 0.5
_LARGEST_INT32 = 2**31 - 1  # of XGBoost's settings
_BINS = 256  # of a column's histogram
_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeSettings:
    """The trees of a classifier; the defaults are XGBoost's, with the 200 trees of the paper.

    Parameters
    ----------
    num_trees : int
    min_child_weight : float
        Least sum of hessians of a leaf; at 1, a leaf needs four points whose class is undecided. At 10 points this
        leaves few trees that split at all.
    max_depth : int
        Splits between the root and a leaf at most.
    learning_rate : float
        In (0, 1]: what each tree counts.
    gaps : {"lower", "better"}
        To which side of a split the room between the points on its two sides belongs: "lower" leaves it to the lower
        one, as XGBoost does; "better" gives it to the one with more of the better points. See `shac.gaps`.
    splits : {"default", "fastest"}
        How splits are found: by XGBoost's default, histograms since its version 2.0, or exactly for up to 256 points,
        which each have a bin of a histogram: the same splits to choose from, in half the time.

    Raises
    ------
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> TreeSettings(num_trees=50).min_child_weight
    1.0
    """

    num_trees: int = 200
    min_child_weight: float = 1.0
    max_depth: int = 6
    learning_rate: float = 0.3
    gaps: str = "lower"
    splits: str = "default"

    def __post_init__(self) -> None:
        for name, largest in (("num_trees", _LARGEST_INT32), ("max_depth", _LARGEST_DEPTH)):
            number: Any = getattr(self, name)
            if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= largest:
                raise ValueError(f"{name}: expected an integer from 1 to {largest}, got {number!r}")
        if not 0 < as_real(self.learning_rate) <= 1:
            raise ValueError(f"learning_rate: expected a number above 0 and at most 1, got {self.learning_rate!r}")
        if not 0 <= as_real(self.min_child_weight) <= _LARGEST_FLOAT32:
            raise ValueError(f"min_child_weight: expected a float32 of at least 0, got {self.min_child_weight!r}")
        if self.gaps not in ("lower", "better"):
            raise ValueError(f"gaps: expected 'lower' or 'better', got {self.gaps!r}")
        if self.splits not in ("default", "fastest"):
            raise ValueError(f"splits: expected 'default' or 'fastest', got {self.splits!r}")

    def arguments(self, num_points: int) -> dict[str, Any]:
        """Return the arguments of XGBoost's classifier for so many points."""
        is_exact = self.splits == "fastest" and num_points <= _BINS
        return {
            **({"tree_method": "exact"} if is_exact else {}),
            "n_estimators": self.num_trees,
            "max_depth": self.max_depth,
            "learning_rate": self.learning_rate,
            "min_child_weight": self.min_child_weight,
        }


@dataclass(frozen=True, slots=True)
class TrainedClassifier:
    """What came of an attempt to train.

    Parameters
    ----------
    classifier : Classifier or None
        None when the batch gives no classifier.
    accuracy : float
        Mean accuracy over the folds; NaN when they were skipped or could not be made.
    reason : str
        Why there is no classifier; empty when there is one.
    """

    classifier: Classifier | None
    accuracy: float
    reason: str = ""


_TREES_OF_THE_PAPER = TreeSettings()


def train_classifier(
    X: NDArray[np.float32],
    y: NDArray[np.float64],
    *,
    seed: int,
    skip_cv_checks: bool = False,
    trees: TreeSettings = _TREES_OF_THE_PAPER,
) -> TrainedClassifier:
    """Train a classifier on labelled points, unless it would be no better than chance.

    The gate (section 3.1 of arXiv 1805.10255): the mean accuracy of a stratified 5-fold cross-validation is at least
    0.5, and the predictions on the batch are not all alike. A class of fewer than five points gets as many folds as
    it has points, at least two.

    Parameters
    ----------
    X : ndarray of float32, shape (n, num_columns)
        Encoded configurations.
    y : ndarray of float64, shape (n,)
        1 for better than the median, else 0.
    seed : int
        Not negative; of the folds and of XGBoost.
    skip_cv_checks : bool
        Whether to leave out the cross-validation.
    trees : TreeSettings
        The classifier's trees; those of the paper by default.

    Returns
    -------
    TrainedClassifier

    Examples
    --------
    >>> X = np.linspace(0, 1, 40, dtype=np.float32).reshape(-1, 1)
    >>> train_classifier(X, (X[:, 0] > 0.5).astype(float), seed=0).accuracy > 0.8
    True
    >>> train_classifier(X, np.zeros(40), seed=0).reason
    'all 40 labels are 0'
    """
    labels = y.astype(np.int64)
    if (labels == labels[:1]).all():
        return TrainedClassifier(None, np.nan, f"all {len(labels)} labels are {labels[0] if len(labels) else 'absent'}")
    accuracy = np.nan
    if not skip_cv_checks:
        num_folds = min(NUM_FOLDS, int(np.bincount(labels).min()))
        if num_folds < 2:
            return TrainedClassifier(None, np.nan, "a class of one point cannot be cross-validated")
        accuracy = _cross_validate(X, labels, num_folds, seed, trees)
        if accuracy < LOWEST_ACCURACY:
            return TrainedClassifier(
                None, accuracy, f"the cross-validation accuracy {accuracy:.3f} is below {LOWEST_ACCURACY}"
            )
    booster = _boosted(X, labels, seed, trees)
    predictions = _predicted(booster, X)
    if (predictions == predictions[0]).all():
        return TrainedClassifier(None, accuracy, f"it predicts {predictions[0]} for every point of its batch")
    data = ubjson_of(booster)
    if trees.gaps == "better":
        data = give_gaps_to_better(data, X)
    arguments = {"random_state": seed % _LARGEST_INT32, **trees.arguments(len(X))}
    return TrainedClassifier(Classifier(data, arguments), accuracy)


def check_xgboost() -> None:
    """Import XGBoost, which may be installed and fail all the same: under ``python -OO``, or without its library.

    Raises
    ------
    ImportError
        With XGBoost's own reason.
    """
    try:
        import xgboost  # noqa: F401 - whether it can be
    except Exception as error:
        raise ImportError(
            f"xgboost: expected a package that can be imported, got {type(error).__name__}: {error}"
        ) from error


def _boosted(X: NDArray[np.float32], labels: NDArray[np.int64], seed: int, trees: TreeSettings) -> xgboost.Booster:
    """Train what `xgboost.XGBClassifier.fit` trains, to the last bit, without what it does around it.

    On the few points of a batch that took as long as the training itself.
    """
    import xgboost

    # One thread: batches are small, and a sum's order must not depend on the machine.
    settings = {"objective": "binary:logistic", "nthread": 1, "seed": seed % _LARGEST_INT32, **trees.arguments(len(X))}
    num_trees = settings.pop("n_estimators")
    points = xgboost.DMatrix(X, label=labels, nthread=1)
    booster = _nameless_booster()(settings, [points])
    for tree in range(num_trees):
        booster.update(points, tree)
    return booster


@cache
def _nameless_booster() -> type[xgboost.Booster]:
    """Return a booster that does not look for names and types of columns at each tree: there are none.

    Looking for them took a third of the time of trees for a batch of ten points.
    """
    import xgboost

    class NamelessBooster(xgboost.Booster):  # type: ignore[misc]
        @property
        def feature_names(self) -> None:
            return None

        @feature_names.setter
        def feature_names(self, names: list[str] | None) -> None:
            pass

        @property
        def feature_types(self) -> None:
            return None

        @feature_types.setter
        def feature_types(self, types: list[str] | None) -> None:
            pass

        def _assign_dmatrix_features(self, data: xgboost.DMatrix) -> None:
            """Look for nothing; versions that have no such method do not call it."""

    return NamelessBooster


def _predicted(booster: xgboost.Booster, X: NDArray[np.float32]) -> NDArray[np.int64]:
    labels: NDArray[np.int64] = (booster.inplace_predict(X) > 0.5).astype(np.int64)
    return labels


def _cross_validate(
    X: NDArray[np.float32], labels: NDArray[np.int64], num_folds: int, seed: int, trees: TreeSettings
) -> float:
    from sklearn.model_selection import StratifiedKFold

    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed % _LARGEST_INT32)
    accuracies = [
        np.mean(_predicted(_boosted(X[train], labels[train], seed, trees), X[test]) == labels[test])
        for train, test in folds.split(X, labels)
    ]
    return float(np.mean(accuracies))
