import logging
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import cascades
import numpy as np
import pytest
import scipy.stats
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import shac
from shac.sampling import draw_relaxing
from shac.sampling.bins import ThresholdBins
from shac.sampling.costs import VERSIONS
from shac.sampling.extension import core

RANGE = 1 << core.UNIFORM_BITS


class Triangular(shac.AbstractHyperParameter):
    """User-defined, with a quantile: runs in the compiled sampler."""

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        return np.sqrt(u)

    def cdf(self, encoded: Any) -> NDArray[np.float64]:
        return np.asarray(np.clip(encoded, 0, 1), dtype=np.float64) ** 2


class OnlySampled(shac.AbstractHyperParameter):
    """User-defined, without a quantile: runs through Python."""

    def sample(self) -> Any:
        return self.random.random() ** 2


def mixed_space() -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [
            shac.UniformHP("uniform", -2.0, 3.0),
            shac.DiscreteHP("discrete", ["a", "b", "c", None]),
            shac.NormalHP("normal", 1.0, 2.0),
            shac.LogUniformHP("lr", 1e-5, 1e-1),
            shac.IntegerHP("integer", -3, 11),
            shac.LogIntegerHP("width", 1, 512),
            shac.MultiUniformHP("multi", 0.0, 1.0, sample_count=2),
            shac.ScipyHyperParameter("beta", scipy.stats.beta(2, 5)),
            Triangular("triangular"),
        ]
    )


def train_on(space: shac.HyperParameterList, num_stages: int, batch_size: int) -> list[xgboost.XGBClassifier]:
    models: list[xgboost.XGBClassifier] = []
    for stage in range(num_stages):
        X, _ = shac.Cascade(models, space).sample(batch_size, seed=stage)
        ranks = X.argsort(axis=0).argsort(axis=0)
        score = np.abs(ranks - 0.4 * batch_size).sum(axis=1) + ranks[:, 1] * ranks[:, -1] / batch_size
        models.append(cascades.train_stage(X, score, n_estimators=30))
    return models


@pytest.fixture(scope="module")
def mixed() -> shac.Cascade:
    space = mixed_space()
    return shac.Cascade(train_on(space, 4, 80), space)


@pytest.fixture(scope="module")
def models() -> list[xgboost.XGBClassifier]:
    return cascades.train_cascade(cascades.bowl, 3, 6, 60)


@pytest.fixture(scope="module")
def cascade(models: list[xgboost.XGBClassifier]) -> shac.Cascade:
    return shac.Cascade(models, cascades.unit_space(3))


def prior_rows(cascade: shac.Cascade, seed: int, count: int) -> NDArray[np.float32]:
    """The candidates of a seed: what a cascade without stages lets through."""
    return cascade.prefix(0).sample(count, seed=seed)[0]


@pytest.mark.parametrize("name", ["cascade", "mixed"])
def test_samples_are_the_candidates_that_pass_xgboost(name: str, request: pytest.FixtureRequest) -> None:
    cascade: shac.Cascade = request.getfixturevalue(name)
    X, report = cascade.sample(200, seed=3, method="plain")
    candidates = prior_rows(cascade, 3, report.candidates)
    passed = cascade.margins(candidates) >= core.decision_threshold()
    assert np.array_equal(X, candidates[passed.all(axis=1)])
    assert passed[-1].all()
    assert sum(report.rejected_by_stage) == report.candidates - 200
    assert all(np.array(report.rejected_by_stage) <= (~passed).sum(axis=0))


@pytest.mark.parametrize("costs_version", sorted(VERSIONS))
@pytest.mark.parametrize("columns", [1, 2, 4])
def test_in_few_columns_samples_of_every_version_are_the_candidates_that_pass(columns: int, costs_version: int) -> None:
    space = cascades.unit_space(columns)
    models = cascades.train_cascade(cascades.bowl, columns, 4, 60)
    cascade = shac.Cascade(models, space, costs_version=costs_version)
    draw = cascade.draw(300, seed=5, first_candidate=77, method="plain", threads=2)
    candidates = cascade.prefix(0).draw(draw.report.candidates, seed=5, first_candidate=77).X
    assert np.array_equal(draw.X, candidates[(cascade.margins(candidates) >= core.decision_threshold()).all(axis=1)])


