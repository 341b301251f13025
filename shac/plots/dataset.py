"""Scores in the order of their evaluation, with a trend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shac.dataset import Dataset
from shac.insight import score_unit
from shac.insight.colours import ACCENT, BAD, SECOND
from shac.plots.axes import new_axes, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_dataset"]


def plot_dataset(
    dataset: Any = None,
    to_file: str | os.PathLike[str] | Literal[False] | None = "dataset.png",
    title: str | None = "Dataset evaluation",
    eval_label: str | None = "Score",
    trend_deg: int = 3,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Plot the scores of a dataset in the order of their evaluation, with a polynomial trend.

    Parameters
    ----------
    dataset : Dataset, engine or path-like, optional
        A dataset, an engine, or a folder with ``dataset.csv`` and ``parameters.json``; ``shac_run`` by default.
    to_file : path-like, optional
        Where to save the picture; None or False for nowhere.
    title, eval_label : str, optional
        Title, and label of the scores.
    trend_deg : int
        Degree of the trend; 0 for the mean.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    FileNotFoundError
        If the folder holds no dataset.
    ValueError
        If `dataset` is something else or has no scores or several objectives, or `trend_deg` is negative.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import matplotlib, shac
    >>> matplotlib.use("agg")
    >>> dataset = shac.Dataset([shac.UniformHP("x", 0.0, 1.0)])
    >>> dataset.set_dataset([[0.1], [0.4], [0.3]], [1.0, 2.0, 1.5])
    >>> plot_dataset(dataset, to_file=None, eval_label="Accuracy").get_ylabel()
    'Accuracy'
    """
    source = _dataset_of(dataset)
    source.check_single("plot_dataset")
    scores = np.array(source.Y, dtype=np.float64)
    if not scores.size:
        raise ValueError("dataset: expected at least one evaluation, got none")
    if trend_deg < 0:
        raise ValueError(f"trend_deg: expected 0 or more, got {trend_deg!r}")
    ax = new_axes(ax)
    numbers = np.arange(scores.size)
    unit, in_units = score_unit(scores)
    scores /= unit
    finite = np.isfinite(scores)
    ax.plot(numbers[finite], scores[finite], ".", color=ACCENT, alpha=0.65, markersize=7, label="score")
    if finite.sum() > trend_deg:
        trend = np.polynomial.Polynomial.fit(numbers[finite], scores[finite], trend_deg)
        ax.plot(numbers, trend(numbers), color=SECOND, linewidth=2, label="trend")
    if not finite.all():
        bottom = np.full(int((~finite).sum()), 0.02)
        ax.plot(numbers[~finite], bottom, "x", color=BAD, transform=ax.get_xaxis_transform(), label="failed")
    style_axes(ax, title=title or "", x="evaluation", y=(eval_label or "") + in_units)
    ax.legend(frameon=False, ncols=3, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2)
    if to_file is not None and to_file is not False:
        figure = ax.get_figure(root=True)
        assert figure is not None
        figure.savefig(to_file, dpi=150)
    return ax


def _dataset_of(source: Any) -> Dataset:
    if isinstance(source, Dataset):
        return source
    if isinstance(getattr(source, "dataset", None), Dataset):
        return source.dataset  # type: ignore[no-any-return]
    if source is None or isinstance(source, (str, os.PathLike)):
        return Dataset.load_from_directory("shac_run" if source is None else source)
    raise ValueError(f"dataset: expected a Dataset, an engine or a folder, got {source!r}")
