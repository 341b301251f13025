"""What an engine is told beforehand: its budget, its seed, how many run at once and where, and its strategy."""

from __future__ import annotations

import secrets
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from shac.dataset import Dataset, check_objective
from shac.engine.arguments import checked_count, checked_seconds, checked_seed
from shac.engine.strategy import Strategy, named_strategy, with_fitting_shares
from shac.storage import checked_save_dir

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["EngineSettings"]

_DEFAULT_STRATEGY = "guided"


class EngineSettings:
    """Base of the engines; see `SHAC` for its arguments and attributes."""

    def __init__(
        self,
        hyperparameter_list: HyperParameterList | Iterable[AbstractHyperParameter] | None,
        total_budget: int,
        num_batches: int,
        objective: str,
        max_classifiers: int,
        *,
        save_dir: str | os.PathLike[str],
        seed: int | None,
        evaluation_timeout: float | None,
        max_retries: int,
        strategy: str | Strategy | None,
    ) -> None:
        check_objective(objective)
        self.total_budget = checked_count("total_budget", total_budget)
        self.num_batches = checked_count("num_batches", num_batches)
        if self.total_budget % self.num_batches:
            raise ValueError(
                f"total_budget: expected a multiple of num_batches={num_batches}, got {total_budget}, "
                f"which leaves {total_budget % num_batches}"
            )
        self.objective = objective
        self.num_workers = self.total_budget // self.num_batches
        self.total_classifiers = min(max(self.num_batches - 1, 1), checked_count("max_classifiers", max_classifiers))
        self.points_per_classifier = self.num_workers * (
            self.total_budget // (self.num_workers * (self.total_classifiers + 1))
        )
        self.save_dir = checked_save_dir(save_dir)
        self.dataset = Dataset(hyperparameter_list, save_dir=self.save_dir)
        self.set_seed(seed)
        self.evaluation_timeout = checked_seconds("evaluation_timeout", evaluation_timeout)
        self.max_retries = checked_count("max_retries", max_retries, lowest=0)
        self._strategy_is_given = strategy is not None
        if strategy is None:
            strategy = _DEFAULT_STRATEGY
        self._strategy_is_named = not isinstance(strategy, Strategy)
        self._strategy = strategy if isinstance(strategy, Strategy) else named_strategy(strategy)

        self.generator_backend = "threading"
        self.evaluator_backend = "loky"
        self.evaluator_cluster: Any = None
        self.threads_per_evaluator: int | None = None
        self.limit_memory = False
        self.num_parallel_generators = min(self.num_workers, _num_cores())
        self.num_parallel_evaluators = min(self.num_workers, _num_cores())

    @property
    def parameters(self) -> HyperParameterList | None:
        """The search space."""
        return self.dataset.parameters

    @property
    def strategy(self) -> Strategy:
        """How the search learns and chooses: the strategy given, that of the search restored, or the default.

        One given by its name has the shares that fit the space and the batches.
        """
        if not self._strategy_is_named or self.parameters is None:
            return self._strategy
        return with_fitting_shares(self._strategy, self.parameters, self.points_per_classifier)

    @property
    def seed(self) -> int:
        """Seed of the search: the one given, or a fresh one."""
        return self._seed

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
        if seed is None and self.parameters is not None:
            seed = self.parameters.seed
        self._seed_is_given = seed is not None
        self._seed = secrets.randbits(63) if seed is None else checked_seed(seed)
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
        old = self._seed, self._seed_is_given, self._num_predictions
        self.set_seed(checked_seed(seed))
        try:
            yield self
        finally:
            self._seed, self._seed_is_given, self._num_predictions = old

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


def _num_cores() -> int:
    import joblib

    return int(joblib.cpu_count())
