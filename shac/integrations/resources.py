"""What a fit costs, as scikit-learn's successive halving says it: rungs of a resource, and folds of part of the data.

A candidate is fitted with more and more of a resource and ends at the first rung where it is worse than others were.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.engine.arguments import checked_count

if TYPE_CHECKING:
    from collections.abc import Collection

__all__ = ["PartialFolds", "Samples", "check_folds", "check_resource", "rungs_of"]

_N_SAMPLES = "n_samples"


@dataclass(frozen=True, slots=True)
class Samples:
    """How many samples the data have, and in how many classes they are; one class for a regression.

    Parameters
    ----------
    count, classes : int
    """

    count: int
    classes: int

    @classmethod
    def of(cls, estimator: Any, X: Any, y: Any) -> Samples:
        """Count those of the data that an estimator is fitted to."""
        from sklearn.base import is_classifier
        from sklearn.utils.validation import _num_samples

        classes = len(np.unique(np.asarray(y))) if y is not None and is_classifier(estimator) else 1
        return cls(int(_num_samples(X)), classes)


class PartialFolds:
    """Folds of a splitter with a share of their samples: the first of an order that depends on the seed alone.

    Those of a smaller share are part of those of a larger one, and the same for all candidates.

    Parameters
    ----------
    folds : splitter
    share : float
    seed : int
    """

    def __init__(self, folds: Any, share: float, seed: int) -> None:
        self._folds, self._share, self._seed = folds, share, seed

    def split(self, X: Any, y: Any = None, **params: Any) -> Iterator[tuple[Any, Any]]:
        """Yield the indices of the samples to train on and of those to test on."""
        for fold, parts in enumerate(self._folds.split(X, y, **params)):
            train, test = (
                np.asarray(part)[
                    np.random.default_rng((self._seed, fold, which)).permutation(len(part))[: self._count(part)]
                ]
                for which, part in enumerate(parts)
            )
            yield train, test

    def get_n_splits(self, *data: Any, **params: Any) -> int:
        """Return the number of folds."""
        return int(self._folds.get_n_splits(*data, **params))

    def _count(self, part: Any) -> int:
        return int(self._share * len(part))


def check_folds(cv: Any) -> None:
    """Raise unless folds are the same each time, as scores of a candidate at different rungs have to be.

    Raises
    ------
    ValueError
        If they are not.
    """
    is_shuffled = getattr(cv, "shuffle", True) and not isinstance(getattr(cv, "random_state", 0), (int, np.integer))
    if isinstance(cv, Iterator) or (hasattr(cv, "random_state") and is_shuffled):
        raise ValueError(
            f"cv: expected folds that are the same each time, of a list or a splitter with a number as random_state or "
            f"without shuffle, since resource is set, got {cv!r}"
        )


def check_resource(resource: Any, estimator: Any, names: Collection[str]) -> None:
    """Raise unless a resource is one of an estimator's, and none of the parameters that are searched.

    Raises
    ------
    ValueError
        If it is not.
    """
    if resource != _N_SAMPLES and resource not in estimator.get_params():
        raise ValueError(
            f"resource: expected 'n_samples' or a parameter of {type(estimator).__name__}, or None, got {resource!r}"
        )
    if resource in names:
        raise ValueError(f"resource: expected none of the parameters of param_distributions, got {resource!r}")


def rungs_of(
    resource: str,
    samples: Samples,
    *,
    min_resources: Any,
    max_resources: Any,
    factor: Any,
    num_folds: int,
    batch_size: int,
) -> tuple[int, ...]:
    """Return the rungs of a search: `min_resources` times powers of `factor`, and the whole resource.

    Parameters
    ----------
    resource : str
    samples : Samples
        Of the data.
    min_resources, max_resources, factor
        See `SHACSearchCV`.
    num_folds, batch_size : int
        Of the search; a round is what halves.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> limits = {"num_folds": 5, "batch_size": 10, "factor": 3}
    >>> rungs_of("n_samples", Samples(1000, 2), min_resources="exhaust", max_resources="auto", **limits)
    (111, 333, 1000)
    >>> rungs_of("n_samples", Samples(1000, 2), min_resources="smallest", max_resources="auto", **limits)
    (20, 60, 180, 1000)
    >>> rungs_of("n_estimators", Samples(1000, 2), min_resources=10, max_resources=100, **limits)
    (10, 30, 100)
    """
    factor = checked_count("factor", factor, lowest=2)
    most = samples.count
    if max_resources != "auto":
        most = checked_count("max_resources", max_resources)
    elif resource != _N_SAMPLES:
        raise ValueError(f"max_resources: expected the whole of {resource!r}, a number, got 'auto'")
    if resource == _N_SAMPLES and most > samples.count:
        raise ValueError(f"max_resources: expected at most the {samples.count} samples, got {most}")
    if min_resources in ("exhaust", "smallest"):
        least = 2 * num_folds * samples.classes if resource == _N_SAMPLES else 1
        if min_resources == "exhaust":
            rungs = 0
            while factor ** (rungs + 1) <= batch_size:
                rungs += 1
            least = max(least, most // factor**rungs)
        least = min(least, most)
    elif isinstance(min_resources, str):
        raise ValueError(f"min_resources: expected a number, 'exhaust' or 'smallest', got {min_resources!r}")
    else:
        least = checked_count("min_resources", min_resources)
    if least > most:
        raise ValueError(f"min_resources: expected at most max_resources={most}, got {least}")
    below = []
    while least * factor <= most:
        below.append(least)
        least *= factor
    return (*below, most)
