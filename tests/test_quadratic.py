"""A quadratic model: where functions are smooth its optimum is found, elsewhere nothing changes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shac
from shac.engine.quadratic import _RIDGES, QuadraticModel

FIVE = [shac.UniformHP(name, -5.0, 5.0) for name in "abcde"]
MIDDLE = np.array([1.0, -2.0, 0.5, 3.0, -0.25])


def vector(setting: Any) -> Any:
    return np.array([setting[name] for name in "abcde"])


def bowl(setting: Any) -> float:
    return float(np.square(vector(setting) - MIDDLE).sum())


def waves(setting: Any) -> float:
    return bowl(setting) - 10 * float(np.cos(2 * np.pi * vector(setting)).sum())


def noisy_bowl(setting: Any) -> float:
    return bowl(setting) + 5.0 * float(np.random.default_rng(int(1e6 * (setting["a"] + 5))).normal())


def searched(tmp_path: Path, function: Any, space: Any = FIVE, sign: float = 1.0, **options: Any) -> shac.SHAC:
    """A search of 120 evaluations in 12 rounds; scores are the function's or their negatives."""
    options = {"total_budget": 120, "num_batches": 12, "objective": "min" if sign > 0 else "max", **options}
    engine = shac.SHAC(None, space, save_dir=tmp_path / "search", seed=2, **options)
    while batch := engine.ask():
        for setting in batch:
            engine.tell(setting, sign * function(setting))
    return engine


def fitted(noise: float, *, mixed: bool = True) -> QuadraticModel:
    random = np.random.default_rng(3)
    points = random.random((60, 3))
    hessian = np.array([[2.0, 0.9, 0.0], [0.9, 1.0, 0.2], [0.0, 0.2, 3.0]])
    away = points - 0.4
    model = QuadraticModel.fit(
        points, np.einsum("ni,ij,nj->n", away, hessian, away) / 2 + noise * random.normal(size=60), mixed=mixed
    )
    assert model is not None
    return model


def test_points_that_are_left_out_tell_a_parabola_from_noise() -> None:
    assert fitted(0.0).explained == pytest.approx(1.0)
    assert fitted(0.01).explained == pytest.approx(1.0, abs=0.05)
    assert fitted(1.0).explained < 0.5


def test_a_turned_parabola_needs_products_of_parameters() -> None:
    assert fitted(0.0, mixed=False).explained < 0.97
    low, high = np.zeros(3), np.ones(3)
    found = fitted(0.0).minimum(low, high)
    assert found is not None
    assert found.tolist() == pytest.approx([0.4] * 3, abs=1e-9)


def test_a_minimum_beyond_the_bounds_is_the_least_within_them() -> None:
    model, low, high = fitted(0.0), np.array([0.5, 0.0, 0.0]), np.ones(3)
    found = model.minimum(low, high)
    assert found is not None

    def height(point: Any) -> float:
        z = (point - model.center) / model.scale
        return float(model.gradient @ z + z @ model.hessian @ z / 2)

    assert found[0] == 0.5
    around = np.clip(found + 0.05 * np.random.default_rng(0).normal(size=(500, 3)), low, high)
    assert min(map(height, around)) >= height(found) - 1e-12


def test_a_saddle_has_no_minimum() -> None:
    points = np.random.default_rng(0).random((30, 2))
    model = QuadraticModel.fit(points, points[:, 0] ** 2 - points[:, 1] ** 2, mixed=True)
    assert model is not None
    assert model.minimum(np.zeros(2), np.ones(2)) is None


def test_points_that_do_not_determine_a_parabola_give_none() -> None:
    points = np.random.default_rng(0).random((30, 1)).repeat(2, axis=1)
    assert QuadraticModel.fit(points, points[:, 0] ** 2, mixed=True) is None
    assert QuadraticModel.fit(points, np.ones(30), mixed=False) is None


def points_of_a_bowl(count: int, *, noise: float = 0.0) -> tuple[Any, Any]:
    """Points in eight dimensions, where 45 terms would need more than these, around 0.4 with unequal sides."""
    random = np.random.default_rng(5)
    points = random.random((count, 8))
    return points, height_of_a_bowl(points) + noise * random.normal(size=count)


def height_of_a_bowl(points: Any) -> Any:
    return np.square(np.linspace(1.0, 4.0, 8) * (points - 0.4)).sum(axis=-1)


def test_fewer_points_than_terms_tell_nearly_where_a_bowl_ends() -> None:
    points, losses = points_of_a_bowl(36)
    assert QuadraticModel.fit(points, losses, mixed=True) is None
    model = QuadraticModel.fit_by_ridge(points, losses)
    assert model is not None
    assert model.explained > 0.8
    found = model.minimum(np.zeros(8), np.ones(8))
    assert found is not None
    assert height_of_a_bowl(found) < losses.min() / 3


