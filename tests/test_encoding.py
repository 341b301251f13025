"""The core's encoding, walks and radial basis functions, beside the same in Python and SciPy."""

from typing import Any

import numpy as np
import pytest
import xgboost
from cascades import bowl, train_cascade, unit_space
from conditional import space as conditional_space
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

import shac
from shac.engine.local_search import LocalSearch
from shac.sampling import Merit, PointCoordinates, encode_uniforms, slice_sample, slice_sampling, uniforms_of
from shac.sampling import encoding as module
from shac.sampling.bins import ThresholdBins
from shac.sampling.encoding import EDGE, encoding_of
from shac.sampling.extension import core

KINDS: dict[str, shac.HyperParameterList] = {
    "uniform": shac.HyperParameterList([shac.UniformHP("x", -3.7, 11.3)]),
    "log-uniform": shac.HyperParameterList([shac.LogUniformHP("x", 1e-5, 1.0)]),
    "log-uniform around 1": shac.HyperParameterList([shac.LogUniformHP("x", 1 - 1e-3, 1 + 1e-3)]),
    "integer": shac.HyperParameterList([shac.IntegerHP("x", -5, 1000)]),
    "integer far away": shac.HyperParameterList([shac.IntegerHP("x", 10_000_000, 10_000_100)]),
    "log-integer": shac.HyperParameterList([shac.LogIntegerHP("x", 1, 5000)]),
    "discrete": shac.HyperParameterList([shac.DiscreteHP("x", list("abcdefg"))]),
    "multi": shac.HyperParameterList([shac.MultiUniformHP("x", 0.0, 3.0, sample_count=3)]),
    "conditional": conditional_space(()),
}
NOT_KNOWN = {
    "normal": shac.NormalHP("x", 0.0, 1.0),
    "encoded by its logarithm": shac.UniformHP("x", 1.0, 2.0, log_encode=True),
    "relative": shac.UniformHP("x", 1.7e9, 1.7e9 + 60),
    "neighbours": shac.LogUniformHP("x", 1e300, float(np.nextafter(1e300, np.inf))),
    "many logarithms": shac.LogIntegerHP("x", 1, 10**6),
}


def uniforms_for(space: shac.HyperParameterList, count: int) -> NDArray[np.float64]:
    random = np.random.default_rng(3)
    return np.concatenate(
        [
            random.random((count, space.num_columns)),
            np.full((1, space.num_columns), EDGE),
            np.full((1, space.num_columns), 1 - EDGE),
            np.linspace(0.0, 1.0, 50, endpoint=False)[:, np.newaxis].repeat(space.num_columns, axis=1),
        ]
    )


@pytest.mark.parametrize("space", [*KINDS.values()], ids=[*KINDS])
def test_the_core_encodes_as_the_parameters_do_to_the_bit(space: shac.HyperParameterList) -> None:
    uniforms = uniforms_for(space, 20_000)
    assert encoding_of(space) is not None
    for threads in (1, 3):
        np.testing.assert_array_equal(encode_uniforms(space, uniforms, threads), space.encode_uniforms(uniforms))


@pytest.mark.parametrize("space", [*KINDS.values()], ids=[*KINDS])
def test_the_core_finds_the_uniforms_of_values_as_the_parameters_do(
    space: shac.HyperParameterList, monkeypatch: pytest.MonkeyPatch
) -> None:
    X = space.encode_uniforms(uniforms_for(space, 2000))
    own = uniforms_of(space, X)
    monkeypatch.setattr(module, "encoding_of", lambda _: None)
    np.testing.assert_array_equal(own, uniforms_of(space, X))


