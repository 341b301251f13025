"""What is made of the runs: medians and quartiles, ranks and regret with bootstrap intervals, comparisons."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.quality.pictures import draw_problem
    from benchmarks.quality.problems import PROBLEMS
    from benchmarks.quality.rivals import CONTENDERS

    Results = dict[tuple[str, int], dict[str, NDArray[np.float64]]]
    Seconds = dict[tuple[str, int], dict[str, list[float]]]
else:
    from quality.pictures import draw_problem
    from quality.problems import PROBLEMS
    from quality.rivals import CONTENDERS

__all__ = [
    "HEAD_TO_HEAD",
    "average_ranks",
    "compared",
    "head_to_head",
    "read_results",
    "read_seconds",
    "regret_curves",
    "regrets",
    "shares_within",
    "write_report",
]

NUM_RESAMPLES = 1000
SIGNIFICANT = 0.05
LARGEST_REGRET = 2.0
HEAD_TO_HEAD = ("better median", "equal", "worse", "significantly better", "significantly worse on")


def _runs(folder: Path, problems: Sequence[str], first_seed: int) -> Iterator[dict[str, Any]]:
    for name in problems:
        path = folder / f"{name}.jsonl"
        for line in path.read_text().splitlines() if path.exists() else ():
            run = json.loads(line)
            if run["seed"] >= first_seed:
                yield run


def read_results(folder: Path, problems: Sequence[str], first_seed: int = 0) -> Results:
    """Read the runs of seeds from the first one on.

    By problem and budget, then by contender, an array of (seeds, batches) of best values.
    """
    runs: dict[tuple[str, int], dict[str, dict[int, list[float]]]] = defaultdict(lambda: defaultdict(dict))
    for run in _runs(folder, problems, first_seed):
        runs[run["problem"], run["budget"]][run["contender"]][run["seed"]] = run["best"]
    return {
        key: {contender: np.array([best[seed] for seed in sorted(best)]) for contender, best in found.items()}
        for key, found in runs.items()
    }


def read_seconds(folder: Path, problems: Sequence[str], first_seed: int = 0) -> Seconds:
    """What the searches took, where it is known: by problem and budget, then by contender."""
    seconds: Seconds = defaultdict(lambda: defaultdict(list))
    for run in _runs(folder, problems, first_seed):
        if "seconds" in run:
            seconds[run["problem"], run["budget"]][run["contender"]].append(run["seconds"])
    return seconds


def lowest_known(results: Results) -> dict[str, float]:
    """The optimum of each problem; where it is not known, the lowest value that any run found."""
    lowest: dict[str, float] = {}
    for (name, _), found in results.items():
        optimum = PROBLEMS[name].optimum
        least = min(float(best.min()) for best in found.values())
        lowest[name] = optimum if optimum is not None else min(least, lowest.get(name, np.inf))
    return lowest


def average_ranks(
    results: Results, contenders: Sequence[str], random: np.random.Generator
) -> dict[str, tuple[float, float, float]]:
    """Average rank over problems and seeds of contenders that all ran, with a 95 % bootstrap interval.

    Problems are drawn anew, and for each of them the seeds of every contender.
    """
    from scipy.stats import rankdata

    table: list[NDArray[np.float64]] = []
    for found in results.values() if contenders else ():
        if all(contender in found for contender in contenders):
            finals = [found[contender][:, -1] for contender in contenders]
            size = max(len(values) for values in finals)
            drawn = np.stack([_drawn_anew(values, size, random) for values in finals], axis=1)
            table.append(rankdata(drawn, axis=1).mean(axis=2))
    return _with_intervals(contenders, table, random, None)


def normalised_regret(found: Mapping[str, NDArray[np.float64]], contender: str, lowest: float) -> NDArray[np.float64]:
    """(seeds, batches): 0 at the lowest value known, 1 at the median that random search ends with."""
    scale = float(np.median(found["random"][:, -1])) - lowest
    regret: NDArray[np.float64] = np.clip((found[contender] - lowest) / (scale or 1.0), 0, LARGEST_REGRET)
    return regret


def regret_curves(results: Results, names: Mapping[str, str]) -> dict[int, dict[str, NDArray[np.float64]]]:
    """Average regret after each batch by budget and label.

    On the problems that all of a budget's contenders ran on. Those that ran on fewest are left out as long as these
    are less than a fifth of its problems.
    """
    lowest = lowest_known(results)
    curves: dict[int, dict[str, NDArray[np.float64]]] = {}
    for budget in sorted({budget for _, budget in results}):
        ran = {name: found for (name, at), found in results.items() if at == budget}
        usual = sorted(names, key=lambda c: sum(c in of for of in ran.values()), reverse=True)
        while 5 * len(common := {name: of for name, of in ran.items() if all(c in of for c in usual)}) < len(ran):
            usual.pop()
        curves[budget] = {
            names[c]: np.mean([normalised_regret(of, c, lowest[n]).mean(axis=0) for n, of in common.items()], axis=0)
            for c in names
            if c in usual
        }
    return curves


def shares_within(results: Results, names: Mapping[str, str], regret: float) -> dict[str, NDArray[np.float64]]:
    """Share of the searches that are within a regret after each batch, by label, on problems that all ran on."""
    lowest = lowest_known(results)
    common = {name: of for (name, _), of in results.items() if all(c in of for c in names)}
    return {
        label: np.mean(
            [(normalised_regret(of, c, lowest[name]) <= regret).mean(axis=0) for name, of in common.items()], axis=0
        )
        for c, label in names.items()
    }


def regrets(
    results: Results, contenders: Sequence[str], random: np.random.Generator
) -> dict[str, tuple[float, float, float]]:
    """Average normalised regret: 0 at the lowest value known, 1 at the median of random search; at most 2 a run."""
    lowest = lowest_known(results)
    table: list[NDArray[np.float64]] = []
    means: list[list[float]] = []
    for (name, _), found in results.items() if contenders else ():
        if all(contender in found for contender in (*contenders, "random")):
            losses = [normalised_regret(found, c, lowest[name])[:, -1] for c in contenders]
            means.append([float(loss.mean()) for loss in losses])
            drawn = [_drawn_anew(loss, len(loss), random).mean(axis=1) for loss in losses]
            table.append(np.stack(drawn, axis=1))
    return _with_intervals(contenders, table, random, means)


def _drawn_anew(values: NDArray[np.float64], size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Bootstrap samples of some values, one a row."""
    return values[random.integers(len(values), size=(NUM_RESAMPLES, size))]


