"""The contenders: each spends a budget in synchronous batches, and tells the best value after every batch.

All get the same budget and the same batches: the settings of a batch are asked for before any of its values is known.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import tempfile
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import shac

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.quality.ablations import (
        Ablation,
        Forest,
        best_third,
        by_margins,
        points_of_the_region,
        recombined,
        run_search,
        sobol,
    )
    from benchmarks.quality.axes import Axis, Choice, draw
    from benchmarks.quality.observations import Observations
    from benchmarks.quality.strong import cat_cma, hebo, q_log_ei, smac, turbo
    from benchmarks.quality.task import Task, best_so_far
else:
    from quality.ablations import (
        Ablation,
        Forest,
        best_third,
        by_margins,
        points_of_the_region,
        recombined,
        run_search,
        sobol,
    )
    from quality.axes import Choice, draw
    from quality.observations import Observations
    from quality.strong import cat_cma, hebo, q_log_ei, smac, turbo
    from quality.task import Task, best_so_far

__all__ = ["CONTENDERS", "Contender", "cma_es", "shac_engine", "tpe"]

_SETTINGS_TO_SORT_BY = 20_000


def random_search(task: Task, times: int) -> list[float]:
    random = np.random.default_rng([task.seed, times])
    count = task.budget * times
    values = [task.function(draw(task.problem.axes, random)) for _ in range(count)]
    return best_so_far(values, task.batch_size * times)


def shac_engine(
    task: Task, folder: str, strategy: str | shac.Strategy, evaluation_function: Callable[..., float] | None = None
) -> shac.SHAC:
    """Make the engine of a task."""
    engine = shac.SHAC(
        evaluation_function,
        shac.HyperParameterList(
            [axis.for_shac() for axis in task.problem.axes],
            conditions={name: {parent: list(values)} for name, (parent, values) in task.problem.conditions.items()},
        ),
        total_budget=task.budget,
        num_batches=task.num_batches,
        objective="min",
        save_dir=folder,
        seed=task.seed,
        strategy=strategy,
    )
    engine.set_num_parallel_generators(1)
    return engine


def shac_search(task: Task, strategy: str | shac.Strategy, **options: Any) -> list[float]:
    """The library's own loop, by `ask` and `tell`; options change the strategy that is used for the task."""
    with tempfile.TemporaryDirectory() as folder:
        engine = shac_engine(task, folder, strategy)
        if options:
            engine = shac_engine(task, folder, dataclasses.replace(engine.strategy, **options))
        places: list[int] = []
        while batch := engine.ask(task.batch_size):
            values = [task.function(dict(setting)) for setting in batch]
            for setting, value in zip(batch, values, strict=True):
                engine.tell(setting, value)
            places.append(engine.dataset.ranked()[0][0])
        if isinstance(task.function, Observations):  # the configuration that a user is told
            task.function.name_incumbents(places)
        return best_so_far(engine.dataset.Y, task.batch_size)


def recommended(task: Task) -> list[float]:
    """The default search, judged by the evaluated configuration that it recommends, not by the luckiest one."""
    places: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        engine = shac_engine(task, folder, "guided")
        while batch := engine.ask(task.batch_size):
            for setting, value in zip(batch, [task.function(dict(setting)) for setting in batch], strict=True):
                engine.tell(setting, value)
            places.append(_recommended_place(engine))
        if isinstance(task.function, Observations):
            task.function.name_incumbents(places)
        return [engine.dataset.Y[place] for place in places]


def _recommended_place(engine: shac.SHAC) -> int:
    surrogate_of = importlib.import_module("shac.engine.surrogate").RBFSurrogate
    state = engine.state
    predicted = surrogate_of(state.space, state.X, state.scores, "min").predict(state.X)
    return int(np.argmin(np.where(np.isfinite(state.scores), predicted, np.inf)))


def ablated_search(task: Task, strategy: str | shac.Strategy, ablation: Ablation, **options: Any) -> list[float]:
    """The library's functions in a loop of ours, with a part of them exchanged for what only comparisons need."""
    with tempfile.TemporaryDirectory() as folder:
        engine = shac_engine(task, folder, strategy)
        plan = dataclasses.replace(engine.plan, strategy=dataclasses.replace(engine.strategy, **options))
        state = run_search(plan, engine.state, task.function, ablation)
    return best_so_far(state.scores.tolist(), task.batch_size)


