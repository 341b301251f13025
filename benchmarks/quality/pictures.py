"""The best value so far against evaluations, for one problem or as the regret over all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.quality.problems import PROBLEMS
    from benchmarks.quality.report import Results
    from benchmarks.quality.rivals import CONTENDERS
else:
    from quality.problems import PROBLEMS
    from quality.rivals import CONTENDERS

__all__ = ["draw_problem", "draw_regret"]

LARGEST_REGRET = 2.0


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


def draw_regret(path: Path, results: Results, lowest: Mapping[str, float], names: Mapping[str, str]) -> None:
    """Draw the average normalised regret of the contenders that ran on all problems, a panel for each budget.

    Parameters
    ----------
    lowest : mapping
        The lowest value known of each problem, where the regret is 0.
    names : mapping
        What the contenders are called, in the order of the legend.
    """
    from matplotlib.figure import Figure

    budgets = sorted({budget for _, budget in results})
    figure = Figure(figsize=(11, 4), layout="constrained")
    for axes, budget in zip(np.atleast_1d(figure.subplots(1, len(budgets), sharey=True)), budgets, strict=True):
        shown = {name: found for (name, at), found in results.items() if at == budget}
        for index, (contender, label) in enumerate(names.items()):
            if all(contender in found for found in shown.values()):
                regret = np.mean(
                    [_mean_regret(found, contender, lowest[name]) for name, found in shown.items()], axis=0
                )
                width, style = 2.5 if index == 0 else 1.2, "--" if contender.startswith("random") else "-"
                axes.plot(
                    _evaluations(budget, regret),
                    regret,
                    color=f"C{index}",
                    label=label,
                    linewidth=width,
                    linestyle=style,
                )
        axes.set(title=f"N = {budget:,}", xlabel="evaluations", yscale="log")
    figure.axes[0].set_ylabel("average normalised regret")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    figure.savefig(path, dpi=90)


def _mean_regret(found: Mapping[str, NDArray[np.float64]], contender: str, lowest: float) -> NDArray[np.float64]:
    """Of one problem after each batch: 0 at the lowest value known, 1 at the median that random search ends with."""
    scale = float(np.median(found["random"][:, -1])) - lowest
    regret: NDArray[np.float64] = np.clip((found[contender] - lowest) / (scale or 1.0), 0, LARGEST_REGRET)
    return regret.mean(axis=0)


def _evaluations(budget: int, best: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linspace(budget / best.shape[-1], budget, best.shape[-1])
