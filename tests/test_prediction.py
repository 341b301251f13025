"""`predict` draws from the region exactly, or says that it did not; `exact` and `max_seconds` decide."""

import re
import time
import warnings
from typing import Any

import cascades
import numpy as np
import pytest
import scipy.stats
import searches
from numpy.typing import NDArray

import shac
from shac.sampling import sample_until_mixed, uniforms_of

ERROR_RATE = 1e-3  # of each statistical test, over all of its comparisons


def sum_of_squares(worker_id: int, parameters: Any) -> float:
    return float(sum((value - 0.3) ** 2 for value in parameters.values()))


def reals(count: int) -> list[shac.UniformHP]:
    return [shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(count)]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> shac.SHAC:
    folder = tmp_path_factory.mktemp("search") / "run"
    made = searches.engine(sum_of_squares, reals(3), total_budget=120, num_batches=12, save_dir=folder)
    made.fit()
    return made


@pytest.fixture
def short_walks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shac.sampling.mixing._MOST_CHAIN_STEPS", 1 << 13)


def values_of(predicted: Any) -> NDArray[np.float64]:
    return np.array([list(configuration.values()) for configuration in predicted])


def smallest_p(first: NDArray[Any], second: NDArray[Any]) -> float:
    """By Kolmogorov-Smirnov, of the columns and of their sum, times the number of comparisons."""
    pairs = [(first[:, c], second[:, c]) for c in range(first.shape[1])]
    pairs.append((first.sum(axis=1), second.sum(axis=1)))
    return float(min(scipy.stats.ks_2samp(*pair, method="asymp").pvalue for pair in pairs)) * len(pairs)


def test_the_default_search_predicts_what_plain_rejection_accepts(search: shac.SHAC) -> None:
    predicted = search.predict(num_samples=2000, seed=1)
    assert predicted.is_exact
    assert predicted.rhat is None
    exact = search.cascade.sample(2000, seed=7, method="plain")[0]
    assert smallest_p(values_of(predicted), exact.astype(np.float64)) > ERROR_RATE


@pytest.mark.usefixtures("short_walks")
def test_a_search_that_is_given_too_little_time_walks_and_says_so(search: shac.SHAC) -> None:
    with pytest.warns(UserWarning, match="predict") as warned:
        predicted = search.predict(num_samples=400, seed=1, max_seconds=1e-9)
    told = [str(warning.message) for warning in warned]
    assert re.match(
        "predict: drawing 400 configurations exactly should take .* above max_seconds=1e-09: chains", told[0]
    )
    assert predicted.rhat is not None
    assert len(told) == 1 + (predicted.rhat > 1.1)
    assert not predicted.is_exact
    assert search.cascade.accepts(values_of(predicted)).all()
    assert len(predicted) == 400


def test_exact_never_walks_and_no_limit_is_the_same(search: shac.SHAC) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exact = search.predict(num_samples=50, seed=1, max_seconds=1e-9, exact=True)
        unlimited = search.predict(num_samples=50, seed=1, max_seconds=None)
    assert exact.is_exact
    assert exact == unlimited == search.predict(num_samples=50, seed=1)


@pytest.mark.usefixtures("short_walks")
def test_walks_do_not_depend_on_threads_and_go_by_the_seed(search: shac.SHAC) -> None:
    def walked(seed: int, threads: int) -> shac.Prediction:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return search.predict(1, threads, num_samples=20, seed=seed, exact=False)

    assert walked(1, 1) == walked(1, 3) != walked(2, 1)


def test_chains_that_have_mixed_are_distributed_as_the_region_whatever_they_begin_with() -> None:
    """The cascade is shallow, so that its region is one piece; the chains begin in one corner of it."""
    cascade = shac.Cascade(cascades.train_cascade(cascades.bowl, 2, 3, 60), cascades.unit_space(2))
    exact = cascade.sample(1000, seed=3)[0]
    corner = exact[np.argsort(exact.sum(axis=1))[:3]]
    sample = sample_until_mixed(cascade, uniforms_of(cascade.space, corner), 1000, seed=1)
    assert sample.is_mixed
    ends = cascade.space.encode_uniforms(sample.uniforms)
    assert cascade.accepts(ends).all()
    assert smallest_p(ends.astype(np.float64), exact.astype(np.float64)) > ERROR_RATE


