"""A scikit-learn search estimator that searches by successive halving and classification."""

from __future__ import annotations

import numbers
import tempfile
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV

from shac.engine import SHAC
from shac.engine.arguments import checked_count
from shac.engine.pruning import Pruning
from shac.integrations.distributions import space_of
from shac.integrations.folds import Evaluation, FoldResults
from shac.integrations.resources import PartialFolds, Samples, check_folds, check_resource, rungs_of
from shac.integrations.rounds import CrossValidatedRounds
from shac.store.manifest import holds_search

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shac.engine.strategy import Strategy
    from shac.space import HyperParameterList

__all__ = ["SHACSearchCV"]


class SHACSearchCV(BaseSearchCV):  # type: ignore[misc]  # scikit-learn has no types
    """Search for hyper-parameters by successive halving and classification, with cross-validation.

    Like `sklearn.model_selection.RandomizedSearchCV`, with the configurations that `SHAC` proposes from the rounds
    before (arXiv 1805.10255) instead of random ones. The configurations of a round are fitted in parallel. A round in
    which every fit fails counts, as worse than the median; it is an error where none before succeeded and none is left,
    or three such rounds came in a row.

    Where samples of the region cannot be found by slice sampling (a distribution of which only ``rvs`` is known, or a
    parameter without `cdf`), `SHAC`'s ``relax_checks`` is on.

    Parameters
    ----------
    estimator : estimator object
        What is fitted; implements ``fit``, and ``score`` unless `scoring` is given.
    param_distributions : dict, list of dict or HyperParameterList
        For each name of a parameter a list of values, a distribution with ``rvs`` (frozen ``scipy.stats``
        distributions keep their compiled path), or a parameter of this package. Of a list, a configuration has the
        parameters of one dictionary; which one is a parameter of the search.
    n_iter : int
        Configurations that are evaluated.
    num_batches : int
        Rounds of ``ceil(n_iter / num_batches)`` configurations; the last one is smaller where they do not come out
        even. After each of them a classifier is trained.
    max_classifiers : int
        Most classifiers to train.
    skip_cv_checks : bool
        Whether to train without the cross-validation gate, where the strategy has one; see `SHAC.fit`.
    scoring : str, callable, list, tuple or dict, optional
        What is maximized on the folds left out: a scorer's name or a callable ``(estimator, X, y)`` that returns a
        number. Several metrics: a list of names, a dictionary of scorers by their names, or a callable that returns a
        dictionary of numbers. By default the estimator's own ``score``.
    n_jobs : int, optional
        Fits that run at once: those of all configurations and folds of a round. -1 is all cores; None is 1, unless a
        ``joblib.parallel_config`` says otherwise.
    refit : bool, str or callable
        Whether the best configuration is fitted once more, on all data, so that the search predicts itself. With
        several metrics the name of the one that chooses, or False. A callable gets ``cv_results_`` and returns the
        ``best_index_``.
    cv : int, splitter or iterable, optional
        Folds: their number (stratified for classifiers; 5 by default), an object with ``split`` and
        ``get_n_splits``, or pairs of arrays of training and test indices.
    verbose : int
        Above 0 the number of fits of each round is printed, above 1 each fit with its time, above 2 with its score.
    pre_dispatch : int or str
        Fits that are sent to workers beforehand, each with its data: a number, or an expression in ``n_jobs``.
    random_state : int, RandomState instance or None
        Seed of the search.
    error_score : 'raise' or float
        Score of a fit that fails, with a warning; 'raise' ends the search with its error. With NaN, the default, the
        configuration counts as worse than the median.
    return_train_score : bool
        Whether ``cv_results_`` has the scores on the training folds, too.
    save_dir : path-like, optional
        Folder of the search's files, for `shac report`. If it holds a search that was stopped, over the same data and
        space, the search goes on there, and ``cv_results_`` has all of it; a finished one only evaluates its last
        configuration again. By default nothing is kept.
    search_metric : str, optional
        With several metrics, the one that the search looks at; by default the one that `refit` names, else the first.
    strategy : str or Strategy
        How the search learns and chooses, see `SHAC`; none evaluates a configuration again.
    resource : str, optional
        What makes a fit cheap: ``"n_samples"``, or a parameter of the estimator that is a positive integer. Each
        configuration is then fitted with more and more of it, as by `sklearn.model_selection.HalvingRandomSearchCV`,
        and given up at the first rung where it is worse than 1 - 1 / `factor` of the configurations of the rounds
        before; it counts as worse than the median. The first round runs to its end. By default a fit has all samples.
    min_resources : 'exhaust', 'smallest' or int
        Of the resource at the first rung. 'smallest': twice the folds, times the classes of a classification, or 1 of
        another resource. 'exhaust': as many rungs as halving the configurations of a round takes, but not below that.
    max_resources : 'auto' or int
        At the last rung; 'auto' is all samples. What is chosen has it, and its score is that of this rung.
    factor : int
        A rung has so many times the resource of the one before, the last at least so many times.

    Attributes
    ----------
    cv_results_ : dict
        Columns, an entry a configuration, that make a data frame: ``params``, ``param_`` and a name each,
        ``split0_test_score`` and so on, ``mean_test_score``, ``std_test_score``, ``rank_test_score``, times in
        seconds, and ``round``, from 1. With several metrics their names stand in place of ``score``. With `resource`
        an entry a configuration and rung, and also ``iter``, the rung from 0, and ``n_resources``.
    best_estimator_ : estimator
        The best configuration, fitted on all data; with `refit` alone.
    best_score_ : float
        Its mean score over the folds; not where `refit` is a callable. This and the two below are there without
        `refit`, too, unless there are several metrics.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its place in ``cv_results_``.
    scorer_ : callable or dict
        The scorer, or the scorers by their names.
    n_splits_ : int
        Folds.
    refit_time_ : float
        Seconds of the last fit; with `refit` alone.
    multimetric_ : bool
        Whether there are several metrics.
    classes_, n_features_in_, feature_names_in_
        Those of ``best_estimator_``.
    n_resources_, n_candidates_ : list of int
        The resource of each rung, and how many configurations were fitted there; with `resource` alone, as the two
        below.
    min_resources_, max_resources_ : int
        The resource of the first rung and of the last.
    search_ : SHAC
        The engine: its classifiers and dataset, for `predict` and pictures. Names of parameters are those of
        `param_distributions`; of a list of dictionaries see `shac.integrations.distributions.space_of`.

    Notes
    -----
    ``fit(X, y, **params)`` passes `params` as scikit-learn's own searches do: ``groups`` to the splitter, others to
    the estimator's ``fit``; with ``sklearn.set_config(enable_metadata_routing=True)`` to whatever requests them.

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
        param_distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]] | HyperParameterList,
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
        search_metric: str | None = None,
        strategy: str | Strategy = "guided",
        resource: str | None = None,
        min_resources: Any = "exhaust",
        max_resources: Any = "auto",
        factor: int = 3,
    ) -> None:
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.num_batches = num_batches
        self.max_classifiers = max_classifiers
        self.skip_cv_checks = skip_cv_checks
        self.random_state = random_state
        self.save_dir = save_dir
        self.search_metric = search_metric
        self.strategy = strategy
        self.resource = resource
        self.min_resources = min_resources
        self.max_resources = max_resources
        self.factor = factor
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

    def fit(self, X: Any, y: Any = None, **params: Any) -> SHACSearchCV:
        import joblib

        data = [X, y, params] if params else [X, y]
        self._data = "" if self.save_dir is None else str(joblib.hash(data))
        if self.resource is not None:
            self._samples = Samples.of(self.estimator, X, y)
            check_folds(self.cv)
            self._cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        try:
            super().fit(X, y, **params)
        finally:
            for name in ("_data", "_folds", "_evaluated", "_samples", "_cv"):
                self.__dict__.pop(name, None)
        if self.resource is not None:
            self.n_candidates_ = np.bincount(self.cv_results_["iter"], minlength=len(self.n_resources_)).tolist()
        return self

    def _run_search(self, evaluate_candidates: Callable[..., dict[str, Any]]) -> None:
        """Evaluate round after round; scikit-learn calls this within `fit` and gives the function."""
        if self.save_dir is not None:
            self.search_ = self._search(evaluate_candidates, self.save_dir)
            return
        with tempfile.TemporaryDirectory() as folder:
            self.search_ = self._search(evaluate_candidates, folder)

    def _format_results(
        self,
        candidate_params: Any,
        n_splits: int,
        out: Any,
        more_results: Mapping[str, Any] | None = None,  # noqa: ARG002
    ) -> Any:
        """Take in the results of the candidates that were evaluated last, and return those of the whole search."""
        evaluated = self._evaluated
        for index, evaluation in enumerate(evaluated, start=len(candidate_params) - len(evaluated)):
            self._folds.add(replace(evaluation, folds=out[index * n_splits : (index + 1) * n_splits]))
        known = self._folds.evaluations()
        columns = {"round": [evaluation.round_number for evaluation in known]}
        if self.resource is not None:
            columns["iter"] = [evaluation.rung for evaluation in known]
            columns["n_resources"] = [evaluation.resource for evaluation in known]
        candidates = [evaluation.candidate for evaluation in known]
        return super()._format_results(candidates, n_splits, self._folds.out(self.error_score), columns)

    @staticmethod
    def _select_best_index(refit: Any, refit_metric: str, results: Any) -> Any:
        """Choose among the configurations that had all of the resource: scores of other rungs do not compare."""
        if callable(refit) or "iter" not in results:
            return BaseSearchCV._select_best_index(refit, refit_metric, results)
        iterations = np.asarray(results["iter"])
        last = np.flatnonzero(iterations == iterations.max())
        scores = np.nan_to_num(results[f"mean_test_{refit_metric}"][last], nan=-np.inf)
        return last[np.argmax(scores)]

    def _search(self, evaluate_candidates: Callable[..., dict[str, Any]], folder: Any) -> SHAC:
        space, settings_of = space_of(self.param_distributions)
        rungs = self._rungs(space)
        engine = self._engine(space, folder, rungs)
        self._folds = folds = FoldResults(self.n_splits_, self._data)
        if self.save_dir is not None and holds_search(engine.save_dir):
            folds.read(engine.save_dir)
            engine.restore_data()
        elif self.save_dir is not None:
            folds.check(engine.save_dir)

        def evaluate(evaluations: list[Evaluation]) -> ValueError | None:
            cv = self._folds_at(evaluations[0].resource, engine)
            return self._evaluate(evaluations, lambda candidates: evaluate_candidates(candidates, cv=cv))

        def score(number: int, rung: int) -> float:
            scores = folds.scores((number, rung), self._metric(folds.metrics()), self.error_score)
            return float(np.average(scores))

        self._evaluated: list[Evaluation] = []
        CrossValidatedRounds(
            engine=engine,
            folds=folds,
            space=space,
            settings_of=settings_of,
            rungs=rungs,
            resource=None if self.resource == "n_samples" else self.resource,
            evaluate=evaluate,
            score=score,
            is_kept=self.save_dir is not None,
            skip_cv_checks=self.skip_cv_checks,
        ).run()
        # scikit-learn makes its results when it has evaluated something: of all that was known then.
        error = None if self._evaluated else evaluate([folds.last_success()])
        if error is not None:
            raise error
        return engine

    def _rungs(self, space: HyperParameterList) -> tuple[int, ...]:
        """Return what of the resource fits have, one rung after the other; a single 0 where there is none."""
        if self.resource is None:
            return (0,)
        check_resource(self.resource, self.estimator, space.get_parameter_names())
        rungs = rungs_of(
            self.resource,
            self._samples,
            min_resources=self.min_resources,
            max_resources=self.max_resources,
            factor=self.factor,
            num_folds=self.n_splits_,
            batch_size=self._batch_size(),
        )
        self.min_resources_, self.max_resources_, self.n_resources_ = rungs[0], rungs[-1], [*rungs]
        self._data += f" {self.resource} {rungs}" if self._data else ""
        return rungs

    def _folds_at(self, resource: int, engine: SHAC) -> Any:
        """Return the splitter of a rung; None for scikit-learn's own."""
        if self.resource != "n_samples" or resource == self._samples.count:
            return None
        return PartialFolds(self._cv, resource / self._samples.count, engine.seed)

    def _batch_size(self) -> int:
        return -(-checked_count("n_iter", self.n_iter) // checked_count("num_batches", self.num_batches))

    def _engine(self, space: HyperParameterList, folder: Any, rungs: tuple[int, ...]) -> SHAC:
        batch_size = self._batch_size()
        num_batches = -(-self.n_iter // batch_size)
        is_pruned = self.resource is not None
        engine = SHAC(
            None,
            space,
            batch_size * num_batches,
            num_batches,
            max_classifiers=self.max_classifiers,
            save_dir=folder,
            seed=_seed(self.random_state),
            strategy=self.strategy,
            pruning=Pruning(rule="halving", min_steps=rungs[0], reduction=self.factor) if is_pruned else None,
        )
        search = engine._search
        search.end_within_round(self.n_iter)
        # best_index_ is that of the best score, as in scikit-learn, and configurations are not there twice.
        search.plan = replace(search.plan, strategy=replace(search.plan.strategy, repeat_best=False))
        return engine

    def _evaluate(
        self, evaluations: list[Evaluation], evaluate_candidates: Callable[..., dict[str, Any]]
    ) -> ValueError | None:
        """Let scikit-learn evaluate; returns its error where all fits failed, which counts as those of `SHAC` do."""
        self._evaluated = evaluations
        try:
            evaluate_candidates([evaluation.candidate for evaluation in evaluations])
        except ValueError as error:
            if not str(error).startswith("\nAll the "):
                raise
            warnings.warn(str(error), FitFailedWarning, stacklevel=2)
            self._evaluated = []
            for evaluation in evaluations:
                self._folds.add_failed(evaluation, str(error), train_scores=self.return_train_score)
            return error
        return None

    def _metric(self, metrics: Sequence[str]) -> str:
        """Return the name of the metric that the search looks at."""
        if self.search_metric is None:
            return self.refit if isinstance(self.refit, str) and self.refit in metrics else metrics[0]
        if self.search_metric not in metrics and self._folds.has_success():  # else they have no names yet
            raise ValueError(f"search_metric: expected one of {[*metrics]}, or None, got {self.search_metric!r}")
        return str(self.search_metric)


def _seed(random_state: Any) -> int | None:
    if random_state is None:
        return None
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    from sklearn.utils import check_random_state

    return int(check_random_state(random_state).randint(0, 2**31 - 1))
