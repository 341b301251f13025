"""The tables of a Markdown page, made again from the runs: what a table shows is read from its header and its rows.

A table whose first column is "problem" has medians and quartiles, one that begins with "contender" ranks, regret and
numbers of seeds, one that begins with "setting" average ranks, differences and medians, and one that begins with
"rival" on how many problems the default strategy is better than it. The budget is the last "N = ..." that begins a line
above it; where that line goes on with "only" and names of problems, the table is of those. A table that begins with
"search" has the seconds of a search, for each budget in its header. The picture beside a page is theirs, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.quality.pictures import draw_regret, draw_shares
    from benchmarks.quality.report import (
        Results,
        Seconds,
        average_ranks,
        head_to_head,
        regret_curves,
        regrets,
        shares_within,
    )
else:
    from quality.pictures import draw_regret, draw_shares
    from quality.report import average_ranks, head_to_head, regret_curves, regrets, shares_within

__all__ = ["draw_pictures", "refreshed"]

_NAMES = {
    "shac-guided": 'shac, `"guided"`',
    "guided-earlier": 'shac, `"guided"` as it was',
    "shac-pooled": 'shac, `"pooled"`',
    "shac-paper": 'shac, `"paper"`',
    "optuna-cmaes": "Optuna CMA-ES",
    "optuna-tpe": "Optuna TPE (`constant_liar`)",
    "optuna-gp": "Optuna GP",
    "cat-cma": "CatCMAwM",
    "nevergrad": "Nevergrad's default",
    "random-4x": "random, 4 N",
    "random-2x": "random, 2 N",
    "random": "random, N",
}
_CONTENDERS = {name: contender for contender, name in _NAMES.items()}
_STRATEGIES = {"guided-earlier": "guided", "shac-pooled": "pooled", "shac-paper": "paper"}
_BASES = {strategy: contender for contender, strategy in _STRATEGIES.items()}
_SETTINGS = {f'**`"{name}"`**': contender for contender, name in _STRATEGIES.items()}
_IN_EVALUATIONS = ("shac-guided", "optuna-cmaes", "optuna-tpe", "cat-cma", "random")
_BUDGET_IN_EVALUATIONS = 200
_TARGETS = (0.5, 0.2, 0.1)
_DEFAULT = f"**{_NAMES['shac-guided']}, the default**"


def refreshed(page: str, results: Results, seconds: Seconds) -> str:
    """Give the page with the figures of the runs.

    Raises
    ------
    ValueError
        If a table names a contender or a problem that has no runs.
    """
    lines: list[str] = []
    table: list[str] = []
    budget, only = 0, list[str]()
    for line in [*page.split("\n"), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        if table:
            lines += _table(table, _part(results, budget, only), seconds)
            table = []
        if found := re.match(r"N = ([\d,]+)", line):
            budget = int(found[1].replace(",", ""))
            only = re.findall(r"`([\w-]+)`", line.partition(" only ")[2])
        lines.append(line)
    return "\n".join(lines[:-1])


def _part(results: Results, budget: int, only: Sequence[str]) -> Results:
    return {key: found for key, found in results.items() if key[1] == budget and (not only or key[0] in only)}


def draw_pictures(path: Path, results: Results) -> None:
    """Draw the regret of all that a page has a name for, but the earlier default, and how soon some are how good.

    The second picture is beside the first and named after it.
    """
    names = {contender: name.replace("`", "") for contender, name in _NAMES.items() if contender != "guided-earlier"}
    draw_regret(path, regret_curves(results, names))
    compared = {contender: names[contender] for contender in _IN_EVALUATIONS}
    of_budget = {key: found for key, found in results.items() if key[1] == _BUDGET_IN_EVALUATIONS}
    shares = {target: shares_within(of_budget, compared, target) for target in _TARGETS}
    draw_shares(path.with_stem(f"{path.stem}-evaluations"), _BUDGET_IN_EVALUATIONS, shares)


def _table(table: list[str], results: Results, seconds: Seconds) -> list[str]:
    header, *rows = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in (table[0], *table[2:]))
    try:
        match header[0]:
            case "problem":
                return [*table[:2], *_medians([_CONTENDERS[name] for name in header[1:]], results)]
            case "contender":
                contenders = [_CONTENDERS.get(row[0], "shac-guided") for row in rows]
                header[1] = f"average rank of {len(rows)}"
                return [_line(header), table[1], *_ranks(contenders, results)]
            case "rival":
                return [*table[:2], *_against([row[0] for row in rows], results)]
            case "search":
                budgets = [int(name.removeprefix("N = ").replace(",", "")) for name in header[1:]]
                return [*table[:2], *_times([row[0] for row in rows], budgets, seconds)]
            case "setting":
                return [*table[:2], *_settings([row[0] for row in rows], header[3:], results)]
    except KeyError as error:
        raise ValueError(f"expected a contender or a problem that has runs, got {error}") from error
    return table


def _times(names: list[str], budgets: list[int], seconds: Seconds) -> list[str]:
    """Median seconds of a search, with the lowest and the highest median of a problem."""
    lines = []
    for name in names:
        contender = _CONTENDERS[name]
        cells = []
        for budget in budgets:
            found = [of[contender] for (_, at), of in seconds.items() if at == budget and contender in of]
            medians = [np.median(values) for values in found]
            cells.append(f"{np.median(medians):.3g} ({min(medians):.3g} to {max(medians):.3g})" if medians else "")
        lines.append(_line([name, *cells]))
    return lines


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _medians(contenders: list[str], results: Results) -> list[str]:
    lines = []
    for (problem, _), found in results.items():
        if all(contender in found for contender in contenders):
            finals = [found[contender][:, -1] for contender in contenders]
            best = min(float(np.median(values)) for values in finals)
            lines.append(_line([problem, *(_median(values, best) for values in finals)]))
    return lines


def _median(values: NDArray[np.float64], best: float) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    text = f"**{middle:.4g}**" if middle == best else f"{middle:.4g}"
    return text if len(values) == 1 else f"{text} ({low:.3g} to {high:.3g})"


def _ranks(contenders: list[str], results: Results) -> list[str]:
    contenders = sorted(contenders)  # the same resamples in whatever order the table has them
    ranks = average_ranks(results, contenders, np.random.default_rng(0))
    losses = regrets(results, contenders, np.random.default_rng(0))
    lines = []
    for contender in sorted(contenders, key=lambda name: ranks[name][0]):
        name = _DEFAULT if contender == "shac-guided" else _NAMES[contender]
        figures = (*_with_interval(ranks[contender]), *_with_interval(losses[contender]))
        counts = [len(found[contender]) for found in results.values() if contender in found]
        seeds = str(counts[0]) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
        lines.append(_line([name, *figures, seeds]))
    return lines


def _with_interval(figure: tuple[float, float, float]) -> tuple[str, str]:
    centre, low, high = figure
    return f"{centre:.2f}", f"{low:.2f} to {high:.2f}"


def _against(rivals: list[str], results: Results) -> list[str]:
    return [_line([rival, *head_to_head(results, "shac-guided", _CONTENDERS[rival])]) for rival in rivals]


def _settings(names: list[str], problems: list[str], results: Results) -> list[str]:
    contenders = {name: _SETTINGS.get(name, name) for name in names}
    shown = {key: found for key, found in results.items() if key[0] in problems}
    # Those that were asked for by more seeds than the others are cut to as many: chance is then the same for all.
    num_seeds = {key: min(len(found[c]) for c in contenders.values()) for key, found in shown.items()}
    cut = {key: {c: found[c][: num_seeds[key]] for c in contenders.values()} for key, found in shown.items()}
    ranks = average_ranks(cut, sorted(contenders.values()), np.random.default_rng(0))
    by_problem = {key[0]: found for key, found in cut.items()}
    lines = []
    for name in sorted(names, key=lambda name: ranks[contenders[name]][0]):
        contender = contenders[name]
        medians = [f"{np.median(by_problem[problem][contender][:, -1]):.4g}" for problem in problems]
        lines.append(_line([name, f"{ranks[contender][0]:.1f}", _against_its_base(contender, cut), *medians]))
    return lines


def _against_its_base(contender: str, results: Results) -> str:
    """On how many problems a setting is significantly better, and worse, than the strategy that it is a change of."""
    if contender == "shac-paper":
        return ""
    base = "shac-paper" if contender in _STRATEGIES else _BASES.get(contender.partition("-")[0], "shac-paper")
    *_, num_better, worse = head_to_head(results, contender, base)
    return f"{num_better}, {0 if worse == 'none' else worse.count(',') + 1}"