def test_chains_jump_between_pieces_of_the_region() -> None:
    """Two equal squares far apart, which no line along a column meets together; 3 of 4 chains begin in one of them."""
    space = cascades.unit_space(2)
    X = np.random.default_rng(0).random((4000, 2)).astype(np.float32)
    squares = (np.abs(X - 0.1) < 0.05).all(axis=1) | (np.abs(X - 0.9) < 0.05).all(axis=1)
    cascade = shac.Cascade([cascades.train_stage(X, ~squares, n_estimators=40, base_score=0.5)], space)
    points = uniforms_of(space, np.array([[0.1, 0.1], [0.11, 0.1], [0.1, 0.09], [0.9, 0.9]], dtype=np.float32))
    sample = sample_until_mixed(cascade, points, 1000, seed=1)
    exact = cascade.sample(20_000, seed=1)[0]
    assert sample.is_mixed
    assert abs((sample.uniforms[:, 0] < 0.5).mean() - (exact[:, 0] < 0.5).mean()) < 0.1


def test_chains_that_are_stopped_before_they_have_mixed_say_so(
    search: shac.SHAC, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shac.sampling.mixing._MOST_CHAIN_STEPS", 1)
    with pytest.warns(UserWarning, match=r"have not mixed after 32 steps \(R-hat [1-9]") as warned:
        predicted = search.predict(num_samples=40, seed=1, exact=False)
    assert len(warned) == 1
    assert not predicted.is_exact
    assert predicted.rhat is not None
    assert predicted.rhat > 1.1


def test_a_space_where_nothing_can_walk_is_drawn_exactly_with_a_warning() -> None:
    class OnlySampled(shac.AbstractHyperParameter):
        def sample(self) -> float:
            return float(self.random.random())

    search = searches.engine(sum_of_squares, [OnlySampled("x")], total_budget=40, num_batches=4)
    search.fit()
    with pytest.warns(UserWarning, match="drawing exactly all the same"):
        assert search.predict(num_samples=3, seed=1, max_seconds=1e-12).is_exact


def test_a_region_that_is_empty_raises_at_once() -> None:
    rising = searches.engine(lambda worker_id, p: p["x"], [shac.UniformHP("x", 0.0, 1.0)], save_dir="rising")
    falling = searches.engine(lambda worker_id, p: -p["x"], [shac.UniformHP("x", 0.0, 1.0)], save_dir="falling")
    for search in (rising, falling):
        search.fit()
    rising.classifiers = [*rising.classifiers, *falling.classifiers]
    started = time.perf_counter()
    for exact in (None, True):
        with pytest.raises(shac.EmptyRegionError, match="no configuration passes"):
            rising.predict(exact=exact)
    assert time.perf_counter() - started < 5


def test_samples_that_fail_a_classifier_are_not_called_exact() -> None:
    rising = searches.engine(lambda worker_id, p: p["x"], [shac.UniformHP("x", 0.0, 1.0)], save_dir="rising")
    rising.fit()
    assert rising.predict(num_samples=5, relax_checks=True, max_classifiers=0).is_exact
    falling = searches.engine(lambda worker_id, p: -p["x"], [shac.UniformHP("x", 0.0, 1.0)], save_dir="falling")
    falling.fit()
    rising.classifiers = [*rising.classifiers, *falling.classifiers]
    assert not rising.predict(num_samples=5, relax_checks=True).is_exact


def test_the_estimate_is_the_same_for_any_number_of_threads_and_grows_with_what_is_wanted(search: shac.SHAC) -> None:
    few, many = search.cascade.estimate(10, threads=1), search.cascade.estimate(100_000, threads=1)
    assert search.cascade.estimate(10, threads=3) == few
    assert 0 < few.seconds < many.seconds
    assert search.cascade.estimate(0).seconds == shac.Cascade([], cascades.unit_space(2)).estimate(5).seconds == 0


def test_an_estimate_asks_constraints_about_no_more_rows_than_a_tenth_of_the_time_is_for() -> None:
    asked = 0

    def beyond_the_region(x0: NDArray[np.float64]) -> NDArray[np.bool_]:
        nonlocal asked
        asked += len(x0)
        return np.asarray(x0 > 0.9)

    X = np.random.default_rng(0).random((200, 2), dtype=np.float32)
    models = [cascades.train_stage(X, X[:, 0])]  # accepts the lower half of x0
    space = shac.HyperParameterList(reals(2), constraints=[beyond_the_region])
    asked = 0
    estimate = shac.Cascade(models, space).estimate(10, max_seconds=20.0)
    assert estimate.is_lower_bound
    assert 100_000 < asked < 5_000_000  # of 2 columns, at 0.2 microseconds a value on a busy machine
    assert estimate.seconds > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exact": "yes"}, "exact: expected True, False or None, got 'yes'"),
        ({"max_seconds": 0}, "max_seconds: expected a finite number of seconds above 0"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        searches.engine().predict(**arguments)
