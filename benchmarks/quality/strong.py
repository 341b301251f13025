"""The strongest rivals, each as its package sets it, in synchronous batches: they cost minutes a search.

They are no part of the extra `quality`: HEBO 0.3.6, SMAC3 2.4.1, uber-turbo 0.1.3 (TuRBO-1), BoTorch 0.18.1 (qLogEI)
and cmaes 0.13.1 (CatCMAwM). A choice is given by the index of its value, so that all packages are told the same.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.quality.axes import Axis, Choice, Number
    from benchmarks.quality.task import Task, best_so_far
else:
    from quality.axes import Choice, Number
    from quality.task import best_so_far

__all__ = ["cat_cma", "hebo", "q_log_ei", "smac", "turbo"]


def _integer_ends(axis: Number) -> tuple[int, int]:
    return int(axis.low), int(axis.high)


def _value(axis: Axis, told: Any) -> Any:
    """Return a value of an axis as its problem takes it, of what a package has for it."""
    if isinstance(axis, Choice):
        return axis.values[int(told)]
    return round(float(told)) if axis.integer else float(told)


def hebo(task: Task) -> list[float]:
    """HEBO, the winner of the black-box optimisation challenge of 2020."""
    import torch
    from hebo.design_space.design_space import DesignSpace
    from hebo.optimizers.hebo import HEBO

    def described(axis: Axis) -> dict[str, Any]:
        if isinstance(axis, Choice):
            return {"name": axis.name, "type": "cat", "categories": [str(i) for i in range(len(axis.values))]}
        kind = {(False, False): "num", (False, True): "int", (True, False): "pow", (True, True): "pow_int"}
        low, high = _integer_ends(axis) if axis.integer else (axis.low, axis.high)
        return {"name": axis.name, "type": kind[axis.log, axis.integer], "lb": low, "ub": high}

    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    np.random.seed(task.seed)  # noqa: NPY002 - what HEBO draws from
    values: list[float] = []
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = HEBO(DesignSpace().parse([described(axis) for axis in task.problem.axes]), scramble_seed=task.seed)
        for _ in range(task.num_batches):
            batch = search.suggest(n_suggestions=task.batch_size)
            told = batch.to_dict("records")
            scores = [
                task.function({axis.name: _value(axis, row[axis.name]) for axis in task.problem.axes}) for row in told
            ]
            search.observe(batch, np.array(scores)[:, None])
            values += scores
    return _checked(values, task)


def smac(task: Task) -> list[float]:
    """SMAC3's facade for hyperparameters (a random forest), which knows conditions."""
    from ConfigSpace import Categorical, ConfigurationSpace, Float, InCondition, Integer
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory.dataclasses import TrialValue

    axes = {axis.name: axis for axis in task.problem.axes}

    def described(axis: Axis) -> Any:
        if isinstance(axis, Choice):
            return Categorical(axis.name, [str(i) for i in range(len(axis.values))])
        if axis.integer:
            return Integer(axis.name, _integer_ends(axis), log=axis.log)
        return Float(axis.name, (axis.low, axis.high), log=axis.log)

    values: list[float] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        space = ConfigurationSpace(seed=task.seed)
        parameters = {name: described(axis) for name, axis in axes.items()}
        space.add(list(parameters.values()))
        for name, (parent, wanted) in task.problem.conditions.items():
            indices = [str(axes[parent].values.index(value)) for value in wanted]
            space.add(InCondition(parameters[name], parameters[parent], indices))
        scenario = Scenario(space, n_trials=task.budget, deterministic=True, seed=task.seed, output_directory=folder)
        facade = HyperparameterOptimizationFacade
        once = facade.get_intensifier(scenario, max_config_calls=1)
        search = facade(scenario, lambda config, seed=0: 0.0, overwrite=True, logging_level=False, intensifier=once)
        for _ in range(task.num_batches):
            batch = [search.ask() for _ in range(task.batch_size)]
            scores = [
                task.function({name: _value(axes[name], told) for name, told in dict(trial.config).items()})
                for trial in batch
            ]
            for trial, score in zip(batch, scores, strict=True):
                search.tell(trial, TrialValue(cost=score))
            values += scores
    return _checked(values, task)


def _of_unit_cube(task: Task) -> Callable[[NDArray[np.float64]], float]:
    """Return the function of a problem of floats on the unit cube, log-uniform columns by their logarithms."""
    if any(isinstance(axis, Choice) or axis.integer for axis in task.problem.axes):
        raise ValueError(f"{task.problem.name}: expected floats alone, got choices or integers")

    def function(point: NDArray[np.float64]) -> float:
        setting = {}
        for axis, place in zip(task.problem.axes, np.ravel(point), strict=True):
            low, high = (math.log(axis.low), math.log(axis.high)) if axis.log else (axis.low, axis.high)
            value = low + float(place) * (high - low)
            setting[axis.name] = math.exp(value) if axis.log else value
        return task.function(setting)

    return function


