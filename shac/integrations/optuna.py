"""An Optuna sampler that searches as `SHAC` does: the same plan, the same proposals, the same classifiers."""

from __future__ import annotations

import math
import secrets
import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers._base import _process_constraints_after_trial
from optuna.search_space import intersection_search_space
from optuna.study import StudyDirection
from optuna.trial import TrialState

from shac.engine.arguments import checked_count, checked_seed
from shac.engine.learning import learn
from shac.engine.plan import SearchArguments, SearchPlan, checked_cost_aware
from shac.engine.proposals import propose
from shac.engine.state import SearchState
from shac.engine.strategy import Strategy, named_strategy
from shac.errors import EmptyRegionError
from shac.evaluation import derive_seed
from shac.parameters import (
    AbstractHyperParameter,
    DiscreteHyperParameter,
    IntegerHyperParameter,
    LogIntegerHyperParameter,
    LogUniformHyperParameter,
    UniformContinuousHyperParameter,
)
from shac.space import HyperParameterList

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xgboost
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

    from shac.objectives import Score

__all__ = ["SHACSampler"]

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_MOST_SEARCHES = 8  # of other studies, or of the brackets of a pruner


class SHACSampler(BaseSampler):  # type: ignore[misc]  # the class is known only where Optuna is installed
    """Sample parameters by Successive Halving and Classification (arXiv 1805.10255), as `shac.SHAC` does.

    A study has no budget, so the search is that of ``SHAC`` with rounds of `points_per_classifier` trials, a classifier
    after each round, and `max_classifiers` + 1 rounds; it goes on after them, with those classifiers and all trials.
    With the default strategy, the first half of the rounds narrows the search space and the second half improves the
    best trials as well: to make the most of n trials, choose ``points_per_classifier * (max_classifiers + 1) <= n``.

    Trials of a round are proposed together, by what is known of the rounds before: by default, a round's trials keep
    their distance from each other, so that those of several threads or processes differ. What a trial gets depends on
    the seed, its number and the trials that have finished, so that a study goes on from its storage as if it had never
    stopped. Trials are taken in order of completion, `points_per_classifier` at a time.

    Parameters
    ----------
    points_per_classifier : int
        Finished trials that a classifier waits for: the trials of a round, at least 2.
    max_classifiers : int
        Most classifiers to train.
    skip_cv_checks : bool
        Whether to train without the cross-validation gate, where the strategy has one.
    seed : int, optional
        In [0, 2**64); a fresh one by default.
    strategy : str or Strategy
        How the search learns and chooses, see `SHAC`.
    constraints_func : callable, optional
        Of a finished trial, returns numbers that are at most 0 where its constraints hold, as for Optuna's own
        samplers. A trial that breaks one counts as worse than the median, whatever its value; so does one of which
        ``trial.set_constraint`` says so.
    cost_aware : bool
        See `SHAC`; a trial's time is that from its start to its end, and the budget is that of all classifiers.

    Raises
    ------
    TypeError
        If `constraints_func` is not callable.
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Optuna learns of the search space from finished trials: until one has finished, and always for parameters that not
    all trials have (of a space that is defined by run), values are drawn at random. Pruned and failed trials count as
    worse than the median. A study of several objectives is searched as `SHAC` searches them.

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=SHACSampler(seed=0))
    >>> study.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 2) ** 2, n_trials=60)
    >>> abs(study.best_params["x"] - 2) < 0.5
    True
    """

    _searches: list[_Search]  # the one that was used last first

    def __init__(
        self,
        *,
        points_per_classifier: int = 10,
        max_classifiers: int = 18,
        skip_cv_checks: bool = False,
        seed: int | None = None,
        strategy: str | Strategy = "guided",
        constraints_func: Callable[[FrozenTrial], Sequence[float]] | None = None,
        cost_aware: bool = False,
    ) -> None:
        if constraints_func is not None and not callable(constraints_func):
            raise TypeError(f"constraints_func: expected a function of a trial, got {constraints_func!r}")
        self.points_per_classifier = checked_count("points_per_classifier", points_per_classifier, lowest=2)
        self.max_classifiers = checked_count("max_classifiers", max_classifiers)
        self.skip_cv_checks = skip_cv_checks
        self.seed = secrets.randbits(63) if seed is None else checked_seed(seed)
        self.strategy = strategy
        if not isinstance(strategy, Strategy):
            named_strategy(strategy)
        self.constraints_func = constraints_func
        self.cost_aware = checked_cost_aware(cost_aware, strategy)
        self._forget()

    def __repr__(self) -> str:
        return (
            f"SHACSampler(points_per_classifier={self.points_per_classifier}, max_classifiers={self.max_classifiers}, "
            f"seed={self.seed}, strategy={self.strategy!r})"
        )

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        known = intersection_search_space(study.get_trials(deepcopy=False))
        return {name: distribution for name, distribution in known.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        directions = tuple("max" if one == StudyDirection.MAXIMIZE else "min" for one in study.directions)
        objective = directions[0] if len(directions) == 1 else directions
        trials = study.get_trials(deepcopy=False, states=_FINISHED)
        with self._lock:
            search = self._search_of(search_space, objective, trials)
            row = search.row_of(trial.number)
        # The values and the parameters that they are of come from one value, whatever other threads do meanwhile.
        return {axis.parameter.name: axis.to_trial(value) for axis, value in zip(search.axes, row, strict=True)}

    def sample_independent(
        self,
        study: Study,  # noqa: ARG002
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        seed = derive_seed(self.seed, trial.number, purpose=f"independent {param_name.encode().hex()}")
        axis = _Axis(param_name, param_distribution)
        (value,) = axis.parameter.sample_array(1, np.random.default_rng(seed))
        return axis.to_trial(value)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:  # noqa: ARG002
        if self.constraints_func is not None:
            _process_constraints_after_trial(self.constraints_func, study, trial, state)

    @property
    def classifiers(self) -> list[xgboost.XGBClassifier]:
        """Classifiers that the newest trial had to pass, in the order of their training."""
        with self._lock:
            searches = self._searches[:1]
            return [classifier.model for search in searches for classifier in search.state.classifiers]

    def _search_of(
        self, search_space: dict[str, BaseDistribution], objective: str | tuple[str, ...], trials: Sequence[FrozenTrial]
    ) -> _Search:
        """Return the search that all whole rounds of trials make, from the one known that has most of them."""
        usable = [trial for trial in trials if all(name in trial.params for name in search_space)]
        rounds = _rounds_of(usable, self.points_per_classifier)
        keys = tuple(_key_of(trial) for trials_of_round in rounds for trial in trials_of_round)
        known = [
            search
            for search in self._searches
            if (search.search_space, search.plan.given_objective) == (search_space, objective)
            and search.keys == keys[: len(search.keys)]
        ]
        if known:
            search = max(known, key=lambda search: len(search.keys))
        else:
            search = _Search.begin(search_space, self._plan(search_space, objective))
        newest = search
        for trials_of_round in rounds[len(search.keys) // self.points_per_classifier :]:
            newest = newest.after(trials_of_round, skip_cv_checks=self.skip_cv_checks)
        others = [other for other in self._searches if other is not search]
        self._searches = [newest, *others][:_MOST_SEARCHES]
        return newest

    def _plan(self, search_space: dict[str, BaseDistribution], objective: str | tuple[str, ...]) -> SearchPlan:
        num_rounds = self.max_classifiers + 1
        plan = SearchPlan.resolve(
            SearchArguments.checked(
                HyperParameterList([_Axis(*item).parameter for item in search_space.items()]),
                self.points_per_classifier * num_rounds,
                num_rounds,
                objective,
                self.max_classifiers,
                self.seed,
                self.strategy,
                cost_aware=self.cost_aware,
            )
        )
        return replace(plan, strategy=replace(plan.strategy, repeat_best=False))  # the best trial has the best score

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._searches = []

    def __getstate__(self) -> dict[str, Any]:
        """Only the settings: locks cannot be sent, and the rest comes back from the study's trials."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_searches")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


@dataclass(frozen=True, slots=True, eq=False)
class _Search:
    """The search that whole rounds of a study's trials make, as a value.

    Parameters
    ----------
    search_space : dict
        Optuna's distributions by their names.
    axes : tuple of _Axis
        The same, as parameters.
    plan : SearchPlan
    state : SearchState
    keys : tuple
        What tells the trials of the state from all others.
    parts : dict
        Of the stream of proposals, a batch each, drawn when they are first wanted.
    """

    search_space: dict[str, BaseDistribution]
    axes: tuple[_Axis, ...]
    plan: SearchPlan
    state: SearchState
    keys: tuple[Any, ...] = ()
    parts: dict[int, list[list[Any]]] = field(default_factory=dict)

    @classmethod
    def begin(cls, search_space: dict[str, BaseDistribution], plan: SearchPlan) -> _Search:
        assert plan.space is not None, "given by the caller"
        axes = tuple(_Axis(*item) for item in search_space.items())
        return cls(dict(search_space), axes, plan, SearchState.empty(plan.space, plan.objectives))

    def after(self, trials: Sequence[FrozenTrial], *, skip_cv_checks: bool) -> _Search:
        """Return the search after another round."""
        rows = [[axis.from_trial(trial.params[axis.parameter.name]) for axis in self.axes] for trial in trials]
        pruned = [_last_value(trial) for trial in trials]
        seconds = [math.nan if trial.duration is None else trial.duration.total_seconds() for trial in trials]
        state = self.state.with_points(rows, [_score(trial, self.plan) for trial in trials], pruned, seconds)
        state, _ = learn(self.plan, state, skip_cv_checks=skip_cv_checks, threads=1)
        return replace(self, state=state, keys=(*self.keys, *map(_key_of, trials)), parts={})

    def row_of(self, number: int) -> list[Any]:
        """Return what a trial gets: a position of its own in the stream of proposals of the round, see `Round`.

        Trials of earlier rounds that still run leave their positions empty.
        """
        part, index = divmod(number - len(self.state), self.plan.batch_size)
        if part not in self.parts:
            purpose = f"batch {part}" if part else "batch"
            seed = derive_seed(self.plan.seed, len(self.state), purpose=purpose)
            self.parts[part] = self._propose(seed, quadratic=not part)
        return self.parts[part][index]

    def _propose(self, seed: int, *, quadratic: bool) -> list[list[Any]]:
        plan, count = self.plan, self.plan.batch_size
        if not quadratic:  # the same optimum as that of the part before
            plan = replace(plan, strategy=replace(plan.strategy, quadratic_model=False))
        try:
            return propose(plan, self.state, count, seed=seed, threads=1)
        except EmptyRegionError:  # proven, and a study goes on until its user ends it
            return propose(plan, self.state, count, seed=seed, threads=1, relax_checks=True)


class _Axis:
    """One of Optuna's distributions as a parameter, and the way between their values."""

    def __init__(self, name: str, distribution: BaseDistribution) -> None:
        self._choices: Sequence[Any] | None = None
        self._low, self._high, self._step = 0.0, 0.0, None
        self.parameter: AbstractHyperParameter
        match distribution:
            case CategoricalDistribution(choices=choices):
                try:
                    self.parameter = DiscreteHyperParameter(name, choices)
                except ValueError:  # objects that Optuna warns of, or takes twice
                    self._choices = choices
                    self.parameter = DiscreteHyperParameter(name, [f"choice {i}" for i in range(len(choices))])
            case IntDistribution(low=low, high=high, log=True):
                self.parameter = LogIntegerHyperParameter(name, low, high)
            case FloatDistribution(low=low, high=high, log=True):
                self.parameter = LogUniformHyperParameter(name, low, high)
            case FloatDistribution(low=low, high=high, step=None):
                self.parameter = UniformContinuousHyperParameter(name, low, high)
            case FloatDistribution(low=low, high=high, step=step) | IntDistribution(low=low, high=high, step=step):
                self._low, self._high, self._step = low, high, step
                self.parameter = IntegerHyperParameter(name, 0, round((high - low) / step))
            case _:
                raise ValueError(f"search_space: expected a distribution of Optuna, got {distribution!r} for {name!r}")

    def to_trial(self, value: Any) -> Any:
        if self._choices is not None:
            return self._choices[int(self.parameter.encode(value))]
        # The largest step may be beyond the end by a rounding error, and Optuna would draw another value
        return value if self._step is None else min(self._low + value * self._step, self._high)

    def from_trial(self, value: Any) -> Any:
        if self._choices is not None:
            index = next(i for i, choice in enumerate(self._choices) if choice is value or choice == value)
            return self.parameter.decode(index)
        return value if self._step is None else round((value - self._low) / self._step)


def _rounds_of(trials: Sequence[FrozenTrial], size: int) -> list[list[FrozenTrial]]:
    """Divide trials into whole rounds in order of completion; within a round they are in the order of their numbers."""
    ordered = sorted(trials, key=lambda trial: (trial.datetime_complete, trial.number))
    return [
        sorted(ordered[end - size : end], key=lambda trial: trial.number) for end in range(size, len(ordered) + 1, size)
    ]


def _key_of(trial: FrozenTrial) -> tuple[Any, ...]:
    return trial.number, trial.datetime_start, trial.datetime_complete


def _score(trial: FrozenTrial, plan: SearchPlan) -> Score:
    values = trial.values if trial.state == TrialState.COMPLETE and _is_feasible(trial) else None
    if values is None or not all(map(math.isfinite, values)):
        return plan.failed_score
    return values[0] if plan.objectives is None else tuple(values)


def _last_value(trial: FrozenTrial) -> float | None:
    """Return what a pruned trial reported last, NaN where it reported nothing; None of others."""
    if trial.state != TrialState.PRUNED:
        return None
    return math.nan if trial.value is None else float(trial.value)


def _is_feasible(trial: FrozenTrial) -> bool:
    """Whether a trial keeps to its constraints; None stands for those of a function that raised."""
    listed = trial.system_attrs.get("constraints", ())
    named = [value for key, value in trial.system_attrs.items() if key.startswith("constraints:")]
    return listed is not None and all(value <= 0 for value in (*listed, *named))
