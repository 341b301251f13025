"""The problems: what is minimised, over which space, and what is known of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from benchmarks.quality.axes import Axis, Choice, Number
    from benchmarks.quality.real import (
        BOOSTING_AXES,
        MLP_AXES,
        SVC_AXES,
        boosting_table,
        mlp_table,
        svc_cancer,
        svc_digits,
    )
else:
    from quality.axes import Axis, Choice, Number
    from quality.real import (
        BOOSTING_AXES,
        MLP_AXES,
        SVC_AXES,
        boosting_table,
        mlp_table,
        svc_cancer,
        svc_digits,
    )

__all__ = ["PROBLEMS", "CheckError", "Problem", "check"]

Function = Callable[[dict[str, Any]], float]


class CheckError(Exception):
    """An answer that is known came out wrong."""


@dataclass(frozen=True)
class Problem:
    """A function to minimise.

    Parameters
    ----------
    name : str
        Its key in `PROBLEMS`.
    axes : tuple of Axis
        The search space.
    make : callable
        Gives the function; tables and test suites are made then.
    known : sequence of (setting, value)
        Answers that are known beforehand.
    optimum : float or None
        The lowest value, where it is known.
    is_cheap : bool
        Whether an evaluation takes less than a millisecond or so.
    """

    name: str
    axes: tuple[Axis, ...]
    make: Callable[[], Function]
    known: tuple[tuple[dict[str, Any], float], ...] = ()
    optimum: float | None = None
    is_cheap: bool = True


def check(problem: Problem) -> None:
    """Raise unless the answers that are known come out, and none of 1,000 random settings is below the optimum."""
    function = problem.make()
    for setting, value in problem.known:
        got = function(setting)
        if not math.isclose(got, value, rel_tol=1e-5, abs_tol=1e-6):
            raise CheckError(f"{problem.name}: expected {value} at {setting}, got {got}")
    if problem.optimum is not None:
        random = np.random.default_rng(0)
        for _ in range(1000 if problem.is_cheap else 20):
            setting = {axis.name: axis.draw(random) for axis in problem.axes}
            if function(setting) < problem.optimum - 1e-9:
                raise CheckError(f"{problem.name}: {setting} is below the optimum {problem.optimum}")


def _floats(count: int, low: float, high: float) -> tuple[Axis, ...]:
    return tuple(Number(f"x{i}", low, high) for i in range(count))


def _setting(point: Any) -> dict[str, float]:
    return {f"x{i}": float(value) for i, value in enumerate(point)}


def _of_vector(function: Callable[[Any], float]) -> Function:
    return lambda setting: float(function(np.array(list(setting.values()), dtype=np.float64)))


def _branin(x: Any) -> float:
    valley = (x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6) ** 2
    return float(valley + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10)


_HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_WIDTHS = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann6(x: Any) -> float:
    return -float(_HEIGHTS @ np.exp(-(_WIDTHS * (x - _CENTRES) ** 2).sum(axis=1)))


def _rosenbrock(x: Any) -> float:
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())


def _ackley(x: Any) -> float:
    return float(-20 * np.exp(-0.2 * np.sqrt((x**2).mean())) - np.exp(np.cos(2 * np.pi * x).mean()) + 20 + np.e)


def _shifted_ackley(count: int) -> Problem:
    """Ackley's function with its optimum away from the centre, where some searches start."""
    shift = np.random.default_rng(count).uniform(-16, 16, count)
    return Problem(
        f"ackley-{count}",
        _floats(count, -32.768, 32.768),
        lambda: _of_vector(lambda x: _ackley(x - shift)),
        known=((_setting(shift), 0.0),),
        optimum=0.0,
    )


def _bbob(number: int, dimension: int) -> Problem:
    """A function of COCO's noiseless set, instance 1, as the distance from its optimum."""

    def make() -> Function:
        from cocoex import BareProblem

        problem = BareProblem("bbob", number, dimension, 1)
        best = problem.best_value()
        return _of_vector(lambda x: float(np.ravel(problem(x))[0]) - best)

    return Problem(f"bbob-f{number}-{dimension}", _floats(dimension, -5.0, 5.0), make, optimum=0.0)


def _mixed(num_choices: int, num_floats: int) -> Problem:
    """Choices of five values that interact in pairs, and floats whose best place depends on a choice."""
    random = np.random.default_rng(100 * num_choices + num_floats)
    alone = random.normal(size=(num_choices, 5))
    pairs = random.normal(size=(num_choices, num_choices, 5, 5)) / math.sqrt(num_choices / 8)
    places = random.random((num_floats, num_choices, 5))
    first = np.array([i for i in range(num_choices) for _ in range(i)])
    second = np.array([j for i in range(num_choices) for j in range(i)])
    partner = np.arange(num_floats) % num_choices
    alphabet = "abcde"

    def function(setting: dict[str, Any]) -> float:
        values = list(setting.values())
        chosen = np.array([alphabet.index(value) for value in values[:num_choices]])
        floats = np.array(values[num_choices:])
        gain = alone[np.arange(num_choices), chosen].sum()
        gain += 0.5 * pairs[first, second, chosen[first], chosen[second]].sum()
        loss = 6 * ((floats - places[np.arange(num_floats), partner, chosen[partner]]) ** 2).sum()
        return float(loss - gain)

    axes: tuple[Axis, ...] = (
        *(Choice(f"c{i}", tuple(alphabet)) for i in range(num_choices)),
        *(Number(f"x{i}", 0.0, 1.0) for i in range(num_floats)),
    )
    return Problem(f"mixed-{num_choices + num_floats}", axes, lambda: function)


BBOB_FUNCTIONS = (1, 3, 8, 10, 15, 21)  # sphere, Rastrigin, Rosenbrock, turned ellipsoid, turned Rastrigin, 101 peaks

# Conditional spaces join here when the library has conditions.
PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        Problem(
            "branin",
            (Number("x", -5.0, 10.0), Number("y", 0.0, 15.0)),
            lambda: _of_vector(_branin),
            known=(({"x": math.pi, "y": 2.275}, 0.39788735772973816), ({"x": -math.pi, "y": 12.275}, 0.397887357)),
            optimum=0.39788735772973816,
        ),
        Problem(
            "hartmann6",
            _floats(6, 0.0, 1.0),
            lambda: _of_vector(_hartmann6),
            known=((_setting([0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]), -3.322368),),
            optimum=-3.3223680114155147,
        ),
        Problem(
            "rosenbrock-4",
            _floats(4, -5.0, 10.0),
            lambda: _of_vector(_rosenbrock),
            known=((_setting([1.0] * 4), 0.0), (_setting([0.0] * 4), 3.0)),
            optimum=0.0,
        ),
        _shifted_ackley(5),
        _shifted_ackley(20),
        _mixed(8, 4),
        _mixed(20, 10),
        Problem("svc-digits", SVC_AXES, lambda: svc_digits, is_cheap=False),
        Problem("svc-cancer", SVC_AXES, lambda: svc_cancer, is_cheap=False),
        Problem("boosting-cancer", BOOSTING_AXES, boosting_table),
        Problem("mlp-digits", MLP_AXES, mlp_table),
        *(_bbob(number, dimension) for dimension in (5, 10, 20) for number in BBOB_FUNCTIONS),
    )
}
