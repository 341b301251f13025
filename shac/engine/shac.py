"""The generic engine: any evaluation function, on processes or threads."""

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.callbacks import CallbackList
from shac.engine.arguments import checked_count, checked_score, checked_seed, chosen_stages
from shac.engine.fitting import evaluating
from shac.engine.loop import round_of_table
from shac.engine.plan import SearchArguments
from shac.engine.proposals import draw_region, propose
from shac.engine.search import Search
from shac.engine.settings import EngineSettings
from shac.engine.trials import Configuration
from shac.evaluation import derive_seed
from shac.progress import SearchProgress, progress_is_wanted, sampling_progress
from shac.store.folder import checked_save_dir
from shac.store.table import read_table

if TYPE_CHECKING:
    import os
    from collections import OrderedDict
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from shac.callbacks import Callback, History
    from shac.engine.state import SearchState
    from shac.engine.strategy import Strategy
    from shac.engine.trials import Round, Trial
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

    EvaluationFunction = Callable[[int, OrderedDict[str, Any]], float]

__all__ = ["SHAC"]

_logger = logging.getLogger("shac")

_FIRST_DOUBLED_ROUND = 10


class SHAC(EngineSettings):
    """Search by Successive Halving and Classification (arXiv 1805.10255).

    A search of N = `total_budget` evaluations runs in M = `num_batches` rounds of W = N / M evaluations at once. After
    a round a classifier learns which settings were better than the median, and later settings must pass all
    classifiers. `strategy` says on which evaluations, and which of the settings that pass are tried. K = min(max(M - 1,
    1), `max_classifiers`) classifiers are trained, one whenever T_c = W * floor(N / (W * (K + 1))) evaluations have
    come (section 3 of the paper).

    Parameters
    ----------
    evaluation_function : callable
        ``evaluation_function(worker_id: int, parameters: OrderedDict) -> float``. Runs in worker processes. An
        exception or a result that is not finite is a failed evaluation: it counts as worse than the median. None
        where settings are asked for and their scores told.
    hyperparameter_list : list of parameters, HyperParameterList or None
        The search space; None if it comes from disk with `restore_data`.
    total_budget : int
        N, a multiple of `num_batches`.
    num_batches : int
        M.
    objective : {'max', 'min'}
        Whether larger or smaller scores are better.
    max_classifiers : int
        Most classifiers to train; the paper uses 18.
    save_dir : path-like
        Folder of the search's files; written after every round.
    seed : int, optional
        In [0, 2**64). The same seed gives the same search, for any number of evaluators. By default a fresh one,
        unless every parameter has a seed of its own.
    evaluation_timeout : float, optional
        Seconds that one evaluation may last. The process of one that lasts longer is killed, and only that one: the
        evaluation has failed. By default there is no limit.
    max_retries : int
        How often an evaluation that failed, for whatever reason, is made again with the same seed.
    strategy : str or Strategy, optional
        How the search learns and chooses: 'guided' (the default) trains on all evaluations and tries the best of 64
        settings that pass, by a smooth surface through the scores, and keeps less of the region of more than 5 real
        parameters where the batches are large enough; 'pooled' only trains on all evaluations; 'paper' trains on the
        last round alone, and tries whatever passes. Or a `Strategy` of your own, used as it is.
    max_failed_rounds : int
        So many rounds in a row without a single score end `fit`. Fewer are information: their configurations count as
        worse than the median, and the search draws elsewhere.

    Attributes
    ----------
    dataset : Dataset
        All evaluations.
    classifiers : list of xgboost.XGBClassifier
        In the order of their training.
    num_parallel_generators, num_parallel_evaluators : int
        Threads that draw samples; evaluations that run at once.
    generator_backend, evaluator_backend : str
        Samples come from threads of the compiled core whatever `generator_backend` says; evaluations run on
        'loky', 'multiprocessing', 'threading', 'dask', 'ray' or any other back end that joblib knows.
    evaluator_cluster : distributed.Client, str or None
        Where 'dask' or 'ray' is: a client, an address, or None for the cluster that this process is connected to, else
        a local one. Set `set_num_parallel_evaluators` to the places that it has.
    threads_per_evaluator : int or None
        Threads of OpenMP, BLAS and PyTorch in a worker process; None divides the cores.
    limit_memory : bool
        Keeps the tables of the cascade small, and `fit` from doubling the generator threads from round 10 on.

    Raises
    ------
    ValueError
        If an argument is out of its range, or `num_batches` does not divide `total_budget`.
    SaveFolderError
        If `save_dir` is a Python package.

    Examples
    --------
    >>> import shac, tempfile
    >>> engine = shac.SHAC(
    ...     lambda worker_id, parameters: (parameters["x"] - 0.3) ** 2,
    ...     [shac.UniformHP("x", 0.0, 1.0)],
    ...     total_budget=40,
    ...     num_batches=4,
    ...     objective="min",
    ...     save_dir=tempfile.mkdtemp(),
    ...     seed=1,
    ... )
    >>> engine.concurrent_evaluators()
    >>> history = engine.fit()
    >>> abs(engine.dataset.get_best_parameters("min")["x"] - 0.3) < 0.1
    True
    >>> len(engine.predict(num_samples=5))
    5
    """

    def __init__(
        self,
        evaluation_function: EvaluationFunction | None,
        hyperparameter_list: HyperParameterList | Iterable[AbstractHyperParameter] | None,
        total_budget: int,
        num_batches: int,
        objective: str = "max",
        max_classifiers: int = 18,
        *,
        save_dir: str | os.PathLike[str] = "shac_run",
        seed: int | None = None,
        evaluation_timeout: float | None = None,
        max_retries: int = 0,
        strategy: str | Strategy | None = None,
        max_failed_rounds: int = 3,
    ) -> None:
        if evaluation_function is not None and not callable(evaluation_function):
            raise ValueError(f"evaluation_function: expected a callable or None, got {evaluation_function!r}")
        arguments = SearchArguments.checked(
            hyperparameter_list, total_budget, num_batches, objective, max_classifiers, seed, strategy
        )
        super().__init__(
            Search(arguments, checked_save_dir(save_dir), type(self).__name__),
            evaluation_timeout=evaluation_timeout,
            max_retries=max_retries,
        )
        self.max_failed_rounds = checked_count("max_failed_rounds", max_failed_rounds)
        self.evaluation_function = evaluation_function
        self._relax_checks = False
        self._shown: SearchProgress | None = None

    def fit(
        self,
        skip_cv_checks: bool = False,
        early_stop: bool = False,
        relax_checks: bool = False,
        *,
        callbacks: Iterable[Callback] | None = None,
        progress: bool | None = None,
    ) -> History:
        """Run the search, or what is left of it; a finished one returns at once.

        Every evaluation is in ``journal.jsonl`` as soon as it ends. A search that was stopped, or killed, goes on
        within its batch: what has ended is not run again, and the rest has the same settings and seeds.

        Parameters
        ----------
        skip_cv_checks : bool
            Whether to train without the cross-validation gate.
        early_stop : bool
            Whether to stop, after saving, at the first batch that gives no classifier.
        relax_checks : bool
            Whether samples may fail one more classifier whenever 2**k candidates in a row (k classifiers) give none.
            Where chains run from evaluated points inside the region (see `Strategy.candidates`), samples are always
            found and nothing is relaxed.
        callbacks : iterable of Callback, optional
            Told of every step.
        progress : bool, optional
            Whether to show progress on standard error. By default the environment variable ``SHAC_PROGRESS`` (0 or 1)
            decides, and without it whether standard error is a terminal, or this is a notebook.

        Returns
        -------
        History
            Of the rounds that this call ran.

        Raises
        ------
        EvaluationError
            If every evaluation of `max_failed_rounds` rounds in a row fails; they count, are saved, and another `fit`
            goes on with new configurations. At once if all of the first round fail with an error of programming
            (TypeError, NameError, AttributeError, ImportError, SyntaxError); then another `fit` begins anew.
        SaveFolderError
            If `save_dir` holds another search, or another process runs one there.
        DamagedFileError
            If the journal in `save_dir` is damaged.
        KeyboardInterrupt
            After Ctrl-C: workers are gone, what has ended is saved, and the message says how to go on. After SIGTERM
            the process ends in the same way, with exit code 143.
        ValueError
            If the engine has no search space or no `evaluation_function`, or a round of `ask` and `tell` is under way.
        TypeError
            If `evaluation_function` cannot be sent to worker processes.
        """
        space = self._check_ready()
        self._search.check_no_asked_round()
        if self.evaluation_function is None:
            raise ValueError("evaluation_function: expected a callable to fit with, got None")
        callback_list = self._callbacks(callbacks)
        if len(self.state) >= self.total_budget:
            _logger.info("the search is finished: all %d evaluations are there", self.total_budget)
            return callback_list.history
        self._relax_checks = relax_checks
        with (
            self._showing(callback_list, progress),
            evaluating(
                self.evaluation_function,
                self._search.store,
                space.fingerprint(),
                begin=self.save_data,
                stopped_after=lambda: f"{self._search.num_ended} of {self.total_budget}",
                num_evaluators=self.num_parallel_evaluators,
                backend=self.evaluator_backend,
                cluster=self.evaluator_cluster,
                threads_per_evaluator=self.threads_per_evaluator,
                evaluation_timeout=self.evaluation_timeout,
                max_retries=self.max_retries,
                **self.evaluator_settings(),
            ) as (pool, journal),
        ):
            self._search.run_rounds(
                lambda: self._search.evaluated_batch(pool, journal, self._propose, callback_list),
                callback_list,
                skip_cv_checks=skip_cv_checks,
                early_stop=early_stop,
                threads=self.num_parallel_generators,
                max_failed_rounds=self.max_failed_rounds,
            )
        return callback_list.history

    def fit_dataset(
        self,
        dataset_path: str | os.PathLike[str],
        skip_cv_checks: bool = False,
        early_stop: bool = False,
        *,
        presort: bool = True,
        callbacks: Iterable[Callback] | None = None,
        progress: bool | None = None,
    ) -> History:
        """Train the classifiers on evaluations that come from elsewhere.

        Parameters
        ----------
        dataset_path : path-like
            A CSV file with the space's columns and ``scores``, or a folder with such a ``dataset.csv``. It needs at
            least `total_budget` rows.
        skip_cv_checks, early_stop, callbacks, progress
            As of `fit`.
        presort : bool
            Whether to order the rows from the worst to the best, so that each batch is better than the one before.

        Returns
        -------
        History

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        DamagedFileError
            If the table does not fit the search space.
        SaveFolderError
            If `save_dir` holds another search.
        ValueError
            If the table has too few rows, or the engine no search space.
        """
        space = self._check_ready()
        self._search.check_no_asked_round()
        rows, scores = read_table(
            Path(dataset_path), space, num_rows=self.total_budget, presort=presort, objective=self.objective
        )
        callback_list = self._callbacks(callbacks)
        with self._search.store.opened(), self._showing(callback_list, progress):
            if not self._search.store.is_known:
                self.save_data()  # the folder is the search's from now on
            self._search.run_rounds(
                lambda: round_of_table(self.plan, self.state, rows, scores),
                callback_list,
                skip_cv_checks=skip_cv_checks,
                early_stop=early_stop,
                threads=self.num_parallel_generators,
                max_failed_rounds=len(rows),
            )
        return callback_list.history

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
        progress: bool | None = None,
    ) -> list[OrderedDict[str, Any]]:
        """Draw settings that pass the classifiers, without choosing among them; from the prior when none is trained.

        Parameters
        ----------
        num_batches : int
            Batches of ``self.num_batches`` settings each.
        num_workers_per_batch : int, optional
            Threads that draw; `num_parallel_generators` by default. Does not change the result.
        relax_checks : bool
            See `fit`: for draws from the prior alone; chains within the region always find samples that pass.
        max_classfiers, max_classifiers : int, optional
            How many classifiers to use, the first ones; all by default. The first spelling is the ancestor's.
        num_samples : int, optional
            Exactly so many settings, instead of batches.
        seed : int, optional
            In [0, 2**64). By default each call goes on in the engine's own stream.
        progress : bool, optional
            As of `fit`; shown only when it takes long.

        Returns
        -------
        list of OrderedDict

        Raises
        ------
        ValueError
            If an argument is out of its range, more classifiers are asked for than are trained, or the two spellings
            differ.
        """
        stages = chosen_stages(len(self.classifiers), max_classfiers, max_classifiers)
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
            rows = draw_region(
                self.plan,
                replace(state, cascade=cascade),
                count,
                seed=checked_seed(seed),
                threads=threads,
                relax_checks=relax_checks,
            )
        return [self._search.space.to_parameters(row) for row in rows]

    def ask(self, n: int = 1, *, relax_checks: bool = False) -> list[OrderedDict[str, Any]]:
        """Give settings to evaluate outside of the engine; their scores come back through `tell`.

        The settings are those that `fit` would evaluate: when all of a round are told, in whatever order, the search
        stands where `fit` would stand. Asked for more than are left of a round, it goes on in the round's stream, so
        that nobody waits for the slowest evaluation.

        Parameters
        ----------
        n : int
            Settings wanted.
        relax_checks : bool
            See `fit`: for draws from the prior alone; chains within the region always find samples that pass.

        Returns
        -------
        list of OrderedDict
            Fewer than `n` where the budget ends; empty when all of it is told or handed out.

        Raises
        ------
        SaveFolderError
            If `save_dir` holds another search, or another process runs one there.
        ValueError
            If `n` is below 1, or the engine has no search space.

        Examples
        --------
        >>> import shac, tempfile
        >>> space = [shac.UniformHP("x", 0.0, 1.0)]
        >>> engine = shac.SHAC(None, space, total_budget=40, num_batches=4, save_dir=tempfile.mkdtemp(), seed=1)
        >>> while settings := engine.ask(5):
        ...     for setting in settings:
        ...         engine.tell(setting, score=setting["x"])
        >>> len(engine.dataset), len(engine.classifiers) > 0
        (40, True)
        """
        self._check_ready()
        count = checked_count("n", n)
        with self._search.store.opened():
            self._relax_checks = relax_checks
            trials = self._asked_round()
            left = self.total_budget - len(self.state) - len(trials.told) - len(trials.handed_out)
            return [self._configuration(trials.hand_out()) for _ in range(min(count, left))]

    def tell(
        self, parameters: Mapping[str, Any] | Sequence[Any], score: float, *, skip_cv_checks: bool = False
    ) -> None:
        """Take the score of a setting that `ask` gave; the last one of a round trains the classifier and saves.

        Parameters
        ----------
        parameters : mapping or sequence
            The setting, in any order of tellings. After a restart, settings of the round that was under way are
            known as well.
        score : float
            Its score; NaN for a failed evaluation. It is in the journal when this returns.
        skip_cv_checks : bool
            As of `fit`.

        Raises
        ------
        SaveFolderError
            As `ask`.
        ValueError
            If the setting is none that `ask` gave, or `score` is no number.
        """
        space = self._check_ready()
        store = self._search.store
        with store.opened():
            trials = self._asked_round()
            trial = trials.find(parameters)
            entry = trials.entry(trial, checked_score(score))
            if not store.is_known:
                self.save_data()  # what another process finds the round in
            with store.journal(space.fingerprint()) as journal:
                trials.tell(trial, entry, journal)
            if trials.is_full:
                self._search.close_asked_round(
                    trials, self._callbacks(), skip_cv_checks=skip_cv_checks, threads=self.num_parallel_generators
                )

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

    def evaluator_settings(self) -> dict[str, Any]:
        """Arguments of the pool that a kind of engine adds."""
        return {}

    def _propose(self, state: SearchState, n: int, *, seed: int) -> list[list[Any]]:
        """Draw the flat rows to evaluate next, and show it where the search's progress is shown."""
        if self._shown is not None:
            state = replace(state, cascade=self._shown.watch_sampling(state.cascade, n))
        return propose(
            self.plan, state, n, seed=seed, threads=self._threads(len(state)), relax_checks=self._relax_checks
        )

    def _threads(self, num_evaluations: int) -> int:
        """Later rounds reject far more candidates, and get twice the threads where there are cores for them."""
        import joblib

        threads = self.num_parallel_generators
        if self.plan.round_of(num_evaluations) + 1 < _FIRST_DOUBLED_ROUND or self.limit_memory:
            return threads
        return max(threads, min(2 * threads, int(joblib.cpu_count())))

    def _asked_round(self) -> Round:
        return self._search.asked_round(self._propose, self._callbacks(), threads=self.num_parallel_generators)

    def _configuration(self, trial: Trial) -> Configuration:
        configuration = Configuration(self._search.space.to_parameters(trial.row))
        configuration.number = trial.number
        return configuration

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
        if shown is None and progress_is_wanted(progress):
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
        return (
            f"{type(self).__name__}({len(self.dataset)} of {self.total_budget} evaluations, "
            f"{len(self.classifiers)} of {self.total_classifiers} classifiers, save_dir={str(self.save_dir)!r})"
        )