def test_every_sample_passes_every_classifier(models: list[xgboost.XGBClassifier], cascade: shac.Cascade) -> None:
    X, report = cascade.sample(500, seed=0)
    assert X.shape == (500, 3)
    assert X.dtype == np.float32
    assert all((model.predict(X) == 1).all() for model in models)
    assert not report.exhausted
    assert report.candidates == 500 + sum(report.rejected_by_stage)
    assert report.seconds > 0


@pytest.mark.parametrize("name", ["cascade", "mixed"])
def test_a_seed_gives_the_same_samples_for_any_threads_and_blocks(name: str, request: pytest.FixtureRequest) -> None:
    cascade: shac.Cascade = request.getfixturevalue(name)
    expected = cascade.draw(150, seed=9, threads=1)
    for threads in (1, 2, 3, 7):
        for block_size in (0, 1, 13, 1000):
            draw = cascade.draw(150, seed=9, threads=threads, block_size=block_size)
            assert np.array_equal(draw.X, expected.X)
            assert draw.rows == expected.rows
            assert draw.report.candidates == expected.report.candidates
            assert draw.report.rejected_by_stage == expected.report.rejected_by_stage


def test_seeds_differ_and_no_seed_is_fresh(cascade: shac.Cascade) -> None:
    samples = [cascade.sample(20, seed=seed)[0] for seed in (1, 2, 2**64 - 1, None, None)]
    assert len({X.tobytes() for X in samples}) == 5


def test_more_samples_begin_with_the_fewer(cascade: shac.Cascade) -> None:
    assert np.array_equal(cascade.sample(30, seed=4)[0], cascade.sample(300, seed=4)[0][:30])


def test_a_stream_goes_on_where_it_was_left(cascade: shac.Cascade) -> None:
    whole = cascade.draw(40, seed=6, method="plain")
    first = cascade.draw(25, seed=6, method="plain")
    second = cascade.draw(15, seed=6, first_candidate=first.next_candidate)
    assert np.array_equal(np.concatenate([first.X, second.X]), whole.X)
    assert second.next_candidate == whole.next_candidate


def test_values_are_what_the_encoded_rows_encode(mixed: shac.Cascade) -> None:
    draw = mixed.draw(100, seed=2)
    assert np.array_equal(mixed.space.encode_rows(draw.rows), draw.X)
    types = [type(value) for value in draw.rows[0]]
    assert types == [float, type(draw.rows[0][1]), float, float, int, int, float, float, float, float]


def test_a_budget_of_candidates_returns_what_was_found(cascade: shac.Cascade) -> None:
    X, report = cascade.sample(10_000, seed=1, max_candidates=5000)
    assert report.exhausted
    assert report.candidates == 5000
    assert 0 < len(X) < 5000
    assert np.array_equal(X, cascade.sample(len(X), seed=1, method="plain")[0])


def test_relaxation_lets_samples_fail_so_many_stages(
    models: list[xgboost.XGBClassifier], cascade: shac.Cascade
) -> None:
    X, _ = cascade.sample(500, seed=1, relax=2)
    failures = sum((model.predict(X) == 0).astype(int) for model in models)
    assert failures.max() == 2
    assert cascade.accepts(X, relax=2).all()


def test_without_stages_samples_have_the_prior() -> None:
    """Kolmogorov-Smirnov on continuous columns, chi-square on the others; family-wise error rate 1e-3."""
    space = mixed_space()
    X, report = shac.Cascade([], space).sample(20_000, seed=12)
    assert report.candidates == 20_000
    level = 1e-3 / space.num_columns
    for c, column in enumerate(space.columns):
        encoded = X[:, c].astype(np.float64)
        atoms, counts = np.unique(X[:, c], return_counts=True)
        if len(atoms) < 600:
            edges = np.concatenate([atoms, [np.inf]]).astype(np.float32)
            expected = np.diff(column.cdf(edges)) * len(X)
            counts, expected = counts[expected > 5], expected[expected > 5]
            p_value = scipy.stats.chisquare(counts, expected * counts.sum() / expected.sum()).pvalue
        else:
            p_value = scipy.stats.kstest(encoded, column.cdf).pvalue
        assert p_value > level, (column, p_value)


