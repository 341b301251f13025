import subprocess
import sys
from pathlib import Path
from typing import Any

import cascades
import numpy as np
import pytest
import scipy.stats
import xgboost
from numpy.typing import NDArray

import shac
from shac.sampling.extension import core
from shac.sampling.refining import make_sampler
from shac.sampling.region import Regions

TESTS = Path(__file__).parent


def ridge(X: NDArray[Any]) -> NDArray[Any]:
    """A narrow curved valley, so that boxes and columns both matter."""
    result: NDArray[Any] = (X[:, 1] - 4 * (X[:, 0] - 0.5) ** 2) ** 2 + 0.1 * X.sum(axis=1)
    return result


def discrete_space() -> shac.HyperParameterList:
    choices = [shac.DiscreteHP(f"d{i}", list("abcde")) for i in range(4)]
    return shac.HyperParameterList([*choices, shac.LogUniformHP("lr", 1e-5, 1.0), shac.IntegerHP("width", 1, 40)])


def train_discrete(num_stages: int) -> list[xgboost.XGBClassifier]:
    models: list[xgboost.XGBClassifier] = []
    for stage in range(num_stages):
        X, _ = shac.Cascade(models, discrete_space()).sample(60, seed=stage, method="plain")
        scores = np.abs(X[:, :4] - [1, 2, 3, 2]).sum(axis=1) + (X[:, 4] + 4) ** 2 / 8 + np.abs(X[:, 5] - 20) / 10
        models.append(cascades.train_stage(X, scores))
    return models


# Each is a cascade, its space, and how many stages a sample may fail.
CASES: dict[str, tuple[Any, int, int]] = {
    "one column": (cascades.bowl, 1, 0),
    "two columns": (ridge, 2, 0),
    "two columns, relaxed": (ridge, 2, 1),
    "four columns": (cascades.bowl, 4, 0),
    "eight columns": (ridge, 8, 0),
    "discrete": (None, 6, 0),
    "discrete, relaxed": (None, 6, 2),
}


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[list[xgboost.XGBClassifier], shac.Cascade, int]:
    function, width, relax = CASES[request.param]
    if function is None:
        models = train_discrete(6)
        return models, shac.Cascade(models, discrete_space()), relax
    models = cascades.train_cascade(function, width, 6, 50)
    return models, shac.Cascade(models, cascades.unit_space(width)), relax


def region_samples(cascade: shac.Cascade, budget: int, relax: int, n: int, seed: int = 5) -> NDArray[np.float64]:
    """Uniforms of samples from the region after so many divisions."""
    regions = Regions(cascade.compiled_stages, cascade.space.num_columns)
    return regions.sampler(relax, budget).sample(seed=seed, count=n)["uniforms"]


def plain_samples(cascade: shac.Cascade, relax: int, n: int, seed: int = 6) -> NDArray[np.float64]:
    sampler = core.PlainSampler(cascade.compiled_stages, cascade.space.num_columns)
    return sampler.sample(seed=seed, count=n, relax=relax)["uniforms"]


def test_samples_have_the_distribution_of_plain_rejection_at_every_budget(
    case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int],
) -> None:
    """Kolmogorov-Smirnov on every column and chi-square on pairs of halves; family-wise error rate 1e-3 a case."""
    _, cascade, relax = case
    width, n = cascade.space.num_columns, 4000
    plain = plain_samples(cascade, relax, n)
    budgets = (1, 20, 300, 3000)
    level = 1e-3 / len(budgets) / (width + 1)
    medians = np.median(plain, axis=0)
    weights = 2 ** np.arange(min(width, 4))
    for budget in budgets:
        boxes = region_samples(cascade, budget, relax, n)
        for c in range(width):
            assert scipy.stats.ks_2samp(plain[:, c], boxes[:, c]).pvalue > level, (budget, c)
        cells = [np.bincount(((u > medians)[:, :4] @ weights).astype(int), minlength=16) for u in (plain, boxes)]
        counts = np.array(cells)[:, np.sum(cells, axis=0) > 20]
        assert scipy.stats.chi2_contingency(counts).pvalue > level, budget


