"""What the benchmark of quality puts in the place of the library's own parts, to know what they are worth."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches

import shac
from shac.engine.proposals import propose

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _find_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def ablations() -> Any:
    return importlib.import_module("quality.ablations")


@pytest.fixture
def rivals() -> Any:
    return importlib.import_module("quality.rivals")


def task_of(rivals: Any, seen: list[float], budget: int = 60) -> Any:
    problem = importlib.import_module("quality.problems").PROBLEMS["branin"]
    function = problem.make()

    def recorded(configuration: Any) -> float:
        seen.append(function(configuration))
        return seen[-1]

    return rivals.Task(problem, recorded, budget, budget // 10, 3)


def fitted(**options: Any) -> shac.SHAC:
    search = searches.engine(strategy=shac.Strategy(**options))
    search.fit(skip_cv_checks=True)
    return search


@pytest.mark.parametrize("strategy", ["paper", "guided"])
def test_a_search_that_nothing_is_taken_from_is_that_of_the_library(rivals: Any, strategy: str) -> None:
    ours: list[float] = []
    theirs: list[float] = []
    best = rivals.ablated_search(task_of(rivals, ours), strategy, rivals.Ablation())
    assert best == rivals.shac_search(task_of(rivals, theirs), strategy)
    assert ours == theirs


@pytest.mark.parametrize(
    "name",
    [
        "forest",
        "region-points",
        "best-third",
        "sobol",
        "best-of-64-margins",
        "guided-margins",
        "guided-forest",
    ],
)
def test_every_ablation_spends_its_budget_on_another_search(rivals: Any, name: str) -> None:
    seen: list[float] = []
    own: list[float] = []
    best = rivals.CONTENDERS[name].run(task_of(rivals, seen))
    rivals.shac_search(task_of(rivals, own), "guided" if name.startswith("guided") else "paper")
    assert (len(seen), len(best)) == (60, 6)
    assert best[-1] == min(seen)
    assert seen != own


def test_a_sobol_batch_fills_every_part_of_the_space_once(ablations: Any) -> None:
    plan = searches.engine(None, total_budget=64, num_batches=4).plan
    x = np.array([row[0] for row in ablations.sobol(plan, 5)])
    assert sorted(((x + 5) / 15 * 16).astype(int)) == list(range(16))


def test_a_third_of_the_points_since_the_last_classifier_counts_as_better(ablations: Any) -> None:
    search = searches.engine()
    rows = [[float(i), 0.0] for i in range(7)]
    state = search.state.with_points(rows, [5.0, 1.0, np.nan, 4.0, 2.0, 3.0, 6.0])
    X, y = ablations.best_third(search.plan, state)
    assert X[:, 0].tolist() == list(range(7))
    assert y.tolist() == [0, 1, 0, 0, 1, 0, 0]


def test_points_of_the_region_are_those_that_all_classifiers_accept(ablations: Any) -> None:
    search = fitted(training_points="all", cross_validation=False)
    X, y = ablations.points_of_the_region(search.plan, search.state)
    inside = search.cascade.accepts(search.state.X)
    assert 4 <= inside.sum() < 60
    assert np.array_equal(X, search.state.X[inside])
    scores = search.state.scores[inside]
    assert np.array_equal(y, scores < np.sort(scores)[len(scores) // 2])


def test_the_largest_sum_of_margins_is_chosen_of_each_group(ablations: Any) -> None:
    search = fitted(candidates_per_sample=8)
    groups: list[list[Any]] = []

    def choose(plan: Any, state: Any, rows: list[list[Any]], group_size: int, **options: Any) -> list[list[Any]]:
        groups.extend(rows[i : i + group_size] for i in range(0, len(rows), group_size))
        chosen: list[list[Any]] = ablations.by_margins(plan, state, rows, group_size, **options)
        return chosen

    chosen = propose(search.plan, search.state, 5, seed=3, threads=1, choose=choose)
    for row, group in zip(chosen, groups, strict=True):
        sums = search.cascade.margins(search.state.space.encode_rows(group)).sum(axis=1, dtype=np.float64)
        assert row == group[int(sums.argmax())]


def test_a_forest_is_one_round_of_trees_on_parts_of_the_points(ablations: Any) -> None:
    search = fitted(trees=ablations.Forest(num_trees=30, min_child_weight=0.1))
    assert search.classifiers
    assert all(model.num_parallel_tree == 30 and model.n_estimators == 1 for model in search.classifiers)


def test_children_have_the_parameters_of_two_of_the_best_points(
    ablations: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = fitted(candidates="walk", candidates_per_sample=8, climb=True)
    plan, state = search.plan, search.state
    seen: list[Any] = []
    monkeypatch.setattr(ablations, "best_by_surrogate", lambda plan, state, rows, *_, **__: seen.extend(rows))
    monkeypatch.setattr(ablations, "_PART_OF_SPREAD", 0.0)
    monkeypatch.setattr(ablations, "error_left_out", lambda state: 1.0)
    rows = [list(row) for row in propose(plan, state, 8 * 8, seed=1, threads=1)]
    ablations.recombined(plan, state, rows, 8, seed=1, threads=1)
    chosen = state.space.encode_rows([list(row) for row in seen])
    parents = state.X[np.argsort(state.scores, kind="stable")[:8]]
    is_child = np.array([np.isclose(row, parents, rtol=1e-5).any(axis=0).all() for row in chosen])
    is_first_half = np.arange(64) // 8 % 4 < 2
    assert is_child[is_first_half].all()
    assert not is_child[~is_first_half].any()


def test_what_is_left_out_of_waves_is_predicted_worse_than_of_a_bowl(ablations: Any) -> None:
    state = searches.engine(None, total_budget=64, num_batches=4).state
    random = np.random.default_rng(0)
    rows = [[x, y] for x, y in zip(random.uniform(-5, 10, 60), random.uniform(0, 15, 60), strict=True)]
    bowl = [(x - 2.5) ** 2 + (y - 7.5) ** 2 for x, y in rows]
    waves = [height + 60 * np.cos(9 * x) * np.cos(9 * y) for height, (x, y) in zip(bowl, rows, strict=True)]
    assert ablations.error_left_out(state.with_points(rows, bowl)) < 0.1
    assert ablations.error_left_out(state.with_points(rows, waves)) > 0.5
    assert ablations.error_left_out(state.with_points(rows, [1.0] * 60)) == 0.0
