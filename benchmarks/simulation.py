"""A simulated cluster: workers that train what a search asks for, by the clock of tables.

Nothing is trained and nobody waits: a training is the values that a table has of it, and the seconds of a step. Each
worker takes the next configuration as soon as it is free and the search has one. What the search itself takes is not
on the clock.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

import shac

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import optuna

    from benchmarks.quality.axes import Axis, draw
    from benchmarks.quality.curves import curve_axes, place_of, read_curves
    from benchmarks.quality.tables import Table, table_axes
else:
    from quality.axes import draw
    from quality.curves import curve_axes, place_of, read_curves
    from quality.tables import Table, table_axes

__all__ = [
    "OptunaSearch",
    "Problem",
    "RandomSearch",
    "Run",
    "SHACSearch",
    "Search",
    "Training",
    "network_problem",
    "run",
    "shac_engine",
    "table_problem",
]


@dataclass(frozen=True)
class Training:
    """The loss after each step, and the seconds of one."""

    losses: Sequence[float]
    seconds: float


@dataclass(frozen=True)
class Problem:
    """A search space and its trainings; `has_curves` is False where only their ends are known."""

    axes: tuple[Axis, ...]
    train: Callable[[Mapping[str, Any]], Training]
    optimum: float
    has_curves: bool


def network_problem(name: str) -> Problem:
    """Return the problem of networks whose curves are known."""
    curves = read_curves(name)

    def train(setting: Mapping[str, Any]) -> Training:
        place = place_of(name, setting)
        return Training(curves.errors[place].tolist(), float(curves.seconds[place]))

    return Problem(curve_axes(name), train, float(curves.errors[..., -1].min()), has_curves=True)


def table_problem(name: str) -> Problem:
    """Return the problem of a table that has how long trainings took, and no curves."""
    table = Table(name)

    def train(setting: Mapping[str, Any]) -> Training:
        return Training([table(dict(setting))], table.seconds(dict(setting)))

    return Problem(table_axes(name), train, table.optimum, has_curves=False)


class Search(Protocol):
    """What hands out configurations, and takes how they do."""

    def ask(self) -> tuple[Any, Mapping[str, Any]] | None:
        """Return something to know a configuration by, and the configuration; None where there is none now."""

    def report(self, asked: Any, step: int, loss: float) -> bool:
        """Return whether a training should end."""

    def tell(self, asked: Any, loss: float | None, seconds: float) -> None:
        """Take a final loss, None of a training that was ended, and how long it took."""


class RandomSearch:
    """Draws from the prior."""

    def __init__(self, problem: Problem, budget: int, seed: int) -> None:
        self._axes, self._left, self._random = problem.axes, budget, np.random.default_rng(seed)

    def ask(self) -> tuple[None, Mapping[str, Any]] | None:
        self._left -= 1
        return (None, draw(self._axes, self._random)) if self._left >= 0 else None

    def report(self, asked: None, step: int, loss: float) -> bool:
        return False

    def tell(self, asked: None, loss: float | None, seconds: float) -> None:
        pass


def shac_engine(
    problem: Problem, budget: int, num_batches: int, seed: int, folder: str, function: Any = None, **options: Any
) -> shac.SHAC:
    """Make the engine of a search."""
    space = [axis.for_shac() for axis in problem.axes]
    engine = shac.SHAC(function, space, budget, num_batches, "min", save_dir=folder, seed=seed, **options)
    engine.set_num_parallel_generators(1)
    return engine


class SHACSearch:
    """The searches of `SHAC.fit`, whose rounds end with the slowest evaluation, but for what an overlap draws ahead.

    Where nobody waits (`is_asynchronous`), whoever is free asks, and the evaluations that end first make a round.
    """

    def __init__(
        self,
        problem: Problem,
        budget: int,
        seed: int,
        folder: str,
        *,
        num_batches: int,
        overlap: int = 0,
        is_asynchronous: bool = False,
        **options: Any,
    ) -> None:
        self.engine = shac_engine(problem, budget, num_batches, seed, folder, **options)
        self._size = budget // num_batches
        self._overlap, self._waits = overlap, not (overlap or is_asynchronous)
        self._asked: list[Any] = []
        self._num_open = 0

    def ask(self) -> tuple[Any, Mapping[str, Any]] | None:
        if not self._asked and not (self._waits and self._num_open):
            self._asked = self.engine.ask(self._size if self._waits else 1, overlap=self._overlap)[::-1]
        if not self._asked:
            return None
        self._num_open += 1
        configuration = self._asked.pop()
        return configuration, configuration

    def report(self, asked: Any, step: int, loss: float) -> bool:
        return self.engine.report(asked, step, loss)

    def tell(self, asked: Any, loss: float | None, seconds: float) -> None:
        self._num_open -= 1
        self.engine.tell(asked, loss, seconds=seconds)


class OptunaSearch:
    """A study of Optuna's, asynchronous as its own workers make it."""

    def __init__(
        self, problem: Problem, budget: int, seed: int, *, pruner: Callable[[], optuna.pruners.BasePruner] | None = None
    ) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # what its documentation advises here
        made = optuna.pruners.NopPruner() if pruner is None else pruner()
        self._study = optuna.create_study(sampler=sampler, pruner=made)
        self._distributions = {axis.name: axis.for_optuna() for axis in problem.axes}
        self._left = budget

    def ask(self) -> tuple[optuna.Trial, Mapping[str, Any]] | None:
        self._left -= 1
        if self._left < 0:
            return None
        trial = self._study.ask(self._distributions)
        return trial, trial.params

    def report(self, asked: optuna.Trial, step: int, loss: float) -> bool:
        asked.report(loss, step)
        return asked.should_prune()

    def tell(self, asked: optuna.Trial, loss: float | None, seconds: float) -> None:
        import optuna

        if loss is None:
            self._study.tell(asked, state=optuna.trial.TrialState.PRUNED)
        else:
            self._study.tell(asked, loss)


@dataclass
class Run:
    """What a search was, evaluation by evaluation in the order of their ends.

    Parameters
    ----------
    ends : list of float
        When each ended.
    losses : list of float
        Infinite where it was ended before its time.
    num_steps : list of int
        Steps that were trained.
    seconds : float
        That workers trained.
    """

    ends: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    num_steps: list[int] = field(default_factory=list)
    seconds: float = 0.0


def run(search: Search, problem: Problem, num_workers: int) -> Run:
    """Have workers train what a search asks for, until it has nothing left."""
    done = Run()
    under_way: list[tuple[float, int, int, Any, Training]] = []  # by the end of the step that runs
    now, num_begun, num_free = 0.0, 0, num_workers
    while True:
        while num_free and (given := search.ask()) is not None:
            asked, setting = given
            training = problem.train(setting)
            heapq.heappush(under_way, (now + training.seconds, num_begun, 1, asked, training))
            num_begun += 1
            num_free -= 1
        if not under_way:
            return done
        now, number, step, asked, training = heapq.heappop(under_way)
        loss = training.losses[step - 1]
        is_pruned = problem.has_curves and search.report(asked, step, loss)
        if not is_pruned and step < len(training.losses):
            heapq.heappush(under_way, (now + training.seconds, number, step + 1, asked, training))
            continue
        search.tell(asked, None if is_pruned else loss, step * training.seconds)
        num_free += 1
        done.ends.append(now)
        done.losses.append(np.inf if is_pruned else loss)
        done.num_steps.append(step)
        done.seconds += step * training.seconds
