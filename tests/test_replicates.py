"""Configurations that are evaluated again: how noisy scores are, and which configuration is the best by their mean."""

import io
import json
import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import shac
from shac.cli import main
from shac.engine.repeating import _num_rungs
from shac.integrations.optuna import SHACSampler
from shac.progress.lines import SearchLines
from shac.progress.search import SearchProgress
from shac.replicates import Replicates

SPACE = [shac.UniformHP("x", 0.0, 1.0), shac.UniformHP("y", 0.0, 1.0)]


def noisy_valley(worker_id: int, setting: Any) -> float:
    seed = shac.evaluation_seed()
    assert seed is not None
    return valley(setting) + 0.05 * float(np.random.default_rng(seed).normal())


def valley(setting: Any) -> float:
    return float((setting["x"] - 0.3) ** 2 + (setting["y"] - 0.6) ** 2)


def searched(
    tmp_path: Path, noise: float, budget: int = 200, parts: int = 1, unit: float = 1.0, **options: Any
) -> shac.SHAC:
    """A search in 20 rounds; the noise of an evaluation is of its number."""
    engine = shac.SHAC(None, SPACE, budget, 20, "min", save_dir=tmp_path / f"{noise}-{parts}-{unit}", seed=4, **options)
    random = np.random.default_rng(0)
    while batch := engine.ask(budget // 20 // parts):
        for setting in batch:
            engine.tell(setting, unit * (valley(setting) + noise * random.normal()))
    return engine


def repeated(engine: shac.SHAC) -> dict[int, int]:
    """The numbers of evaluations of what was evaluated before, with how often."""
    seen: Counter[str] = Counter()
    again = {}
    for number, row in enumerate(engine.dataset.X):
        if seen[repr(row)]:
            again[number] = seen[repr(row)]
        seen[repr(row)] += 1
    return again


def dataset(xs: list[float], scores: list[float], objective: str = "max") -> shac.Dataset:
    result = shac.Dataset([SPACE[0]])
    result.objective = objective
    for x, score in zip(xs, scores, strict=True):
        result.add_sample([x], score)
    return result


@pytest.mark.parametrize(("sign", "objective"), [(1.0, "max"), (-1.0, "min")])
def test_of_equally_good_configurations_the_one_among_good_ones_is_named(sign: float, objective: str) -> None:
    xs = [0.1, 0.12, 0.08, 0.15, 0.05, 0.11, 0.9, 0.92, 0.88, 0.95, 0.85, 0.91]
    scores = [1.0, *[0.5] * 5, 1.0, *[0.9] * 5]
    equal = dataset(xs, [sign * score for score in scores], objective)
    assert dict(equal.get_best_parameters()) == {"x": 0.9}
    assert [i for i, _ in equal.ranked()] == [6, 0, 7, 8, 9, 10, 11, 1, 2, 3, 4, 5]
    assert [i for i, _ in dataset(xs, [1.0] * 12).ranked()] == [*range(12)]


def test_equal_means_of_noisy_scores_are_told_apart_by_the_configurations_around_them() -> None:
    xs = [0.1, 0.12, 0.08, 0.15, 0.05, 0.11, 0.9, 0.92, 0.88, 0.95, 0.85, 0.91]
    noisy = dataset([*xs, 0.1, 0.9], [1.0, *[0.25] * 5, 1.0, *[0.5] * 5, 1.25, 1.25])
    assert noisy.ranked()[:2] == [(6, 1.125), (0, 1.125)]
    assert dict(noisy.get_best_parameters()) == {"x": 0.9}


def test_equals_are_near_others_by_the_order_of_numbers_whatever_their_logarithms() -> None:
    rows = [[10.0**-i] for i in range(14)]
    scores = [*[0.9] * 3, 1.0, *[0.9] * 2, *[0.1] * 3, 0.6, 1.0, *[0.6] * 3]
    assert Replicates.of(rows, scores, "max").ranked()[0].number == 3


def test_equals_are_near_others_of_the_same_choices() -> None:
    rows = [[kind, number] for kind in "ab" for number in range(7)]
    scores = [*[0.5] * 3, 1.0, *[0.5] * 3, *[0.9] * 3, 1.0, *[0.9] * 3]
    assert Replicates.of(rows, scores, "max").ranked()[0].number == 10


def test_a_few_hundred_of_thousands_of_equals_are_looked_at() -> None:
    random = np.random.default_rng(0)
    xs = random.random(3000).tolist()
    ranked = Replicates.of([[x] for x in xs], [float(x > 0.5) for x in xs], "max").ranked()
    assert len(ranked) == 3000
    assert xs[ranked[0].number] > 0.5


@pytest.mark.parametrize(("sign", "objective"), [(1.0, "max"), (-1.0, "min")])
def test_the_best_mean_of_noisy_scores_is_better_than_the_luckiest_score(sign: float, objective: str) -> None:
    noisy = dataset([0.1, 0.2, 0.3, 0.2, 0.2], [sign * score for score in (1.0, 1.3, 1.35, 1.2, 1.4)], objective)
    assert dict(noisy.get_best_parameters()) == {"x": 0.2}
    assert [(i, round(sign * score, 6)) for i, score in noisy.ranked()] == [(1, 1.3), (2, 1.35), (0, 1.0)]


def test_a_mean_of_bad_scores_does_not_make_a_configuration_the_best() -> None:
    assert dict(dataset([0.1, 0.2, 0.2], [1.0, 0.5, 0.4]).get_best_parameters()) == {"x": 0.1}


@given(st.lists(st.tuples(st.sampled_from([0.0, -0.0, 1, 1.0, True]), st.integers(0, 1)), min_size=1), st.data())
def test_keys_spare_comparisons_and_change_nothing(rows: list[Any], data: st.DataObject) -> None:
    scores = data.draw(st.lists(st.sampled_from([0.0, 1.0, math.nan]), min_size=len(rows), max_size=len(rows)))
    plain = Replicates.of(rows, scores, "min")
    by_keys = Replicates.of(rows, scores, "min", keys=[hash(row) for row in rows])  # 1, 1.0 and True have the same
    for one, other in ((plain.groups, by_keys.groups), (plain.losses, by_keys.losses)):
        np.testing.assert_array_equal(one, other)
    assert repr(plain.rows) == repr(by_keys.rows)


def test_scores_that_agree_are_not_noisy() -> None:
    exact = dataset([0.1, 0.2, 0.2, 0.2, 0.3], [0.7, 0.1, 0.1, 0.1, 0.7])
    assert exact.ranked() == [(0, 0.7), (4, 0.7), (1, 0.1), (2, 0.1), (3, 0.1)]
    assert Replicates.of(exact.X, exact.Y, "max").noise == 0


def test_the_noise_is_the_standard_deviation_within_configurations() -> None:
    random = np.random.default_rng(1)
    xs = np.repeat(np.arange(300), 4)
    found = Replicates.of([[float(x)] for x in xs], (5.0 * xs + 2.0 * random.normal(size=len(xs))).tolist(), "min")
    assert found.noise == pytest.approx(2.0, rel=0.1)
    assert found.counts.tolist() == [4.0] * 300


def test_failed_evaluations_say_nothing_of_noise() -> None:
    assert Replicates.of([[0.1], [0.1], [0.2]], [1.0, float("nan"), 2.0], "max").noise is None


def test_a_noisy_search_ends_with_more_and_more_evaluations_of_fewer_configurations(tmp_path: Path) -> None:
    engine = searched(tmp_path, 0.05)
    again = repeated(engine)
    assert [number for number in again if number < 170] == [120]
    assert [number for number in again if number >= 170] == list(range(170, 200))
    rounds = [{repr(engine.dataset.X[i]) for i in range(begin, begin + 10)} for begin in (170, 180, 190)]
    assert [len(of) for of in rounds] == [10, 5, 3]


def test_the_more_evaluations_are_made_again_the_more_parts_they_have(tmp_path: Path) -> None:
    engine = searched(tmp_path, 0.05, budget=1000)
    rounds = [{repr(engine.dataset.X[i]) for i in range(begin, begin + 50)} for begin in (850, 900, 950)]
    assert [len(of) for of in rounds] == [39, 17, 9]  # four parts, of 37, 18, 9 and 4
    assert [_num_rungs(budget) for budget in (1, 15, 30, 60, 150, 285)] == [3, 3, 3, 3, 4, 5]


def test_what_a_noisy_search_says_is_the_best_is_better_than_its_luckiest_score(tmp_path: Path) -> None:
    engine = searched(tmp_path, 0.05)
    luckiest = engine.dataset.X[int(np.argmin(engine.dataset.Y))]
    assert valley(engine.best_configuration) < valley(dict(zip("xy", luckiest, strict=True)))
    best = [*engine.best_configuration.values()]
    scores = [score for row, score in zip(engine.dataset.X, engine.dataset.Y, strict=True) if row == best]
    assert len(scores) > 2
    assert engine.best_score == pytest.approx(np.mean(scores))
    (first, *_) = engine.recommend(2)
    assert (first.configuration, first.score) == engine.top(1)[0]


def test_all_that_shows_a_noisy_search_shows_the_mean_score_of_its_best_configuration(tmp_path: Path) -> None:
    engine = searched(tmp_path, 0.05)
    mean, luckiest = engine.best_score, min(engine.dataset.Y)
    assert luckiest < mean - 0.01
    count = sum(row == [*engine.best_configuration.values()] for row in engine.dataset.X)
    shown = CliRunner().invoke(main, ["show", str(engine.save_dir)]).stdout
    assert f"{mean:.6g} (mean of {count} evaluations, the first is" in shown
    head, evaluations = (
        line.split()
        for line in shown.partition("Best configurations")[2].partition("Stages")[0].splitlines()
        if line.split()[:1] in (["parameter"], ["evaluations"])
    )
    as_json = json.loads(CliRunner().invoke(main, ["show", "--format", "json", str(engine.save_dir)]).stdout)
    best = as_json["best"]
    assert (best[0]["score"], best[0]["num_evaluations"]) == (mean, count)
    assert head[1:] == [f"{entry['score']:.5g}" for entry in best]
    assert evaluations[1:] == [str(entry["num_evaluations"]) for entry in best]
    page = tmp_path / "report.html"
    shac.write_report(engine, page)
    assert f"<b>{mean:.5g}</b><span>best mean score (minimise)</span>" in page.read_text()
    assert f"<td>{mean:.6g}</td><td>{count}</td>" in page.read_text()
    assert f"{mean:.4g} (dark)" in shac.plot_parallel(engine).get_title(loc="left")
    assert f"configurations of 2 parameters, best {mean:.6g})" in repr(engine.dataset)
    assert f">{mean:.6g}</td>" in engine.dataset._repr_html_()
    (line,) = [line for line in shac.plot_history(engine).lines if line.get_label() == "best so far"]
    assert np.asarray(line.get_ydata())[-1] == pytest.approx(mean)


def test_progress_tells_the_mean_score_of_the_best_configuration(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = shac.SHAC(noisy_valley, SPACE, 100, 10, "min", save_dir=tmp_path / "run", seed=4)
    engine.concurrent_evaluators()
    history = engine.fit(callbacks=[SearchLines()], progress=False, max_evaluations=90)
    mean = engine.best_score
    assert min(engine.dataset.Y) < mean - 0.01
    assert history.history["best"][-1] == mean
    assert history.history["best"][:6] == [min(engine.dataset.Y[:n]) for n in range(10, 61, 10)]
    assert f"best {mean:.6g}, " in capsys.readouterr().err.splitlines()[-1]
    output = io.StringIO()
    bar = SearchProgress(Console(file=output, force_terminal=True, width=120))
    engine.fit(callbacks=[bar], progress=False)
    assert re.findall(r"best (\S+),", output.getvalue())[-1] == f"{engine.best_score:.5g}"


@given(
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from([math.nan, *np.linspace(-1, 1, 9)])), max_size=40),
    st.sampled_from(["max", "min"]),
)
def test_the_best_so_far_is_the_best_of_the_evaluations_up_to_each(told: list[Any], objective: str) -> None:
    found = dataset([place / 4 for place, _ in told], [float(score) for _, score in told], objective)
    sign = -1.0 if objective == "max" else 1.0
    known = Replicates.of(found.X, found.Y, objective)
    best = known.best_losses()
    assert len(best) == len(known.indices)
    for i, end in enumerate(known.indices + 1):
        ranked = Replicates.of(found.X[:end], found.Y[:end], objective).ranked()
        tied = [entry.loss for entry in ranked if entry.bound <= ranked[0].bound + 1e-9]
        assert np.isclose(best[i], tied, atol=1e-9).any()
    if len(best):
        assert sign * found.ranked()[0][1] == pytest.approx(known.ranked()[0].loss)


