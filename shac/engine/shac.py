"""The generic engine: any evaluation function, on processes or threads."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.engine.arguments import checked_count, count_or_none
from shac.engine.asking import AskedEngine
from shac.engine.fitting import evaluating
from shac.engine.loop import round_of_table
from shac.engine.plan import SearchArguments
from shac.engine.search import Search
from shac.engine.signatures import takes_either_order, takes_evaluation_function
from shac.engine.stopping import Limits
from shac.evaluation.functions import check_function
from shac.store.folder import checked_save_dir
from shac.store.table import read_table
from shac.training import check_xgboost

if TYPE_CHECKING:
    import os
    from collections import OrderedDict
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shac.callbacks import Callback, History
    from shac.engine.pruning import Pruning
    from shac.engine.strategy import Strategy
    from shac.engine.warm_start import WarmStartSource
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

    EvaluationFunction = Callable[[int, OrderedDict[str, Any]], Any]

__all__ = ["SHAC"]

_logger = logging.getLogger("shac")


class SHAC(AskedEngine):
    """Search by Successive Halving and Classification (arXiv 1805.10255).

    A search of N = `total_budget` evaluations runs in M = `num_batches` rounds of W = N / M evaluations at once. After
    a round a classifier learns which configurations were better than the median, and later configurations must pass all
    classifiers. `strategy` says on which evaluations, and which of the configurations that pass are tried. K =
    min(max(M - 1, 1), `max_classifiers`) classifiers are trained, one whenever T_c = W * floor(N / (W * (K + 1)))
    evaluations have come (section 3 of the paper).

    Parameters
    ----------
    evaluation_function : callable
        ``evaluation_function(worker_id: int, parameters: OrderedDict) -> float``. Runs in worker processes. An
        exception or a result that is not finite is a failed evaluation: it counts as worse than the median. None
        where configurations are asked for and their scores told.
    hyperparameter_list : list of parameters, HyperParameterList or None
        The search space; None if it comes from disk with `restore_data`.
    total_budget : int
        N, a multiple of `num_batches`.
    num_batches : int
        M.
        The search space may come first, as in the newest ancestor: ``SHAC(parameters, total_budget, num_batches)``,
        followed by ``fit(evaluation_function)``.
    objective : {'max', 'min'}, tuple or dict of them
        Whether larger or smaller scores are better. Several objectives, ``("max", "min")`` or ``{"accuracy": "max",
        "seconds": "min"}``, take a number of each from the function, a sequence or a mapping from the names: `strategy`
        learns from Pareto ranks, and `pareto_front` has what no other configuration dominates.
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
        configurations that pass, by a smooth surface through the scores, and keeps less of the region of more than 5
        real parameters where the batches are large enough; 'pooled' only trains on all evaluations; 'paper' trains on
        the last round alone, and tries whatever passes; 'ancestor' is that with trees as XGBoost 0.72 grew them (depth
        3, learning rate 0.1). Or a `Strategy` of your own, used as it is.
    max_failed_rounds : int
        So many rounds in a row without a single score end `fit`. Fewer are information: their configurations count as
        worse than the median, and the search draws elsewhere.
    evaluations_per_worker : int, optional
        Evaluations after which a worker process is replaced by a fresh one, for evaluations that leak. By default it is
        kept as long as its evaluations succeed. Where memory was not enough, there is one more try in a fresh one.
    max_memory_per_evaluation : int, optional
        Bytes of main memory that a worker process may take, with all that its evaluation has started. The process of
        one that takes more is killed, and only that one. By default there is no limit. Not for evaluations on threads.
    pruning : {'median', 'halving'} or Pruning, optional
        Ends evaluations that `report` values worse than others had at the same step; they count as worse than the
        median. It is kept with the search; by default that of the search restored, else none.
    warm_start : path-like, Dataset, pandas.DataFrame or WarmStart, optional
        Evaluations of an earlier search, which the first round knows; see `WarmStart`. They are kept in `save_dir`.
    cost_aware : bool, optional
        Whether configurations that take long are tried only where they promise more, most strictly at the beginning:
        good values come sooner, at the end they may be less good. Kept with the search, as `pruning`; default False.
    overwrite : bool
        Whether a search that `save_dir` holds is set aside, so that a cell of a notebook can be run again: when this
        one first writes there, the folder is renamed to the first of ``NAME.1``, ``NAME.2``, ... that is free. Nothing
        is deleted. Without effect after `restore_data`.

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
    TypeError
        If `evaluation_function` is a class, a coroutine function or a generator function, or takes other arguments.
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
    >>> abs(engine.dataset.get_best_parameters()["x"] - 0.3) < 0.1
    True
    >>> len(engine.predict(num_samples=5))
    5
    """

    @takes_either_order
    def __init__(
        self,
        evaluation_function: EvaluationFunction | None,
        hyperparameter_list: HyperParameterList | Iterable[AbstractHyperParameter] | None,
        total_budget: int,
        num_batches: int = 16,
        objective: str | Sequence[str] | Mapping[str, str] = "max",
        max_classifiers: int = 18,
        *,
        save_dir: str | os.PathLike[str] = "shac_run",
        seed: int | None = None,
        evaluation_timeout: float | None = None,
        max_retries: int = 0,
        strategy: str | Strategy | None = None,
        max_failed_rounds: int = 3,
        evaluations_per_worker: int | None = None,
        max_memory_per_evaluation: int | None = None,
        pruning: str | Pruning | None = None,
        warm_start: WarmStartSource | None = None,
        overwrite: bool = False,
        cost_aware: bool | None = None,
    ) -> None:
        if evaluation_function is not None and not callable(evaluation_function):
            raise ValueError(f"evaluation_function: expected a callable or None, got {evaluation_function!r}")
        if evaluation_function is not None:
            check_function(evaluation_function)
        arguments = SearchArguments.checked(
            *(hyperparameter_list, total_budget, num_batches, objective, max_classifiers, seed, strategy, pruning),
            *(warm_start, cost_aware),
        )
        super().__init__(
            Search(arguments, checked_save_dir(save_dir), type(self).__name__),
            evaluation_timeout=evaluation_timeout,
            max_retries=max_retries,
        )
        self.max_failed_rounds = checked_count("max_failed_rounds", max_failed_rounds)
        self.evaluations_per_worker = count_or_none("evaluations_per_worker", evaluations_per_worker)
        self.max_memory_per_evaluation = count_or_none("max_memory_per_evaluation", max_memory_per_evaluation)
        self.evaluation_function = evaluation_function
        self._search.store.overwrites = bool(overwrite)

    @takes_evaluation_function
    def fit(
        self,
        skip_cv_checks: bool = False,
        early_stop: bool = False,
        relax_checks: bool = False,
        *,
        callbacks: Iterable[Callback] | None = None,
        progress: bool | None = None,
        overlap: int | None = None,
        max_seconds: float | None = None,
        max_evaluations: int | None = None,
        patience: int | None = None,
    ) -> History:
        """Run the search, or what is left of it; a finished one returns at once.

        The evaluation function may come first, as in the newest ancestor.

        Every evaluation is in ``journal.jsonl`` as soon as it ends. A search that was stopped, or killed, goes on
        within its batch: what has ended is not run again, and the rest has the same configurations and seeds.

        Parameters
        ----------
        skip_cv_checks : bool
            Whether to train without the cross-validation gate. Of the named strategies only 'paper' has one;
            classifiers of the others learn from all evaluations.
        early_stop : bool
            Whether to stop, after saving, at the first batch that gives no classifier. Without a gate batches hardly
            ever fail to; there, a search also stops from the middle of its budget on, and not before its fourth round,
            where its scores (ranks, of several objectives) do not get better with their number (Spearman's rank
            correlation, one-sided, at 0.01). 30 parameters may need more than half of the budget to show that it does.
        relax_checks : bool
            Whether samples may fail one more classifier whenever 2**k candidates in a row (k classifiers) give none.
            Where chains run from evaluated points inside the region (see `Strategy.candidates`), samples are always
            found and nothing is relaxed.
        callbacks : iterable of Callback, optional
            Told of every step.
        progress : bool, optional
            Whether to show progress on standard error: drawn in a terminal or a notebook, and elsewhere as a line a
            round and the first failure of each kind. By default the environment variable ``SHAC_PROGRESS`` (0 or 1)
            decides, and without it progress is shown, but not by searches within evaluations.
        overlap : int, optional
            L, below W: the first L configurations of each round are drawn when the round before it begins, and fill the
            evaluators while its last evaluations run. They know one round less. The search is a function of L and the
            seed, whatever the evaluations last and however many run at once. It is kept with the search; by default
            that of the search restored, else 0.
        max_seconds, max_evaluations : number, optional
            This call starts no evaluation after so many seconds, and at most so many; those that run are the last.
            Another `fit` goes on, within the round, to the table of the search that was never stopped.
        patience : int, optional
            Whether to stop, after saving, where so many rounds in a row have not made the best score better; with
            several objectives, where none of their evaluations is in the Pareto front. A search
            that has come to that returns at once.

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
            If the engine has no search space or no `evaluation_function`, a round of `ask` and `tell` is under way, or
            `overlap` is out of its range or not that of the search, or a limit is out of its range.
        TypeError
            If `evaluation_function` cannot be sent to worker processes.
        """
        space = self._check_ready()
        self._search.check_no_asked_round()
        if self.evaluation_function is None:
            raise ValueError("evaluation_function: expected a callable to fit with, got None")
        limits = Limits(max_seconds, max_evaluations, patience)
        callback_list = self._callbacks(callbacks)
        if len(self.state) >= self.total_budget:
            _logger.info("the search is finished: all %d evaluations are there", self.total_budget)
            return callback_list.history
        self._search.set_overlap(overlap)
        self._relax_checks = relax_checks
        check_xgboost()  # before the first round is evaluated, which may take hours
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
                evaluations_per_worker=self.evaluations_per_worker,
                max_memory_per_evaluation=self.max_memory_per_evaluation,
                objectives=() if self.plan.objectives is None else self.plan.objectives.names,
                **self.evaluator_settings(),
            ) as (pool, journal),
        ):
            self._search.run_rounds(
                lambda: self._search.evaluated_batch(pool, journal, self._propose, callback_list, limits),
                callback_list,
                skip_cv_checks=skip_cv_checks,
                early_stop=early_stop,
                threads=self.num_parallel_generators,
                max_failed_rounds=self.max_failed_rounds,
                limits=limits,
            )
        return callback_list.history

    def fit_dataset(
        self,
        dataset_path: str | os.PathLike[str],
        skip_cv_checks: bool = False,
        early_stop: bool = False,
        *,
        presort: bool | None = None,
        partial: bool = False,
        callbacks: Iterable[Callback] | None = None,
        progress: bool | None = None,
    ) -> History:
        """Train the classifiers on evaluations that come from elsewhere.

        Parameters
        ----------
        dataset_path : path-like
            A CSV file with the space's columns and ``scores`` (or columns of several objectives), or a folder with such
            a ``dataset.csv``. It needs at least `total_budget` rows.
        skip_cv_checks, early_stop, callbacks, progress
            See `fit`; the order of the table is no reason to stop.
        partial : bool
            Whether a table of fewer rows is the beginning of the search: the whole rounds that it has are taken, in its
            order, and `fit` goes on.
        presort : bool, optional
            Whether to order the rows from the worst to the best, so that each batch is better than the one before. By
            default only where classifiers learn from the last batch alone, as the paper's do: others would learn from
            the worst rows first, and could reject what is best. Not for several objectives.

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
        if presort is None:
            presort = self.strategy.training_points == "batch" and not partial and self.plan.objectives is None
        elif presort and self.plan.objectives is not None:
            raise ValueError(f"presort: expected False or None with several objectives, got {presort!r}")
        rows, scores = read_table(
            Path(dataset_path),
            space,
            num_rows=self.num_workers if partial else self.total_budget,
            most_rows=self.total_budget,
            presort=presort,
            objective=self.plan.objective,
            objectives=self.plan.objectives,
        )
        if len(rows) < self.total_budget:
            rows = rows[: len(rows) // self.num_workers * self.num_workers]
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
                needs_trend=False,  # a table's order means nothing
                most_evaluations=len(rows),
            )
        return callback_list.history

    def evaluator_settings(self) -> dict[str, Any]:
        """Arguments of the pool that a kind of engine adds."""
        return {}
