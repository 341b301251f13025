"""A surrogate's equations are solved by a factorization that grows with the points."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shac
from shac.engine import factorization
from shac.engine.factorization import FIRST_POINTS, Factorization
from shac.engine.smoothing import rbf_matrix
from shac.engine.surrogate import RBFSurrogate
from shac.sampling import PointCoordinates

NUMBERS = [shac.UniformHP(name, 0.0, 1.0) for name in "abc"]
CHOICES = [shac.DiscreteHP(f"kind{i}", ["a", "b", "c", "d"]) for i in range(6)]
SPACES = pytest.mark.parametrize(
    "parameters", [NUMBERS, [*NUMBERS, *CHOICES], CHOICES], ids=["numbers", "both", "choices"]
)
LEVELS = pytest.mark.parametrize("smoothing", [1e-4, 0.1])


def points_of(parameters: Any, count: int) -> tuple[PointCoordinates, Any]:
    space = shac.HyperParameterList(parameters)
    X = shac.Cascade([], space).sample(count, seed=0)[0]
    coordinates = PointCoordinates(space, X)
    return coordinates, coordinates.of(X)


@SPACES
@LEVELS
def test_it_solves_the_equations_of_all_points(parameters: Any, smoothing: float) -> None:
    coordinates, points = points_of(parameters, 500)
    losses = np.random.default_rng(0).random(500)
    solution = Factorization.of(coordinates, points, smoothing).solve(losses)
    matrix = rbf_matrix(coordinates, points, smoothing)
    right = np.concatenate([losses, np.zeros(len(matrix) - 500)])
    residual = np.abs(matrix @ solution - right).max()
    assert residual <= 10 * np.abs(matrix @ np.linalg.solve(matrix, right) - right).max()


@SPACES
def test_grown_by_any_steps_it_is_that_of_all_points_to_the_last_bit(parameters: Any) -> None:
    coordinates, points = points_of(parameters, 700)
    losses = np.random.default_rng(0).random(700)
    grown = None
    for count in (257, 300, 301, 384, 470, 700):
        grown = Factorization.of(coordinates, points[:count], 1e-3, grown)
    assert grown is not None
    np.testing.assert_array_equal(grown.solve(losses), Factorization.of(coordinates, points, 1e-3).solve(losses))


@pytest.mark.parametrize("place", [3, 300, 469])
def test_points_that_others_took_the_place_of_are_forgotten(place: int) -> None:
    coordinates, points = points_of(NUMBERS, 600)
    losses = np.random.default_rng(0).random(600)
    others = points[:470].copy()
    others[place] += 0.125
    known = Factorization.of(coordinates, others, 1e-3)
    found = Factorization.of(coordinates, points, 1e-3, known)
    np.testing.assert_array_equal(found.solve(losses), Factorization.of(coordinates, points, 1e-3).solve(losses))


def test_another_smoothing_begins_anew() -> None:
    coordinates, points = points_of(NUMBERS, 400)
    known = Factorization.of(coordinates, points[:350], 1e-3)
    losses = np.random.default_rng(0).random(400)
    found = Factorization.of(coordinates, points, 1e-2, known).solve(losses)
    np.testing.assert_array_equal(found, Factorization.of(coordinates, points, 1e-2).solve(losses))


def predictions(count: int, *, grown: bool) -> Any:
    space = shac.HyperParameterList(NUMBERS)
    X = np.random.default_rng(1).random((count, 3), dtype=np.float32)
    scores = np.square(X - 0.4).sum(axis=1).astype(np.float64)
    surrogate = RBFSurrogate(space, X, scores, "min", grown_factorization=grown)
    return surrogate.predict(np.random.default_rng(2).random((50, 3), dtype=np.float32))


def test_few_points_are_solved_as_a_whole() -> None:
    np.testing.assert_array_equal(predictions(FIRST_POINTS, grown=True), predictions(FIRST_POINTS, grown=False))


def test_predictions_are_those_of_equations_solved_anew_but_for_their_last_bits() -> None:
    np.testing.assert_allclose(predictions(600, grown=True), predictions(600, grown=False), rtol=0, atol=1e-9)


def test_what_is_not_positive_definite_is_solved_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = predictions(400, grown=False)
    indefinite = np.diag([1.0, -1.0])
    monkeypatch.setattr(factorization, "_next_block", lambda *_: np.linalg.cholesky(indefinite))
    np.testing.assert_array_equal(predictions(400, grown=True), expected)


def table_of(num_engines: int) -> str:
    folder = Path(tempfile.mkdtemp())
    for part in range(num_engines):
        space = [shac.UniformHP(name, 0.0, 1.0) for name in "abc"]
        engine = shac.SHAC(None, space, 480, 8, objective="min", save_dir=folder, seed=3)
        if part:
            engine.restore_data()
        for _ in range(8 // num_engines):
            for configuration in engine.ask(60):
                engine.tell(configuration, sum((value - 0.3) ** 2 for value in configuration.values()))
    return (folder / "dataset.csv").read_text()


def test_a_search_that_was_stopped_goes_on_to_the_same_table() -> None:
    assert table_of(1) == table_of(4)
