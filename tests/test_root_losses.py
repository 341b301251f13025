"""Roots of losses in place of losses, where they are predicted better: steep valleys."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cascades import unit_space
from numpy.typing import NDArray
from scipy.stats import spearmanr

import shac
from shac.engine.smoothing import best_scale, best_smoothing
from shac.engine.surrogate import RBFSurrogate
from shac.sampling import PointCoordinates

Floats = NDArray[np.float64]
SPACE = unit_space(4)


def valley(X: NDArray[np.float32]) -> Floats:
    """A steep valley: most of what is better than the median is hardly different beside it."""
    result: Floats = (np.array([1, 4, 9, 16]) * (X.astype(np.float64) - 0.4) ** 2).sum(axis=1) ** 3
    return result


def waves(X: NDArray[np.float32]) -> Floats:
    result: Floats = np.sin(3 * X.astype(np.float64)).sum(axis=1)
    return result


def drawn(n: int, seed: int) -> NDArray[np.float32]:
    return shac.Cascade([], SPACE).sample(n, seed=seed)[0]


def surrogate(X: NDArray[np.float32], scores: Floats, objective: str = "min", *, root_losses: bool) -> RBFSurrogate:
    return RBFSurrogate(SPACE, X, scores, objective, estimate_noise=True, root_losses=root_losses)


@pytest.mark.parametrize(("objective", "sign"), [("min", 1.0), ("max", -1.0)])
def test_a_steep_valley_is_predicted_better_by_roots(objective: str, sign: float) -> None:
    X, others = drawn(150, 0), drawn(2000, 1)
    scores, truth = sign * valley(X), sign * valley(others)
    plain, rooted = (surrogate(X, scores, objective, root_losses=root) for root in (False, True))
    low = np.argsort(sign * truth)[:400]
    agreement = [spearmanr(fitted.predict(others[low]), sign * truth[low])[0] for fitted in (plain, rooted)]
    assert agreement[1] > agreement[0] + 0.03
    assert spearmanr(rooted.predicted_scores(others[low]), truth[low])[0] > 0


def test_predicted_scores_are_scores_whatever_the_surrogate_goes_through() -> None:
    X = drawn(150, 0)
    scores = valley(X)
    rooted = surrogate(X, scores, root_losses=True)
    assert rooted.predict(X).min() == pytest.approx(0, abs=0.01)
    better = scores < np.median(scores)
    assert np.median(rooted.predict(X)[better]) > 1.3 * np.median(scores[better] / np.median(scores))
    np.testing.assert_allclose(
        rooted.predicted_scores(X)[better], scores[better], rtol=0.1, atol=0.01 * np.median(scores)
    )


def test_the_error_of_roots_is_one_of_scores() -> None:
    X = drawn(150, 0)
    best = X[np.argsort(valley(X))[:15]]
    left_out = []
    for i in np.argsort(valley(X))[:15]:
        rest = np.delete(np.arange(150), i)
        others = surrogate(X[rest], valley(X[rest]), root_losses=True)
        left_out.append(abs(others.predicted_scores(X[[i]])[0] - valley(X[[i]])[0]))
    rooted = surrogate(X, valley(X), root_losses=True)
    assert rooted.error(best) * rooted.score_range == pytest.approx(np.quantile(left_out, 0.8), rel=0.5)


def test_a_smooth_function_is_gone_through_as_it_is() -> None:
    X = drawn(150, 0)
    plain, allowed = (surrogate(X, waves(X), root_losses=root) for root in (False, True))
    assert np.array_equal(plain.predict(drawn(50, 1)), allowed.predict(drawn(50, 1)))


@pytest.mark.parametrize("function", [valley, waves])
def test_the_smoothing_of_losses_is_the_same_where_roots_are_no_choice(function: Any) -> None:
    X = drawn(120, 3)
    losses = np.minimum(function(X), np.median(function(X)))
    losses = (losses - losses.min()) / (losses.max() - losses.min())
    coordinates = PointCoordinates(SPACE, X)
    exponent, smoothing = best_scale(coordinates, coordinates.of(X), losses)
    assert best_smoothing(coordinates, coordinates.of(X), losses**exponent) == smoothing
    assert (exponent == 1) == (function is waves)


def searched(tmp_path: Path, parameters: Any, *, root_losses: bool) -> list[list[Any]]:
    engine = shac.SHAC(None, parameters, 60, 6, "min", save_dir=tmp_path / f"{root_losses}", seed=1)
    strategy = replace(engine.strategy, root_losses=root_losses)
    engine = shac.SHAC(None, parameters, 60, 6, "min", save_dir=tmp_path / f"{root_losses}", seed=1, strategy=strategy)
    while batch := engine.ask(10):
        for setting in batch:
            x = np.array([[value for value in setting.values() if isinstance(value, float)]])
            engine.tell(setting, float(valley(x.astype(np.float32))[0]))
    return engine.dataset.X


def test_searches_of_choices_are_the_same_with_it_and_those_of_numbers_are_not(tmp_path: Path) -> None:
    numbers = [shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(4)]
    choices = [*numbers, shac.DiscreteHP("kind", ["a", "b"])]
    with_choices = [searched(tmp_path / "choices", choices, root_losses=root) for root in (False, True)]
    assert with_choices[0] == with_choices[1]
    with_numbers = [searched(tmp_path / "numbers", numbers, root_losses=root) for root in (False, True)]
    assert with_numbers[0] != with_numbers[1]
    assert with_numbers[0][:20] == with_numbers[1][:20]