def test_a_ridge_explains_what_points_left_out_say_that_it_does() -> None:
    points, losses = points_of_a_bowl(30, noise=0.5)
    model = QuadraticModel.fit_by_ridge(points, losses)
    assert model is not None
    errors = []  # of the kernel's ridge regression solved anew without each point, at the best of the ridges
    center, scale = points[np.argmin(losses)], points.std(axis=0)
    z = (points - center) / scale
    kernel = np.square(z @ z.T) / 4
    tail = np.concatenate([np.ones((30, 1)), z, np.square(z).sum(axis=1, keepdims=True) / 2], axis=1)
    for ridge in _RIDGES:
        left_out = []
        for i in range(30):
            others = np.delete(np.arange(30), i)
            matrix = np.zeros((29 + 10,) * 2)
            matrix[:29, :29] = kernel[np.ix_(others, others)] + ridge * kernel.diagonal().mean() * np.eye(29)
            matrix[:29, 29:], matrix[29:, :29] = tail[others], tail[others].T
            solution = np.linalg.solve(matrix, np.concatenate([losses[others], np.zeros(10)]))
            left_out.append(losses[i] - kernel[i, others] @ solution[:29] - tail[i] @ solution[29:])
        errors.append(np.square(left_out).sum())
    explained = 1 - min(errors) / np.square(losses - losses.mean()).sum()
    assert model.explained == pytest.approx(explained, rel=1e-6)


def test_points_in_one_line_give_no_ridge_either() -> None:
    points = np.random.default_rng(0).random((30, 1)).repeat(8, axis=1)
    assert QuadraticModel.fit_by_ridge(points, points[:, 0] ** 2) is None
    assert QuadraticModel.fit_by_ridge(np.random.default_rng(0).random((30, 8)), np.ones(30)) is None


def test_with_fifty_evaluations_a_ridge_goes_further_down_a_bowl_of_twenty_sides(tmp_path: Path) -> None:
    space = [shac.UniformHP(f"x{i}", -5.0, 5.0) for i in range(20)]

    def ellipsoid(setting: Any) -> float:
        return float((np.linspace(1, 2, 20) * np.square(np.array([*setting.values()]) - 1.5)).sum())

    found = {}
    for ridge in (True, False):
        strategy = dataclasses.replace(shac.SHAC(None, space, 50, 10).strategy, ridge_quadratic=ridge)
        options: Any = {"total_budget": 50, "num_batches": 10, "strategy": strategy}
        found[ridge] = searched(tmp_path / str(ridge), ellipsoid, space, **options).best_score
    assert found[True] < 0.5 * found[False]


def test_where_columns_are_few_a_search_goes_on_as_without_a_ridge(tmp_path: Path) -> None:
    whole = searched(tmp_path / "with", bowl)
    strategy = dataclasses.replace(whole.strategy, ridge_quadratic=False)
    assert whole.strategy.ridge_quadratic
    assert searched(tmp_path / "without", bowl, strategy=strategy).dataset.X == whole.dataset.X


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["min", "max"])
def test_the_bottom_of_a_bowl_is_found_to_the_last_digits(tmp_path: Path, sign: float) -> None:
    engine = searched(tmp_path, bowl, sign=sign)
    np.testing.assert_allclose(vector(engine.best_configuration), MIDDLE, atol=1e-5)


def test_without_the_model_it_is_not(tmp_path: Path) -> None:
    strategy = shac.Strategy(training_points="all", cross_validation=False, candidates="walk", candidates_per_sample=64)
    assert searched(tmp_path, bowl, strategy=strategy).best_score > 1e-4


@pytest.mark.parametrize(
    ("function", "space"),
    [
        (waves, FIVE),
        (bowl, [*FIVE[:-1], shac.IntegerHP("e", -5, 5)]),
        (noisy_bowl, FIVE),
    ],
    ids=["waves", "integers", "noise"],
)
def test_a_search_goes_on_as_without_where_there_is_no_parabola(tmp_path: Path, function: Any, space: Any) -> None:
    whole = searched(tmp_path / "with", function, space)
    strategy = dataclasses.replace(whole.strategy, quadratic_model=False)
    assert whole.strategy.quadratic_model
    assert searched(tmp_path / "without", function, space, strategy=strategy).dataset.X == whole.dataset.X


def test_batches_of_one_take_it_once_in_four(tmp_path: Path) -> None:
    engine = searched(tmp_path, bowl, num_batches=120)
    losses = np.array(engine.dataset.Y)
    begin = int(np.argmax(losses < 1e-6))
    assert begin % 4 == 0
    assert (losses[begin + 1 : begin + 4] > 1e-6).all()