def test_every_sample_passes_xgboost(case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int]) -> None:
    models, cascade, relax = case
    X, report = cascade.sample(500, seed=1, relax=relax, method="region")
    failures = sum((model.predict(X) == 0).astype(int) for model in models)
    assert X.shape == (500, cascade.space.num_columns)
    assert np.max(failures) <= relax
    assert report.method == "region"
    assert report.boxes > 0
    assert report.candidates == 500 + sum(report.rejected_by_stage)
    assert report.draws_per_sample == report.candidates / 500


def test_the_volume_holds_the_share_that_plain_rejection_accepts(
    case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int],
) -> None:
    """Clopper-Pearson at 1e-6 for each stage."""
    _, cascade, relax = case
    for stage in range(1, cascade.num_stages + 1):
        lower, upper = cascade.volume(stage, relax)
        assert 0 <= lower <= upper <= 1
        prefix = cascade.prefix(stage)
        X, _ = prefix.sample(400_000, seed=3, relax=relax, max_candidates=400_000, method="plain")
        interval = scipy.stats.binomtest(len(X), 400_000).proportion_ci(1 - 1e-6)
        assert lower <= interval.high
        assert upper >= interval.low


def test_more_divisions_never_loosen_the_bounds(
    case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int],
) -> None:
    _, cascade, relax = case
    region = core.Region(cascade.compiled_stages, cascade.space.num_columns, relax)
    previous = (0.0, 1.0)
    for budget in (1, 2, 5, 20, 100, 500, 2000):
        region = region.refined(budget)
        lower, upper = region.volume()
        assert lower >= previous[0] * (1 - 1e-9)
        assert upper <= previous[1] * (1 + 1e-9)
        previous = (lower, upper)


def test_a_sampler_keeps_its_distribution_whatever_is_made_of_its_region() -> None:
    """Two stumps, of which one may fail; a region that could be divided in place gave its sampler another share."""
    X = np.random.default_rng(0).random((20_000, 2), dtype=np.float32)
    labels = X[:, 0] < 0.25, X[:, 1] >= 0.5
    models = [xgboost.XGBClassifier(n_estimators=1, max_depth=1, n_jobs=1).fit(X, y) for y in labels]
    cascade = shac.Cascade(models, cascades.unit_space(2))
    region = core.Region(cascade.compiled_stages, 2, 1)
    sampler = core.RegionSampler(region)
    before = sampler.sample(seed=1, count=50_000)["uniforms"]
    divided = region.refined(100)
    again = divided.reordered(np.full(len(divided.boxes()[1]), 0.5))
    assert (region.num_divided, region.num_undecided, len(region.boxes()[1])) == (0, 1, 1)
    assert divided.num_undecided == 0
    assert np.array_equal(sampler.sample(seed=1, count=50_000)["uniforms"], before)
    samples = [core.RegionSampler(r).sample(seed=2, count=50_000)["uniforms"] for r in (divided, again)]
    for uniforms in (before, *samples):
        # x0 < 1/4 has 1/4 of an accepted 5/8; 5 standard deviations of the draws and of where the stumps were trained.
        assert (uniforms[:, 0] < 0.25).mean() == pytest.approx(0.4, abs=0.015)


def test_boxes_are_disjoint_and_what_they_leave_out_is_rejected(
    case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int],
) -> None:
    _, cascade, relax = case
    region = core.Region(cascade.compiled_stages, cascade.space.num_columns, relax).refined(200)
    bins, mass, accepted = region.boxes()
    plain = core.PlainSampler([], cascade.space.num_columns).sample(seed=8, count=5000)["uniforms"]
    X = cascade.prefix(0).sample(5000, seed=8)[0]
    passes = cascade.accepts(X, relax)
    places = np.stack(
        [
            np.searchsorted(region.edges(c).astype(float) / 2.0**core.UNIFORM_BITS, plain[:, c], side="right")
            for c in range(cascade.space.num_columns)
        ],
        axis=1,
    )
    above = places[:, None, :] >= bins[None, :, :, 0]
    below = places[:, None, :] < bins[None, :, :, 1]
    inside: NDArray[np.bool_] = np.all(above & below, axis=2)
    assert inside.sum(axis=1).max() <= 1
    assert not passes[np.logical_not(np.any(inside, axis=1))].any()
    assert passes[np.any(inside[:, accepted], axis=1)].all()
    assert mass[accepted].sum() == pytest.approx(region.accepted_mass)
    assert mass[~accepted].sum() == pytest.approx(region.undecided_mass)


