"""What an engine does with what it knows: samples, recommendations, and its files."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.callbacks import CallbackList
from shac.cores import num_cores
from shac.engine.arguments import checked_count, checked_seconds, checked_seed, chosen_stages
from shac.engine.prediction import Prediction, draw_prediction
from shac.engine.proposals import propose
from shac.engine.recommending import Recommendation, recommended_rows
from shac.engine.settings import EngineSettings
from shac.evaluation import derive_seed, is_within_evaluation
from shac.progress import SearchLines, SearchProgress, lines_are_wanted, progress_is_wanted, sampling_progress

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shac.callbacks import Callback
    from shac.engine.search import Search
    from shac.engine.state import SearchState
    from shac.space import HyperParameterList

__all__ = ["SearchEngine"]

_FIRST_DOUBLED_ROUND = 10


class SearchEngine(EngineSettings):
    """Base of `SHAC`; see there for its arguments and attributes."""

    _has_space_first = False

    def __init__(self, search: Search, *, evaluation_timeout: float | None, max_retries: int) -> None:
        super().__init__(search, evaluation_timeout=evaluation_timeout, max_retries=max_retries)
        self._relax_checks = False
        self._seconds_telling = 0.0
        self._telling_before: dict[int, float] = {}  # each trial was handed out
        self._shown: SearchProgress | None = None

    def predict(
        self,
        num_batches: int = 1,
        num_workers_per_batch: int | None = None,
        relax_checks: bool = False,
        max_classfiers: int | None = None,
        *,
        max_classifiers: int | None = None,
        num_samples: int | None = None,
        seed: int | None = None,
        exact: bool | None = None,
        max_seconds: float | None = 60.0,
        progress: bool | None = None,
    ) -> Prediction:
        """Draw configurations that pass the classifiers, all alike; from the prior when none is trained.

        Under every strategy they have exactly the distribution of the prior within the region that the classifiers
        accept, unless that would take too long: see `exact`. For the best configurations see `recommend`.

        Parameters
        ----------
        num_batches : int
            Batches of ``self.num_batches`` configurations each.
        num_workers_per_batch : int, optional
            Threads that draw; `num_parallel_generators` by default. Does not change the result.
        relax_checks : bool
            Whether samples may fail one more classifier whenever 2**k candidates in a row (k classifiers) give none.
        max_classfiers, max_classifiers : int, optional
            How many classifiers to use, the first ones; all by default. The first spelling is the ancestor's.
        num_samples : int, optional
            Exactly so many configurations, instead of batches.
        seed : int, optional
            In [0, 2**64). By default each call goes on in the engine's own stream.
        exact : bool, optional
            True draws exactly, however long it takes. By default that is estimated first: above `max_seconds` a warning
            has the estimate, and chains walk within the region from all evaluated points there, until they have mixed
            (split R-hat of at most 1.1 in every column) or a second warning says that they did not. False walks
            wherever a chain can.
        max_seconds : float or None
            The longest that drawing exactly may take on two cores, by counted work and never by the clock, so that
            the same seed gives the same configurations on every machine. None is `exact` = True.
        progress : bool, optional
            See `fit`; shown only when it takes long.

        Returns
        -------
        Prediction
            A list of OrderedDict, whose `is_exact` and `rhat` say how they were drawn.

        Raises
        ------
        EmptyRegionError
            If it is proven that no configuration passes the classifiers, unless `relax_checks`.
        ValueError
            If an argument is out of its range, more classifiers are asked for than are trained, or the two spellings
            differ.

        Examples
        --------
        >>> import shac, tempfile
        >>> space = [shac.UniformHP("x", 0.0, 1.0)]
        >>> engine = shac.SHAC(lambda w, p: p["x"], space, 40, 4, save_dir=tempfile.mkdtemp(), seed=1)
        >>> engine.concurrent_evaluators()
        >>> history = engine.fit()
        >>> prediction = engine.predict(num_samples=3)
        >>> len(prediction), prediction.is_exact
        (3, True)
        """
        if exact not in (None, True, False):
            raise ValueError(f"exact: expected True, False or None, got {exact!r}")
        max_seconds = checked_seconds("max_seconds", max_seconds)
        if self._has_space_first and num_batches != 1 and num_samples is None:
            warnings.warn(
                f"predict: num_batches={num_batches} draws so many batches of {self.num_batches} configurations each; "
                f"num_samples={num_batches} draws so many configurations, as it meant where the space comes first",
                stacklevel=2,
            )
        stages = chosen_stages(len(self._search.classifiers), max_classfiers, max_classifiers)
        count = (
            checked_count("num_batches", num_batches, lowest=0) * self.num_batches
            if num_samples is None
            else checked_count("num_samples", num_samples, lowest=0)
        )
        threads = (
            self.num_parallel_generators
            if num_workers_per_batch is None
            else checked_count("num_workers_per_batch", num_workers_per_batch)
        )
        if seed is None:
            seed = derive_seed(self.seed, self._search.num_predictions, purpose="predict")
            self._search.num_predictions += 1
        state = self.state.with_stages(stages)
        with sampling_progress(state.cascade, count, progress) as cascade:
            drawn = draw_prediction(
                replace(state, cascade=cascade),
                count,
                seed=checked_seed(seed),
                threads=threads,
                relax_checks=relax_checks,
                exact=exact,
                max_seconds=max_seconds,
            )
        configurations = [self._search.space.to_parameters(row) for row in drawn.rows]
        return Prediction(configurations, is_exact=drawn.is_exact, rhat=drawn.rhat)

    def recommend(self, n: int = 5) -> list[Recommendation]:
        """Return the best configurations for use, the best first.

        Evaluated configurations are ranked by their scores, among samples of the region and the best known
        configurations made better within it, which are ranked by what the surrogate predicts: a smooth surface through
        the scores. As it may be wrong, they have to be better by as much as it is wrong around the best tenth of the
        evaluations. What is chosen is spread: each is at least half as far from the others as neighbours among that
        tenth are. Where no chain can walk (see `Strategy.candidates`), evaluated configurations alone are ranked.

        Parameters
        ----------
        n : int
            Configurations wanted.

        Returns
        -------
        list of Recommendation
            Fewer than `n` where there are not so many different ones. The same search recommends the same.

        Raises
        ------
        ValueError
            If `n` is below 1, no score is finite, or there are several objectives: see `pareto_front`.

        Examples
        --------
        >>> import shac, tempfile
        >>> space = [shac.UniformHP("x", 0.0, 1.0)]
        >>> function = lambda worker_id, parameters: (parameters["x"] - 0.3) ** 2
        >>> engine = shac.SHAC(function, space, 40, 4, "min", save_dir=tempfile.mkdtemp(), seed=1)
        >>> engine.concurrent_evaluators()
        >>> history = engine.fit()
        >>> best, second = engine.recommend(2)
        >>> abs(best.configuration["x"] - 0.3) < 0.01, best.score is None or best.is_evaluated
        (True, True)
        """
        n = checked_count("n", n)
        self.dataset.check_single("recommend")
        state, space = self.state, self._search.space
        if not np.isfinite(state.scores).any():
            raise ValueError(f"recommend: expected at least one finite score, got none among {len(state)}")
        seed = derive_seed(self.seed, len(state), purpose="recommend")
        ranked = recommended_rows(self.plan, state, n, seed=seed, threads=self.num_parallel_generators)
        return [
            Recommendation(space.to_parameters(one.row), one.predicted_score, one.score, one.num_evaluations)
            for one in ranked
        ]

    def save_data(self) -> None:
        """Write the search to `save_dir`; every file is whole, before and after.

        Raises
        ------
        SaveFolderError
            If the folder holds a search that this engine neither restored nor wrote, another process runs one there,
            or it is a Python package.
        ValueError
            If the search space is missing or cannot be saved.
        OSError
            If the folder cannot be written.
        """
        self._check_ready()
        self._search.save()

    def restore_data(self) -> None:
        """Take up the search in `save_dir`; warns and changes nothing when there is none.

        The engine's own settings stay, and its seed and strategy if they were given; else those of the search come
        back, so that going on gives the same as never having stopped.

        Raises
        ------
        DamagedFileError
            If a file is damaged; the engine is as before.
        ValueError
            If the search has another space or objective than the engine; the engine is as before.
        """
        if not self._search.store.holds_search():
            warnings.warn(f"save_dir: {self.save_dir} holds no search; nothing is restored", stacklevel=2)
            return
        self._search.restore()

    def _propose(
        self, state: SearchState, n: int, *, seed: int, pending: Sequence[list[Any]] = (), begins: bool = False
    ) -> list[list[Any]]:
        """Draw the flat rows to evaluate next, and show it where the search's progress is shown."""
        if self._shown is not None:
            state = replace(state, cascade=self._shown.watch_sampling(state.cascade, n))
        return propose(
            self.plan,
            state,
            n,
            seed=seed,
            threads=self._threads(len(state)),
            relax_checks=self._relax_checks,
            pending=pending,
            begins=begins,
        )

    def _threads(self, num_evaluations: int) -> int:
        """Later rounds reject far more candidates, and get twice the threads where there are cores for them."""
        threads = self.num_parallel_generators
        if self.plan.round_of(num_evaluations) + 1 < _FIRST_DOUBLED_ROUND or self.limit_memory:
            return threads
        return max(threads, min(2 * threads, num_cores()))

    def _check_ready(self) -> HyperParameterList:
        self._search.store.check()
        return self._search.space

    def _callbacks(self, callbacks: Iterable[Callback] | None = None) -> CallbackList:
        callback_list = CallbackList(callbacks)
        callback_list.set_engine(self)
        return callback_list

    @contextmanager
    def _showing(self, callbacks: CallbackList, progress: bool | None) -> Iterator[None]:
        """Show the search's progress meanwhile, where it is wanted and no callback does it."""
        shown = next((callback for callback in callbacks if isinstance(callback, SearchProgress)), None)
        if shown is None and lines_are_wanted(progress):
            if not is_within_evaluation():  # whose output is another search's
                callbacks.append(SearchLines())
        elif shown is None and progress_is_wanted(progress):
            shown = SearchProgress()
            callbacks.append(shown)
        self._shown = shown
        try:
            yield
        finally:
            self._shown = None

    def __getstate__(self) -> dict[str, Any]:
        """All but what shows progress."""
        return {**self.__dict__, "_shown": None}

    def __repr__(self) -> str:
        evaluations = _of(len(self.dataset), self.total_budget, "evaluations")
        classifiers = _of(len(self._search.classifiers), self.total_classifiers, "classifiers")
        if self.plan.objectives is not None:
            best = f"Pareto front of {len(self.dataset.pareto_indices())}, "
        else:
            best = "".join(f"best {score:.6g}, " for _, score in self.top(1))
        return f"{type(self).__name__}({evaluations}, {best}{classifiers}, save_dir={str(self.save_dir)!r})"

    def _repr_html_(self) -> str:
        return self.dataset.to_html(repr(self))


def _of(count: int, total: int, name: str) -> str:
    """Write how many there are of a total; one that restored a larger search has more."""
    return f"{count} of {total} {name}" if count <= total else f"{count} {name}"
