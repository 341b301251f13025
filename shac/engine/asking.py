"""Configurations that are asked for, and told: evaluations that run elsewhere."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

from shac.engine.arguments import checked_count, checked_duration, checked_score
from shac.engine.configurations import Configuration
from shac.engine.engine import SearchEngine
from shac.evaluation import checked_point

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from shac.engine.configurations import Trial
    from shac.engine.trials import Round

    EvaluationFunction = Callable[[int, OrderedDict[str, Any]], Any]

__all__ = ["AskedEngine"]


class AskedEngine(SearchEngine):
    """Base of `SHAC`; see there for its arguments and attributes."""

    evaluation_function: EvaluationFunction | None

    @property
    def eval_fn(self) -> EvaluationFunction | None:
        """The ancestor's name of `evaluation_function`."""
        return self.evaluation_function

    @eval_fn.setter
    def eval_fn(self, evaluation_function: EvaluationFunction | None) -> None:
        self.evaluation_function = evaluation_function

    def enqueue(self, configurations: Iterable[Mapping[str, Any]], *, repeat: bool = False) -> int:
        """Have configurations evaluated before those that the search draws, in their order.

        They are evaluations like others: part of the budget and of the rounds, and what the search learns from. Those
        that come while a round is under way are the first of the next round. They are in `save_dir` when this returns,
        and `dataset` knows which evaluations they are (`Dataset.enqueued`).

        Parameters
        ----------
        configurations : iterable of mappings
            Values by the names of parameters. Parameters without a value get one that is drawn from the prior, now.
        repeat : bool
            Whether to take configurations that were evaluated, or are enqueued, already. By default they are left out,
            so that a program that is run again does not enqueue them again.

        Returns
        -------
        int
            How many were taken.

        Raises
        ------
        SaveFolderError
            See `ask`.
        ValueError
            If a configuration is none of the search space, or the engine has no search space.

        Examples
        --------
        >>> import shac, tempfile
        >>> space = [shac.UniformHP("x", 0.0, 1.0), shac.DiscreteHP("act", ["relu", "elu"])]
        >>> engine = shac.SHAC(None, space, 40, 4, save_dir=tempfile.mkdtemp(), seed=1)
        >>> engine.enqueue([{"x": 0.5, "act": "elu"}, {"act": "relu"}])
        2
        >>> dict(engine.ask()[0])
        {'x': 0.5, 'act': 'elu'}
        """
        with self._search.store.opened():
            return self._search.enqueue(configurations, repeat=repeat)

    def ask(self, n: int = 1, *, relax_checks: bool = False, overlap: int | None = None) -> list[OrderedDict[str, Any]]:
        """Return configurations to evaluate outside of the engine; their scores come back through `tell`.

        The configurations are those that `fit` would evaluate: when all of a round are told, in whatever order, the
        search stands where `fit` would stand. Asked for more than are left of a round, it goes on in the round's
        stream, so that nobody waits for the slowest evaluation.

        Parameters
        ----------
        n : int
            Configurations wanted.
        relax_checks : bool
            See `fit`: for draws from the prior alone; chains within the region always find samples that pass.
        overlap : int, optional
            See `fit`. Above 0 the result does not depend on the order of the tellings, and at most a round and its
            overlap wait for their scores.

        Returns
        -------
        list of OrderedDict
            Fewer than `n` where the budget ends; empty when all of it is told or handed out. Also fewer where an
            overlap is used up, until more of the round are told.

        Raises
        ------
        SaveFolderError
            If `save_dir` holds another search, or another process runs one there.
        ValueError
            If `n` is below 1, `overlap` is out of its range or not that of the search, or the engine has no search
            space.

        Examples
        --------
        >>> import shac, tempfile
        >>> space = [shac.UniformHP("x", 0.0, 1.0)]
        >>> engine = shac.SHAC(None, space, total_budget=40, num_batches=4, save_dir=tempfile.mkdtemp(), seed=1)
        >>> while configurations := engine.ask(5):
        ...     for configuration in configurations:
        ...         engine.tell(configuration, score=configuration["x"])
        >>> len(engine.dataset), len(engine.classifiers) > 0
        (40, True)
        """
        count = checked_count("n", n)
        with self._search.store.opened():
            _ = self._search.space  # raises where there is none
            self._search.set_overlap(overlap)
            self._relax_checks = relax_checks
            trials = self._asked_round()
            given = [trials.hand_out() for _ in range(min(count, trials.num_left))]
            self._telling_before.update((trial.number, self._seconds_telling) for trial in given)
            return [self._configuration(trial) for trial in given]

    def tell(
        self,
        parameters: Mapping[str, Any] | Sequence[Any],
        score: float | Sequence[float] | Mapping[str, float] | None,
        *,
        skip_cv_checks: bool = False,
        seconds: float | None = None,
    ) -> None:
        """Take the score of a configuration that `ask` gave; the last one of a round trains the classifier and saves.

        Parameters
        ----------
        parameters : Configuration, int, mapping or sequence
            The configuration, known by its number, or that number, or the values, in any order of tellings.
            After a restart, configurations of the round that was under way
            are known as well.
        score : float, or a sequence or mapping of them
            Its score, or one of each objective; NaN for a failed evaluation. It is in the journal when this returns,
            and on the disk, too, but for evaluations of less than 50 ms, told within 50 ms of one that is: the time of
            `tell` itself does not count, up to two seconds. None for one that was ended since `report` said so: it
            counts as worse than the median.
        skip_cv_checks : bool
            See `fit`.
        seconds : float, optional
            How long the evaluation took, one that was pruned until then. A search that is `cost_aware` needs it of
            all that did not fail.

        Raises
        ------
        SaveFolderError
            See `ask`.
        ValueError
            If the configuration is none that `ask` gave, `score` is no number, or `seconds` is no number from 0 on, or
            missing.
        """
        store = self._search.store
        with store.opened():
            started, space = time.monotonic(), self._search.space
            trials = self._asked_round()
            trial = trials.find(parameters)
            curve = self._search.curves.get(trial.number, [])
            if score is None and not curve:
                raise ValueError("score: expected a number, or None for what report() has ended, got None")
            known = None if score is None else checked_score(score, self.plan.objectives)
            has_failed = isinstance(known, float) and math.isnan(known)
            if seconds is None and self.plan.cost_aware and not has_failed:
                raise ValueError("seconds: expected how long the evaluation took, as cost_aware is set, got None")
            entry = trials.entry(trial, known, curve, checked_duration(seconds))
            if not store.is_known:
                self.save_data()  # what another process finds the round in
            before = self._telling_before.pop(trial.number, None)
            taken = 0.0 if before is None or seconds is not None else self._seconds_telling - before
            with store.journal(space.fingerprint(), goes_on=True) as journal:
                trials.tell(trial, entry, journal, taken=taken)
            self._search.curves.pop(trial.number, None)
            if trials.is_full:
                self._search.close_asked_round(
                    trials, skip_cv_checks=skip_cv_checks, threads=self.num_parallel_generators
                )
                if self.plan.overlap:
                    self._asked_round()  # all of a small last round may be told already
            self._seconds_telling += time.monotonic() - started

    def report(self, parameters: Mapping[str, Any] | Sequence[Any], step: int, value: float) -> bool:
        """Take how good an evaluation is by now, and decide whether it should end; see `shac.report`.

        Parameters
        ----------
        parameters
            See `tell`.
        step : int
            0 or more, and more each time.
        value : float
            On the scale of the score.

        Returns
        -------
        bool
            Whether it is worse than others were at that step, and should end: ``tell(parameters, None)``.

        Raises
        ------
        SaveFolderError
            See `ask`.
        TypeError, ValueError
            If the configuration is none that `ask` gave, or the step or the value is out of its range.

        Examples
        --------
        >>> import shac, tempfile
        >>> space = [shac.UniformHP("x", 0.0, 1.0)]
        >>> engine = shac.SHAC(None, space, 20, 2, save_dir=tempfile.mkdtemp(), seed=1, pruning="median")
        >>> (configuration,) = engine.ask()
        >>> engine.report(configuration, 1, 0.5)
        False
        """
        self._check_ready()
        with self._search.store.opened():
            trials = self._asked_round()
            trial = trials.find(parameters)
            curve = self._search.curves.setdefault(trial.number, [])
            curve.append(checked_point(step, value, curve))
            limits = self._search.curve_limits(trials.known_when_drawn(trial))
        return limits is not None and limits.is_worse(curve)

    def _asked_round(self) -> Round:
        return self._search.asked_round(self._propose, threads=self.num_parallel_generators)

    def _configuration(self, trial: Trial) -> Configuration:
        configuration = Configuration(self._search.space.to_parameters(trial.row))
        configuration.number = trial.number
        return configuration