def _with_intervals(
    contenders: Sequence[str],
    table: list[NDArray[np.float64]],
    random: np.random.Generator,
    means: list[list[float]] | None,
) -> dict[str, tuple[float, float, float]]:
    """Average figures over problems, given for each problem as (resamples, contenders), with 95 % intervals.

    The centres are those of `means`, (problems, contenders), or else of the resamples.
    """
    if not table:
        return {}
    figures = np.stack(table, axis=1)
    problems = random.integers(len(table), size=(NUM_RESAMPLES, len(table)))
    averages = np.take_along_axis(figures, problems[:, :, np.newaxis], axis=1).mean(axis=1)
    low, high = np.quantile(averages, [0.025, 0.975], axis=0)
    centre = figures.mean(axis=(0, 1)) if means is None else np.mean(means, axis=0)
    return {name: (float(centre[i]), float(low[i]), float(high[i])) for i, name in enumerate(contenders)}


def head_to_head(results: Results, contender: str, rival: str) -> list[str]:
    """Compare two searches on the problems that both ran on; figures in the order of `HEAD_TO_HEAD`.

    By medians, and by Mann-Whitney's test (two-sided, 5 % for each problem).
    """
    from scipy.stats import mannwhitneyu

    medians = Counter[int]()
    significantly_better, significantly_worse = 0, []
    for (name, _), found in results.items():
        if {contender, rival} <= found.keys():
            ours, theirs = found[contender][:, -1], found[rival][:, -1]
            medians[int(np.sign(np.median(ours) - np.median(theirs)))] += 1
            test = mannwhitneyu(ours, theirs)
            if test.pvalue < SIGNIFICANT and test.statistic < len(ours) * len(theirs) / 2:
                significantly_better += 1
            elif test.pvalue < SIGNIFICANT:
                significantly_worse.append(name)
    counts = (medians[-1], medians[0], medians[1], significantly_better)
    return [*map(str, counts), ", ".join(significantly_worse) or "none"]


def against_four_times_random(results: Results, contender: str) -> list[tuple[str, int, bool]]:
    """Where 4N random settings are significantly better than N, and whether a contender's median is better still."""
    from scipy.stats import mannwhitneyu

    lines = []
    for (name, budget), found in results.items():
        if not {"random", "random-4x", contender} <= found.keys():
            continue
        one, four = found["random"][:, -1], found["random-4x"][:, -1]
        if mannwhitneyu(four, one, alternative="less").pvalue < SIGNIFICANT:
            lines.append((name, budget, bool(np.median(found[contender][:, -1]) < np.median(four))))
    return lines


def compared(results: Results, earlier: Results) -> list[str]:
    """Tables of each search next to itself in earlier runs, say of another version, on the problems in both."""
    lines: list[str] = []
    for budget in sorted({budget for _, budget in results.keys() & earlier.keys()}):
        lines += [
            f"N = {budget}:",
            "",
            f"| search, next to earlier runs | {' | '.join(HEAD_TO_HEAD)} |",
            "|---" * (len(HEAD_TO_HEAD) + 1) + "|",
        ]
        both = [key for key in results if key in earlier and key[1] == budget]
        for name in CONTENDERS:
            pairs = {
                key: {"now": results[key][name], "earlier": earlier[key][name]}
                for key in both
                if name in results[key] and name in earlier[key]
            }
            if pairs:
                lines.append(f"| {name} | {' | '.join(head_to_head(pairs, 'now', 'earlier'))} |")
        lines.append("")
    return lines


