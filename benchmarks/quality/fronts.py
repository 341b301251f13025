"""Problems of two objectives whose Pareto fronts are known, and the hypervolume of what a search has found of them.

ZDT1, ZDT2 and ZDT3 (Zitzler, Deb and Thiele, Evolutionary Computation 8, 2000) and DTLZ2 (Deb, Thiele, Laumanns and
Zitzler, 2002), with 6 columns; and tables of real networks (see `quality.tables`): accuracy and training time, the
means over the stored seeds, of which the whole front can be listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from benchmarks.quality.axes import Axis, Choice, Number
    from benchmarks.quality.tables import TABLES, table_axes, table_values
else:
    from quality.axes import Choice, Number
    from quality.tables import TABLES, table_axes, table_values

__all__ = ["FRONT_PROBLEMS", "FrontProblem", "hypervolume", "normalised_hypervolume"]

REFERENCE = 1.1  # in each objective, where the true front's range is from 0 to 1
_NUM_COLUMNS = 6
_POINTS_OF_FRONT = 20_001


def hypervolume(losses: ArrayLike, reference: ArrayLike) -> float:
    """Return the area that points of two objectives dominate, up to a reference point.

    Parameters
    ----------
    losses : array_like of float, shape (n, 2)
        Of which the smaller are better.
    reference : array_like of float, shape (2,)

    Examples
    --------
    >>> hypervolume([[0.0, 0.5], [0.5, 0.0], [0.6, 0.6], [2.0, 0.0]], [1.0, 1.0])
    0.75
    """
    points = np.asarray(losses, dtype=np.float64).reshape(-1, 2)
    limit = np.asarray(reference, dtype=np.float64)
    points = points[(points < limit).all(axis=1)]
    points = points[np.lexsort(points.T[::-1])]
    lowest = np.minimum.accumulate(points[:, 1]) if len(points) else np.empty(0)
    widths = np.diff(points[:, 0], append=limit[0])
    return float((widths * (limit[1] - lowest)).sum())


@dataclass(frozen=True)
class FrontProblem:
    """A function of a setting that returns two losses, and its whole Pareto front."""

    name: str
    axes: tuple[Axis, ...]
    function: Callable[[dict[str, Any]], tuple[float, float]]
    front: NDArray[np.float64]


def normalised_hypervolume(problem: FrontProblem, losses: ArrayLike) -> float:
    """Return the hypervolume as a share of the true front's: 1 is the best that there is.

    The true front's range is from 0 to 1 in each objective; the reference point is at 1.1 in both.
    """
    low, high = problem.front.min(axis=0), problem.front.max(axis=0)
    reference = (REFERENCE, REFERENCE)
    best = hypervolume((problem.front - low) / (high - low), reference)
    return hypervolume((np.asarray(losses) - low) / (high - low), reference) / best


def _columns(setting: dict[str, Any]) -> NDArray[np.float64]:
    return np.array([setting[f"x{i}"] for i in range(_NUM_COLUMNS)])


def _zdt(shape: Callable[[Any, Any], Any]) -> Callable[[dict[str, Any]], tuple[float, float]]:
    def function(setting: dict[str, Any]) -> tuple[float, float]:
        x = _columns(setting)
        g = 1 + 9 * x[1:].mean()
        return float(x[0]), float(g * shape(x[0], g))

    return function


def _zdt1(first: Any, g: Any) -> Any:
    return 1 - np.sqrt(first / g)


def _zdt2(first: Any, g: Any) -> Any:
    return 1 - (first / g) ** 2


def _zdt3(first: Any, g: Any) -> Any:
    return 1 - np.sqrt(first / g) - first / g * np.sin(10 * np.pi * first)


def _dtlz2(setting: dict[str, Any]) -> tuple[float, float]:
    x = _columns(setting)
    g = 1 + ((x[1:] - 0.5) ** 2).sum()
    return float(g * np.cos(x[0] * np.pi / 2)), float(g * np.sin(x[0] * np.pi / 2))


def _known(losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points that no other dominates, of many: sorted by the first loss, the second one only gets lower."""
    ordered = losses[np.lexsort(losses.T[::-1])]
    before = np.minimum.accumulate(np.concatenate([[np.inf], ordered[:-1, 1]]))
    return ordered[ordered[:, 1] < before]


def _of_columns(name: str) -> FrontProblem:
    first = np.linspace(0, 1, _POINTS_OF_FRONT)
    axes = tuple(Number(f"x{i}", 0.0, 1.0) for i in range(_NUM_COLUMNS))
    if name == "dtlz2":
        angle = first * np.pi / 2
        return FrontProblem(name, axes, _dtlz2, _known(np.column_stack([np.cos(angle), np.sin(angle)])))
    shape = {"zdt1": _zdt1, "zdt2": _zdt2, "zdt3": _zdt3}[name]
    return FrontProblem(name, axes, _zdt(shape), _known(np.column_stack([first, shape(first, 1.0)])))


def _of_table(name: str) -> FrontProblem:
    axes = table_axes(name)
    means = np.stack([np.nanmean(table_values(name, metric), axis=-1) for metric in (None, "train_time")], axis=-1)
    places = [{value: i for i, value in enumerate(axis.values)} if isinstance(axis, Choice) else None for axis in axes]

    def function(setting: dict[str, Any]) -> tuple[float, float]:
        digits = (
            int(setting[axis.name]) if known is None else known[setting[axis.name]]
            for axis, known in zip(axes, places, strict=True)
        )
        error, seconds = means[tuple(digits)]
        return float(error), float(seconds)

    return FrontProblem(name, axes, function, _known(means.reshape(-1, 2)))


_TABLES = [name for name, file in TABLES.items() if file.startswith("hpobench/")]
FRONT_PROBLEMS: dict[str, Callable[[], FrontProblem]] = {
    **{name: lambda name=name: _of_columns(name) for name in ("zdt1", "zdt2", "zdt3", "dtlz2")},
    **{name: lambda name=name: _of_table(name) for name in _TABLES},
}
