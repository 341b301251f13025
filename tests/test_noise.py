"""Noisy scores: how noisy they are is found from points that are left out."""

from typing import Any

import numpy as np
import pytest

import shac
from shac.engine.surrogate import RBFSurrogate

SPACE = shac.HyperParameterList([shac.UniformHP(name, 0.0, 1.0) for name in "abc"])


def valley(X: Any) -> Any:
    return np.square(np.asarray(X, dtype=np.float64) - 0.6).sum(axis=-1)


def surrogate(noise: float, *, estimate_noise: bool = True, count: int = 120) -> RBFSurrogate:
    random = np.random.default_rng(5)
    X = random.random((count, 3), dtype=np.float32)
    scores = valley(X) + noise * random.normal(size=count)
    return RBFSurrogate(SPACE, X, scores, "min", estimate_noise=estimate_noise)


def error(of: RBFSurrogate) -> float:
    X = np.random.default_rng(6).random((2000, 3), dtype=np.float32)
    X = X[valley(X) < 0.1]
    return float(np.sqrt(np.square(of.predicted_scores(X) - valley(X)).mean()))


def test_a_smooth_function_without_noise_is_gone_through() -> None:
    assert not surrogate(0.0).is_smoothed
    assert surrogate(0.0)._smoothing == surrogate(0.0, estimate_noise=False)._smoothing


@pytest.mark.parametrize("noise", [0.05, 0.1, 0.2])
def test_noise_is_found_and_predictions_are_better_for_it(noise: float) -> None:
    smoothed = surrogate(noise)
    assert smoothed.is_smoothed
    assert error(smoothed) < 0.8 * error(surrogate(noise, estimate_noise=False))


def test_many_points_do_not_slow_the_estimate_down() -> None:
    assert surrogate(0.1, count=1000).is_smoothed
    assert not surrogate(0.0, count=1000).is_smoothed


@pytest.mark.parametrize("count", [1, 2, 19])
def test_few_points_and_equal_scores_are_gone_through(count: int) -> None:
    assert not surrogate(0.2, count=count).is_smoothed
    X = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    assert not RBFSurrogate(SPACE, X, np.ones(50), "min", estimate_noise=True).is_smoothed
    assert not RBFSurrogate(SPACE, X, np.full(50, np.nan), "min", estimate_noise=True).is_smoothed