def write_report(folder: Path, problems: Sequence[str], first_seed: int = 0) -> None:
    """Print the tables, and write them and the pictures into the folder."""
    results = read_results(folder, problems, first_seed)
    lines: list[str] = []
    for budget in sorted({budget for _, budget in results}):
        lines += _of_budget({key: found for key, found in results.items() if key[1] == budget}, budget)
    text = "\n".join(lines) + "\n"
    print(text)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.md").write_text(text)
    for (name, budget), found in results.items():
        draw_problem(folder / f"{name}-{budget}.png", name, budget, found)


def _of_budget(results: Results, budget: int) -> list[str]:
    known = [name for name in CONTENDERS if any(name in found for found in results.values())]
    contenders = [name for name in known if not CONTENDERS[name].is_variant]
    lines = [
        f"## N = {budget}",
        "",
        "| problem | " + " | ".join(contenders) + " |",
        "|---" * (len(contenders) + 1) + "|",
    ]
    for (name, _), found in results.items():
        cells = [_cell(found[c][:, -1]) if c in found else "" for c in contenders]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "Median (quartiles; seeds). Smaller is better.", ""]
    random = np.random.default_rng(0)
    equal = [n for n in contenders if CONTENDERS[n].has_equal_budget and not CONTENDERS[n].is_variant]
    complete = [name for name in equal if all(name in found for found in results.values())]
    for title, chosen in (("all problems", complete), ("problems that all contenders ran on", equal)):
        ranks, regret = average_ranks(results, chosen, random), regrets(results, chosen, random)
        if ranks and (title == "all problems" or chosen != complete):
            count = sum(all(c in found for c in chosen) for found in results.values())
            lines += [f"Average rank and normalised regret, {title} ({count}):", ""]
            lines += ["| search | average rank | 95 % | normalised regret | 95 % |", "|---|---|---|---|---|"]
            for name in sorted(ranks, key=lambda name: ranks[name][0]):
                rank, loss = ranks[name], regret.get(name, (np.nan,) * 3)
                lines.append(
                    f"| {name} | {rank[0]:.2f} | {rank[1]:.2f} to {rank[2]:.2f} "
                    f"| {loss[0]:.3f} | {loss[1]:.3f} to {loss[2]:.3f} |"
                )
            lines.append("")
    lines += _variants(results, [name for name in known if CONTENDERS[name].is_variant], random)
    if "shac-guided" in contenders:
        lines += [f"| rival of shac-guided | {' | '.join(HEAD_TO_HEAD)} |", "|---" * (len(HEAD_TO_HEAD) + 1) + "|"]
        rivals = [name for name in contenders if name != "shac-guided"]
        lines += [f"| {rival} | {' | '.join(head_to_head(results, 'shac-guided', rival))} |" for rival in rivals]
        lines.append("")
    for name in (name for name in equal if name.startswith("shac")):
        against = against_four_times_random(results, name)
        better = sum(is_better for *_, is_better in against)
        worse = ", ".join(problem for problem, _, is_better in against if not is_better)
        lines.append(
            f"{name}: better than four times as many random settings on {better} of the {len(against)} problems "
            f"where those are significantly better than random search{f'; not on {worse}' if worse else ''}."
        )
    return [*lines, ""]


def _variants(results: Results, variants: list[str], random: np.random.Generator) -> list[str]:
    """Options alone and together, on the problems that most of them ran on."""
    usual = [found for found in results.values() if 2 * sum(name in found for name in variants) > len(variants)]
    variants = [name for name in variants if usual and all(name in found for found in usual)]
    chosen = [*variants, "shac-paper", "shac-pooled", "shac-guided"] if variants else []
    ranks = average_ranks(results, chosen, random) if chosen else {}
    if not ranks:
        return []
    shown = {key: found for key, found in results.items() if all(name in found for name in chosen)}
    names = [name for name, _ in shown]
    lines = [
        "Options alone (changes of the paper's) and together:",
        "",
        f"| option | average rank | {' | '.join(names)} |",
    ]
    lines.append("|---" * (len(names) + 2) + "|")
    for name in sorted(ranks, key=lambda name: ranks[name][0]):
        medians = [f"{np.median(found[name][:, -1]):.4g}" for found in shown.values()]
        lines.append(f"| {name} | {ranks[name][0]:.1f} | {' | '.join(medians)} |")
    return [*lines, ""]


def _cell(values: NDArray[np.float64]) -> str:
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    return f"{middle:.4g} ({low:.4g} to {high:.4g}; {len(values)})"
