"""Classifiers whose threshold is set by what they accept of a region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from shac.classifier import Classifier
from shac.model_edits import shifted_base_score, with_base_score
from shac.sampling.cascade import Cascade
from shac.sampling.compiled import read_by_core

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.export import ForestArrays
    from shac.space import HyperParameterList

__all__ = ["CalibratedClassifier", "calibrate_threshold"]


@dataclass(frozen=True, slots=True)
class CalibratedClassifier:
    """A classifier and its trees, exported once.

    Parameters
    ----------
    classifier : Classifier
    forest : ForestArrays
    """

    classifier: Classifier
    forest: ForestArrays


def calibrate_threshold(
    classifier: Classifier, space: HyperParameterList, samples: NDArray[np.float32], rate: float
) -> CalibratedClassifier | None:
    """Move the threshold of a classifier so that it accepts a given share of samples, as far as ties allow.

    Parameters
    ----------
    classifier : Classifier
        Trained without early stopping.
    space : HyperParameterList
        Of its columns.
    samples : ndarray of float32, shape (n, num_columns)
        Encoded samples of the region, at least one.
    rate : float
        The acceptance rate wanted, in (0, 1).

    Returns
    -------
    CalibratedClassifier or None
        A copy that accepts at most that share of the samples and at least one; None if all have the same margin.

    Examples
    --------
    >>> import shac, xgboost
    >>> from shac.classifier import Classifier
    >>> space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
    >>> X = np.linspace(0, 1, 100, dtype=np.float32).reshape(-1, 1)
    >>> model = xgboost.XGBClassifier(n_jobs=1, min_child_weight=0).fit(X, np.arange(100) % 7 > 2)
    >>> calibrated = calibrate_threshold(Classifier.of(model), space, X, 0.25)
    >>> bool(calibrated.classifier.model.predict(X).mean() <= 0.25)
    True
    """
    forest = read_by_core(classifier.data)
    margins = np.sort(Cascade([forest], space).margins(samples, threads=1)[:, 0].astype(np.float64))[::-1]
    levels = np.unique(margins)
    if len(levels) == 1:
        return None
    highest_refused = min(margins[min(int(rate * len(margins)), len(margins) - 1)], levels[-2])
    lowest_kept = levels[np.searchsorted(levels, highest_refused, side="right")]
    base_score = shifted_base_score(forest.base_score, float(highest_refused + lowest_kept) / 2)
    calibrated = Classifier(with_base_score(classifier.data, base_score))
    return CalibratedClassifier(calibrated, replace(forest, base_score=base_score))