def optuna_search(task: Task, make_sampler: Callable[[Task], Any]) -> list[float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    problem = task.problem
    distributions = {axis.name: axis.for_optuna() for axis in problem.axes if not problem.conditions}
    values: list[float] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental samplers say so
        study = optuna.create_study(sampler=make_sampler(task))
        for _ in range(task.num_batches):
            trials = [study.ask(distributions) for _ in range(task.batch_size)]
            for trial in trials if problem.conditions else ():  # "define by run"
                for axis in problem.axes:
                    if problem.counts(axis.name, trial.params):
                        axis.suggest(trial)
            batch = [task.function(trial.params) for trial in trials]
            for trial, value in zip(trials, batch, strict=True):
                study.tell(trial, value)
            values += batch
    return best_so_far(values, task.batch_size)


def tpe(task: Task) -> Any:
    import optuna

    return optuna.samplers.TPESampler(seed=task.seed, constant_liar=True)


def tpe_in_groups(task: Task) -> Any:
    """TPE that models each group of parameters that exist together, for conditional spaces."""
    import optuna

    return optuna.samplers.TPESampler(seed=task.seed, constant_liar=True, multivariate=True, group=True)


def gaussian_process(task: Task) -> Any:
    import optuna

    return optuna.samplers.GPSampler(seed=task.seed)


def cma_es(task: Task) -> Any:
    import optuna

    return optuna.samplers.CmaEsSampler(seed=task.seed, popsize=task.batch_size)


def cma_es_with_margin(task: Task) -> Any:
    """CMA-ES that keeps a least share for each integer; choices are drawn at random."""
    import optuna

    return optuna.samplers.CmaEsSampler(seed=task.seed, popsize=task.batch_size, with_margin=True)


def nevergrad_search(task: Task) -> list[float]:
    """NGOpt, which chooses an algorithm by the space, the budget and the number of workers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nevergrad
        from nevergrad.optimization import metamodel

        # NGOpt's metamodel makes a number of an array of one, which NumPy 2.4 refuses.
        metamodel.float = lambda value: float(np.ravel(value)[0])
        space = nevergrad.p.Dict(**{axis.name: axis.for_nevergrad() for axis in task.problem.axes})
        space.random_state = np.random.RandomState(task.seed)  # nevergrad's kind
        optimizer = nevergrad.optimizers.NGOpt(space, budget=task.budget, num_workers=task.batch_size)
        values: list[float] = []
        with contextlib.redirect_stdout(None):
            for _ in range(task.num_batches):
                asked = [optimizer.ask() for _ in range(task.batch_size)]
                batch = [task.function(candidate.value) for candidate in asked]
                for candidate, value in zip(asked, batch, strict=True):
                    optimizer.tell(candidate, value)
                values += batch
    return best_so_far(values, task.batch_size)


def with_sorted_choices(task: Task) -> Task:
    """Put the values of each choice in the order of their true mean effects, which no search knows.

    What a classifier could gain from splits among values in any order, at most, as far as they act by themselves.
    """
    random = np.random.default_rng(0)
    settings = [draw(task.problem.axes, random) for _ in range(_SETTINGS_TO_SORT_BY)]
    scores = np.array([task.function(setting) for setting in settings])

    def with_sorted_values(axis: Axis) -> Axis:
        if not isinstance(axis, Choice):
            return axis
        means = {value: scores[[setting[axis.name] == value for setting in settings]].mean() for value in axis.values}
        return dataclasses.replace(axis, values=tuple(sorted(axis.values, key=means.__getitem__)))

    axes = tuple(with_sorted_values(axis) for axis in task.problem.axes)
    return dataclasses.replace(task, problem=dataclasses.replace(task.problem, axes=axes))


@dataclass(frozen=True)
class Contender:
    """A search, and whether it spends the budget of all (the others are for comparison only)."""

    run: Callable[[Task], list[float]]
    has_equal_budget: bool = True
    largest_budget: int = 10**9  # above it a run takes hours
    is_variant: bool = False  # runs only where it is asked for
    package: str = "shac"


def _variant(ablation: Ablation | None = None, **options: Any) -> Contender:
    """The paper's strategy with some options changed, or a part that only ablations have."""
    strategy = shac.Strategy(**options)
    if ablation is not None:
        return Contender(lambda task: ablated_search(task, strategy, ablation), is_variant=True)
    return Contender(lambda task: shac_search(task, strategy), is_variant=True)


def _guided_without(ablation: Ablation | None = None, **options: Any) -> Contender:
    """The default strategy with some options changed, or a part that only ablations have."""
    if ablation is not None:
        return Contender(lambda task: ablated_search(task, "guided", ablation, **options), is_variant=True)
    return Contender(lambda task: shac_search(task, "guided", **options), is_variant=True)


def _guided_with_the_same_shares(task: Task) -> list[float]:
    return shac_search(task, importlib.import_module("shac.engine.strategy").STRATEGIES["guided"])


def _with_sorted_choices(strategy: str) -> Contender:
    return Contender(lambda task: shac_search(with_sorted_choices(task), strategy), is_variant=True)


_SMALL_LEAVES: dict[str, Any] = {"min_child_weight": 0.1}
_FOREST = Forest(num_trees=100, **_SMALL_LEAVES)
_ALL_POINTS: dict[str, Any] = {"training_points": "all", "cross_validation": False, "candidates": "walk"}

CONTENDERS: dict[str, Contender] = {
    "random": Contender(lambda task: random_search(task, 1)),
    "random-2x": Contender(lambda task: random_search(task, 2), has_equal_budget=False),
    "random-4x": Contender(lambda task: random_search(task, 4), has_equal_budget=False),
    "optuna-tpe": Contender(lambda task: optuna_search(task, tpe), package="optuna"),
    "optuna-gp": Contender(lambda task: optuna_search(task, gaussian_process), largest_budget=400, package="optuna"),
    "optuna-cmaes": Contender(lambda task: optuna_search(task, cma_es), package="cmaes"),
    "nevergrad": Contender(nevergrad_search, package="nevergrad"),
    "shac-paper": Contender(lambda task: shac_search(task, "paper")),
    "shac-pooled": Contender(lambda task: shac_search(task, "pooled")),
    "shac-guided": Contender(lambda task: shac_search(task, "guided")),
    "shac-guided-recommended": Contender(recommended, is_variant=True),
    "optuna-tpe-group": Contender(lambda task: optuna_search(task, tpe_in_groups), is_variant=True, package="optuna"),
    "optuna-cmaes-margin": Contender(
        lambda task: optuna_search(task, cma_es_with_margin), is_variant=True, package="cmaes"
    ),
    "cat-cma": Contender(cat_cma, is_variant=True, package="cmaes"),
    "hebo": Contender(hebo, is_variant=True, package="HEBO"),
    "smac": Contender(smac, is_variant=True, package="smac"),
    "turbo": Contender(turbo, is_variant=True, package="uber-turbo"),
    "q-log-ei": Contender(q_log_ei, is_variant=True, package="botorch"),
    "walk": _variant(candidates="walk"),
    "no-gate": _variant(cross_validation=False),
    "small-leaves": _variant(trees=shac.TreeSettings(**_SMALL_LEAVES)),
    "forest": _variant(trees=_FOREST),
    "region-points": _variant(Ablation(choose_points=points_of_the_region), **_ALL_POINTS),
    "all-points": _variant(**_ALL_POINTS),
    "all-points-forest": _variant(**_ALL_POINTS, trees=_FOREST),
    "best-third": _variant(Ablation(choose_points=best_third)),
    "kept-share": _variant(kept_share=(0.75, 0.4), candidates="walk"),
    "sobol": _variant(Ablation(first_batch=sobol)),
    "best-of-64-margins": _variant(Ablation(choose=by_margins), candidates_per_sample=64, candidates="walk"),
    "best-of-64-surface": _variant(candidates_per_sample=64, candidates="walk"),
    "guided-no-climb": _guided_without(climb=False),
    "guided-with-repeats": _guided_without(avoid_repeats=False),
    "guided-no-replicates": _guided_without(repeat_best=False),
    "guided-no-quadratic": _guided_without(quadratic_model=False),
    "guided-no-ridge": _guided_without(ridge_quadratic=False),
    "guided-no-growth": _guided_without(grown_factorization=False),
    "guided-root-losses": Contender(lambda task: shac_search(task, "guided", root_losses=True), is_variant=True),
    "guided-interpolating": _guided_without(estimate_noise=False),
    "guided-sobol": _guided_without(Ablation(first_batch=sobol)),
    "guided-recombining": _guided_without(Ablation(choose=recombined)),
    "guided-margins": _guided_without(Ablation(choose=by_margins)),
    "guided-no-ranking": _guided_without(candidates_per_sample=1),
    "guided-no-share": _guided_without(kept_share=None),
    "guided-same-shares": Contender(_guided_with_the_same_shares, is_variant=True),
    "guided-last-batch": _guided_without(training_points="batch"),
    "guided-forest": _guided_without(trees=Forest(num_trees=50, **_SMALL_LEAVES)),
    "guided-lower-gaps": _guided_without(trees=shac.TreeSettings(num_trees=50, **_SMALL_LEAVES)),
    "guided-better-gaps": _guided_without(trees=shac.TreeSettings(num_trees=50, **_SMALL_LEAVES, gaps="better")),
    "guided-sorted-choices": _with_sorted_choices("guided"),
    "pooled-sorted-choices": _with_sorted_choices("pooled"),
    "paper-sorted-choices": _with_sorted_choices("paper"),
}
