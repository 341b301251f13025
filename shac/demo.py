"""The demo: a real search over small PyTorch networks on scikit-learn's digits.

Training lasts a fixed number of passes over few images, so that configurations matter: bad ones do not converge,
overfit, or diverge.
"""

from __future__ import annotations

import functools
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.callbacks import Callback
from shac.engine import TorchSHAC
from shac.evaluation import EvaluationTask, EvaluatorPool, derive_seed
from shac.parameters import (
    DiscreteHyperParameter,
    IntegerHyperParameter,
    LogIntegerHyperParameter,
    LogUniformHyperParameter,
    UniformContinuousHyperParameter,
)
from shac.progress import lines_are_wanted
from shac.space import HyperParameterList

if TYPE_CHECKING:
    import os
    from collections import OrderedDict
    from collections.abc import Callable, Mapping, Sequence

    import torch

    from shac.callbacks import Logs

__all__ = ["DemoResult", "digits_space", "held_out_accuracy", "run_demo", "validation_accuracy"]

_NUM_TRAINING, _NUM_VALIDATION = 800, 500  # of 1,797; the rest is held out
_NUM_EPOCHS = 25
_NUM_TRAININGS_OF_BEST = 5  # a training may end in a step that spoils it


def digits_space() -> HyperParameterList:
    """Return the demo's search space: 8 parameters of a network and its training."""
    return HyperParameterList(
        [
            LogUniformHyperParameter("learning_rate", 1e-4, 1.0),
            LogUniformHyperParameter("weight_decay", 1e-6, 1e-1),
            LogIntegerHyperParameter("width", 8, 256),
            IntegerHyperParameter("depth", 1, 4),
            UniformContinuousHyperParameter("dropout", 0.0, 0.7),
            DiscreteHyperParameter("activation", ["relu", "gelu", "tanh", "sigmoid"]),
            DiscreteHyperParameter("optimiser", ["sgd", "adam", "rmsprop"]),
            DiscreteHyperParameter("batch_size", [16, 32, 64, 128]),
        ]
    )


def validation_accuracy(worker_id: int, parameters: Mapping[str, Any]) -> float:
    """Train a network and return its accuracy on the validation images, which the search maximises."""
    return _trained_accuracy(worker_id, parameters, slice(_NUM_TRAINING, _NUM_TRAINING + _NUM_VALIDATION))


def held_out_accuracy(worker_id: int, parameters: Mapping[str, Any]) -> float:
    """Train a network on the same images and return its accuracy on images that the search never saw."""
    return _trained_accuracy(worker_id, parameters, slice(_NUM_TRAINING + _NUM_VALIDATION, None))


@functools.cache
def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    import torch
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return torch.from_numpy(images[order] / 16).float(), torch.from_numpy(labels[order]).long()


def _network(parameters: Mapping[str, Any]) -> torch.nn.Sequential:
    from torch import nn

    activations = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
    layers: list[nn.Module] = []
    width = 64
    for _ in range(parameters["depth"]):
        layers += [nn.Linear(width, parameters["width"]), activations[parameters["activation"]]()]
        layers.append(nn.Dropout(parameters["dropout"]))
        width = parameters["width"]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def _optimiser(model: torch.nn.Module, parameters: Mapping[str, Any]) -> torch.optim.Optimizer:
    from torch import optim

    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "sgd": functools.partial(optim.SGD, momentum=0.9),
        "adam": optim.AdamW,
        "rmsprop": optim.RMSprop,
    }
    return kinds[parameters["optimiser"]](
        model.parameters(), lr=parameters["learning_rate"], weight_decay=parameters["weight_decay"]
    )


