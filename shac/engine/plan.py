"""What a search is asked for, as values: its arguments as given, and the plan that they and a saved search make."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from shac.engine.arguments import checked_count, checked_seed
from shac.engine.pruning import Pruning
from shac.engine.strategy import Strategy, named_strategy, with_fitting_shares
from shac.engine.warm_start import WarmStart
from shac.objectives import Objectives
from shac.space import HyperParameterList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shac.parameters import AbstractHyperParameter

__all__ = ["SearchArguments", "SearchPlan", "checked_cost_aware"]

_DEFAULT_STRATEGY = "guided"


@dataclass(frozen=True, slots=True)
class SearchArguments:
    """Arguments of an engine that decide what it searches and how, checked; see `SHAC`.

    Parameters
    ----------
    space : HyperParameterList or None
    total_budget, num_batches : int
    objective : {'max', 'min'}
        Of the scores that the search learns from: 'min' for several objectives, whose evaluations are ranked.
    max_classifiers : int
    seed : int or None
        None: that of the parameters or of a saved search, or a fresh one.
    strategy : Strategy, str or None
        None: that of a saved search, or the default.
    pruning : Pruning or None
        None: that of a saved search, or none.
    warm_start : WarmStart or None
        What the search begins with; a saved search has its own.
    objectives : Objectives or None
        Several objectives; None where there is one.
    cost_aware : bool or None
        None: that of a saved search, or False.
    """

    space: HyperParameterList | None
    total_budget: int
    num_batches: int
    objective: str
    max_classifiers: int
    seed: int | None
    strategy: Strategy | str | None
    pruning: Pruning | None = None
    warm_start: WarmStart | None = None
    objectives: Objectives | None = None
    cost_aware: bool | None = None

    @classmethod
    def checked(
        cls,
        hyperparameter_list: HyperParameterList | Iterable[AbstractHyperParameter] | None,
        total_budget: Any,
        num_batches: Any,
        objective: Any,
        max_classifiers: Any,
        seed: int | None,
        strategy: Strategy | str | None,
        pruning: Pruning | str | None = None,
        warm_start: Any = None,
        cost_aware: Any = None,
    ) -> Self:
        """Check what an engine is given.

        Raises
        ------
        ValueError
            If an argument is out of its range, or `num_batches` does not divide `total_budget`.
        """
        objectives = Objectives.of(objective)
        budget, batches = checked_count("total_budget", total_budget), checked_count("num_batches", num_batches)
        if budget % batches:
            raise ValueError(
                f"total_budget: expected a multiple of num_batches={batches}, got {budget}, "
                f"which leaves {budget % batches}"
            )
        if not isinstance(strategy, Strategy | None):
            named_strategy(strategy)
        space = hyperparameter_list
        if space is not None and not isinstance(space, HyperParameterList):
            space = HyperParameterList(space)
        if objectives is not None:
            _check_several(objectives, space, pruning, warm_start, cost_aware or None)
        checked_cost_aware(cost_aware)
        return cls(
            space=space,
            total_budget=budget,
            num_batches=batches,
            objective=objective if objectives is None else "min",
            max_classifiers=checked_count("max_classifiers", max_classifiers),
            seed=None if seed is None else checked_seed(seed),
            strategy=strategy,
            pruning=Pruning.named(pruning),
            warm_start=WarmStart.of(warm_start),
            objectives=objectives,
            cost_aware=cost_aware,
        )

    def with_budget(self, total_budget: int) -> Self:
        """Return the arguments of a search that ends within its last round, after so many evaluations."""
        return replace(self, total_budget=total_budget)

    def with_seed(self, seed: int | None) -> Self:
        """Return the arguments with another seed.

        Raises
        ------
        ValueError
            If it is out of its range.
        """
        return replace(self, seed=None if seed is None else checked_seed(seed))


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """What a search does, whatever comes of it.

    Parameters
    ----------
    space : HyperParameterList or None
        The search space; None until it comes from disk.
    total_budget, num_batches : int
        N evaluations in M rounds; the last one is smaller where M does not divide N.
    objective : {'max', 'min'}
        See `SearchArguments`.
    total_classifiers : int
        K = min(max(M - 1, 1), `max_classifiers`).
    seed : int
        In [0, 2**64).
    strategy : Strategy
        With shares that fit the space, where it was given by its name.
    overlap : int
        L, the first configurations of a round that are drawn when the round before it begins.
    pruning : Pruning or None
        How evaluations end that are worse than others.
    objectives : Objectives or None
        Several objectives; None where there is one.
    cost_aware : bool
        Whether the choice among candidates weighs how long their evaluations take.
    """

    space: HyperParameterList | None
    total_budget: int
    num_batches: int
    objective: str
    total_classifiers: int
    seed: int
    strategy: Strategy
    overlap: int = 0
    pruning: Pruning | None = None
    objectives: Objectives | None = None
    cost_aware: bool = False

    @classmethod
    def resolve(
        cls,
        given: SearchArguments,
        *,
        saved_space: HyperParameterList | None = None,
        saved_seed: int | None = None,
        saved_strategy: Strategy | None = None,
        overlap: int = 0,
        saved_pruning: Pruning | None = None,
        saved_cost_aware: bool = False,
    ) -> Self:
        """Make the plan of arguments, where a saved search has what they leave open.

        Parameters
        ----------
        given : SearchArguments
        saved_space, saved_seed, saved_strategy, saved_pruning, saved_cost_aware : optional
            Those of the saved search.
        overlap : int

        Returns
        -------
        SearchPlan

        Raises
        ------
        ValueError
            If the strategy chooses among no candidates, and the search is to be aware of costs.
        """
        seed = given.seed
        if seed is None and given.space is not None:
            seed = given.space.seed
        if seed is None:
            seed = secrets.randbits(63) if saved_seed is None else saved_seed
        space = saved_space if given.space is None else given.space
        plan = cls(
            space=space,
            total_budget=given.total_budget,
            num_batches=given.num_batches,
            objective=given.objective,
            total_classifiers=min(max(given.num_batches - 1, 1), given.max_classifiers),
            seed=seed,
            strategy=_strategy_of(given.strategy, saved_strategy),
            overlap=overlap,
            pruning=given.pruning or saved_pruning,
            objectives=given.objectives,
            cost_aware=saved_cost_aware if given.cost_aware is None else given.cost_aware,
        )
        checked_cost_aware(plan.cost_aware, plan.strategy)
        if space is None or isinstance(given.strategy, Strategy) or (given.strategy is None and saved_strategy):
            return plan
        return replace(
            plan, strategy=with_fitting_shares(plan.strategy, space, plan.total_classifiers, plan.points_per_classifier)
        )

    @property
    def given_objective(self) -> str | tuple[str, ...] | dict[str, str]:
        """What is searched for, as an engine is given it."""
        return self.objective if self.objectives is None else self.objectives.as_given

    @property
    def failed_score(self) -> float | tuple[float, ...]:
        """The score of an evaluation that failed, or was pruned."""
        return math.nan if self.objectives is None else self.objectives.failed

    @property
    def batch_size(self) -> int:
        """W = N / M, the evaluations of a round; of all rounds but the last where M does not divide N."""
        return -(-self.total_budget // self.num_batches)

    @property
    def points_per_classifier(self) -> int:
        """T_c = W * floor(N / (W * (K + 1))), the evaluations that a classifier waits for."""
        return self.batch_size * (self.num_batches // (self.total_classifiers + 1))

    def round_of(self, num_evaluations: int) -> int:
        """Return the number of the round, from 0, that follows so many evaluations."""
        return num_evaluations // self.batch_size

    def size_of_round(self, num_evaluations: int) -> int:
        """Return the evaluations of the round that follows so many."""
        return min(self.batch_size, self.total_budget - num_evaluations)

    def size_ahead(self, num_evaluations: int) -> int:
        """Return how many of the next round are drawn when the round begins that follows so many evaluations."""
        return max(0, min(self.overlap, self.total_budget - num_evaluations - self.size_of_round(num_evaluations)))


def checked_cost_aware(value: Any, strategy: Strategy | str | None = None) -> Any:
    """Return whether a search is to be aware of costs, as it is given.

    Raises
    ------
    ValueError
        If it is neither True, False nor None, or the strategy has no candidates to choose among by their costs.
    """
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"cost_aware: expected True, False or None, got {value!r}")
    if value and strategy is not None and _strategy_of(strategy, None).candidates_per_sample == 1:
        raise ValueError(
            "cost_aware: expected False with a strategy that has one candidate for each configuration (see "
            "Strategy.candidates_per_sample), got True"
        )
    return value


def _check_several(
    objectives: Objectives, space: HyperParameterList | None, pruning: object, warm_start: object, cost_aware: object
) -> None:
    """Refuse what only a single score gives."""
    if space is not None:
        objectives.check_names(space.get_parameter_names())
    for name, value in (("pruning", pruning), ("warm_start", warm_start), ("cost_aware", cost_aware)):
        if value is not None:
            raise ValueError(f"{name}: expected None with {len(objectives)} objectives, got {value!r}")


def _strategy_of(given: Strategy | str | None, saved: Strategy | None) -> Strategy:
    if isinstance(given, Strategy):
        return given
    if given is None and saved is not None:
        return saved
    return named_strategy(_DEFAULT_STRATEGY if given is None else given)
