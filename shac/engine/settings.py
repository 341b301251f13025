"""What an engine is told beforehand: its plan, how many evaluations run at once, and where."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from shac.cores import num_cores
from shac.engine.arguments import checked_backend, checked_count, checked_seconds, checked_seed
from shac.store.folder import checked_save_dir

if TYPE_CHECKING:
    import os
    from collections import OrderedDict
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import xgboost

    from shac.dataset import Dataset
    from shac.engine.plan import SearchPlan
    from shac.engine.search import Search
    from shac.engine.state import SearchState
    from shac.engine.strategy import Strategy
    from shac.sampling import Cascade
    from shac.space import HyperParameterList

__all__ = ["EngineSettings"]


class EngineSettings:
    """Base of the engines; see `SHAC` for its arguments and attributes."""

    def __init__(self, search: Search, *, evaluation_timeout: float | None, max_retries: int) -> None:
        self._search = search
        self.evaluation_timeout = checked_seconds("evaluation_timeout", evaluation_timeout)
        self.max_retries = checked_count("max_retries", max_retries, lowest=0)
        self.generator_backend = "threading"
        self.evaluator_backend = "loky"
        self.evaluator_cluster: Any = None
        self.threads_per_evaluator: int | None = None
        self.num_parallel_generators = None
        self.num_parallel_evaluators = None

    @property
    def generator_backend(self) -> str:
        """Name of a back end of joblib; samples come from threads of the compiled core whatever it is.

        Raises
        ------
        ValueError
            When it is set to what is none.
        """
        return self._generator_backend

    @generator_backend.setter
    def generator_backend(self, backend: str) -> None:
        self._generator_backend = checked_backend("generator_backend", backend)

    @property
    def evaluator_backend(self) -> str:
        """What evaluations run on: a back end of joblib, 'dask' or 'ray'.

        Raises
        ------
        ValueError
            When it is set to what is none.
        """
        return self._evaluator_backend

    @evaluator_backend.setter
    def evaluator_backend(self, backend: str) -> None:
        self._evaluator_backend = checked_backend("evaluator_backend", backend, "dask", "ray")

    @property
    def num_parallel_generators(self) -> int:
        """Threads that draw samples; None sets it to as many as workers, at most the cores.

        Raises
        ------
        ValueError
            When it is set to less than 1.
        """
        return self._num_parallel_generators

    @num_parallel_generators.setter
    def num_parallel_generators(self, n: int | None) -> None:
        self._num_parallel_generators = self._count("num_parallel_generators", n)

    @property
    def num_parallel_evaluators(self) -> int:
        """Evaluations that run at once; None sets it to as many as workers, at most the cores.

        Raises
        ------
        ValueError
            When it is set to less than 1.
        """
        return self._num_parallel_evaluators

    @num_parallel_evaluators.setter
    def num_parallel_evaluators(self, n: int | None) -> None:
        self._num_parallel_evaluators = self._count("num_parallel_evaluators", n)

    @property
    def plan(self) -> SearchPlan:
        """What the search does, as a value."""
        return self._search.plan

    @property
    def state(self) -> SearchState:
        """The search so far, as a value.

        Raises
        ------
        ValueError
            If there is no search space yet.
        """
        return self._search.state

    @property
    def dataset(self) -> Dataset:
        """All evaluations."""
        return self._search.dataset

    @property
    def best_configuration(self) -> OrderedDict[str, Any]:
        """The configuration with the best score; of equals see `Dataset.get_best_parameters`.

        Raises
        ------
        ValueError
            If no score is finite, or there are several objectives: see `pareto_front`.
        """
        return self.dataset.get_best_parameters()

    def pareto_front(self) -> list[tuple[OrderedDict[str, Any], tuple[float, ...]]]:
        """Return the evaluated configurations that no other dominates, and their scores; see `Dataset.pareto_front`."""
        return self.dataset.pareto_front()

    @property
    def best_score(self) -> float:
        """The best score; the mean of the best configuration's where evaluations of one have different scores.

        Raises
        ------
        ValueError
            If no score is finite, or there are several objectives: see `pareto_front`.
        """
        self.dataset.check_single("best_score")
        if not (best := self.top(1)):
            raise ValueError(f"best_score: expected at least one finite score, got none among {len(self.dataset)}")
        return best[0][1]

    def top(self, n: int = 5) -> list[tuple[OrderedDict[str, Any], float]]:
        """Return the evaluated configurations with the best scores, and these, the best first.

        Parameters
        ----------
        n : int
            How many.

        Returns
        -------
        list of (OrderedDict, float)
            Fewer where there are fewer finite scores; of equal scores the first evaluated first, but for the best one.
            Where evaluations of the same configuration have different scores, each is there once, with its mean score;
            see `Dataset.get_best_parameters`.

        Raises
        ------
        ValueError
            If `n` is below 0, or there are several objectives: see `pareto_front`.
        """
        n = checked_count("n", n, lowest=0)
        self.dataset.check_single("top")
        dataset = self.dataset
        return [(dataset.prepare_parameter(dataset.X[i]), score) for i, score in dataset.ranked()[:n]]

    @property
    def classifiers(self) -> list[xgboost.XGBClassifier]:
        """The classifiers, in the order of their training; set it to change them."""
        return [classifier.model for classifier in self._search.classifiers]

    @classifiers.setter
    def classifiers(self, models: Iterable[xgboost.XGBClassifier]) -> None:
        self._search.set_classifiers(models)

    @property
    def cascade(self) -> Cascade:
        """The classifiers, compiled."""
        return self._search.state.cascade

    @property
    def save_dir(self) -> Path:
        """Folder of the search's files, absolute; set it to write elsewhere."""
        return self._search.store.folder

    @save_dir.setter
    def save_dir(self, save_dir: str | os.PathLike[str]) -> None:
        self._search.move_to(checked_save_dir(save_dir))

    @property
    def limit_memory(self) -> bool:
        """Whether tables are kept small, and `fit` does not double the generator threads from round 10 on."""
        return self._search.limit_memory

    @limit_memory.setter
    def limit_memory(self, limit: bool) -> None:
        self._search.limit_memory = bool(limit)

    @property
    def parameters(self) -> HyperParameterList | None:
        """The search space."""
        return self._search.plan.space

    @property
    def strategy(self) -> Strategy:
        """How the search learns and chooses: the strategy given, that of the search restored, or the default.

        One given by its name has the shares that fit the space and the batches.
        """
        return self._search.plan.strategy

    @property
    def total_budget(self) -> int:
        """N, the evaluations of the search."""
        return self._search.plan.total_budget

    @property
    def num_batches(self) -> int:
        """M, the rounds of the search."""
        return self._search.plan.num_batches

    @property
    def num_workers(self) -> int:
        """W = N / M, the evaluations of a round."""
        return self._search.plan.batch_size

    @property
    def total_classifiers(self) -> int:
        """K, the most classifiers that are trained."""
        return self._search.plan.total_classifiers

    @property
    def points_per_classifier(self) -> int:
        """T_c, the evaluations that a classifier waits for."""
        return self._search.plan.points_per_classifier

    @property
    def objective(self) -> str | tuple[str, ...] | dict[str, str]:
        """Whether larger ('max') or smaller ('min') scores are better; of several objectives, for each of them."""
        return self._search.plan.given_objective

    @property
    def seed(self) -> int:
        """Seed of the search: the one given, or a fresh one."""
        return self._search.plan.seed

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
        self._search.set_seed(seed)

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
        search = self._search
        old = search.given, search.plan, search.num_predictions
        self.set_seed(checked_seed(seed))
        try:
            yield self
        finally:
            search.given, search.plan, search.num_predictions = old

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
        self._warn_of_few_cores("num_parallel_generators", n)
        self.num_parallel_generators = n

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
        self._warn_of_few_cores("num_parallel_evaluators", n)
        self.num_parallel_evaluators = n

    def parallel_evaluators(self) -> None:
        """Evaluate on processes."""
        self.evaluator_backend = "loky"

    def concurrent_evaluators(self) -> None:
        """Evaluate on threads of this process."""
        self.evaluator_backend = "threading"

    def _count(self, name: str, n: int | None) -> int:
        return min(self.num_workers, num_cores()) if n is None else checked_count(name, n)

    def _warn_of_few_cores(self, name: str, n: int | None) -> None:
        if n is None and self.num_workers > (cores := num_cores()):
            warnings.warn(f"{name}: {self.num_workers} workers share {cores} cores", stacklevel=3)