def test_columns_are_independent() -> None:
    X, _ = shac.Cascade([], cascades.unit_space(9)).sample(20_000, seed=5)
    correlations = np.corrcoef(X.T) - np.eye(9)
    assert np.abs(correlations).max() < 5 / np.sqrt(20_000)


@pytest.mark.parametrize("method", ["plain", "region"])
def test_samples_that_are_written_on_several_threads_are_those_of_one(
    cascade: shac.Cascade, method: Literal["plain", "region"]
) -> None:
    expected = cascade.draw(9000, seed=2, threads=1, method=method)
    draw = cascade.draw(9000, seed=2, threads=3, method=method)
    assert draw.uniforms is not None
    assert expected.uniforms is not None
    np.testing.assert_array_equal(draw.uniforms, expected.uniforms)
    np.testing.assert_array_equal(draw.X, expected.X)
    assert draw.report.rejected_by_stage == expected.report.rejected_by_stage


@pytest.mark.parametrize("columns", [1, 2, 4])
def test_candidates_that_share_a_block_of_random_bits_are_independent(columns: int) -> None:
    count = 2**18
    X = shac.Cascade([], cascades.unit_space(columns)).sample(count, seed=1)[0]
    runs = X.reshape(count // 256, 256, columns)
    per_block = 8 // columns
    blocks = runs.reshape(count // 256, per_block, 256 // per_block, columns).transpose(0, 2, 1, 3).reshape(-1, 8)
    assert len(np.unique(X[:, 0])) > 0.98 * count  # float32 has 24 bits
    correlations = np.corrcoef(blocks, rowvar=False) - np.eye(8)
    assert np.abs(correlations).max() < 6 / math.sqrt(len(blocks))
    assert np.abs(np.corrcoef(X[1:, 0], X[:-1, 0])[0, 1]) < 6 / math.sqrt(count)


@given(
    thresholds=st.lists(st.floats(-3, 3, width=32), min_size=1, max_size=30),
    index=st.integers(0, 9),
)
@settings(max_examples=150, deadline=None)
def test_bins_split_uniforms_exactly_where_encoded_values_reach_thresholds(
    thresholds: Sequence[float], index: int
) -> None:
    parameter = mixed_space().columns[index]
    wanted = np.array(thresholds, dtype=np.float32)
    edges, representatives = ThresholdBins(parameter).column(wanted)
    assert len(representatives) == len(edges) + 1
    near = np.concatenate([[0, RANGE - 1], *(edges.astype(np.int64) + step for step in (-1, 0, 1))])
    uniforms = np.clip(np.concatenate([near, np.linspace(0, RANGE - 1, 50)]).astype(np.int64), 0, RANGE - 1)
    encoded = parameter.encode_array(parameter.quantile((uniforms + 0.5) / RANGE))
    stand_ins = representatives[np.searchsorted(edges.astype(np.int64), uniforms, side="right")]
    for threshold in wanted:
        assert np.array_equal(encoded < threshold, stand_ins < threshold)


def test_bins_remember_thresholds_and_accept_new_ones_between() -> None:
    parameter = shac.UniformHP("x", 0.0, 1.0)
    grown = ThresholdBins(parameter)
    first, second = np.array([0.25, 0.75], dtype=np.float32), np.array([0.1, 0.5, 0.75], dtype=np.float32)
    grown.column(first)
    both = np.concatenate([first, second])
    edges, representatives = grown.column(both)
    fresh_edges, fresh_representatives = ThresholdBins(parameter).column(both)
    assert np.array_equal(edges, fresh_edges)
    assert np.array_equal(representatives, fresh_representatives)


def test_a_parameter_that_encodes_nan_is_refused() -> None:
    class Broken(Triangular):
        def encode_array(self, values: Any) -> NDArray[np.float32]:
            return np.full(len(values), np.nan, dtype=np.float32)

    X = np.random.default_rng(0).random((50, 1), dtype=np.float32)
    model = cascades.train_stage(X, X[:, 0])
    with pytest.raises(ValueError, match=r"parameter 'x': expected encoded values that are numbers, got NaN"):
        shac.Cascade([model], shac.HyperParameterList([Broken("x")])).sample(1)


def test_a_value_that_does_not_fit_its_bin_is_replaced_by_the_next_candidate(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A quantile that is not the same function twice: the exact forest has the last word."""

    class Unsteady(Triangular):
        calls = 0

        def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
            type(self).calls += 1
            return u if len(u) < 50 else np.where(np.arange(len(u)) % 5 == 0, 1 - u, u)

    X = np.linspace(0, 1, 100, dtype=np.float32)[:, None]
    model = cascades.train_stage(X, X[:, 0], n_estimators=5)
    cascade = shac.Cascade([model], shac.HyperParameterList([Unsteady("x")]))
    with caplog.at_level(logging.DEBUG, logger="shac"):
        samples, report = cascade.sample(100, seed=0, method="plain")
    assert len(samples) == 100
    assert (model.predict(samples) == 1).all()
    assert "rounded onto a threshold" in caplog.text
    assert report.candidates > 150


def sampled_space() -> shac.HyperParameterList:
    return shac.HyperParameterList([OnlySampled("x"), shac.DiscreteHP("y", [1, 2, 3])])


@pytest.fixture(scope="module")
def sampled() -> shac.Cascade:
    space = sampled_space()
    return shac.Cascade(train_on(space, 3, 60), space)


def test_parameters_that_can_only_be_sampled_run_through_the_same_cascade(sampled: shac.Cascade) -> None:
    draw = sampled.draw(300, seed=5)
    assert draw.X.shape == (300, 2)
    candidates = prior_rows(sampled, 5, draw.report.candidates)
    dropped = sampled.dropped_at(candidates)
    assert np.array_equal(draw.X, candidates[dropped == -1])
    assert draw.report.rejected_by_stage == tuple(np.bincount(dropped[dropped >= 0], minlength=3))
    assert np.array_equal(sampled.space.encode_rows(draw.rows), draw.X)


def test_the_python_path_keeps_the_rules_of_the_stream(sampled: shac.Cascade) -> None:
    whole = sampled.draw(3000, seed=5)
    assert whole.next_candidate > 4096
    first = sampled.draw(1100, seed=5, threads=2)
    second = sampled.draw(1900, seed=5, first_candidate=first.next_candidate)
    assert np.array_equal(np.concatenate([first.X, second.X]), whole.X)
    limited = sampled.draw(3000, seed=5, max_candidates=5000)
    assert limited.report.exhausted
    assert limited.report.candidates == 5000
    assert np.array_equal(limited.X, whole.X[: len(limited.X)])


@pytest.mark.parametrize("name", ["cascade", "sampled"])
@pytest.mark.parametrize("max_gap", [0, 1, 7, 30])
def test_a_gap_ends_the_call_right_behind_it(name: str, max_gap: int, request: pytest.FixtureRequest) -> None:
    cascade: shac.Cascade = request.getfixturevalue(name)
    passed = cascade.accepts(prior_rows(cascade, 8, 50_000))
    gap = count = drawn = 0
    while gap < max_gap:
        gap, count, drawn = (0, count + 1, drawn + 1) if passed[drawn] else (gap + 1, count, drawn + 1)
    draw = cascade.draw(10**6, seed=8, max_gap=max_gap)
    assert (len(draw.X), draw.next_candidate) == (count, drawn)
    assert not draw.report.exhausted


def contradiction() -> shac.Cascade:
    """Stages that no row passes together; every row fails one or two of the three."""
    X = np.linspace(0, 1, 200, dtype=np.float32)[:, None]
    low = cascades.train_stage(X, X[:, 0], n_estimators=5)
    high = cascades.train_stage(X, -X[:, 0], n_estimators=5)
    return shac.Cascade([low, high, low], cascades.unit_space(1))


def test_relaxing_gives_way_one_stage_after_2_to_the_k_candidates_without_a_sample(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cascade = contradiction()
    with caplog.at_level(logging.INFO, logger="shac"):
        rows = draw_relaxing(cascade, 50, seed=0)
    assert len(rows) == 50
    assert "no sample among 8 candidates in a row: a sample may now fail 1 of 3 classifiers" in caplog.text
    assert cascade.accepts(rows, relax=2).all()
    assert rows == draw_relaxing(cascade, 50, seed=0, threads=3)


def test_relaxing_does_not_relax_where_samples_are_found() -> None:
    X = np.linspace(0, 1, 200, dtype=np.float32)[:, None]
    model = xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(X, X[:, 0] > 0.05)
    cascade = shac.Cascade([model] * 4, cascades.unit_space(1))
    rows = draw_relaxing(cascade, 1000, seed=3)
    assert np.array_equal(cascade.space.encode_rows(rows), cascade.sample(1000, seed=3, method="plain")[0])


def test_relaxing_goes_with_more_stages_than_a_gap_has_bits() -> None:
    X = np.linspace(0, 1, 60, dtype=np.float32)[:, None]
    model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, X[:, 0] > 0.5)
    cascade = shac.Cascade([model] * 70, cascades.unit_space(1))
    assert cascade.accepts(draw_relaxing(cascade, 3, seed=0)).all()


SAMPLE_UNDER_A_LEVEL = """
import sys
import numpy as np, xgboost, shac
models = []
for path in sys.argv[1:]:
    models.append(xgboost.XGBClassifier())
    models[-1].load_model(path)
space = shac.HyperParameterList([shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(3)])
X, report = shac.Cascade(models, space).sample(200, seed=3, method="plain")
print(X.tobytes().hex(), report.candidates, report.rejected_by_stage)
"""


def test_every_level_of_vector_instructions_gives_the_same_samples(
    models: list[xgboost.XGBClassifier], tmp_path: Path
) -> None:
    paths = []
    for stage, model in enumerate(models):
        paths.append(str(tmp_path / f"{stage}.ubj"))
        model.save_model(paths[-1])
    levels = core.simd_levels()
    assert levels[0] == "baseline"
    outputs = [
        subprocess.run(
            [sys.executable, "-c", SAMPLE_UNDER_A_LEVEL, *paths],
            env={**os.environ, "SHAC_SIMD": level},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for level in levels
    ]
    assert len(set(outputs)) == 1


def test_an_unknown_level_of_vector_instructions_is_named(
    monkeypatch: pytest.MonkeyPatch, models: list[xgboost.XGBClassifier]
) -> None:
    monkeypatch.setenv("SHAC_SIMD", "mmx")
    with pytest.raises(ValueError, match=r"SHAC_SIMD: expected one of baseline.*, got mmx"):
        shac.Cascade(models, cascades.unit_space(3)).sample(1, method="plain")


def test_a_cascade_of_eighteen_stages_in_sixty_columns_compiles_to_a_few_megabytes() -> None:
    space = cascades.unit_space(60)
    X = np.random.default_rng(0).random((1800, 60), dtype=np.float32)
    weights = np.random.default_rng(1).random(60)
    models = [cascades.train_stage(part, (np.abs(part - 0.4) * weights).sum(axis=1)) for part in np.split(X, 18)]
    stages = shac.Cascade(models, space).compiled_stages
    assert sum(stage.num_bytes for stage in stages) < 20e6


def test_a_cap_on_tables_is_respected_and_changes_no_sample(models: list[xgboost.XGBClassifier]) -> None:
    space = cascades.unit_space(3)
    free, capped = shac.Cascade(models, space), shac.Cascade(models, space, max_table_bytes=0)
    assert np.array_equal(free.sample(100, seed=2, method="plain")[0], capped.sample(100, seed=2, method="plain")[0])
    wide = cascades.train_cascade(cascades.bowl, 2, 1, 1000)
    size_of = [
        shac.Cascade(wide, cascades.unit_space(2), max_table_bytes=limit).compiled_stages[0].num_bytes
        for limit in (0, core.MAX_TABLE_BYTES)
    ]
    assert size_of[0] != size_of[1]
    with pytest.raises(ValueError, match="max_table_bytes: expected an integer from 0"):
        shac.Cascade(models, space, max_table_bytes=-1)
