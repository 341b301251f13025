"""Learning curves of small networks on scikit-learn's digits: the error after each epoch, for every setting of a grid.

The curves are kept beside this file, so that all searches, and all machines, train the same networks for the same time.
``python benchmarks/quality/curves.py`` trains them anew, in about ten minutes of one core: each setting once, with a
seed of its own, on one thread. The seconds of an epoch are processor time, which other programs hardly disturb.
"""

from __future__ import annotations

import functools
import itertools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch
    from numpy.typing import NDArray

    from benchmarks.quality.axes import Axis, Choice, Number
else:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from quality.axes import Axis, Choice, Number

__all__ = ["NETWORKS", "NUM_EPOCHS", "Curves", "curve_axes", "curve_of", "read_curves"]

FOLDER = Path(__file__).resolve().parent / "curves"
NUM_EPOCHS, NUM_TRAINING, NUM_VALIDATION = 12, 400, 1000

_RATES = tuple(np.geomspace(3e-4, 0.3, 8).tolist())
NETWORKS: dict[str, dict[str, tuple[Any, ...]]] = {
    # Numbers are searched by their places; texts are choices without an order
    "digits-mlp": {
        "learning_rate": _RATES,
        "width": (16, 64, 256),
        "depth": (1, 3),
        "dropout": (0.0, 0.25, 0.5),
        "activation": ("relu", "tanh", "sigmoid"),
        "optimiser": ("sgd", "adam", "rmsprop"),
        "batch_size": (32, 128),
    },
    "digits-cnn": {
        "learning_rate": _RATES,
        "channels": (4, 8, 16),
        "depth": (1, 2),
        "dropout": (0.0, 0.4),
        "activation": ("relu", "tanh"),
        "optimiser": ("sgd", "adam", "rmsprop"),
        "batch_size": (32, 128),
    },
}


@dataclass(frozen=True)
class Curves:
    """What the trainings of a grid were.

    Parameters
    ----------
    errors : ndarray of float64, shape (levels of each parameter..., epochs)
        Share of the validation images that is wrong after each epoch.
    seconds : ndarray of float64, shape (levels of each parameter...)
        Of an epoch.
    """

    errors: NDArray[np.float64]
    seconds: NDArray[np.float64]


def curve_axes(name: str) -> tuple[Axis, ...]:
    """Return the search space of a kind of networks."""
    return tuple(
        Choice(parameter, levels) if isinstance(levels[0], str) else Number(parameter, 0, len(levels) - 1, integer=True)
        for parameter, levels in NETWORKS[name].items()
    )


@functools.cache
def read_curves(name: str) -> Curves:
    """Read the curves of a kind of networks."""
    with np.load(FOLDER / f"{name}.npz", allow_pickle=False) as file:
        return Curves(file["wrong"] / NUM_VALIDATION, file["seconds"].astype(np.float64))


def place_of(name: str, setting: Mapping[str, Any]) -> tuple[int, ...]:
    """Return a setting's place in the grid."""
    return tuple(
        levels.index(setting[parameter]) if isinstance(levels[0], str) else int(setting[parameter])
        for parameter, levels in NETWORKS[name].items()
    )


def curve_of(name: str, seed: int, parameters: Mapping[str, Any]) -> Iterator[int]:
    """Train a network, and give how many validation images are wrong after each epoch."""
    import torch

    torch.manual_seed(seed)
    images, labels = _digits()
    model = _mlp(parameters) if name == "digits-mlp" else _cnn(parameters)
    optimiser = _optimiser(model, parameters)
    loss_function = torch.nn.CrossEntropyLoss()
    judged = slice(NUM_TRAINING, NUM_TRAINING + NUM_VALIDATION)
    for _ in range(NUM_EPOCHS):
        model.train()
        for batch in torch.randperm(NUM_TRAINING).split(parameters["batch_size"]):
            optimiser.zero_grad()
            loss_function(model(images[batch]), labels[batch]).backward()
            optimiser.step()
        model.eval()
        with torch.no_grad():
            yield int((model(images[judged]).argmax(dim=1) != labels[judged]).sum())


@functools.cache
def _digits() -> tuple[torch.Tensor, torch.Tensor]:
    import torch
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return torch.from_numpy(images[order].reshape(-1, 1, 8, 8) / 16).float(), torch.from_numpy(labels[order]).long()


def _activation(parameters: Mapping[str, Any]) -> torch.nn.Module:
    from torch import nn

    kinds: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
    return kinds[parameters["activation"]]()


def _mlp(parameters: Mapping[str, Any]) -> torch.nn.Module:
    from torch import nn

    layers: list[nn.Module] = [nn.Flatten()]
    width = 64
    for _ in range(parameters["depth"]):
        layers += [nn.Linear(width, parameters["width"]), _activation(parameters), nn.Dropout(parameters["dropout"])]
        width = parameters["width"]
    return nn.Sequential(*layers, nn.Linear(width, 10))


def _cnn(parameters: Mapping[str, Any]) -> torch.nn.Module:
    from torch import nn

    layers: list[nn.Module] = []
    channels = 1
    for layer in range(1, parameters["depth"] + 1):
        layers.append(nn.Conv2d(channels, layer * parameters["channels"], 3, padding=1))
        layers += [_activation(parameters), nn.MaxPool2d(2)]
        channels = layer * parameters["channels"]
    num_features = channels * (8 >> parameters["depth"]) ** 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(parameters["dropout"]), nn.Linear(num_features, 10))


def _optimiser(model: torch.nn.Module, parameters: Mapping[str, Any]) -> torch.optim.Optimizer:
    from torch import optim

    rate = parameters["learning_rate"]
    match parameters["optimiser"]:
        case "sgd":
            return optim.SGD(model.parameters(), lr=rate, momentum=0.9)
        case "adam":
            return optim.Adam(model.parameters(), lr=rate)
        case _:
            return optim.RMSprop(model.parameters(), lr=rate)


def _train_all(name: str) -> None:
    import torch

    torch.set_num_threads(1)
    _digits()
    levels = NETWORKS[name]
    shape = tuple(map(len, levels.values()))
    wrong = np.empty((*shape, NUM_EPOCHS), dtype=np.uint16)
    seconds = np.empty(shape, dtype=np.float32)
    for index, values in enumerate(itertools.product(*levels.values())):
        place = np.unravel_index(index, shape)
        started = time.process_time()
        wrong[place] = list(curve_of(name, index, dict(zip(levels, values, strict=True))))
        seconds[place] = (time.process_time() - started) / NUM_EPOCHS
    FOLDER.mkdir(exist_ok=True)
    np.savez_compressed(FOLDER / f"{name}.npz", wrong=wrong, seconds=seconds)


if __name__ == "__main__":
    for network in NETWORKS:
        _train_all(network)
