"""``shac show``."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shac.cli.errors import explains_errors

if TYPE_CHECKING:
    from collections import OrderedDict

    from rich.console import Console
    from rich.table import Table

    from shac.insight import BestConfiguration, SearchView

__all__ = ["show"]

_WIDTH_OF_PIPES = 500


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--best",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Best and pruned configurations to list.",
)
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What is printed."
)
@explains_errors
def show(folder: Path, best: int, form: str) -> None:
    """Show the search in DIR: settings, progress, best parameters or Pareto front, stages, failures."""
    from rich.console import Console

    from shac.insight import view_of

    view = view_of(folder)
    if form == "json":
        click.echo(json.dumps(_as_json(view, best), indent=2))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_WIDTH_OF_PIPES)
    console.print(_settings(view))
    if view.best(1):
        console.print(_best(view, best) if view.objectives is None else _front(view))
    if view.classifiers:
        with console.status("measuring the region after each stage"):
            stages = _stages(view)
        console.print(stages)
    if view.pruned:
        console.print(_pruned(view, best))
    _print_failures(console, view)


def _as_json(view: SearchView, count: int) -> dict[str, Any]:
    """Return what is shown, but for the volumes of the stages, in types that JSON has."""
    from shac.insight import owner_of

    return {
        "engine": view.engine,
        "folder": str(view.folder),
        "objective": view.objective if view.objectives is None else dict(view.objectives.as_config()),
        "seed": view.seed,
        "evaluations": len(view.dataset),
        "ended_in_round": _num_in_round(view),
        "running": owner_of(view.folder) or None,
        "total_budget": view.total_budget,
        "num_batches": view.num_batches,
        "classifiers": len(view.classifiers),
        "total_classifiers": view.total_classifiers,
        "pruned": [
            {
                "evaluation": i,
                "last_value": last if math.isfinite(last) else None,
                "parameters": _configuration(view, i),
            }
            for i, last in sorted(view.pruned.items())
        ],
        "enqueued": sorted(view.enqueued),
        "warm_start": None if view.earlier is None else view.earlier.settings(),
        "best": [
            {
                "evaluation": best.number,
                "score": best.score,
                "num_evaluations": best.num_evaluations,
                "parameters": _configuration(view, best.number),
            }
            for best in (view.best(count) if view.objectives is None else [])
        ],
        **({} if view.objectives is None else {"pareto_front": _front_as_json(view)}),
        "failures": [
            {"evaluation": failure.index, "parameters": failure.parameters, "reason": failure.reason}
            for failure in view.failures
        ],
    }


def _front_as_json(view: SearchView) -> list[dict[str, Any]]:
    return [
        {
            "evaluation": i,
            "scores": dict(zip(view.score_names, view.score_numbers(i), strict=True)),
            "parameters": _configuration(view, i),
        }
        for i in view.dataset.pareto_indices()
    ]


def _configuration(view: SearchView, index: int) -> OrderedDict[str, Any]:
    return view.space.to_parameters(view.dataset.X[index])


def _new_table(title: str, *columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, header_style="dim")
    for name in columns:
        # Folded and not cut: names and choices with a common beginning differ in their ends
        is_text = name in ("parameter", "configuration")
        table.add_column(name, justify="left" if is_text else "right", overflow="fold")
    return table


def _num_in_round(view: SearchView) -> int:
    """Count the evaluations of the round under way that have ended."""
    from shac.insight import entries_since

    return len(entries_since(view.folder, len(view.dataset)))


def _round_under_way(view: SearchView) -> dict[str, str]:
    """Return lines on the round that is under way, or nothing."""
    from shac.insight import owner_of

    done, ended, owner = len(view.dataset), _num_in_round(view), owner_of(view.folder)
    lines = {"running": owner} if owner else {}
    if ended:
        size = min(view.num_workers, view.total_budget - done)
        lines["under way"] = f"round {done // view.num_workers + 1}: {ended} of {size} evaluations have ended"
    return lines


def _settings(view: SearchView) -> Table:
    from rich.table import Table

    done = len(view.dataset)
    lines = {
        "search": f"{view.engine} in {view.folder}",
        "objective": f"{view.objective_text}, over {len(view.space)} parameters ({view.space.num_columns} columns)",
        "evaluations": f"{done} of {view.total_budget}, in {view.num_batches} rounds of {view.num_workers}"
        + (f"; {len(view.failures)} failed" if view.failures else "")
        + (f"; {len(view.pruned)} pruned" if view.pruned else "")
        + (f"; {len(view.enqueued)} enqueued" if view.enqueued else ""),
        **_round_under_way(view),
        "classifiers": f"{len(view.classifiers)} of {view.total_classifiers}",
        "seed": str(view.seed),
    }
    if view.objectives is not None:
        lines["Pareto front"] = f"{len(view.dataset.pareto_indices())} configurations"
    else:
        lines["best score"] = next(map(_score_text, view.best(1)), "none yet")
    if view.earlier is not None:
        lines["warm start"] = view.earlier.describe()
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right")
    table.add_column()
    for name, text in lines.items():
        table.add_row(name, text)
    return table


def _best(view: SearchView, count: int) -> Table:
    from shac.insight import value_text

    chosen = view.best(count)
    heads = [f"{best.score:.5g}" + (" (enqueued)" if best.number in view.enqueued else "") for best in chosen]
    title = "\nBest configurations, by score"
    if view.replicates.is_noisy:
        title = "\nBest configurations, by mean score, two standard errors to the worse"
    table = _new_table(title, "parameter", *heads)
    for c, name in enumerate(view.space.get_parameter_names()):
        table.add_row(name, *(value_text(view.dataset.X[best.number][c]) for best in chosen))
    if view.replicates.is_noisy:
        table.add_section()
        table.add_row("evaluations", *(str(best.num_evaluations) for best in chosen), style="dim")
    return table


def _score_text(best: BestConfiguration) -> str:
    if best.num_evaluations > 1:
        return f"{best.score:.6g} (mean of {best.num_evaluations} evaluations, the first is {best.number})"
    return f"{best.score:.6g} (evaluation {best.number})"


def _front(view: SearchView) -> Table:
    from shac.insight import value_text

    table = _new_table("\nPareto front", "evaluation", *view.score_names, *view.space.get_parameter_names())
    for i in view.dataset.pareto_indices():
        number = f"{i} (enqueued)" if i in view.enqueued else str(i)
        scores = (f"{score:.5g}" for score in view.score_numbers(i))
        table.add_row(number, *scores, *map(value_text, view.dataset.X[i]))
    return table


def _stages(view: SearchView) -> Table:
    from shac.insight import stage_volumes

    table = _new_table("\nStages", "stage", "cv accuracy", "prior mass left", "bounds", "2^-stage")
    volumes = stage_volumes(view.stage_draws)
    for stage, volume in enumerate(volumes[1:], start=1):
        accuracy = view.accuracies[stage - 1] if stage <= len(view.accuracies) else math.nan
        table.add_row(
            str(stage),
            f"{accuracy:.3f}" if math.isfinite(accuracy) else "-",
            f"{volume.estimate:.2e}",
            f"{volume.lower:.1e} to {volume.upper:.1e}",
            f"{2.0**-stage:.2e}",
        )
    return table


def _pruned(view: SearchView, count: int) -> Table:
    sign = 1.0 if view.objective == "min" else -1.0
    order = sorted(view.pruned, key=lambda i: (math.isnan(view.pruned[i]), sign * view.pruned[i]))
    left = f"; {len(order) - count} more" if len(order) > count else ""
    table = _new_table(f"\nPruned evaluations, by what they reported last{left}", "evaluation", "last value")
    table.add_column("configuration", overflow="fold")
    for i in order[:count]:
        last = f"{view.pruned[i]:.5g}" if math.isfinite(view.pruned[i]) else "none"
        table.add_row(str(i), last, ", ".join(f"{name}={value!r}" for name, value in _configuration(view, i).items()))
    return table


def _print_failures(console: Console, view: SearchView) -> None:
    if not view.failures:
        return
    table = _new_table("\nFailed evaluations", "evaluation", "configuration")
    table.add_column("reason")
    for failure in view.failures:
        configuration = ", ".join(f"{name}={value!r}" for name, value in failure.parameters.items())
        table.add_row(str(failure.index), configuration, failure.reason)
    console.print(table)
