"""Walks within a region leave its samples distributed as they were, and stay within it."""

import cascades
import conditional
import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

import shac
from shac.sampling import slice_sample

Floats = NDArray[np.float32]

NUM_WALKS = 6000
NUM_STARTS = 60_000  # each walk takes one at random: few share one, so that their ends are all but independent
ERROR_RATE = 1e-3  # of each test, over all of its comparisons


def uniforms_within(space: shac.HyperParameterList, X: Floats, seed: int) -> NDArray[np.float64]:
    """Give uniforms that encoded rows come from, anywhere among those of each value, NaN for what does not exist."""
    random = np.random.default_rng(seed).random(X.shape)
    uniforms = np.full(X.shape, np.nan)
    for c, column in enumerate(space.columns):
        there = ~np.isnan(X[:, c])
        below, above = column.cdf(X[there, c]), column.cdf(np.nextafter(X[there, c], np.float32(np.inf)))
        uniforms[there, c] = below + random[there, c] * (above - below)
    result: NDArray[np.float64] = np.clip(uniforms, 2.0**-40, 1 - 2.0**-40)
    return result


def smallest_p(first: Floats, second: Floats) -> float:
    """Compare columns by Kolmogorov-Smirnov, and halves of the first six together by chi-square.

    Gives the smallest p-value times the number of comparisons. What does not exist counts as below all values.
    """
    samples = [np.nan_to_num(X, nan=-1e6) for X in (first, second)]
    columns = [[X[:, c] for X in samples] for c in range(first.shape[1])]
    p_values = [scipy.stats.ks_2samp(*column, method="asymp").pvalue for column in columns]
    few = min(first.shape[1], 6)
    medians, weights = np.median(samples[1][:, :few], axis=0), 2 ** np.arange(few)
    cells = [np.bincount(((X[:, :few] > medians) @ weights).astype(int), minlength=2**few) for X in samples]
    counts = np.array(cells)[:, np.sum(cells, axis=0) > 20]
    p_values.append(scipy.stats.chi2_contingency(counts).pvalue)
    return float(min(p_values)) * len(p_values)


def mixed_cascade() -> shac.Cascade:
    """Reals beside integers and categories; each stage is trained on samples of those before it."""
    space = shac.HyperParameterList(
        [
            shac.UniformHP("x", 0.0, 1.0),
            shac.LogUniformHP("lr", 1e-4, 1e-1),
            shac.IntegerHP("layers", 1, 4),
            shac.DiscreteHP("kind", ["a", "b", "c"]),
            shac.DiscreteHP("batch", [16, 32, 64]),
        ]
    )
    cascade = shac.Cascade([], space)
    for stage in range(4):
        X = cascade.sample(60, seed=stage)[0]
        scores = (X[:, 0] - 0.3) ** 2 + (X[:, 1] + 5) ** 2 / 20 + X[:, 2] / 8 + (X[:, 3] == 1) / 4 + X[:, 4] / 4
        cascade = cascade.extended(cascades.train_stage(X, scores, n_estimators=60))
    return cascade


def real_cascade() -> shac.Cascade:
    def valley(X: NDArray[np.float32]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = (X[:, 1] - 4 * (X[:, 0] - 0.5) ** 2) ** 2 + 0.1 * X.sum(axis=1)
        return result

    return shac.Cascade(cascades.train_cascade(valley, 4, 5, 60), cascades.unit_space(4))


CASCADES = {
    "real": real_cascade,
    "mixed": mixed_cascade,
    "conditions and constraints": lambda: shac.Cascade(conditional.train(2), conditional.space()),
}


@pytest.fixture(scope="module", params=[*CASCADES.values()], ids=[*CASCADES])
def cascade(request: pytest.FixtureRequest) -> shac.Cascade:
    made: shac.Cascade = request.param()
    return made


def test_walks_from_exact_samples_end_in_exact_samples_of_the_region(cascade: shac.Cascade) -> None:
    space = cascade.space
    starts = uniforms_within(space, cascade.sample(NUM_STARTS, seed=1)[0], seed=1)
    uniforms = slice_sample(cascade, starts, NUM_WALKS // 20, 20, seed=2)
    ends = space.encode_uniforms(uniforms)
    assert cascade.accepts(ends).all()
    assert space.satisfied_by_uniforms(np.where(np.isnan(ends), np.nan, uniforms)).all()
    assert smallest_p(ends, cascade.sample(NUM_WALKS, seed=3)[0]) > ERROR_RATE


def test_where_a_walk_ends_in_an_interval_does_not_depend_on_where_it_starts() -> None:
    """What is rejected lies outside of the interval, so that a step draws from all of it; Kolmogorov-Smirnov."""
    space = cascades.unit_space(1)
    X = np.linspace(0, 1, 400, dtype=np.float32).reshape(-1, 1)
    model = cascades.train_stage(X, np.abs(X[:, 0] - 0.35) > 0.05, n_estimators=20, base_score=0.5)
    cascade = shac.Cascade([model], space)
    exact = cascade.sample(200_000, seed=3)[0][:, 0]
    assert 0.29 < exact.min() < exact.max() < 0.41
    for start in (exact.min(), exact.max()):
        ends = slice_sample(cascade, np.array([[start]], dtype=np.float64), 500, 40, seed=2)[:, 0]
        assert scipy.stats.ks_2samp(ends, exact, method="asymp").pvalue > ERROR_RATE / 2
