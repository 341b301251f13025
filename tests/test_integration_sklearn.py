import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import loguniform, randint, uniform
from sklearn.base import clone
from sklearn.datasets import load_digits, make_classification
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import RandomizedSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import check_estimator

import shac
from shac.cli import main
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
        SHACSearchCV(
            GaussianNB(), {"var_smoothing": loguniform(1e-12, 1e-3)}, n_iter=4, num_batches=2, cv=2, random_state=0
        ),
        SHACSearchCV(Ridge(), {"alpha": [0.1, 1.0, 10.0]}, n_iter=4, num_batches=2, cv=2, random_state=0),
    ],
)
def test_it_passes_the_checks_of_scikit_learn(search: SHACSearchCV) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(search, on_fail=None, on_skip=None)
        rival = RandomizedSearchCV(search.estimator, search.param_distributions, n_iter=4, cv=2, random_state=0)
        expected = check_estimator(rival, on_fail=None, on_skip=None)
    failed = {result["check_name"]: result["exception"] for result in results if result["status"] == "failed"}
    of_rival = {result["check_name"] for result in expected if result["status"] == "failed"}
    assert set(failed) <= of_rival, failed
    assert sum(result["status"] == "passed" for result in results) > 30


def test_noisy_scores_do_not_make_it_fit_a_configuration_again() -> None:
    random = np.random.default_rng(0)
    search = small(n_iter=100, num_batches=10, cv=2, scoring=lambda estimator, X, y: random.random())
    search.fit(*iris_like())
    assert len({candidate["C"] for candidate in search.cv_results_["params"]}) == 100


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


class _Interrupted(LogisticRegression):  # type: ignore[misc]
    """Stops at the fit of a number, as Ctrl-C does."""

    fits_left = 10**9

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        type(self).fits_left -= 1
        if not type(self).fits_left:
            raise KeyboardInterrupt
        return super().fit(X, y)


def without_times(results: Any) -> Any:
    return {key: np.asarray(value).tolist() for key, value in results.items() if "_time" not in key}


