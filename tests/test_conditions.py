import copy
import json
import pickle
from pathlib import Path
from typing import Any

import conditional
import numpy as np
import pytest
import scipy.stats
import xgboost
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import shac
from shac import MISSING
from shac.cli import main
from shac.insight import stage_marginals, view_of
from shac.sampling import draw_relaxing
from shac.sampling.bins import ThresholdBins
from shac.sampling.extension import core


@pytest.fixture(scope="module")
def models() -> list[xgboost.XGBClassifier]:
    return conditional.train(5)


@pytest.fixture(scope="module")
def cascade(models: list[xgboost.XGBClassifier]) -> shac.Cascade:
    return shac.Cascade(models, conditional.space())


def small_space() -> shac.HyperParameterList:
    return shac.HyperParameterList(
        [shac.DiscreteHP("kind", ["a", "b"]), shac.UniformHP("x", 0.0, 1.0), shac.IntegerHP("n", 1, 5)],
        conditions={"x": {"kind": "a"}, "n": {"kind": ["b"]}},
    )


def test_what_does_not_exist_is_absent_from_the_mapping_and_nan_for_classifiers() -> None:
    space = small_space()
    row = space.to_row({"kind": "a", "x": 0.25})
    assert row == ["a", 0.25, MISSING]
    np.testing.assert_array_equal(space.encode(row), np.array([0.0, 0.25, np.nan], dtype=np.float32))
    assert space.decode(space.encode(row)) == row
    assert dict(space.to_parameters(row)) == {"kind": "a", "x": 0.25}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"kind": "a"}, "parameter 'x': expected one, as it exists where kind is 'a', got none"),
        ({"kind": "a", "x": 0.5, "n": 3}, "parameter 'n': expected none, as it exists where kind is 'b', got one"),
        ({"x": 0.5}, r"missing \['kind'\]"),
        ({"kind": "a", "x": 0.5, "z": 1}, r"unknown \['z'\]"),
    ],
)
def test_a_setting_with_too_much_or_too_little_is_named(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small_space().to_row(setting)


def test_what_depends_on_a_missing_parameter_is_missing() -> None:
    space = conditional.space(())
    rows = space.sample_rows(5000, np.random.default_rng(0))
    names = [dict(space.to_parameters(row)) for row in rows]
    assert all(conditional.is_valid(setting, constrained=False) for setting in names)
    assert {"step" in setting for setting in names} == {True, False}


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"z": {"kind": "a"}}, "expected names among"),
        ({"x": {"z": "a"}}, "expected names of other parameters"),
        ({"x": {"x": 0.5}}, "expected names of other parameters"),
        ({"x": {"kind": "c"}}, "expected values of 'kind', got 'c'"),
        ({"x": {"kind": []}}, "expected 1 to 10000 values of 'kind', got 0"),
        ({"x": {}}, "expected a mapping from names of other parameters to values"),
        ({"x": "kind"}, "expected a mapping from names of other parameters to values"),
        ({"n": {"x": 0.5}}, "expected 'x' to be a discrete or integer parameter"),
        (
            {"n": {"kind": "a"}, "kind": {"n": 1}},
            r"expected no parameters that depend on each other, got \['n', 'kind'\]",
        ),
        ("x", "expected a mapping"),
    ],
)
def test_conditions_that_do_not_fit_are_named(conditions: Any, message: str) -> None:
    parameters = [shac.DiscreteHP("kind", ["a", "b"]), shac.UniformHP("x", 0.0, 1.0), shac.IntegerHP("n", 1, 5)]
    with pytest.raises(ValueError, match=message):
        shac.HyperParameterList(parameters, conditions=conditions)


