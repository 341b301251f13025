"""The resource of `SHACSearchCV`, next to `HalvingRandomSearchCV`."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import loguniform
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, HalvingRandomSearchCV, KFold, ShuffleSplit, StratifiedKFold

import shac
from shac.integrations.resources import PartialFolds, check_folds
from shac.integrations.sklearn import SHACSearchCV

X, Y = make_classification(n_samples=180, n_features=6, n_informative=2, flip_y=0.1, random_state=0)


class Noting(LogisticRegression):  # type: ignore[misc]
    """Notes how many samples each fit had, and stops at a number of fits, as Ctrl-C does."""

    sizes: list[int] = []  # noqa: RUF012
    most_fits = 10**9

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        if len(self.sizes) == type(self).most_fits:
            raise KeyboardInterrupt
        self.sizes.append(len(X))
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def _fresh() -> None:
    Noting.sizes, Noting.most_fits = [], 10**9


def search_of(estimator: Any = None, space: Any = None, **options: Any) -> SHACSearchCV:
    space = {"C": loguniform(1e-6, 1e3)} if space is None else space
    options = {"n_iter": 18, "num_batches": 3, "cv": 3, "random_state": 0, "resource": "n_samples", **options}
    return SHACSearchCV(Noting() if estimator is None else estimator, space, **options)


def without_times(results: Any) -> Any:
    return {key: np.asarray(value).tolist() for key, value in results.items() if "_time" not in key}


def test_configurations_that_are_worse_at_a_rung_get_no_more_samples() -> None:
    search = search_of(min_resources=20, refit=False, random_state=5).fit(X, Y)
    assert (search.n_resources_, search.min_resources_, search.max_resources_) == ([20, 60, 180], 20, 180)
    results = search.cv_results_
    rungs, rounds = np.array(results["iter"]), np.array(results["round"])
    assert search.n_candidates_ == [np.sum(rungs == rung) for rung in range(3)]
    assert search.n_candidates_[0] == 18 > search.n_candidates_[1] >= search.n_candidates_[2] >= 6
    assert [int(np.sum((rounds == 1) & (rungs == rung))) for rung in range(3)] == [6, 6, 6]  # nobody to compare with
    assert sorted(Noting.sizes) == sorted(size for r in rungs for size in [[13, 40, 120][r]] * 3)
    scores = search.search_.dataset.Y
    assert np.isfinite(scores).sum() == search.n_candidates_[2]
    assert len(search.search_.dataset.pruned) == 18 - search.n_candidates_[2]


def test_a_pruned_configuration_is_worse_than_most_of_the_rounds_before_at_its_rung() -> None:
    search = search_of(min_resources=20, random_state=5).fit(X, Y)
    results = search.cv_results_
    scores, rungs, rounds = (np.asarray(results[name]) for name in ("mean_test_score", "iter", "round"))
    costs = np.array([p["C"] for p in results["params"]])
    num_pruned = 0
    for number in (2, 3):
        limit = np.quantile(scores[(rungs == 0) & (rounds < number)], 2 / 3)
        first, second = ((rungs == rung) & (rounds == number) for rung in (0, 1))
        assert costs[first & (scores >= limit)].tolist() == costs[second].tolist()
        num_pruned += int(first.sum() - second.sum())
    assert num_pruned > 0


def test_the_best_configuration_is_the_best_of_the_last_rung() -> None:
    search = search_of(min_resources=20, n_iter=12, num_batches=2).fit(X, Y)
    results = search.cv_results_
    last = results["n_resources"] == 180
    assert last[search.best_index_]
    assert search.best_score_ == results["mean_test_score"][last].max() == np.nanmax(search.search_.dataset.Y)
    assert search.score(X, Y) > 0.8
    by_luck = {"iter": [0, 0, 1, 1, 1], "mean_test_score": np.array([0.9, 0.5, np.nan, 0.7, 0.6]), "params": [{}] * 5}
    assert search._select_best_index("score", "score", by_luck) == 3
    assert search._select_best_index(lambda results: 1, "score", by_luck) == 1


def test_results_have_the_columns_of_halving_random_search() -> None:
    search = search_of(LogisticRegression(), return_train_score=True).fit(X, Y)
    rival = HalvingRandomSearchCV(LogisticRegression(), {"C": loguniform(1e-6, 1e3)}, cv=3, random_state=0).fit(X, Y)
    assert {*search.cv_results_} - {*rival.cv_results_} == {"round"}
    assert {*rival.cv_results_} <= {*search.cv_results_}
    for name in ("n_resources_", "n_candidates_", "min_resources_", "max_resources_", "best_score_", "best_index_"):
        assert hasattr(search, name) == hasattr(rival, name)


def test_scores_at_the_last_rung_are_those_of_a_search_without_a_resource() -> None:
    results = search_of(min_resources=20).fit(X, Y).cv_results_
    whole = search_of(resource=None, n_iter=6, num_batches=1).fit(X, Y).cv_results_  # the first round, of the prior
    first = (results["round"] == 1) & (results["iter"] == 2)
    assert results["mean_test_score"][first].tolist() == whole["mean_test_score"].tolist()
    assert "n_resources" not in whole


def test_an_integer_parameter_of_the_estimator_is_a_resource() -> None:
    forest = RandomForestClassifier(random_state=0)
    space = {"min_samples_leaf": [1, 2, 5, 20, 60, 100], "max_features": [1, 2, 3]}
    search = search_of(forest, space, resource="n_estimators", max_resources=18, min_resources=2).fit(X, Y)
    assert search.n_resources_ == [2, 6, 18]
    params = search.cv_results_["params"]
    assert [p["n_estimators"] for p in params] == search.cv_results_["n_resources"].tolist()
    assert search.best_params_["n_estimators"] == search.best_estimator_.n_estimators == 18
    assert search.n_candidates_[2] < 18


@pytest.fixture(scope="module")
def whole() -> SHACSearchCV:
    return search_of(LogisticRegression(), min_resources=20, n_iter=12, num_batches=3, refit=False).fit(X, Y)


@pytest.mark.parametrize("fits", [7, 30, 52])
def test_a_search_that_was_stopped_at_any_rung_goes_on(fits: int, whole: SHACSearchCV) -> None:
    def search() -> SHACSearchCV:
        return search_of(min_resources=20, n_iter=12, num_batches=3, refit=False, save_dir="kept")

    Noting.most_fits = fits
    with pytest.raises(KeyboardInterrupt):
        search().fit(X, Y)
    Noting.most_fits = 10**9
    resumed = search().fit(X, Y)
    assert without_times(resumed.cv_results_) == without_times(whole.cv_results_)
    assert len(Noting.sizes) < 3 * sum(whole.n_candidates_) + 12  # at most the fits of a rung again
    assert resumed.search_.dataset.pruned == whole.search_.dataset.pruned
    with pytest.raises(shac.SaveFolderError, match="other resources"):
        search().set_params(min_resources=60).fit(X, Y)


def test_a_round_whose_scores_were_told_in_part_goes_on(monkeypatch: pytest.MonkeyPatch, whole: SHACSearchCV) -> None:
    tell, told = shac.SHAC.tell, 0

    def stopping(*arguments: Any, **options: Any) -> None:
        nonlocal told
        told += 1
        if told == 7:
            raise KeyboardInterrupt
        tell(*arguments, **options)

    def search() -> SHACSearchCV:
        again: SHACSearchCV = clone(whole).set_params(save_dir="kept")
        return again

    with monkeypatch.context() as patch:
        patch.setattr(shac.SHAC, "tell", stopping)
        with pytest.raises(KeyboardInterrupt):
            search().fit(X, Y)
    assert without_times(search().fit(X, Y).cv_results_) == without_times(whole.cv_results_)


def test_the_same_random_state_gives_the_same_results_whatever_n_jobs(whole: SHACSearchCV) -> None:
    parallel = clone(whole).set_params(n_jobs=2).fit(X, Y)
    assert without_times(parallel.cv_results_) == without_times(whole.cv_results_)


def test_the_leading_metric_decides_at_the_rungs() -> None:
    metrics = {"scoring": ["accuracy", "roc_auc"], "refit": False}
    accuracy = search_of(search_metric="accuracy", **metrics).fit(X, Y)
    area = search_of(search_metric="roc_auc", **metrics).fit(X, Y)
    assert accuracy.n_candidates_ != area.n_candidates_ or accuracy.search_.dataset.Y != area.search_.dataset.Y
    last = area.cv_results_["iter"] == len(area.n_resources_) - 1
    own = [score for score in area.search_.dataset.Y if np.isfinite(score)]
    assert own == area.cv_results_["mean_test_roc_auc"][last].tolist()


class Fails(LogisticRegression):  # type: ignore[misc]
    """Fails where C is large."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        if self.C > 1:
            raise RuntimeError("too large")
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore:One or more of the", r"ignore:\n\d+ fits failed", r"ignore:\nAll the")
def test_a_configuration_that_fails_at_its_first_rung_has_no_other() -> None:
    search = search_of(Fails(), refit=False).fit(X, Y)
    failed = [p["C"] for p in search.cv_results_["params"] if p["C"] > 1]
    assert failed
    assert len(failed) == len(set(failed))
    assert np.isnan(search.search_.dataset.Y).sum() >= len(failed)