def test_a_seed_gives_the_same_samples_for_any_threads_and_blocks(
    case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int],
) -> None:
    _, cascade, relax = case
    expected = cascade.draw(300, seed=9, relax=relax, threads=1, method="region")
    for threads in (1, 2, 3, 7):
        for block_size in (0, 1, 100):
            draw = cascade.draw(300, seed=9, relax=relax, threads=threads, block_size=block_size, method="region")
            assert np.array_equal(draw.X, expected.X)
            assert draw.rows == expected.rows
            assert draw.report.rejected_by_stage == expected.report.rejected_by_stage


def test_what_was_asked_before_does_not_change_the_samples() -> None:
    models = cascades.train_cascade(ridge, 4, 5, 50)
    space = cascades.unit_space(4)
    fresh = shac.Cascade(models, space).sample(100, seed=2)[0]
    asked = shac.Cascade(models, space)
    asked.volume()
    asked.sample(100_000, seed=1)
    assert np.array_equal(asked.sample(100, seed=2)[0], fresh)


@pytest.fixture(scope="module")
def contradiction() -> shac.Cascade:
    """Two stages that accept disjoint halves."""
    X = np.linspace(0, 1, 200, dtype=np.float32).repeat(2).reshape(-1, 2)
    models = [xgboost.XGBClassifier(n_estimators=20).fit(X, y) for y in (X[:, 0] < 0.4, X[:, 0] > 0.6)]
    return shac.Cascade(models, cascades.unit_space(2))


def test_an_empty_region_is_proven_at_once(contradiction: shac.Cascade) -> None:
    assert contradiction.volume() == (0, 0)
    with pytest.raises(shac.EmptyRegionError, match=r"no configuration passes 2 classifiers"):
        contradiction.sample(1, seed=0)
    with pytest.raises(shac.EmptyRegionError, match=r"proven by dividing the space into \d+ boxes"):
        contradiction.sample(1, seed=0, method="region")
    assert len(contradiction.sample(50, seed=0, relax=1)[0]) == 50
    assert len(contradiction.sample(0, seed=0)[0]) == 0


def test_relaxing_every_stage_leaves_the_prior(contradiction: shac.Cascade) -> None:
    assert contradiction.volume(relax=2) == (1, 1)
    assert contradiction.volume(0) == (1, 1)
    assert contradiction.sample(50, seed=0, relax=5)[1].candidates == 50


def test_a_limit_on_candidates_means_plain_rejection(case: tuple[Any, shac.Cascade, int]) -> None:
    _, cascade, relax = case
    X, report = cascade.sample(10, seed=4, relax=relax, max_candidates=10**8)
    assert report.method == "plain"
    assert np.array_equal(X, cascade.sample(10, seed=4, relax=relax, method="plain")[0])


