"""What the choices of a batch go by where there are several objectives."""

import numpy as np
import pytest
from numpy.typing import NDArray

import shac
from shac.engine.scalarising import (
    ParetoSurrogate,
    chebyshev,
    lost_hypervolume,
    reach,
    scaled_losses,
    spread_weights,
)
from shac.nondominated import pareto_ranks


def test_weights_are_spread_and_sum_to_one() -> None:
    of_two = spread_weights(2, 10, 5)
    assert sorted((of_two[:, 0] * 10).astype(int).tolist()) == list(range(10))
    for weights in (of_two, spread_weights(4, 10, 5)):
        np.testing.assert_allclose(weights.sum(axis=1), 1)
        assert (weights >= 0).all()
    np.testing.assert_array_equal(spread_weights(3, 7, 2), spread_weights(3, 7, 2))


def test_losses_are_scaled_by_the_range_of_the_front() -> None:
    losses = np.array([[0.0, 30.0], [2.0, 10.0], [1.0, 40.0], [9.0, 900.0], [np.nan, np.nan]])
    expected = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 1.5], [1.5, 1.5], [1.5, 1.5]])
    np.testing.assert_allclose(scaled_losses(losses), expected)
    assert np.isfinite(scaled_losses(np.full((3, 2), np.nan))).all()
    assert np.isfinite(scaled_losses(np.ones((3, 2)))).all()
    far_apart = np.array([[-1.7e308, 1.7e308], [1.7e308, -1.7e308], [0.0, 0.0]])
    np.testing.assert_allclose(scaled_losses(far_apart), [[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])


def test_the_hypervolume_that_a_point_adds_is_the_mean_over_directions() -> None:
    directions = spread_weights(2, 4000, 0)
    known = reach(np.array([[0.1, 0.6], [0.6, 0.1]]), directions).max(axis=0)
    nothing, some, more = -lost_hypervolume(np.array([[0.6, 0.6], [0.2, 0.2], [0.0, 0.0]]), known, directions)
    assert nothing < 0
    assert some / more == pytest.approx(0.16 / 0.46, rel=0.01)  # areas below (1.1, 1.1) that the two points leave
    directions = spread_weights(3, 20_000, 0)
    known = reach(np.array([[0.5, 0.5, 0.5]]), directions).max(axis=0)
    some, more = -lost_hypervolume(np.array([[0.2, 0.2, 0.2], [0.0, 0.0, 0.0]]), known, directions)
    assert some / more == pytest.approx((0.9**3 - 0.6**3) / (1.1**3 - 0.6**3), rel=0.01)


def two_losses(points: NDArray[np.float64]) -> NDArray[np.float64]:
    away = ((points[:, 1:] - 0.3) ** 2).sum(axis=1)
    return np.column_stack([points[:, 0] + away, 1 - points[:, 0] + away])


def test_each_choice_of_a_batch_has_weights_of_its_own() -> None:
    space = shac.HyperParameterList([shac.UniformHP(name, 0.0, 1.0) for name in "xyz"])
    random = np.random.default_rng(0)
    points = random.random((40, 3))
    losses = two_losses(points)
    X = space.encode_rows(points.tolist())
    weights = np.array([[1.0, 0.0], [0.0, 1.0]])
    surrogate = ParetoSurrogate(space, X, losses, pareto_ranks(losses), weights)
    rows = random.random((128, 3)).tolist()
    first, between, second = surrogate.best_of(rows * 3, np.concatenate([space.encode_rows(rows)] * 3), 128)
    assert first[0] < 0.2
    assert second[0] > 0.8
    scaled = scaled_losses(np.concatenate([losses, two_losses(np.array([first, between, second, *rows]))]))
    directions = spread_weights(2, 1000, 0)
    added = -lost_hypervolume(scaled[40:], reach(scaled[:41], directions).max(axis=0), directions)
    assert added[1] > 0.4 * added.max()  # of what the points, and the choice before it, leave


def test_a_chebyshev_function_is_the_largest_weighted_loss_and_a_share_of_the_sum() -> None:
    assert chebyshev(np.array([[0.2, 0.4]]), np.array([0.5, 0.5]))[0] == pytest.approx(0.2 + 0.05 * 0.3)
