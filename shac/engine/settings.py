"""What an engine is told beforehand: its plan, how many evaluations run at once, and where."""

from __future__ import annotations

import secrets
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from shac.engine.arguments import checked_count, checked_seconds, checked_seed
from shac.engine.plan import SearchArguments, SearchPlan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shac.engine.strategy import Strategy
    from shac.space import HyperParameterList

__all__ = ["EngineSettings", "end_within_round"]


class EngineSettings:
    """Base of the engines; see `SHAC` for its arguments and attributes."""

    def __init__(self, arguments: SearchArguments, *, evaluation_timeout: float | None, max_retries: int) -> None:
        self._given = arguments
        self._plan = SearchPlan.resolve(arguments)
        self._num_predictions = 0
        self.evaluation_timeout = checked_seconds("evaluation_timeout", evaluation_timeout)
        self.max_retries = checked_count("max_retries", max_retries, lowest=0)
        self.generator_backend = "threading"
        self.evaluator_backend = "loky"
        self.evaluator_cluster: Any = None
        self.threads_per_evaluator: int | None = None
        self.limit_memory = False
        self.num_parallel_generators = min(self.num_workers, _num_cores())
        self.num_parallel_evaluators = min(self.num_workers, _num_cores())

    @property
    def plan(self) -> SearchPlan:
        """What the search does."""
        return self._plan

    @property
    def parameters(self) -> HyperParameterList | None:
        """The search space."""
        return self._plan.space

    @property
    def strategy(self) -> Strategy:
        """How the search learns and chooses: the strategy given, that of the search restored, or the default.

        One given by its name has the shares that fit the space and the batches.
        """
        return self._plan.strategy

    @property
    def total_budget(self) -> int:
        """N, the evaluations of the search."""
        return self._plan.total_budget

    @property
    def num_batches(self) -> int:
        """M, the rounds of the search."""
        return self._plan.num_batches

    @property
    def num_workers(self) -> int:
        """W = N / M, the evaluations of a round."""
        return self._plan.batch_size

    @property
    def total_classifiers(self) -> int:
        """K, the most classifiers that are trained."""
        return self._plan.total_classifiers

    @property
    def points_per_classifier(self) -> int:
        """T_c, the evaluations that a classifier waits for."""
        return self._plan.points_per_classifier

    @property
    def objective(self) -> str:
        """Whether larger ('max') or smaller ('min') scores are better."""
        return self._plan.objective

    @property
    def seed(self) -> int:
        """Seed of the search: the one given, or a fresh one."""
        return self._plan.seed

    def set_seed(self, seed: int | None) -> None:
        """Set the seed of all that follows, and start the stream of `predict` again.

        Parameters
        ----------
        seed : int or None
            In [0, 2**64); None for a fresh one.

        Raises
        ------
        ValueError
            If `seed` is out of its range.
        """
        self._given = self._given.with_seed(seed)
        if seed is None and self.parameters is not None:
            self._given = self._given.with_seed(self.parameters.seed)
        self._plan = replace(self._plan, seed=secrets.randbits(63) if self._given.seed is None else self._given.seed)
        self._num_predictions = 0

    @contextmanager
    def as_deterministic(self, seed: int) -> Iterator[Self]:
        """Use a seed within a ``with`` block, and the old one again after it.

        Parameters
        ----------
        seed : int
            In [0, 2**64).

        Raises
        ------
        ValueError
            If `seed` is out of its range.
        """
        old = self._given, self._plan, self._num_predictions
        self.set_seed(checked_seed(seed))
        try:
            yield self
        finally:
            self._given, self._plan, self._num_predictions = old

    def set_num_parallel_generators(self, n: int | None) -> None:
        """Set how many threads draw samples.

        Parameters
        ----------
        n : int or None
            None: as many as workers, at most the cores, with a warning if there are fewer cores.

        Raises
        ------
        ValueError
            If `n` is below 1.
        """
        self.num_parallel_generators = self._parallelism("num_parallel_generators", n)

    def set_num_parallel_evaluators(self, n: int | None) -> None:
        """Set how many evaluations run at once.

        Parameters
        ----------
        n : int or None
            None: as many as workers, at most the cores, with a warning if there are fewer cores.

        Raises
        ------
        ValueError
            If `n` is below 1.
        """
        self.num_parallel_evaluators = self._parallelism("num_parallel_evaluators", n)

    def parallel_evaluators(self) -> None:
        """Evaluate on processes."""
        self.evaluator_backend = "loky"

    def concurrent_evaluators(self) -> None:
        """Evaluate on threads of this process."""
        self.evaluator_backend = "threading"

    def _parallelism(self, name: str, n: int | None) -> int:
        if n is not None:
            return checked_count(name, n)
        cores = _num_cores()
        if self.num_workers > cores:
            warnings.warn(f"{name}: {self.num_workers} workers share {cores} cores", stacklevel=3)
        return min(self.num_workers, cores)


def end_within_round(engine: EngineSettings, total_budget: int) -> None:
    """Let an engine's search end within its last round; the constructors only know whole ones.

    Parameters
    ----------
    engine : EngineSettings
        Its search has not begun.
    total_budget : int
        Evaluations of the search: more than those of all rounds but the last, at most those of all.
    """
    engine._given = engine._given.with_budget(total_budget)
    engine._plan = replace(engine._plan, total_budget=total_budget)


def _num_cores() -> int:
    import joblib

    return int(joblib.cpu_count())
