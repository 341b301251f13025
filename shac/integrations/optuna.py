"""An Optuna sampler that samples by successive halving and classification."""

from __future__ import annotations

import math
import numbers
import secrets
import threading
from typing import TYPE_CHECKING, Any

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import StudyDirection
from optuna.trial import TrialState

from shac.evaluation import derive_seed
from shac.integrations.patience import most_candidates
from shac.labels import label_scores
from shac.parameters import (
    AbstractHyperParameter,
    DiscreteHyperParameter,
    IntegerHyperParameter,
    LogIntegerHyperParameter,
    LogUniformHyperParameter,
    UniformContinuousHyperParameter,
)
from shac.sampling import Cascade, draw_relaxing
from shac.space import HyperParameterList
from shac.training import train_classifier

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xgboost
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial

__all__ = ["SHACSampler"]

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class SHACSampler(BaseSampler):  # type: ignore[misc]  # the class is known only where Optuna is installed
    """Sample parameters that pass classifiers trained on the trials before (arXiv 1805.10255).

    Whenever `points_per_classifier` trials have finished since the last classifier, one more is trained to tell the
    better half of them from the worse; later trials must pass all of them. What a trial gets depends on the seed, its
    number and the trials that have finished, so that a study goes on from its storage as if it had never stopped.

    Parameters
    ----------
    points_per_classifier : int
        Finished trials that a classifier is trained on; also the number of random trials at the start.
    max_classifiers : int
        Most classifiers to train.
    skip_cv_checks : bool
        Whether to train without the cross-validation gate.
    seed : int, optional
        In [0, 2**64); a fresh one by default.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    Parameters that not all trials have (of a space that is defined by run) are drawn at random. Pruned and failed
    trials count as worse than the median. Studies with several objectives are refused.

    Examples
    --------
    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=SHACSampler(seed=0))
    >>> study.optimize(lambda trial: (trial.suggest_float("x", -10, 10) - 2) ** 2, n_trials=60)
    >>> abs(study.best_params["x"] - 2) < 0.5
    True
    """

    def __init__(
        self,
        *,
        points_per_classifier: int = 15,
        max_classifiers: int = 18,
        skip_cv_checks: bool = False,
        seed: int | None = None,
    ) -> None:
        self.points_per_classifier = _at_least("points_per_classifier", points_per_classifier, 2)
        self.max_classifiers = _at_least("max_classifiers", max_classifiers, 1)
        self.skip_cv_checks = skip_cv_checks
        self.seed = secrets.randbits(63) if seed is None else _at_least("seed", seed, 0)
        self._independent = RandomSampler(seed=derive_seed(self.seed, 0, purpose="independent") % 2**32)
        self._forget()

    def reseed_rng(self) -> None:
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:  # noqa: ARG002
        with self._lock:
            known = self._intersection.calculate(study)
        return {name: distribution for name, distribution in known.items() if not distribution.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._raise_error_if_multi_objective(study)
        if not search_space:
            return {}
        with self._lock:
            if search_space != self._search_space:
                self._begin(search_space)
            self._learn(study)
            cascade = self._cascade
        assert cascade is not None
        seed = derive_seed(self.seed, trial.number, purpose="trial")
        rows = cascade.draw(1, seed=seed, max_candidates=most_candidates(cascade)).rows
        (row,) = rows or draw_relaxing(cascade, 1, seed=seed)
        return {name: axis.to_trial(value) for (name, axis), value in zip(self._axes.items(), row, strict=True)}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        self._raise_error_if_multi_objective(study)
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    @property
    def classifiers(self) -> list[xgboost.XGBClassifier]:
        """Classifiers that trials have to pass, in the order of their training."""
        return list(self._classifiers)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._intersection = IntersectionSearchSpace()
        self._search_space: dict[str, BaseDistribution] = {}
        self._axes: dict[str, _Axis] = {}
        self._classifiers: list[xgboost.XGBClassifier] = []
        self._cascade: Cascade | None = None
        self._seen: set[int] = set()
        self._rows: list[list[Any]] = []
        self._scores: list[float] = []
        self._last_attempt = 0

    def _begin(self, search_space: dict[str, BaseDistribution]) -> None:
        self._search_space = dict(search_space)
        self._axes = {name: _Axis(name, distribution) for name, distribution in search_space.items()}
        self._classifiers, self._seen, self._rows, self._scores, self._last_attempt = [], set(), [], [], 0
        self._cascade = Cascade([], HyperParameterList([axis.parameter for axis in self._axes.values()]))

    def _learn(self, study: Study) -> None:
        """Take in the trials that have finished since the last call, in the order in which they finished."""
        trials = [
            trial
            for trial in study.get_trials(deepcopy=False, states=_FINISHED)
            if trial.number not in self._seen and all(name in trial.params for name in self._axes)
        ]
        for trial in sorted(trials, key=lambda trial: (str(trial.datetime_complete), trial.number)):
            self._seen.add(trial.number)
            self._rows.append([axis.from_trial(trial.params[name]) for name, axis in self._axes.items()])
            self._scores.append(_score(trial))
            self._train_when_due(study)

    def _train_when_due(self, study: Study) -> None:
        assert self._cascade is not None
        due = len(self._rows) - self._last_attempt >= self.points_per_classifier
        if len(self._classifiers) >= self.max_classifiers or not due:
            return
        objective = "max" if study.direction == StudyDirection.MAXIMIZE else "min"
        X = self._cascade.space.encode_rows(self._rows)
        seed = derive_seed(self.seed, len(self._seen), purpose="classifier")
        trained = train_classifier(
            X, label_scores(self._scores, objective), seed=seed, skip_cv_checks=self.skip_cv_checks
        )
        self._last_attempt = len(self._rows)
        if trained.model is None:
            return  # these trials are pooled with the next ones
        self._classifiers.append(trained.model)
        self._cascade = self._cascade.extended(trained.model)
        self._rows, self._scores, self._last_attempt = [], [], 0

    def __getstate__(self) -> dict[str, Any]:
        """Only the settings: locks cannot be sent, and the rest comes back from the study's trials."""
        kept = ("points_per_classifier", "max_classifiers", "skip_cv_checks", "seed", "_independent")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()


class _Axis:
    """One of Optuna's distributions as a parameter, and the way between their values."""

    def __init__(self, name: str, distribution: BaseDistribution) -> None:
        self._choices: Sequence[Any] | None = None
        self._low, self._step = 0.0, None
        self.parameter: AbstractHyperParameter
        match distribution:
            case CategoricalDistribution(choices=choices):
                self._choices = choices
                self.parameter = DiscreteHyperParameter(name, list(range(len(choices))))
            case IntDistribution(low=low, high=high, log=True):
                self.parameter = LogIntegerHyperParameter(name, low, high)
            case FloatDistribution(low=low, high=high, log=True):
                self.parameter = LogUniformHyperParameter(name, low, high)
            case FloatDistribution(low=low, high=high, step=None):
                self.parameter = UniformContinuousHyperParameter(name, low, high)
            case FloatDistribution(low=low, high=high, step=step) | IntDistribution(low=low, high=high, step=step):
                self._low, self._step = low, step
                self.parameter = IntegerHyperParameter(name, 0, round((high - low) / step))
            case _:
                raise ValueError(f"search_space: expected a distribution of Optuna, got {distribution!r} for {name!r}")

    def to_trial(self, value: Any) -> Any:
        if self._choices is not None:
            return self._choices[value]
        return value if self._step is None else self._low + value * self._step

    def from_trial(self, value: Any) -> Any:
        if self._choices is not None:
            # By identity as well, since nan is one of Optuna's choices and equals nothing
            return next(i for i, c in enumerate(self._choices) if c is value or (type(c) is type(value) and c == value))
        return value if self._step is None else round((value - self._low) / self._step)


def _score(trial: FrozenTrial) -> float:
    value = trial.value if trial.state == TrialState.COMPLETE else None
    return value if value is not None and math.isfinite(value) else math.nan


def _at_least(name: str, value: Any, lowest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < lowest:
        raise ValueError(f"{name}: expected an integer of at least {lowest}, got {value!r}")
    return int(value)
