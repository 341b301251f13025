"""Noisy scores: how noisy they are is found from points that are left out."""

from typing import Any

import numpy as np
import pytest

import shac
from shac.engine import smoothing
from shac.engine.smoothing import LEAST_SMOOTHING, best_smoothing, rbf_matrix
from shac.engine.surrogate import RBFSurrogate
from shac.sampling import PointCoordinates

SPACE = shac.HyperParameterList([shac.UniformHP(name, 0.0, 1.0) for name in "abc"])


def valley(X: Any) -> Any:
    return np.square(np.asarray(X, dtype=np.float64) - 0.6).sum(axis=-1)


def points_and_scores(noise: float, count: int) -> tuple[Any, Any]:
    random = np.random.default_rng(5)
    X = random.random((count, 3), dtype=np.float32)
    return X, valley(X) + noise * random.normal(size=count)


def is_smoothed(noise: float, count: int) -> bool:
    """Whether losses, from 0 for the best score to 1 for the median and all that is worse, are taken for noisy."""
    X, scores = points_and_scores(noise, count)
    losses = np.clip((scores - scores.min()) / max(np.median(scores) - scores.min(), 1e-9), 0.0, 1.0)
    coordinates = PointCoordinates(SPACE, X)
    return best_smoothing(coordinates, coordinates.of(X), losses) > LEAST_SMOOTHING


def error(of: RBFSurrogate) -> float:
    X = np.random.default_rng(6).random((2000, 3), dtype=np.float32)
    X = X[valley(X) < 0.1]
    return float(np.sqrt(np.square(of.predicted_scores(X) - valley(X)).mean()))


CHOICES = [shac.DiscreteHP(f"kind{i}", ["a", "b", "c", "d"]) for i in range(12)]


@pytest.mark.parametrize("count", [20, 45, 90, 300])
@pytest.mark.parametrize("parameters", [SPACE, [*SPACE, *CHOICES], CHOICES], ids=["numbers", "both", "choices"])
def test_errors_of_points_left_out_are_those_by_the_inverse_of_each_level(parameters: Any, count: int) -> None:
    space = shac.HyperParameterList(parameters)
    X = shac.Cascade([], space).sample(count, seed=0)[0]
    losses = np.random.default_rng(0).random(count)
    wanted = losses < 0.5
    coordinates = PointCoordinates(space, X)
    points = coordinates.of(X)
    kinds = losses, np.sqrt(losses)
    found = smoothing._errors_left_out(coordinates.cubes(points), coordinates.linear_terms(points), kinds, wanted)
    for own, levels in zip(kinds, found, strict=True):
        for level, errors in zip(smoothing._SMOOTHINGS, levels, strict=True):
            inverse = np.linalg.inv(rbf_matrix(coordinates, points, level))[:count, :count]
            expected = ((inverse @ own) / inverse.diagonal())[wanted]
            np.testing.assert_allclose(errors, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("count", [60, 120, 1000])
def test_a_smooth_function_without_noise_is_gone_through(count: int) -> None:
    assert not is_smoothed(0.0, count)


@pytest.mark.parametrize("count", [120, 1000])
@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_noise_is_found(noise: float, count: int) -> None:
    assert is_smoothed(noise, count)


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_predictions_of_noisy_scores_are_better_for_it(noise: float) -> None:
    X, scores = points_and_scores(noise, 120)
    smoothed, through = (RBFSurrogate(SPACE, X, scores, "min", estimate_noise=wanted) for wanted in (True, False))
    assert error(smoothed) < 0.8 * error(through)


@pytest.mark.parametrize("count", [1, 2, 19])
def test_few_points_are_gone_through(count: int) -> None:
    assert not is_smoothed(0.2, count)


@pytest.mark.parametrize("score", [1.0, np.nan])
def test_equal_scores_and_none_at_all_are_predicted_as_they_are(score: float) -> None:
    X, _ = points_and_scores(0.0, 50)
    surrogate = RBFSurrogate(SPACE, X, np.full(50, score), "min", estimate_noise=True)
    np.testing.assert_array_equal(surrogate.predicted_scores(X), score)
