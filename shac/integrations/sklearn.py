"""A scikit-learn search estimator that searches by successive halving and classification."""

from __future__ import annotations

import math
import numbers
import tempfile
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.model_selection._search import BaseSearchCV

from shac.engine import SHAC
from shac.errors import EvaluationError
from shac.integrations.distributions import space_of
from shac.integrations.patience import is_within_reach

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["SHACSearchCV"]


class SHACSearchCV(BaseSearchCV):  # type: ignore[misc]  # scikit-learn has no types
    """Search for hyper-parameters by successive halving and classification, with cross-validation.

    Like `sklearn.model_selection.RandomizedSearchCV`, with settings that pass the classifiers trained on the rounds
    before (arXiv 1805.10255) instead of random ones. The settings of a round are fitted in parallel.

    Parameters
    ----------
    estimator : estimator object
        What is fitted; implements ``fit``, and ``score`` unless `scoring` is given.
    param_distributions : dict
        For each name of a parameter a list of values, a distribution with ``rvs`` (frozen ``scipy.stats``
        distributions keep their compiled path), or a parameter of this package.
    n_iter : int
        Settings that are evaluated, a multiple of `num_batches`.
    num_batches : int
        Rounds; after each of them a classifier is trained.
    max_classifiers : int
        Most classifiers to train.
    skip_cv_checks : bool
        As of `SHAC.fit`.
    scoring, n_jobs, refit, cv, verbose, pre_dispatch, error_score, return_train_score
        As of ``RandomizedSearchCV``. With several metrics `refit` names the one that the search looks at.
    random_state : int, RandomState instance or None
        Seed of the search.
    save_dir : path-like, optional
        Folder of the search's files, for `shac report`; must not hold a search. By default nothing is kept.

    Attributes
    ----------
    cv_results_, best_estimator_, best_score_, best_params_, best_index_, scorer_, n_splits_, refit_time_
        As of ``RandomizedSearchCV``. ``cv_results_["round"]`` is the round of each setting, from 1.
    search_ : SHAC
        The engine: its classifiers and dataset, for `predict` and pictures. Names of parameters are those of
        `param_distributions`.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> search = SHACSearchCV(
    ...     LogisticRegression(max_iter=500), {"C": loguniform(1e-6, 1e2)}, n_iter=20, num_batches=4, random_state=0
    ... )
    >>> bool(search.fit(X, y).best_score_ > 0.9)
    True
    """

    def __init__(
        self,
        estimator: Any,
        param_distributions: Mapping[str, Any],
        *,
        n_iter: int = 60,
        num_batches: int = 6,
        max_classifiers: int = 18,
        skip_cv_checks: bool = False,
        scoring: Any = None,
        n_jobs: int | None = None,
        refit: Any = True,
        cv: Any = None,
        verbose: int = 0,
        pre_dispatch: Any = "2*n_jobs",
        random_state: Any = None,
        error_score: Any = np.nan,
        return_train_score: bool = False,
        save_dir: Any = None,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.num_batches = num_batches
        self.max_classifiers = max_classifiers
        self.skip_cv_checks = skip_cv_checks
        self.random_state = random_state
        self.save_dir = save_dir
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def _run_search(self, evaluate_candidates: Callable[..., dict[str, Any]]) -> None:
        """Evaluate round after round; scikit-learn calls this within `fit` and gives the function."""
        if self.save_dir is not None:
            self.search_ = self._search(evaluate_candidates, self.save_dir)
            return
        with tempfile.TemporaryDirectory() as folder:
            self.search_ = self._search(evaluate_candidates, folder)

    def _search(self, evaluate_candidates: Callable[..., dict[str, Any]], folder: Any) -> SHAC:
        space, settings_of = space_of(self.param_distributions)
        engine = SHAC(
            None,
            space,
            self.n_iter,
            self.num_batches,
            max_classifiers=self.max_classifiers,
            save_dir=folder,
            seed=_seed(self.random_state),
        )
        round_number = 0
        while asked := engine.ask(engine.num_workers, relax_checks=not is_within_reach(engine.cascade, engine.seed)):
            round_number += 1
            candidates: list[dict[str, Any]] = [settings_of(setting) for setting in asked]
            results = evaluate_candidates(candidates, more_results={"round": [round_number] * len(asked)})
            try:
                for setting, score in zip(asked, self._scores(results)[-len(asked) :], strict=True):
                    engine.tell(setting, score, skip_cv_checks=self.skip_cv_checks)
            except EvaluationError:
                # scikit-learn's searches go on to refit the best of what they have, whose error then says more
                warnings.warn(f"round {round_number}: no setting has a score; the search ends", stacklevel=2)
                break
        return engine

    def _scores(self, results: Mapping[str, Any]) -> list[float]:
        name = self.refit if f"mean_test_{self.refit}" in results else "score"
        if f"mean_test_{name}" not in results:
            raise ValueError(
                f"refit: expected the name of the metric to search by, one of "
                f"{[key.removeprefix('mean_test_') for key in results if key.startswith('mean_test_')]}, "
                f"got {self.refit!r}"
            )
        return [float(score) if math.isfinite(score) else math.nan for score in results[f"mean_test_{name}"]]


def _seed(random_state: Any) -> int | None:
    if random_state is None:
        return None
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(0, 2**31 - 1))