@pytest.mark.parametrize("fits", [4, 13, 26])
def test_a_search_that_was_stopped_goes_on_with_all_its_results(fits: int) -> None:
    X, y = iris_like()
    space = [{"C": loguniform(1e-6, 1e3)}, {"C": [1.0, 2.0], "class_weight": ["balanced", None]}]

    def search() -> SHACSearchCV:
        return SHACSearchCV(
            _Interrupted(), space, n_iter=10, num_batches=3, cv=3, random_state=0, save_dir="kept", refit=False
        )

    _Interrupted.fits_left = fits
    with pytest.raises(KeyboardInterrupt):
        search().fit(X, y)
    _Interrupted.fits_left = 10**9
    stopped = search().fit(X, y)
    fits_made = 10**9 - _Interrupted.fits_left
    assert fits_made == 30 - 12 * ((fits - 1) // 12)  # rounds of 4 configurations with 3 folds each
    whole = search().set_params(save_dir=None).fit(X, y)
    assert without_times(stopped.cv_results_) == without_times(whole.cv_results_)
    again = search().fit(X, y)  # evaluates its last configuration once more
    assert without_times(again.cv_results_) == without_times(whole.cv_results_)
    assert 10**9 - _Interrupted.fits_left == fits_made + 30 + 3


def test_a_round_whose_scores_were_told_in_part_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = iris_like()
    whole = small().fit(X, y)
    tell = shac.SHAC.tell
    told = 0

    def stopping(*arguments: Any, **options: Any) -> None:
        nonlocal told
        told += 1
        if told == 7:
            raise KeyboardInterrupt
        tell(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(shac.SHAC, "tell", stopping)
        with pytest.raises(KeyboardInterrupt):
            small(save_dir="kept").fit(X, y)
    resumed = small(save_dir="kept").fit(X, y)
    assert without_times(resumed.cv_results_) == without_times(whole.cv_results_)


def test_a_folder_of_other_data_or_of_another_kind_of_search_is_refused() -> None:
    X, y = iris_like()
    small(save_dir="kept").fit(X, y)
    with pytest.raises(shac.SaveFolderError, match=r"save_dir: expected .* over the same data and 3 folds"):
        small(save_dir="kept").fit(X[:90], y[:90])
    Path("kept/cross_validation.json").unlink()
    with pytest.raises(shac.SaveFolderError, match="save_dir: expected the folder of a SHACSearchCV"):
        small(save_dir="kept").fit(X, y)
    Path("mine").mkdir()
    Path("mine/cross_validation.json").write_text("{}")
    with pytest.raises(shac.SaveFolderError, match=r"save_dir: expected a folder with no cross_validation\.json"):
        small(save_dir="mine").fit(X, y)


@pytest.mark.parametrize("n_iter", [1, 5, 7, 10, 12, 20])
def test_any_number_of_configurations_is_evaluated(n_iter: int) -> None:
    X, y = iris_like()
    search = small(n_iter=n_iter, num_batches=6).fit(X, y)
    rounds = search.cv_results_["round"].tolist()
    size = -(-n_iter // 6)
    assert rounds == [1 + number // size for number in range(n_iter)]
    assert len(search.search_.dataset) == n_iter
    if n_iter == 20:  # a search of whole rounds is that of SHAC
        engine = shac.SHAC(None, [shac.ScipyHyperParameter("C", loguniform(1e-6, 1e3))], 20, 5, save_dir="own", seed=0)
        scores = dict(zip(search.cv_results_["param_C"].tolist(), search.search_.dataset.Y, strict=True))
        while asked := engine.ask(4):
            for configuration in asked:
                engine.tell(configuration, scores[configuration["C"]])
        assert engine.dataset.Y == search.search_.dataset.Y


def test_a_folder_whose_last_round_is_smaller_can_be_looked_at() -> None:
    X, y = iris_like()
    small(n_iter=10, num_batches=4, save_dir="kept").fit(X, y)
    for command in (["show", "kept"], ["predict", "kept", "--samples", "2", "--seed", "0"]):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == 0, result.output
    assert CliRunner().invoke(main, ["show", "kept"]).output.count("10 of 10") == 1


def test_a_list_of_dictionaries_is_a_mixture_of_spaces() -> None:
    X, y = iris_like()
    shared = loguniform(1e-3, 1e3)
    space = [{"C": shared, "kernel": ["linear"]}, {"C": shared, "kernel": ["rbf"], "gamma": loguniform(1e-4, 1e1)}]
    search = SHACSearchCV(SVC(), space, n_iter=30, num_batches=3, cv=3, random_state=0).fit(X, y)
    assert search.search_.state.space.get_parameter_names() == [
        *("param_distributions", "C", "kernel[0]", "kernel[1]", "gamma")
    ]
    params = search.cv_results_["params"]
    assert {frozenset(candidate) for candidate in params} == {
        frozenset(("C", "kernel")),
        frozenset(("C", "kernel", "gamma")),
    }
    assert all(("gamma" in candidate) == (candidate["kernel"] == "rbf") for candidate in params)


def test_a_search_space_of_this_package_keeps_its_conditions() -> None:
    X, y = iris_like()
    space = shac.HyperParameterList(
        [shac.DiscreteHP("kernel", ["linear", "rbf"]), shac.LogUniformHP("gamma", 1e-4, 1e1)],
        conditions={"gamma": {"kernel": "rbf"}},
    )
    search = SHACSearchCV(SVC(), space, n_iter=8, num_batches=2, cv=3, random_state=0, strategy="paper").fit(X, y)
    assert all(("gamma" in c) == (c["kernel"] == "rbf") for c in search.cv_results_["params"])
    assert search.search_.strategy == shac.Strategy()


def test_one_of_several_metrics_leads() -> None:
    X, y = iris_like()
    metrics = ["accuracy", "roc_auc"]
    for options, leading in (
        ({"refit": "roc_auc"}, "roc_auc"),
        ({"refit": False}, "accuracy"),
        ({"refit": lambda results: 0}, "accuracy"),
        ({"refit": "accuracy", "search_metric": "roc_auc"}, "roc_auc"),
    ):
        search = small(scoring=metrics, **options).fit(X, y)
        assert search.cv_results_[f"mean_test_{leading}"].tolist() == search.search_.dataset.Y
    with pytest.raises(ValueError, match=r"search_metric: expected one of \['accuracy', 'roc_auc'\], .* got 'f1'"):
        small(scoring=metrics, refit=False, search_metric="f1").fit(X, y)


class _Fails(LogisticRegression):  # type: ignore[misc]
    """Fails where C is small."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        if self.C < 10:
            raise RuntimeError("too small")
        return super().fit(X, y)


@pytest.mark.filterwarnings("ignore:One or more of the", r"ignore:\n\d fits failed", r"ignore:\nAll the 6 fits")
@pytest.mark.parametrize("scoring", [None, ["accuracy", "roc_auc"]])
def test_a_round_in_which_every_fit_fails_counts(scoring: Any) -> None:
    X, y = iris_like()
    space = {"C": uniform(0, 18)}
    options = {"n_iter": 16, "num_batches": 8, "cv": 3, "scoring": scoring, "refit": False}
    search = SHACSearchCV(_Fails(), space, random_state=0, **options)
    with pytest.warns(FitFailedWarning, match="All the 6 fits failed"):
        search.fit(X, y)
    scores = np.array(search.search_.dataset.Y)
    assert len(scores) == 16
    assert np.isnan(scores[:2]).all()
    assert np.isfinite(scores[-4:]).sum() >= 3
    leading = "score" if scoring is None else "accuracy"
    assert np.array_equal(search.cv_results_[f"mean_test_{leading}"], scores, equal_nan=True)


def test_a_search_without_a_fit_that_succeeds_raises_as_scikit_learn_does() -> None:
    X, y = iris_like()
    search = SHACSearchCV(_Fails(), {"C": uniform(0, 1)}, n_iter=40, num_batches=10, cv=3, save_dir="kept")
    with pytest.warns(FitFailedWarning), pytest.raises(ValueError, match="All the 12 fits failed"):
        search.fit(X, y)
    assert len(shac.Dataset.load_from_directory("kept")) == 12  # three rounds, as `max_failed_rounds` of SHAC


def test_no_candidates_are_drawn_to_decide_about_relaxing(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = iris_like()
    relaxed: list[bool] = []
    ask = shac.SHAC.ask

    def noting(self: Any, n: int = 1, *, relax_checks: bool = False) -> Any:
        relaxed.append(relax_checks)
        return ask(self, n, relax_checks=relax_checks)

    def refused(*arguments: Any, **options: Any) -> None:
        raise AssertionError("drawn by the bridge itself")

    monkeypatch.setattr(shac.SHAC, "ask", noting)
    monkeypatch.setattr(shac.Cascade, "sample", refused)
    small().fit(X, y)
    assert not any(relaxed)
    relaxed.clear()
    SHACSearchCV(LogisticRegression(), {"C": _OnlyRvs()}, n_iter=6, num_batches=3, cv=3).fit(X, y)
    assert all(relaxed)


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
        ([], "expected a mapping"),
        ([{"a": [1]}, {}], "expected a mapping"),
        ({"a": []}, "at least one value"),
        ({"a": shac.UniformHP("b", 0.0, 1.0)}, "expected a parameter of that name"),
    ],
)
def test_wrong_spaces_are_refused(distributions: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"param_distributions: .*{message}"):
        space_of(distributions)


@pytest.mark.parametrize("given", ["text", 3])
def test_what_is_neither_a_list_nor_a_distribution_is_of_the_wrong_type(given: Any) -> None:
    with pytest.raises(TypeError, match="param_distributions: 'a': expected a list or a distribution, got "):
        space_of({"a": given})


def test_a_folder_of_other_weights_is_refused() -> None:
    X, y = iris_like()
    small(save_dir="kept", n_iter=4).fit(X, y, sample_weight=np.ones(120))
    small(save_dir="kept", n_iter=4).fit(X, y, sample_weight=np.ones(120))
    with pytest.raises(shac.SaveFolderError, match=r"save_dir: expected .* over the same data and 3 folds"):
        small(save_dir="kept", n_iter=4).fit(X, y, sample_weight=np.arange(120.0))