def test_a_condition_can_come_with_its_parameter_and_goes_with_it() -> None:
    space = shac.HyperParameterList([shac.DiscreteHP("kind", ["a", "b"])])
    space.add_hyper_parameter(shac.UniformHP("x", 0.0, 1.0), when={"kind": "a"})
    with pytest.raises(ValueError, match=r"needed by \['x'\]"):
        space.remove_hyper_parameter("kind")
    with pytest.raises(ValueError, match="expected values of 'kind'"):
        space.add_hyper_parameter(shac.UniformHP("y", 0.0, 1.0), when={"kind": "z"})
    assert "y" not in space
    space.remove_hyper_parameter("x")
    assert not space.conditions
    space.remove_hyper_parameter("kind")


def test_there_is_one_missing() -> None:
    assert copy.deepcopy(MISSING) is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING  # noqa: S301
    assert not MISSING


@given(st.sets(st.integers(1, 60), min_size=1), st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_condition_holds_for_just_the_uniforms_that_give_its_values(values: set[int], logarithmic: bool) -> None:
    parameter = (shac.LogIntegerHP if logarithmic else shac.IntegerHP)("n", 1, 60)
    holds_first, changes = ThresholdBins(parameter).changes(np.unique(parameter.encode_array(sorted(values))))
    near = np.concatenate([changes.astype(np.int64) + d for d in (-1, 0, 1)] + [np.array([0, 2**52 - 1])])
    uniforms = np.concatenate([near, np.random.default_rng(0).integers(0, 2**52, 300)])
    uniforms = uniforms[(uniforms >= 0) & (uniforms < 2**52)]
    holds = holds_first == (np.searchsorted(changes, uniforms.astype(np.uint64), side="right") % 2 == 0)
    drawn = parameter.quantile((uniforms + 0.5) / 2**52)
    assert holds.tolist() == [value in values for value in drawn.tolist()]


@pytest.fixture(scope="module", params=[0, 1], ids=["strict", "relaxed"])
def by_hand(request: pytest.FixtureRequest, models: list[xgboost.XGBClassifier]) -> tuple[int, NDArray[np.float32]]:
    """How many stages may fail, and the prior filtered by hand."""
    return request.param, conditional.filtered_prior(models, 5000, seed=1, relax=request.param)


@pytest.mark.parametrize("method", ["plain", "region"])
def test_ten_thousand_samples_are_valid_and_distributed_as_by_filtering_by_hand(
    models: list[xgboost.XGBClassifier],
    cascade: shac.Cascade,
    by_hand: tuple[int, NDArray[np.float32]],
    method: Any,
) -> None:
    """Presence of every parameter and Kolmogorov-Smirnov on its values; family-wise error rate 1e-3 a case."""
    relax, X = by_hand
    draw = cascade.draw(10_000, seed=5, method=method, relax=relax)
    samples = [dict(cascade.space.to_parameters(row)) for row in draw.rows]
    assert len(samples) == 10_000
    assert all(conditional.is_valid(setting) for setting in samples)
    failures = sum((model.predict(draw.X) == 0).astype(int) for model in models)
    assert np.max(failures) <= relax
    names = cascade.space.get_parameter_names()
    level = 1e-3 / (2 * len(names))
    for c, name in enumerate(names):
        there = [~np.isnan(draw.X[:, c]), ~np.isnan(X[:, c])]
        counts = np.array([[t.sum(), len(t) - t.sum()] for t in there])
        if counts[:, 1].any():
            assert scipy.stats.chi2_contingency(counts).pvalue > level, name
        both = scipy.stats.ks_2samp(draw.X[there[0], c], X[there[1], c])
        assert both.pvalue > level, name
    assert draw.report.candidates == 10_000 + sum(draw.report.rejected_by_stage) + draw.report.rejected_by_constraints
    assert draw.report.rejected_by_constraints > 0


def test_plain_samples_are_the_first_candidates_of_the_prior_that_pass_everything(
    models: list[xgboost.XGBClassifier], cascade: shac.Cascade
) -> None:
    prior = shac.Cascade([], conditional.space(())).draw(200_000, seed=9)
    accepted = np.logical_and.reduce([model.predict(prior.X) == 1 for model in models])
    accepted &= cascade.space.satisfied(prior.rows)
    draw = cascade.draw(100, seed=9, method="plain")
    assert repr(draw.rows) == repr([prior.rows[i] for i in np.flatnonzero(accepted)[:100]])
    assert draw.report.candidates == np.flatnonzero(accepted)[99] + 1
    assert draw.next_candidate == draw.report.candidates


@pytest.mark.parametrize("method", ["plain", "region"])
def test_samples_do_not_depend_on_threads_or_blocks(cascade: shac.Cascade, method: Any) -> None:
    whole = cascade.draw(700, seed=2, method=method)
    for threads, block_size in ((1, 0), (2, 64), (3, 1000)):
        other = cascade.draw(700, seed=2, method=method, threads=threads, block_size=block_size)
        assert other.rows == whole.rows
        assert other.report.candidates == whole.report.candidates
        assert other.report.rejected_by_stage == whole.report.rejected_by_stage


def test_fewer_samples_are_the_first_of_more(cascade: shac.Cascade) -> None:
    whole = cascade.draw(700, seed=2, method="plain")
    few = cascade.draw(150, seed=2, method="plain")
    rest = cascade.draw(550, seed=2, method="plain", first_candidate=few.next_candidate)
    assert few.rows + rest.rows == whole.rows


def test_a_budget_of_candidates_counts_those_that_constraints_refuse(cascade: shac.Cascade) -> None:
    whole = cascade.draw(50, seed=4, method="plain")
    for budget in (0, 1, whole.report.candidates - 1, whole.report.candidates):
        draw = cascade.draw(50, seed=4, method="plain", max_candidates=budget)
        assert draw.rows == whole.rows[: len(draw.rows)]
        assert draw.report.candidates == budget
        assert draw.report.exhausted == (len(draw.rows) < 50)


def test_the_volume_and_the_marginals_count_what_is_missing(models: list[xgboost.XGBClassifier]) -> None:
    """Clopper-Pearson at 1e-6; the volume leaves constraints out."""
    free = shac.Cascade(models[:3], conditional.space(()))
    X, _ = free.sample(300_000, seed=3, max_candidates=300_000, method="plain")
    interval = scipy.stats.binomtest(len(X), 300_000).proportion_ci(1 - 1e-6)
    lower, upper = free.volume(max_boxes=20_000)
    assert lower <= interval.high
    assert upper >= interval.low
    shares = prior_share(free.space)
    for c, marginal in enumerate(free.marginals()):
        assert marginal.surviving.sum() + marginal.surviving_missing == pytest.approx(len(X) / 300_000, rel=0.1)
        assert marginal.prior.sum() + marginal.prior_missing == pytest.approx(1.0)
        assert marginal.prior.sum() == pytest.approx(shares[c], abs=0.01)
        missing = np.isnan(X[:, c]).sum() / 300_000
        assert marginal.surviving_missing == pytest.approx(missing, abs=0.1 * len(X) / 300_000)


def test_every_level_of_tables_and_the_exact_forest_agree_on_every_candidate(cascade: shac.Cascade) -> None:
    stages, width = cascade.compiled_stages, cascade.space.num_columns
    conditions = cascade._compiled.conditions[1]
    for relax in (0, 2):
        request: dict[str, Any] = {"seed": 11, "count": 20_000, "max_candidates": 20_000, "relax": relax}
        fast, exact = (
            core.PlainSampler(stages, width, tables, conditions).sample(**request) for tables in (True, False)
        )
        assert fast["candidates"].tolist() == exact["candidates"].tolist()
        assert len(fast["candidates"]) > 0


def test_relaxing_looks_at_candidates_that_satisfy_the_constraints(cascade: shac.Cascade) -> None:
    rows = draw_relaxing(cascade, 30, seed=1)
    assert len(rows) == 30
    assert all(cascade.space.satisfied(rows))


class OnlySampled(shac.AbstractHyperParameter):
    def sample(self) -> Any:
        return self.random.random() ** 2


def test_parameters_that_can_only_be_sampled_have_conditions_and_constraints_too() -> None:
    space = shac.HyperParameterList(
        [shac.DiscreteHP("kind", ["a", "b"]), OnlySampled("x"), shac.UniformHP("y", 0, 1)],
        conditions={"x": {"kind": "a"}},
        constraints=["x < y"],
    )
    draw = shac.Cascade([], space).draw(2000, seed=1)
    assert draw.rows == shac.Cascade([], space).draw(2000, seed=1).rows
    kinds = [row[0] for row in draw.rows]
    assert all((row[1] is MISSING) == (row[0] == "b") for row in draw.rows)
    assert all(row[0] == "b" or row[1] < row[2] for row in draw.rows)
    # x < y holds for two thirds of kind a: the mean of 1 - u^2.
    assert scipy.stats.binomtest(kinds.count("a"), 2000, (2 / 3) / (2 / 3 + 1)).pvalue > 1e-4
    assert draw.report.candidates == 2000 + draw.report.rejected_by_constraints


def evaluate(worker_id: int, parameters: dict[str, Any]) -> float:
    assert conditional.is_valid(dict(parameters))
    return conditional.score(parameters)


def search(folder: Path) -> shac.SHAC:
    engine = shac.SHAC(evaluate, conditional.space(), 60, 3, objective="min", save_dir=folder, seed=3)
    engine.evaluator_backend = "threading"
    return engine


def test_a_search_over_conditional_parameters_is_saved_and_restored(tmp_path: Path) -> None:
    engine = search(tmp_path)
    engine.fit(skip_cv_checks=True)
    settings = engine.predict(num_samples=20, seed=1)
    assert all(conditional.is_valid(dict(setting)) for setting in settings)
    restored = search(tmp_path)
    restored.restore_data()
    assert restored.predict(num_samples=20, seed=1) == settings
    assert restored.dataset.X == engine.dataset.X
    assert restored.dataset.parameters == conditional.space()
    frame = engine.dataset.to_pandas()
    assert frame["momentum"].isna().tolist() == [row[0] is MISSING for row in engine.dataset.X]


def test_asking_and_telling_gives_the_search_of_fit(tmp_path: Path) -> None:
    fitted = search(tmp_path / "fit")
    fitted.fit(skip_cv_checks=True)
    engine = search(tmp_path / "ask")
    for _ in range(3):
        for setting in engine.ask(20):
            engine.tell(setting, conditional.score(dict(setting)), skip_cv_checks=True)
    assert engine.dataset.X == fitted.dataset.X


def test_a_config_and_a_fingerprint_hold_conditions_and_constraints() -> None:
    space = conditional.space()
    config = json.loads(json.dumps(space.get_config()))
    assert config["step"][2] == {"when": {"schedule": ["step"]}}
    assert config[""] == ["constraints", list(conditional.CONSTRAINTS)]
    assert shac.HyperParameterList.load_from_config(config) == space
    prints = {
        space.fingerprint(),
        conditional.space(()).fingerprint(),
        conditional.space(["lr < 0.05"]).fingerprint(),
        small_space().fingerprint(),
    }
    assert len(prints) == 4


def test_a_table_has_an_empty_field_for_what_is_missing() -> None:
    dataset = shac.Dataset(small_space())
    dataset.add_sample({"kind": "a", "x": 0.5}, 1.0)
    dataset.add_sample(["b", MISSING, 4], 2.0)
    table = dataset.to_csv()
    assert table.splitlines()[1:] == ["0,a,0.5,,1.0", "1,b,,4,2.0"]
    assert shac.Dataset.from_csv(table, small_space()).X == dataset.X
    with pytest.raises(ValueError, match="parameter 'n': expected one"):
        dataset.add_sample(["b", MISSING, MISSING], 2.0)


def test_a_value_whose_text_is_empty_cannot_be_told_from_none() -> None:
    space = shac.HyperParameterList(
        [shac.DiscreteHP("kind", ["a", "b"]), shac.DiscreteHP("prefix", ["", "x"])],
        conditions={"prefix": {"kind": "a"}},
    )
    dataset = shac.Dataset(space)
    dataset.add_sample({"kind": "a", "prefix": ""}, 1.0)
    with pytest.raises(ValueError, match="parameter 'prefix': expected values whose text is not empty"):
        dataset.to_csv()


def prior_share(space: shac.HyperParameterList, n: int = 100_000) -> NDArray[np.float64]:
    X, _ = shac.Cascade([], space).sample(n, seed=1)
    return np.asarray((~np.isnan(X)).mean(axis=0))


def test_the_prior_of_a_conditional_parameter_is_that_of_the_others_times_its_own() -> None:
    shares = prior_share(conditional.space(()))
    expected = [2 / 3, 1, 1 / 3, 1 / 6, 1, 1 / 3, 1, 1, 3 / 4, 1 / 2, 1, 1, 3 / 8, 3 / 8]
    np.testing.assert_allclose(shares, expected, atol=5 * 0.5 / np.sqrt(100_000))


def test_pictures_and_the_report_show_what_does_not_exist(tmp_path: Path) -> None:
    engine = search(tmp_path / "run")
    engine.fit(skip_cv_checks=True)
    for plot in (shac.plot_parallel, shac.plot_region, shac.plot_importance, shac.plot_volume, shac.plot_history):
        plot(engine)
    marginals = {m.scale.name: m for m in stage_marginals(view_of(engine))}
    assert marginals["step"].presence[0] == pytest.approx(1 / 6)
    assert marginals["lr"].survivors().count("in ") == 0
    assert "in " in marginals["beta"].survivors()
    page = shac.write_report(engine, tmp_path / "report.html").read_text()
    assert "absent" in page
    assert "only where schedule is &#x27;step&#x27;" in page
    assert "batch * width_1 &lt;= 16384" in page
    shown = CliRunner().invoke(main, ["show", str(tmp_path / "run")])
    assert shown.exit_code == 0, shown.output
    predicted = CliRunner().invoke(
        main, ["predict", str(tmp_path / "run"), "-n", "5", "--seed", "1", "--format", "json"]
    )
    lines = [json.loads(line) for line in predicted.stdout.splitlines()]
    assert len(lines) == 5
    assert all(conditional.is_valid(setting) for setting in lines)


@pytest.mark.parametrize("strategy", ["paper", "pooled", "guided"])
def test_every_strategy_proposes_valid_settings_round_by_round(tmp_path: Path, strategy: str) -> None:
    engine = shac.SHAC(
        evaluate, conditional.space(), 200, 10, objective="min", save_dir=tmp_path, seed=5, strategy=strategy
    )
    engine.evaluator_backend = "threading"
    engine.fit(skip_cv_checks=True)  # `evaluate` refuses what is not valid
    assert len(engine.dataset) == 200
    assert np.isfinite(engine.dataset.Y).all()
    for setting in engine.predict(num_samples=30, seed=2):
        assert conditional.is_valid(dict(setting))
        assert engine.cascade.accepts(engine.cascade.space.encode_rows([engine.cascade.space.to_row(setting)]))[0]


class OnlyQuantile(shac.AbstractHyperParameter):
    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        return np.sqrt(u)


@pytest.mark.parametrize("parameter", [OnlyQuantile("x"), OnlySampled("x")])
def test_strategies_need_neither_a_cdf_nor_a_quantile(tmp_path: Path, parameter: shac.AbstractHyperParameter) -> None:
    space = [parameter, shac.DiscreteHP("k", ["a", "b"]), shac.UniformHP("y", 0, 1)]
    engine = shac.SHAC(
        lambda w, p: abs(p["x"] - 0.3) + p["y"], space, 240, 12, "min", save_dir=tmp_path, seed=1, strategy="guided"
    )
    engine.evaluator_backend = "threading"
    engine.fit()
    assert min(engine.dataset.Y) < 0.1