def test_smaller_shares_of_folds_are_parts_of_larger_ones() -> None:
    cv, groups = GroupKFold(3), np.arange(180) % 9
    splits = [list(PartialFolds(cv, share, seed=5).split(X, Y, groups=groups)) for share in (0.1, 0.5, 1.0)]
    for small, large, whole, expected in zip(*splits, cv.split(X, Y, groups), strict=True):
        for which in (0, 1):
            assert set(small[which]) < set(large[which]) < set(whole[which]) == set(expected[which])
            assert len(small[which]) == int(0.1 * len(expected[which]))
    assert PartialFolds(cv, 0.1, seed=5).get_n_splits(X, Y, groups) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resource": "depth"}, r"resource: expected 'n_samples' or a parameter of Noting, or None, got 'depth'"),
        ({"resource": "C", "max_resources": 9}, "resource: expected none of the parameters of param_dist.*, got 'C'"),
        ({"resource": "max_iter"}, "max_resources: expected the whole of 'max_iter', a number, got 'auto'"),
        ({"max_resources": 181}, "max_resources: expected at most the 180 samples, got 181"),
        ({"max_resources": 0}, "max_resources: expected .*, got 0"),
        ({"min_resources": 200}, "min_resources: expected at most max_resources=180, got 200"),
        ({"min_resources": "most"}, "min_resources: expected a number, 'exhaust' or 'smallest', got 'most'"),
        ({"factor": 1}, "factor: expected .*, got 1"),
        ({"cv": KFold(3, shuffle=True)}, "cv: expected folds that are the same each time"),
        ({"cv": ShuffleSplit(3)}, "cv: expected folds that are the same each time"),
        ({"cv": iter([])}, "cv: expected folds that are the same each time"),
    ],
)
def test_a_resource_out_of_its_range_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search_of(**options).fit(X, Y)


@pytest.mark.parametrize(
    "cv", [None, 3, KFold(3), StratifiedKFold(3, shuffle=True, random_state=1), ShuffleSplit(3, random_state=0), []]
)
def test_folds_that_are_the_same_each_time_are_taken(cv: Any) -> None:
    check_folds(cv)
