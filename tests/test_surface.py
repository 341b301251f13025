"""The smooth surface through the scores of a search, and what is chosen by it."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cascades import unit_space
from conditional import score as conditional_score
from conditional import space as conditional_space
from numpy.typing import NDArray

import shac
from shac.engine import surrogate as module

Floats = NDArray[np.float64]

PURE_HEIGHT = 3  # the group of candidates of which the lowest is chosen, however close to points
MODULE = module.__name__


class Fitted:
    """The surface by the names of these tests."""

    def __init__(self, space: shac.HyperParameterList, X: NDArray[np.float32], scores: Any, objective: str = "min"):
        self._surface = module.RBFSurrogate(space, X, np.asarray(scores, dtype=np.float64), objective)
        self.num_points = self._surface.num_points
        self._space = space

    def best_of(self, rows: list[list[Any]], group_size: int) -> list[list[Any]]:
        return self._surface.best_of(rows, self._space.encode_rows(rows), group_size)

    def heights(self, X: NDArray[np.float32]) -> Floats:
        return self._surface.predict(X)


def heights_of(scores: Any, objective: str) -> Floats:
    """By hand: 0 for the best score, 1 for the median and all that is worse or failed."""
    scores = np.asarray(scores, dtype=np.float64)
    losses = np.where(np.isfinite(scores), -scores if objective == "max" else scores, np.inf)
    middle = np.median(losses[np.isfinite(losses)])
    result: Floats = (np.minimum(losses, middle) - losses.min()) / (middle - losses.min())
    return result


def bowl(X: NDArray[np.float32]) -> Floats:
    """A quadratic with its minimum at (0.3, 0.6)."""
    result: Floats = (X[:, 0] - 0.3).astype(np.float64) ** 2 + 2 * (X[:, 1] - 0.6).astype(np.float64) ** 2
    return result


@pytest.mark.parametrize("objective", ["min", "max"])
def test_the_surface_goes_through_its_points(objective: str) -> None:
    X = shac.Cascade([], unit_space(3)).sample(80, seed=0)[0]
    scores = np.sin(7 * X[:, 0]) + X[:, 1] * X[:, 2]
    scores[[4, 40]] = np.nan
    fitted = Fitted(unit_space(3), X, scores, objective)
    assert fitted.num_points == 80
    assert fitted.heights(X) == pytest.approx(heights_of(scores, objective), abs=0.01)


def test_the_surface_goes_through_points_of_every_kind_of_parameter() -> None:
    space = conditional_space()
    draw = shac.Cascade([], space).draw(80, seed=0)
    assert np.isnan(draw.X).any()
    scores = [conditional_score(space.to_parameters(row)) for row in draw.rows]
    fitted = Fitted(space, draw.X, scores)
    assert fitted.heights(draw.X) == pytest.approx(heights_of(scores, "min"), abs=0.01)


@pytest.mark.parametrize(("objective", "sign"), [("min", 1), ("max", -1)])
def test_the_lowest_candidate_of_a_quadratic_is_next_to_its_minimum(objective: str, sign: int) -> None:
    X = shac.Cascade([], unit_space(2)).sample(60, seed=0)[0]
    fitted = Fitted(unit_space(2), X, sign * bowl(X), objective)
    grid = [[x, y] for x in np.linspace(0.01, 0.99, 50).tolist() for y in np.linspace(0.01, 0.99, 50).tolist()]
    lowest = fitted.best_of(grid * (PURE_HEIGHT + 1), len(grid))[PURE_HEIGHT]
    assert np.abs(np.array(lowest) - [0.3, 0.6]).max() < 0.03
    assert fitted.heights(np.array([lowest], dtype=np.float32))[0] < heights_of(bowl(X), "min")[bowl(X) > 0.02].min()


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_equally_high_candidates_the_farther_from_all_points_is_chosen(order: int) -> None:
    X = np.array([[0.1, 0.1], [0.2, 0.9], [0.5, 0.5], [0.4, 0.2]], dtype=np.float32)
    fitted = Fitted(unit_space(2), X, np.ones(4))  # flat
    near, far = [0.55, 0.55], [0.95, 0.05]
    assert fitted.best_of([near, far][::order], 2) == [far]


def test_a_candidate_next_to_the_choice_before_it_is_not_farther() -> None:
    X = np.array([[0.5, 0.5], [0.5, 0.4], [0.4, 0.5]], dtype=np.float32)
    fitted = Fitted(unit_space(2), X, np.ones(3))
    corner, next_to_it, other = [0.99, 0.99], [0.97, 0.97], [0.1, 0.2]
    assert fitted.best_of([corner, [0.6, 0.6], next_to_it, other], 2) == [corner, other]
    assert fitted.best_of([next_to_it, other], 2) == [next_to_it]


def test_height_and_distance_take_turns_at_deciding() -> None:
    X = np.array([[x, y] for x in (0.0, 0.25, 0.5, 0.75, 1.0) for y in (0.0, 0.2)], dtype=np.float32)
    fitted = Fitted(unit_space(2), X, X[:, 0])
    low, far, high = [0.02, 0.1], [0.25, 0.95], [0.9, 0.1]
    heights = fitted.heights(np.array([low, far, high], dtype=np.float32))
    assert 0.2 < (heights[1] - heights[0]) / (heights[2] - heights[0]) < 0.6

    def choice(group: int) -> Any:
        """Choose in a group whose predecessors had nothing but a point to choose, which is no new place."""
        return fitted.best_of([[0.0, 0.0]] * 3 * group + [low, far, high], 3)[group]

    assert [choice(group) for group in (0, PURE_HEIGHT, PURE_HEIGHT + 1)] == [far, low, far]


def test_a_point_that_is_evaluated_already_is_not_chosen_again() -> None:
    X = shac.Cascade([], unit_space(2)).sample(30, seed=0)[0]
    fitted = Fitted(unit_space(2), X, bowl(X))
    known = [float(number) for number in X[np.argmin(bowl(X))]]
    other = [0.9, 0.05]
    assert fitted.best_of([known, other] * (PURE_HEIGHT + 1), 2)[0] == other
    assert [known] * (PURE_HEIGHT + 1) == fitted.best_of([known] * (PURE_HEIGHT + 1), 1)  # there is no other


def test_a_surface_of_many_points_goes_through_the_best_and_the_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    X = shac.Cascade([], unit_space(2)).sample(60, seed=0)[0]
    scores = np.arange(60.0)  # the oldest are the best
    scores[50:] = [20.5, 21.5, 22.5, 23.5, 24.5, 25.5, 26.5, 27.5, 28.5, 22.5]
    monkeypatch.setattr(f"{MODULE}._MOST_POINTS", 20)
    few = Fitted(unit_space(2), X, scores)
    expected = heights_of(scores, "min")
    assert few.num_points == 20
    kept = np.r_[:10, 50:60]
    assert few.heights(X[kept]) == pytest.approx(expected[kept], abs=0.06)  # such noise is smoothed a little
    left_out = np.abs(few.heights(X[10:50]) - expected[10:50])
    assert np.median(left_out) > 0.1


def test_many_categories_are_as_far_from_each_other_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    space = shac.HyperParameterList(
        [shac.DiscreteHP("a", [f"v{i}" for i in range(120)]), shac.UniformHP("x", 0.0, 1.0)]
    )
    X, others = (shac.Cascade([], space).sample(60, seed=seed)[0] for seed in (0, 1))
    scores = X[:, 0] % 7 + X[:, 1]
    predictions = []
    for most in (100, 1000):  # with coordinates of those that are known, and of all
        monkeypatch.setattr("shac.sampling.rbf._MOST_CATEGORIES", most)
        fitted = Fitted(space, X, scores)
        predictions.append(np.concatenate([fitted.heights(X), fitted.heights(others)]))
    assert predictions[0] == pytest.approx(predictions[1], abs=1e-6)


def test_a_search_among_thousands_of_names_takes_little_memory(tmp_path: Path) -> None:
    names = [f"m{i}" for i in range(12_000)]
    search = shac.SHAC(None, [shac.DiscreteHP("name", names)], 40, 4, save_dir=tmp_path / "s", seed=0)
    tracemalloc.start()
    while configurations := search.ask(10):
        for configuration in configurations:
            search.tell(configuration, -abs(int(configuration["name"][1:]) - 8000))
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
