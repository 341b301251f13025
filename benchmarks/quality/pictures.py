"""The best value so far against evaluations, for one problem or as the regret over all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.quality.problems import PROBLEMS
    from benchmarks.quality.rivals import CONTENDERS
else:
    from quality.problems import PROBLEMS
    from quality.rivals import CONTENDERS

__all__ = ["draw_problem", "draw_regret", "draw_shares"]


def draw_problem(path: Path, name: str, budget: int, found: Mapping[str, NDArray[np.float64]]) -> None:
    """Draw the median of the best value so far against evaluations, with quartiles."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    optimum = PROBLEMS[name].optimum
    for contender in (c for c in CONTENDERS if c in found):
        best = found[contender] - (optimum or 0.0)
        low, middle, high = np.quantile(best, [0.25, 0.5, 0.75], axis=0)
        (line,) = axes.plot(_evaluations(budget, best), middle, label=contender)
        axes.fill_between(_evaluations(budget, best), low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    if optimum is not None:
        axes.set_yscale("log")
    axes.set(
        xlabel="evaluations", ylabel="best value" + (" above the optimum" if optimum is not None else ""), title=name
    )
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=90)


def draw_regret(path: Path, curves: Mapping[int, Mapping[str, NDArray[np.float64]]]) -> None:
    """Draw average regret after each batch, by label, in a panel for each budget; the first label stands out."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(curves), sharey=True))
    colours = {label: f"C{i}" for i, label in enumerate(dict.fromkeys(label for of in curves.values() for label in of))}
    for axes, (budget, by_label) in zip(panels, curves.items(), strict=True):
        for label, regret in by_label.items():
            width, style = 2.5 if colours[label] == "C0" else 1.2, "--" if label.startswith("random") else "-"
            axes.plot(_evaluations(budget, regret), regret, style, color=colours[label], label=label, linewidth=width)
        axes.set(title=f"N = {budget:,}", xlabel="evaluations", yscale="log")
    panels[0].set_ylabel("average normalised regret")
    lines = {line.get_label(): line for axes in panels for line in axes.get_lines()}
    figure.legend([lines[label] for label in colours], [*colours], loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=90)


def draw_shares(path: Path, budget: int, shares: Mapping[float, Mapping[str, NDArray[np.float64]]]) -> None:
    """Draw the share of searches within a regret after each batch, by label, in a panel for each regret."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(shares), sharey=True))
    for axes, (target, by_label) in zip(panels, shares.items(), strict=True):
        for i, (label, share) in enumerate(by_label.items()):
            width, style = 1.2 if i else 2.5, "--" if label.startswith("random") else "-"
            axes.plot(_evaluations(budget, share), 100 * share, style, color=f"C{i}", label=label, linewidth=width)
        axes.set(title=f"regret of {target:g} or less", xlabel="evaluations")
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("searches, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=90)


def _evaluations(budget: int, best: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linspace(budget / best.shape[-1], budget, best.shape[-1])