@pytest.mark.parametrize("space", [*KINDS.values()], ids=[*KINDS])
def test_the_core_finds_the_edges_of_thresholds_as_python_does(space: shac.HyperParameterList) -> None:
    column = space.columns[-1]
    values = column.encode_array(column.quantile(np.linspace(0.001, 0.999, 400)))
    thresholds = np.unique(np.concatenate([values, values + np.float32(0.3), [-1e30, 1e30]]).astype(np.float32))
    own, by_python = ThresholdBins(column), ThresholdBins(column)
    assert by_python._encoding is not None
    by_python._encoding = None
    for found, expected in zip(own.column(thresholds), by_python.column(thresholds), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("space", [*KINDS.values()], ids=[*KINDS])
def test_a_stage_of_columns_that_the_core_knows_has_the_bins_that_python_finds(space: shac.HyperParameterList) -> None:
    X = space.encode_uniforms(uniforms_for(space, 300))
    known = X[:, [c for c in range(X.shape[1]) if np.ptp(X[~np.isnan(X[:, c]), c])]]
    labels = np.nansum(known, axis=1) > np.median(np.nansum(known, axis=1))
    cascade = shac.Cascade([xgboost.XGBClassifier(n_estimators=20, n_jobs=1).fit(X, labels)], space)
    compiled = cascade._compiled
    (forest,) = compiled.forests
    conditions = compiled.conditions[1]
    stages = [*cascade.compiled_stages, core.Stage(forest, compiled._columns_of(forest))]
    own, by_python = (core.Region([stage], space.num_columns, 0, conditions) for stage in stages)
    num_edges = 0
    for column in range(space.num_columns):
        np.testing.assert_array_equal(own.edges(column), by_python.edges(column))
        num_edges += len(own.edges(column))
    assert num_edges > 0
    samplers = (core.PlainSampler([stage], space.num_columns, conditions=conditions) for stage in stages)
    drawn, expected = (sampler.sample(seed=3, count=200) for sampler in samplers)
    np.testing.assert_array_equal(drawn["uniforms"], expected["uniforms"])


def test_a_stage_of_another_space_is_refused() -> None:
    (forest,) = shac.Cascade(train_cascade(bowl, 2, 1, 100), unit_space(2))._compiled.forests
    encoding = encoding_of(unit_space(3))
    assert encoding is not None
    with pytest.raises(ValueError, match="encoding: expected 2 columns, got 3"):
        core.Stage(forest, encoding)


@pytest.mark.parametrize("parameter", [*NOT_KNOWN.values()], ids=[*NOT_KNOWN])
def test_what_the_core_does_not_know_is_encoded_by_its_own_function(parameter: Any) -> None:
    space = shac.HyperParameterList([shac.UniformHP("y", 0.0, 1.0), parameter])
    uniforms = uniforms_for(space, 100)
    assert encoding_of(space) is None
    np.testing.assert_array_equal(encode_uniforms(space, uniforms), space.encode_uniforms(uniforms))


def test_a_space_that_has_grown_has_another_encoding() -> None:
    space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
    first = encoding_of(space)
    assert encoding_of(space) is first
    space.add_hyper_parameter(shac.UniformHP("y", 0.0, 1.0))
    second = encoding_of(space)
    assert first is not None
    assert second is not None
    assert (first.width, second.width) == (1, 2)


@pytest.mark.parametrize("threads", [1, 3])
def test_walks_in_the_core_are_those_in_python(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cascade = shac.Cascade(train_cascade(bowl, 3, 3, 60), unit_space(3))
    starts = uniforms_of(cascade.space, cascade.sample(20, seed=1)[0])
    starts = starts[cascade.accepts(encode_uniforms(cascade.space, starts))]
    compiled = slice_sample(cascade, starts, 30, 40, seed=5, threads=threads)
    cascade.draw(1, seed=0, method="plain")  # compiles the stages: walks ask their tables first then
    np.testing.assert_array_equal(compiled, slice_sample(cascade, starts, 30, 40, seed=5, threads=threads))
    monkeypatch.setattr(slice_sampling, "encoding_of", lambda _: None)
    np.testing.assert_array_equal(compiled, slice_sample(cascade, starts, 30, 40, seed=5, threads=1))


@pytest.mark.parametrize("shared_stream", [True, False])
def test_more_walks_leave_those_before_as_they_are(shared_stream: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    cascade = shac.Cascade(train_cascade(bowl, 3, 3, 60), unit_space(3))
    starts = uniforms_of(cascade.space, cascade.sample(20, seed=1)[0])
    starts = starts[cascade.accepts(encode_uniforms(cascade.space, starts))]
    starts[0, 1] = np.nan  # as if it were conditional
    some = slice_sample(cascade, starts, 3, 40, seed=5, threads=1, shared_stream=shared_stream)
    monkeypatch.setattr(slice_sampling, "_CHAINS_AT_ONCE", 100)
    more = slice_sample(cascade, starts, 8, 40, seed=5, threads=1, shared_stream=shared_stream)
    np.testing.assert_array_equal(some, more[: 3 * 40])
    assert len(np.unique(more, axis=0)) == len(more)


def coordinates_by_hand(space: shac.HyperParameterList, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """A coordinate for each number, and half of an indicator for each category."""
    parts = []
    for c, column in enumerate(space.columns):
        if isinstance(column, shac.DiscreteHP):
            parts.append(0.5 * (X[:, [c]] == np.arange(len(column.values))))
        else:
            parts.append(column.cdf(X[:, c])[:, np.newaxis])
    return np.hstack(parts)


def test_distances_and_predictions_are_those_of_scipy() -> None:
    space = shac.HyperParameterList(
        [shac.DiscreteHP("a", list("xyz")), shac.UniformHP("b", 2.0, 5.0), shac.LogUniformHP("c", 1e-3, 1.0)]
    )
    X = space.encode_uniforms(np.random.default_rng(0).random((90, 3)))
    coordinates = PointCoordinates(space, X)
    points, by_hand = coordinates.of(X), coordinates_by_hand(space, X)
    expected = cdist(by_hand, by_hand)
    np.testing.assert_allclose(coordinates.cubes(points), expected**3, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(
        coordinates.nearest(points[:40], points[40:]), expected[:40, 40:].min(axis=1), rtol=1e-12
    )
    weights = np.random.default_rng(1).normal(size=(50,))
    tail: NDArray[np.float64] = np.random.default_rng(2).normal(size=(coordinates.linear_terms(points).shape[1],))
    predicted, nearest = coordinates.model(points[:50], weights, tail).predict(points[50:])
    terms = expected[50:, :50] ** 3 @ weights + coordinates.linear_terms(points[50:]) @ tail
    np.testing.assert_allclose(predicted, terms, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(nearest, expected[50:, :50].min(axis=1), rtol=1e-12)


@pytest.mark.parametrize("make", [conditional_space, lambda: unit_space(4)], ids=["conditional", "numbers"])
def test_coordinates_of_the_core_are_those_of_python_to_the_last_bit(make: Any) -> None:
    space = make()
    X = shac.Cascade([], space).sample(300, seed=4)[0]
    coordinates = PointCoordinates(space, X)
    found = coordinates.of(X)
    coordinates.compiled = None
    np.testing.assert_array_equal(found, coordinates.of(X))


class InPython(Merit):
    """The same merit, for the search in Python."""

    __slots__ = ()

    @property
    def is_compiled(self) -> bool:
        return False


@pytest.mark.parametrize("weight", [0.95, 1.0])
def test_local_searches_in_the_core_end_where_those_in_python_do(weight: float) -> None:
    cascade = shac.Cascade(train_cascade(bowl, 3, 3, 60), unit_space(3))
    X = cascade.sample(64, seed=7)[0]
    coordinates = PointCoordinates(cascade.space, X)
    points = coordinates.of(X)
    weights = np.random.default_rng(1).normal(size=(len(points),))
    model = coordinates.model(points, weights, np.array([0.1, 1.0, -1.0, 0.5]))
    arguments = (coordinates, model, points[:3], (weight, -1.0, 2.0, 0.01, 0.3))
    search = LocalSearch(cascade, seed=4, threads=1)
    moved = 0
    for number, row in enumerate(cascade.space.decode_rows(X[:12])):
        end = search.improve(number, row, X, Merit(*arguments))
        assert end == search.improve(number, row, X, InPython(*arguments))
        moved += end != row
    assert moved > 6