def test_marginals_are_the_shares_of_samples_by_bin(
    case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int],
) -> None:
    """Where exact: chi-square against plain samples, error rate 1e-4 a column."""
    _, cascade, relax = case
    X, _ = cascade.sample(5000, seed=11, relax=relax, method="plain")
    lower, upper = cascade.volume(relax=relax)
    for c, marginal in enumerate(cascade.marginals(relax)):
        assert marginal.prior.sum() == pytest.approx(1)
        assert lower * (1 - 1e-6) <= marginal.surviving.sum() <= upper * (1 + 1e-6)
        assert np.all(marginal.surviving <= marginal.prior * (1 + 1e-9))
        assert np.all(np.diff(marginal.edges) >= 0)
        places = np.searchsorted(marginal.edges, X[:, c], side="right")
        counts = np.bincount(places, minlength=len(marginal.prior))
        expected = marginal.surviving / marginal.surviving.sum() * len(X)
        if marginal.exact.all():
            assert counts[expected == 0].sum() == 0
            large = expected > 5
            rest = [counts[~large].sum()], [expected[~large].sum()]
            counts = np.concatenate([counts[large], rest[0] if rest[1][0] > 5 else []])
            expected = np.concatenate([expected[large], rest[1] if rest[1][0] > 5 else []])
            statistic = ((counts - expected) ** 2 / expected).sum()
            assert scipy.stats.chi2.sf(statistic, len(counts)) > 1e-4
        else:
            assert np.abs(counts - expected).sum() < 0.2 * len(X)


def test_parameters_that_can_only_be_sampled_have_no_region() -> None:
    class OnlySampled(shac.AbstractHyperParameter):
        def sample(self) -> Any:
            return self.random.random()

    space = shac.HyperParameterList([OnlySampled("x")])
    cascade = shac.Cascade([], space)
    with pytest.raises(ValueError, match="quantile"):
        cascade.sample(1, method="region")
    with pytest.raises(ValueError, match="quantile"):
        cascade.marginals()
    assert cascade.volume() == (1, 1)
    assert len(cascade.sample(3, seed=0)[0]) == 3


def test_an_index_that_grew_is_the_one_of_a_cascade_that_is_built_at_once(
    case: tuple[list[xgboost.XGBClassifier], shac.Cascade, int],
) -> None:
    models, cascade, _ = case
    grown = shac.Cascade([], cascade.space)
    volumes = []
    for model in models:
        grown = grown.extended(model)
        volumes.append(grown.grown_volume())
    assert volumes[-1] == shac.Cascade(models, cascade.space).grown_volume()
    uppers = [volume.upper for volume in volumes]
    assert uppers == sorted(uppers, reverse=True)
    lower, upper = cascade.volume()
    assert volumes[-1].lower <= upper
    assert volumes[-1].upper >= lower


def test_two_hundred_thousand_boxes_fit_in_200_megabytes() -> None:
    """In thirty columns, with what building them takes; measured in a process of its own."""
    script = """
import resource, cascades, shac
from shac.sampling.extension import core
space = cascades.unit_space(30)
cascade = shac.Cascade(cascades.train_cascade(cascades.bowl, 30, 3, 60), space)
region = core.Region(cascade.compiled_stages, 30, 0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
region = region.refined(200_000)
print(region.num_undecided, region.num_divided)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=TESTS)
    counts, megabytes = run.stdout.splitlines()
    boxes, divided = map(int, counts.split())
    assert divided == 199_999
    assert boxes > 100_000
    assert float(megabytes) < 200 * boxes / 200_000


def test_the_pilot_that_chooses_a_method_is_not_drawn_again_to_draw_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pilots: list[int] = []

    class Watched:
        def __init__(self, sampler: core.RegionSampler) -> None:
            self.sampler = sampler

        def sample(self, **request: Any) -> Any:
            pilots.append(request["max_candidates"])
            return self.sampler.sample(**request)

    monkeypatch.setattr("shac.sampling.region.make_sampler", lambda *arguments: Watched(make_sampler(*arguments)))
    space = shac.HyperParameterList([shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(6)])
    X = np.random.default_rng(0).random((400, 6)).astype(np.float32)
    models = [xgboost.XGBClassifier(n_estimators=50, n_jobs=1).fit(X, X @ np.roll(X[0], i) < 1.2) for i in range(4)]
    cascade = shac.Cascade(models, space)
    method = cascade.method_for(100)
    num_pilots = len(pilots)
    assert num_pilots > 0
    cascade.method_for(100)
    assert len(pilots) == num_pilots
    assert method == cascade.method_for(100)