@pytest.mark.parametrize("unit", [2.0**1020, 2.0**-900])
@pytest.mark.filterwarnings("error")
def test_noisy_scores_at_the_ends_of_float64_are_repeated_as_others_are(tmp_path: Path, unit: float) -> None:
    usual, strange = searched(tmp_path, 0.1, budget=100), searched(tmp_path, 0.1, budget=100, unit=unit)
    assert repeated(usual)
    assert strange.dataset.X == usual.dataset.X
    assert strange.dataset.ranked() == [(number, unit * score) for number, score in usual.dataset.ranked()]


def test_a_search_without_noise_repeats_one_evaluation(tmp_path: Path) -> None:
    engine = searched(tmp_path, 0.0)
    assert repeated(engine) == {120: 1}
    assert engine.dataset.X[120] == engine.dataset.X[int(np.argmin(engine.dataset.Y[:120]))]


def test_differences_in_the_last_bits_are_no_noise(tmp_path: Path) -> None:
    assert len(repeated(searched(tmp_path, 1e-14))) == 1


@pytest.mark.parametrize("options", [{"budget": 80}, {"pruning": "median"}], ids=["few", "pruning"])
def test_few_evaluations_and_searches_that_prune_repeat_nothing(tmp_path: Path, options: Any) -> None:
    assert not repeated(searched(tmp_path, 0.05, **options))


def test_a_round_that_is_asked_for_in_parts_repeats_the_same(tmp_path: Path) -> None:
    whole, parts = (searched(tmp_path, 0.05, parts=parts) for parts in (1, 5))
    assert whole.dataset.X == parts.dataset.X


def test_a_strategy_repeats_the_best_only_if_it_is_told_to(tmp_path: Path) -> None:
    named = shac.SHAC(None, SPACE, 200, 20, "min", save_dir=tmp_path / "named", seed=4).strategy
    assert named.repeat_best
    assert not repeated(searched(tmp_path, 0.05, strategy=replace(named, repeat_best=False)))


def test_studies_of_optuna_repeat_nothing_as_their_best_trial_has_the_best_score() -> None:
    sampler = SHACSampler(points_per_classifier=10, max_classifiers=19, seed=1)
    study = optuna.create_study(sampler=sampler)
    random = np.random.default_rng(0)
    study.optimize(lambda trial: (trial.suggest_float("x", 0.0, 1.0) - 0.3) ** 2 + 0.05 * random.normal(), 200)
    assert len({trial.params["x"] for trial in study.trials}) == 200
