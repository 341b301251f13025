"""Boxes that are divided while samples are drawn, where draws are refused."""

from typing import Any

import cascades
import numpy as np
import pytest
import scipy.stats
import xgboost
from numpy.typing import NDArray

import shac
from shac.sampling import refining
from shac.sampling.extension import core
from shac.sampling.refining import RefiningSampler
from shac.sampling.region import Regions

ENDLESS = 2**63 - 1


def valley(X: NDArray[Any]) -> NDArray[Any]:
    result: NDArray[Any] = (X[:, 1] - 4 * (X[:, 0] - 0.5) ** 2) ** 2 + 0.1 * X.sum(axis=1)
    return result


@pytest.fixture(scope="module")
def cascade() -> shac.Cascade:
    return shac.Cascade(cascades.train_cascade(valley, 6, 8, 50), cascades.unit_space(6))


def sampler_of(cascade: shac.Cascade, budget: int, relax: int = 0, expected: int = 10**9) -> RefiningSampler:
    regions = Regions(cascade.compiled_stages, cascade.space.num_columns)
    return RefiningSampler(regions.region(relax, budget), regions.sampler(relax, budget), cascade.num_stages, expected)


def draw(sampler: RefiningSampler, count: int, **options: Any) -> "core.SampleResult":
    arguments = {
        "seed": 5,
        "first_candidate": 0,
        "relax": 0,
        "max_candidates": ENDLESS,
        "max_gap": ENDLESS,
        **options,
    }
    return sampler.sample(count=count, **arguments)


@pytest.mark.parametrize("relax", [0, 1])
def test_samples_have_the_distribution_of_plain_rejection_however_often_boxes_are_divided(
    cascade: shac.Cascade, relax: int
) -> None:
    """Kolmogorov-Smirnov on every column and chi-square on cells of halves; family-wise error rate 1e-3."""
    width, n = cascade.space.num_columns, 5000
    plain = core.PlainSampler(cascade.compiled_stages, width).sample(seed=6, count=n, relax=relax)["uniforms"]
    sampler = sampler_of(cascade, 2, relax)
    before = sampler.region.num_divided
    own = draw(sampler, n, relax=relax)["uniforms"]
    assert sampler.region.num_divided > 8 * before
    level = 1e-3 / 2 / (width + 1)
    for c in range(width):
        assert scipy.stats.ks_2samp(plain[:, c], own[:, c]).pvalue > level, c
    medians = np.median(plain, axis=0)
    weights = 2 ** np.arange(width)
    cells = [np.bincount(((u > medians) @ weights).astype(int), minlength=2**width) for u in (plain, own)]
    counts = np.array(cells)[:, np.sum(cells, axis=0) > 20]
    assert scipy.stats.chi2_contingency(counts).pvalue > level


def test_a_seed_gives_the_same_samples_for_any_threads_and_blocks_and_any_smaller_number(
    cascade: shac.Cascade,
) -> None:
    expected = draw(sampler_of(cascade, 8), 3000, threads=1)
    for threads, block_size in ((2, 0), (3, 7), (7, 1000)):
        again = draw(sampler_of(cascade, 8), 3000, threads=threads, block_size=block_size)
        assert np.array_equal(again["uniforms"], expected["uniforms"])
        assert again["rejected_by_stage"] == expected["rejected_by_stage"]
        assert again["num_drawn"] == expected["num_drawn"]
    for count in (1, 100, 1234):
        fewer = draw(sampler_of(cascade, 8), count)
        assert np.array_equal(fewer["uniforms"], expected["uniforms"][:count])
        assert fewer["num_drawn"] == expected["candidates"][count - 1] + 1


def test_draws_are_counted_over_all_rounds(cascade: shac.Cascade) -> None:
    result = draw(sampler_of(cascade, 8), 3000)
    assert len(result["candidates"]) == 3000
    assert result["num_drawn"] == 3000 + sum(result["rejected_by_stage"])
    assert np.all(np.diff(result["candidates"].astype(np.int64)) > 0)
    limited = draw(sampler_of(cascade, 8), 3000, max_candidates=2500)
    assert (limited["end"], limited["num_drawn"]) == ("candidates", 2500)
    assert np.array_equal(limited["uniforms"], result["uniforms"][: len(limited["uniforms"])])


def test_dividing_where_draws_are_refused_saves_draws(cascade: shac.Cascade) -> None:
    ordered = sampler_of(cascade, 8)
    draw(ordered, 20_000)
    whole = core.Region(cascade.compiled_stages, cascade.space.num_columns, 0)
    by_mass = whole.refined(ordered.region.num_divided + 1)
    assert by_mass.num_divided == ordered.region.num_divided

    def draws(region: core.Region) -> int:
        return core.RegionSampler(region).sample(seed=1, count=5000)["num_drawn"]

    first = Regions(cascade.compiled_stages, cascade.space.num_columns).region(0, 8)
    assert draws(ordered.region) < draws(by_mass) < draws(first)


def test_nothing_is_divided_that_the_samples_left_do_not_pay_for(cascade: shac.Cascade) -> None:
    few = sampler_of(cascade, 4096, expected=10)
    draw(few, 3000)
    assert few.region.num_divided <= 4096
    many = sampler_of(cascade, 8, expected=300_000)
    draw(many, 3000)
    assert many.region.num_divided > 8


def test_a_region_that_turns_out_empty_while_drawing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    X = np.random.default_rng(0).random((2000, 6), dtype=np.float32)
    total = X[:, 0] + X[:, 1]
    models = [xgboost.XGBClassifier(n_estimators=60, n_jobs=1).fit(X, y) for y in (total < 0.6, total > 1.4)]
    monkeypatch.setattr(refining, "DIVIDING_SHARE", 1e9)
    empty = shac.Cascade(models, cascades.unit_space(6))
    sampler = sampler_of(empty, 2)
    with pytest.raises(shac.EmptyRegionError, match=r"passes 2 classifiers with relax=0: proven by dividing"):
        draw(sampler, 1000)


def test_shares_of_another_number_than_the_boxes_are_refused(cascade: shac.Cascade) -> None:
    region = core.Region(cascade.compiled_stages, cascade.space.num_columns, 0).refined(10)
    with pytest.raises(ValueError, match=r"share: expected one for each of \d+ boxes, got 3"):
        region.reordered(np.zeros(3))