def _trained_accuracy(worker_id: int, parameters: Mapping[str, Any], judged: slice) -> float:  # noqa: ARG001
    """Train on the CPU: networks this small would wait for a GPU longer than they compute."""
    import torch

    images, labels = _digits()
    model = _network(parameters)
    optimiser = _optimiser(model, parameters)
    loss_function = torch.nn.CrossEntropyLoss()
    for _ in range(_NUM_EPOCHS):
        for batch in torch.randperm(_NUM_TRAINING).split(parameters["batch_size"]):
            optimiser.zero_grad()
            loss_function(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        return float((model(images[judged]).argmax(dim=1) == labels[judged]).float().mean())


class RoundPrinter(Callback):
    """Writes one line a round.

    Parameters
    ----------
    write : callable
        Takes a line of text.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        super().__init__()
        self._write = write

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._write("round  evaluations  batch median  best so far  classifiers  seconds")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        log = logs or {}
        seconds = sum(log[f"{kind}_seconds"] for kind in ("sampling", "evaluating", "training"))
        self._write(
            f"{epoch:5d}  {log['evaluations']:11d}  {log['batch_median']:12.3f}  {log['best']:11.3f}"
            f"  {log['classifiers']:11d}  {seconds:7.1f}"
        )


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demo found.

    Parameters
    ----------
    predicted, random : ndarray of float64
        Held-out accuracies of configurations that pass all classifiers, and of configurations drawn from the prior.
    best : float
        Held-out accuracy of the search's best configuration, the median of five trainings.
    best_parameters : OrderedDict
        That configuration.
    num_classifiers : int
        Classifiers trained.
    seconds : dict
        Time spent, by kind of work.
    """

    predicted: np.ndarray[Any, np.dtype[np.float64]]
    random: np.ndarray[Any, np.dtype[np.float64]]
    best: float
    best_parameters: OrderedDict[str, Any]
    num_classifiers: int
    seconds: dict[str, float]


def run_demo(
    save_dir: str | os.PathLike[str],
    *,
    total_budget: int = 200,
    num_batches: int = 20,
    num_samples: int = 20,
    seed: int = 0,
    resume: bool = False,
    write: Callable[[str], object],
) -> DemoResult:
    """Run the search, predict from all its classifiers, and judge the predictions on held-out images.

    Parameters
    ----------
    save_dir : path-like
        Folder of the search.
    total_budget, num_batches, seed
        See `shac.TorchSHAC`.
    num_samples : int
        Configurations to predict, and random ones to compare them with.
    resume : bool
        Whether to go on with the search in `save_dir`, if it holds one.
    write : callable
        Takes a line of progress.

    Returns
    -------
    DemoResult

    Raises
    ------
    SaveFolderError
        If `save_dir` holds a search and is not to go on.
    ValueError
        If a number is out of its range, or another than that of the search that goes on.
    """
    search = TorchSHAC(
        validation_accuracy,
        digits_space(),
        total_budget,
        num_batches,
        max_gpu_evaluators=0,
        max_cpu_evaluators=-1,
        save_dir=save_dir,
        seed=seed,
    )
    if resume:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a folder without a search: it begins
            search.restore_data()
    # Five folds of ten points reject many a useful classifier, and this is to show a full cascade.
    progress = False if lines_are_wanted() else None  # the printer has a line a round
    history = search.fit(skip_cv_checks=True, callbacks=[RoundPrinter(write)], progress=progress).history
    seconds = {kind: float(sum(history.get(f"{kind}_seconds", []))) for kind in ("evaluating", "training", "sampling")}
    started = time.perf_counter()
    predicted = search.predict(num_samples=num_samples)
    seconds["predicting"] = time.perf_counter() - started
    random = search.predict(num_samples=num_samples, max_classifiers=0)
    best_parameters = search.dataset.get_best_parameters()
    write(f"judging {num_samples} predicted, {num_samples} random and the best configuration on held-out images")
    best = [best_parameters] * _NUM_TRAININGS_OF_BEST
    scores = _evaluate_held_out(search, [*predicted, *random, *best])
    return DemoResult(
        predicted=scores[:num_samples],
        random=scores[num_samples : 2 * num_samples],
        best=float(np.median(scores[2 * num_samples :])),
        best_parameters=best_parameters,
        num_classifiers=len(search.classifiers),
        seconds=seconds,
    )


def _evaluate_held_out(
    search: TorchSHAC, configurations: Sequence[OrderedDict[str, Any]]
) -> np.ndarray[Any, np.dtype[np.float64]]:
    tasks = [
        EvaluationTask(index, configuration, derive_seed(search.seed, index, purpose="held-out"))
        for index, configuration in enumerate(configurations)
    ]
    with EvaluatorPool(held_out_accuracy, num_evaluators=search.num_parallel_evaluators, seed_torch=True) as pool:
        return np.array([outcome.score for outcome in pool.evaluate(tasks)])
