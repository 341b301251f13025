import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

import shac
from shac.integrations.distributions import space_of
from shac.integrations.sklearn import SHACSearchCV


def iris_like() -> tuple[Any, Any]:
    X, y = make_classification(n_samples=120, n_features=6, random_state=0)
    return X, y


def small(**options: Any) -> SHACSearchCV:
    options = {"n_iter": 12, "num_batches": 3, "cv": 3, "random_state": 0, **options}
    return SHACSearchCV(LogisticRegression(), {"C": loguniform(1e-6, 1e3)}, **options)


@pytest.mark.slow
@pytest.mark.parametrize(
    "search",
    [
        SHACSearchCV(GaussianNB(), {"var_smoothing": loguniform(1e-12, 1e-3)}, n_iter=4, num_batches=2, random_state=0),
        SHACSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, n_iter=4, num_batches=2, random_state=0),
    ],
)
def test_it_passes_the_checks_of_scikit_learn(search: SHACSearchCV) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(search, on_fail=None, on_skip=None)
        rival = RandomizedSearchCV(search.estimator, search.param_distributions, n_iter=4, random_state=0)
        expected = check_estimator(rival, on_fail=None, on_skip=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    of_rival = {result["check_name"] for result in expected if result["status"] == "failed"}
    assert set(failed) <= of_rival, failed
    assert sum(result["status"] == "passed" for result in results) > 30


def test_it_searches_a_pipeline_on_digits() -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    pipeline = Pipeline([("scale", StandardScaler()), ("reduce", PCA(random_state=0)), ("classify", SVC())])
    space = {
        "scale": [StandardScaler(), MinMaxScaler(), "passthrough"],
        "reduce__n_components": randint(5, 40),
        "classify__C": loguniform(1e-2, 1e3),
        "classify__gamma": shac.LogUniformHP("classify__gamma", 1e-5, 1.0),
    }
    search = SHACSearchCV(pipeline, space, n_iter=40, num_batches=4, cv=3, n_jobs=2, random_state=0).fit(X, y)
    assert search.best_score_ > 0.9
    assert search.score(X, y) > 0.97
    engine = search.search_
    assert engine.classifiers
    first = engine.cascade.prefix(1)  # trained before the last round, unlike the last of them perhaps
    assert first.accepts(engine.dataset.encode_dataset()[0][30:]).all()
    assert set(search.cv_results_["param_scale"].tolist()) <= {*space["scale"]}
    assert isinstance(search.best_estimator_, Pipeline)


def test_results_are_those_of_a_search_with_the_same_settings() -> None:
    X, y = iris_like()
    search = small().fit(X, y)
    results = search.cv_results_
    rival = RandomizedSearchCV(LogisticRegression(), {"C": results["param_C"].tolist()}, n_iter=12, cv=3).fit(X, y)
    assert set(rival.cv_results_) <= set(results)
    assert results["round"].tolist() == [1] * 4 + [2] * 4 + [3] * 4
    own = dict(zip(results["param_C"].tolist(), results["mean_test_score"], strict=True))
    theirs = dict(zip(rival.cv_results_["param_C"].tolist(), rival.cv_results_["mean_test_score"], strict=True))
    assert own == theirs
    assert search.best_score_ == results["mean_test_score"].max()
    assert results["mean_test_score"].tolist() == search.search_.dataset.Y


def test_the_same_random_state_gives_the_same_settings_whatever_n_jobs() -> None:
    X, y = iris_like()
    found = [
        small(random_state=seed, n_jobs=jobs).fit(X, y).cv_results_["params"] for seed, jobs in ((0, 1), (0, 2), (1, 1))
    ]
    assert found[0] == found[1] != found[2]
    state = np.random.RandomState(3)
    assert small(random_state=state).fit(X, y).best_params_


def test_it_clones_and_shows_its_parameters() -> None:
    search = clone(small(save_dir="run"))
    assert search.get_params()["num_batches"] == 3
    assert search.set_params(n_iter=6).n_iter == 6


def test_its_search_can_be_kept_and_looked_at() -> None:
    X, y = iris_like()
    search = small(save_dir="kept").fit(X, y)
    assert Path("kept/manifest.json").exists()
    assert len(shac.Dataset.load_from_directory("kept")) == 12
    assert search.search_.predict(num_samples=2, seed=0)[0]["C"] > 0
    with pytest.raises(shac.SaveFolderError):
        small(save_dir="kept").fit(X, y)


def test_several_metrics_need_one_to_search_by() -> None:
    X, y = iris_like()
    metrics = ["accuracy", "roc_auc"]
    search = small(scoring=metrics, refit="roc_auc").fit(X, y)
    assert search.cv_results_["mean_test_roc_auc"].tolist() == search.search_.dataset.Y
    with pytest.raises(ValueError, match=r"refit: expected the name of the metric to search by.*roc_auc"):
        small(scoring=metrics, refit=False).fit(X, y)


def test_settings_that_fail_are_the_bad_half() -> None:
    X, y = iris_like()
    space = {"max_depth": randint(-6, 6), "n_estimators": [3]}
    search = SHACSearchCV(RandomForestClassifier(random_state=0), space, n_iter=20, num_batches=2, cv=3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search.fit(X, y)
    assert np.isnan(search.search_.dataset.Y).any()
    assert search.best_params_["max_depth"] > 0


class _OnlyRvs:
    def rvs(self, random_state: Any = None) -> float:
        return float(random_state.random_sample())


def test_spaces_take_what_randomized_search_takes() -> None:
    space, settings_of = space_of(
        {
            "a": [1, 1, 2],
            "b": np.array([0.5, 1.5]),
            "c": (None, "x", True),
            "d": [np.mean, np.median],
            "e": uniform(0, 1),
            "f": randint(1, 4),
            "g": _OnlyRvs(),
        }
    )
    rows = space.sample_rows(500, np.random.default_rng(0))
    settings = [settings_of(space.to_parameters(row)) for row in rows]
    assert {s["c"] for s in settings} == {None, "x", True}
    assert {s["d"] for s in settings} == {np.mean, np.median}
    assert {type(s["b"]) for s in settings} == {float}
    assert {s["f"] for s in settings} == {1, 2, 3}
    assert all(0 <= s["g"] <= 1 for s in settings)
    assert abs(np.mean([s["a"] == 1 for s in settings]) - 2 / 3) < 0.11  # 5 standard errors


@pytest.mark.parametrize(
    ("distributions", "message"),
    [
        ({}, "expected a mapping"),
        ([1], "expected a mapping"),
        ({"a": []}, "at least one value"),
        ({"a": "text"}, "expected a list or a distribution"),
        ({"a": 3}, "expected a list or a distribution"),
        ({"a": shac.UniformHP("b", 0.0, 1.0)}, "expected a parameter of that name"),
    ],
)
def test_wrong_spaces_are_refused(distributions: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"param_distributions: .*{message}"):
        space_of(distributions)
