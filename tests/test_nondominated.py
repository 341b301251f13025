"""Ranks of several objectives, next to what their definitions say, one point at a time."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shac.nondominated import crowding_distances, front_of, nondominated_ranks, pareto_ranks
from shac.objectives import Objectives

# Few values: ties in one objective and equal points are what goes wrong
LOSSES = st.integers(2, 4).flatmap(
    lambda m: st.lists(
        st.tuples(*[st.sampled_from([-1.5, 0.0, 0.25, 1.0, 3.0]) | st.floats(-10, 10)] * m), min_size=1, max_size=25
    )
)


def dominates(a: Any, b: Any) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def fronts_one_after_the_other(points: list[Any]) -> list[int]:
    ranks: dict[int, int] = {}
    while left := [i for i in range(len(points)) if i not in ranks]:
        rank = max(ranks.values(), default=-1) + 1
        ranks |= {i: rank for i in left if not any(dominates(points[j], points[i]) for j in left)}
    return [ranks[i] for i in range(len(points))]


def crowding_of_each(points: list[Any]) -> list[float]:
    """By its definition, of the points that are different: the gap between neighbours over the range, summed."""
    distinct = sorted(set(points))
    result = []
    for point in points:
        total = 0.0
        for objective in range(len(point)):
            ordered = sorted(distinct, key=lambda one: (one[objective], one))
            place = ordered.index(point)
            if place in (0, len(ordered) - 1):
                total = np.inf
            elif (size := ordered[-1][objective] - ordered[0][objective]) > 0:
                total += (ordered[place + 1][objective] - ordered[place - 1][objective]) / size
        result.append(total)
    return result


@given(LOSSES)
def test_ranks_are_those_of_fronts_taken_away_one_after_the_other(points: list[Any]) -> None:
    expected = fronts_one_after_the_other(points)
    assert nondominated_ranks(points).tolist() == expected
    assert front_of(points).tolist() == [i for i, rank in enumerate(expected) if rank == 0]


@given(LOSSES)
def test_crowding_is_the_gap_between_the_neighbours_of_a_point(points: list[Any]) -> None:
    np.testing.assert_allclose(crowding_distances(points), crowding_of_each(points), rtol=1e-9)


@given(LOSSES, st.randoms(use_true_random=False))
def test_the_order_of_points_does_not_matter(points: list[Any], random: Any) -> None:
    places = list(range(len(points)))
    random.shuffle(places)
    shuffled = [points[place] for place in places]
    assert pareto_ranks(shuffled).tolist() == pareto_ranks(points)[places].tolist()


@given(LOSSES)
def test_a_rank_counts_the_points_that_are_better(points: list[Any]) -> None:
    fronts = fronts_one_after_the_other(points)
    crowding = np.empty(len(points))
    for front in set(fronts):
        members = [i for i, rank in enumerate(fronts) if rank == front]
        crowding[members] = crowding_distances([points[i] for i in members])
    keys = list(zip(fronts, (-crowding).tolist(), strict=True))
    assert pareto_ranks(points).tolist() == [sum(other < key for other in keys) for key in keys]


def test_what_has_no_loss_has_no_rank_and_changes_none() -> None:
    points = [[0.0, 1.0], [np.nan, -5.0], [1.0, 0.0], [-np.inf, np.inf], [2.0, 2.0]]
    np.testing.assert_equal(pareto_ranks(points), [0.0, np.nan, 0.0, np.nan, 2.0])
    assert front_of(points).tolist() == [0, 2]


def test_no_points_have_no_ranks() -> None:
    nothing = np.empty((0, 2))
    for function in (pareto_ranks, nondominated_ranks, crowding_distances, front_of):
        assert function(nothing).shape == (0,)


def test_losses_near_the_largest_float_are_ranked() -> None:
    points = np.array([[-1.7e308, 1.7e308], [-1e308, 1e308], [0.0, 0.0], [1.7e308, -1.7e308]])
    assert np.isfinite(crowding_distances(points)[1:3]).all()
    assert pareto_ranks(points).tolist() == [0.0, 3.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("best", "objective: expected 'max' or 'min', got 'best'"),
        (("max",), r"objective: expected 'max' or 'min', or two or more of them, got \('max',\)"),
        (("max", "up"), "objective: expected 'max' or 'min', or two or more of them, got"),
        ({"a": "max"}, "objective: expected 'max' or 'min', or two or more of them, got"),
        ({"a": "max", "scores": "min"}, "objective: expected names of columns but .*, got 'scores'"),
        ({"a": "max", 3: "min"}, "objective: expected names of columns but .*, got 3"),
        (2, "objective: expected 'max' or 'min', got 2"),
    ],
)
def test_objectives_that_are_none_are_named(objective: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Objectives.of(objective)


def test_objectives_come_back_from_what_a_file_has_of_them() -> None:
    for given_objective in (("max", "min"), {"seconds": "min", "accuracy": "max", "size": "min"}):
        objectives = Objectives.of(given_objective)
        assert objectives is not None
        assert Objectives.from_config(objectives.as_config()) == objectives
        assert objectives.as_given == given_objective