def turbo(task: Task) -> list[float]:
    """TuRBO with one trust region; its first batch is a batch like the others."""
    import torch
    from turbo import Turbo1

    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    np.random.seed(task.seed)  # noqa: NPY002 - what TuRBO draws from
    function = _of_unit_cube(task)
    dimension = len(task.problem.axes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = Turbo1(
            f=function,
            lb=np.zeros(dimension),
            ub=np.ones(dimension),
            n_init=task.batch_size,
            max_evals=task.budget,
            batch_size=task.batch_size,
            verbose=False,
            use_ard=True,
            max_cholesky_size=2000,
            n_training_steps=50,
            device="cpu",
            dtype="float64",
        )
        search.optimize()
    return _checked(np.ravel(search.fX)[: task.budget].tolist(), task)


def q_log_ei(task: Task) -> list[float]:
    """BoTorch's Gaussian process with the logarithm of the expected improvement, a batch's points one by one."""
    import torch
    from botorch.acquisition import qLogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.optim import optimize_acqf
    from gpytorch.mlls import ExactMarginalLogLikelihood
    from scipy.stats import qmc

    torch.set_num_threads(1)
    torch.manual_seed(task.seed)
    function = _of_unit_cube(task)
    dimension = len(task.problem.axes)
    unit = torch.tensor([[0.0] * dimension, [1.0] * dimension], dtype=torch.float64)
    points = torch.from_numpy(qmc.Sobol(dimension, seed=task.seed).random(task.batch_size))
    values = [function(point) for point in points.numpy()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(task.num_batches - 1):
            y = -torch.tensor(values, dtype=torch.float64)[:, None]
            y = (y - y.mean()) / y.std()
            model = SingleTaskGP(points, y)
            fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
            batch, _ = optimize_acqf(
                qLogExpectedImprovement(model, best_f=y.max()),
                bounds=unit,
                q=task.batch_size,
                num_restarts=4,
                raw_samples=128,
                sequential=True,
            )
            points = torch.cat([points, batch])
            values += [function(point) for point in batch.numpy()]
    return _checked(values, task)


def cat_cma(task: Task) -> list[float]:
    """CMA-ES with margin and categorical distributions, restarted where it has converged."""
    from cmaes import CatCMAwM

    floats = [axis for axis in task.problem.axes if isinstance(axis, Number) and not axis.integer]
    integers = [axis for axis in task.problem.axes if isinstance(axis, Number) and axis.integer]
    choices = [axis for axis in task.problem.axes if isinstance(axis, Choice)]

    def scaled(axis: Number, value: float) -> float:
        return math.log(value) if axis.log else value

    def unscaled(axis: Number, value: float) -> float:
        return math.exp(value) if axis.log else value

    spaces = {
        "x_space": [[scaled(axis, axis.low), scaled(axis, axis.high)] for axis in floats],
        "z_space": [[scaled(axis, i) for i in range(int(axis.low), int(axis.high) + 1)] for axis in integers],
        "c_space": [len(axis.values) for axis in choices],
    }
    spaces = {name: space for name, space in spaces.items() if space}

    def setting(solution: Any) -> dict[str, Any]:
        told = {
            axis.name: unscaled(axis, value) for axis, value in zip(floats, solution.x if floats else (), strict=True)
        }
        told |= {axis.name: unscaled(axis, v) for axis, v in zip(integers, solution.z if integers else (), strict=True)}
        if choices:
            for axis, row in zip(choices, solution.c, strict=True):
                told[axis.name] = int(np.argmax(row[: len(axis.values)]))
        return {axis.name: _value(axis, told[axis.name]) for axis in task.problem.axes}

    values: list[float] = []
    population = task.batch_size if task.batch_size > 1 else None  # it cannot learn of one: the package's own size then
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search, restarts = CatCMAwM(**spaces, population_size=population, seed=task.seed), 0
        while len(values) < task.budget:
            if search.should_stop():
                restarts += 1
                search = CatCMAwM(**spaces, population_size=population, seed=task.seed + 1000 * restarts)
            batch = [search.ask() for _ in range(min(search.population_size, task.budget - len(values)))]
            scores = [task.function(setting(solution)) for solution in batch]
            if len(batch) == search.population_size:
                search.tell(list(zip(batch, scores, strict=True)))
            values += scores
    return _checked(values, task)


def _checked(values: list[float], task: Task) -> list[float]:
    """Return the lowest value after each batch of a search that has spent its budget."""
    if len(values) != task.budget:
        raise ValueError(f"{task.problem.name}: expected {task.budget} evaluations, got {len(values)}")
    return best_so_far(values, task.batch_size)
