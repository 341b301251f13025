"""The page: one HTML file with its scripts, styles, pictures and tables inside."""

from __future__ import annotations

import html
import importlib.resources
import json
import math
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from shac.files import write_atomic
from shac.html_report.figures import list_figures
from shac.html_report.slices import list_slices
from shac.insight import stage_marginals, stage_volumes, value_text, view_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

    from shac.insight import JournalEntry, SearchView

__all__ = ["Live", "page_of", "plotly_script", "write_report"]

_NUM_BEST = 10


def write_report(search: Any, path: str | os.PathLike[str] = "report.html", *, title: str | None = None) -> Path:
    """Write a search as one HTML file with interactive pictures, which opens without a network.

    Parameters
    ----------
    search : SHAC or path-like
        An engine, or the save folder of a search.
    path : path-like
        The file; replaced if it is there.
    title : str, optional
        Heading; the folder's name by default.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    FileNotFoundError, DamagedFileError
        If the folder holds no search, or a damaged one.
    ImportError
        If plotly is not installed.
    OSError
        If the file cannot be written.
    """
    target = Path(path)
    write_atomic(target, page_of(view_of(search), title=title))
    return target


def page_of(view: SearchView, *, title: str | None = None, live: Live | None = None) -> str:
    """Return the page of a search.

    Parameters
    ----------
    view : SearchView
    title : str, optional
        Heading; the folder's name by default.
    live : Live, optional
        What is beside the rounds that are over, for a page that asks its server for news; by default the page is one
        for itself, with its scripts inside.

    Returns
    -------
    str

    Raises
    ------
    ImportError
        If plotly is not installed.
    """
    files = importlib.resources.files("shac.html_report")
    return Template((files / "page.html").read_text(encoding="utf-8")).substitute(
        title=html.escape(title or str(view.folder)),
        style=(files / "page.css").read_text(encoding="utf-8"),
        script=(files / "page.js").read_text(encoding="utf-8"),
        plotly=f"<script>\n{plotly_script()}\n</script>" if live is None else '<script src="plotly.js"></script>',
        live="" if live is None else f' data-live="{html.escape(live.state)}"',
        round="" if live is None else _round(view, live.entries),
        figures=_json(list_figures(view) | list_slices(view)),
        cards=_cards(view),
        curves='<h3>Learning curves</h3><div class="plot" data-figure="curves"></div>' if view.curves else "",
        best=_best(view) if view.objectives is None else _front(view),
        best_heading="Best settings" if view.objectives is None else "Pareto front",
        history=_HISTORY if view.objectives is None else _objectives(view),
        survivors=_survivors(view),
        stages=_stages(view),
        evaluations=_evaluations(view),
        failures=_failures(view),
        settings=_settings(view),
    )


def plotly_script() -> str:
    """Return the script that draws the pictures.

    Raises
    ------
    ImportError
        If plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise ImportError("reports need plotly: pip install 'shac[report]'") from error
    return str(get_plotlyjs()).replace("</script", "<\\/script")


@dataclass(frozen=True, slots=True)
class Live:
    """What a page that follows a search says beside the rounds that are over.

    Parameters
    ----------
    state : str
        Changes when there is something new.
    entries : sequence of JournalEntry
        Evaluations of the round that is under way.
    """

    state: str
    entries: Sequence[JournalEntry] = ()


def _round(view: SearchView, entries: Sequence[JournalEntry]) -> str:
    """Return the section of the round that is under way, its newest evaluations first."""
    done, total = len(view.dataset), view.total_budget
    if done >= total:
        return '<section id="round"><h2>The search is over</h2></section>'
    number, size = done // view.num_workers + 1, min(view.num_workers, total - done)
    names = view.space.get_parameter_names()
    rows = [
        [
            str(entry.index),
            *_score_texts(view, entry),
            f"{entry.ended - entry.started:.1f}",
            *(value_text(entry.parameters.get(name, "")) for name in names),
        ]
        for entry in sorted(entries, key=lambda entry: -entry.ended)
    ]
    head = ["evaluation", *view.score_names, "seconds", *names]
    table = _table(head, rows, identity="round-table") if rows else ""
    return (
        f'<section id="round"><h2>Round {number} of {view.num_batches}</h2>'
        f"<p>{len(rows)} of {size} evaluations have ended.</p>{table}</section>"
    )


def _score_texts(view: SearchView, entry: JournalEntry) -> list[str]:
    """Return what stands in the columns of an evaluation's scores."""
    if entry.error is None and isinstance(entry.score, tuple):
        return [f"{score:.6g}" for score in entry.score]
    score = math.nan if entry.score is None or isinstance(entry.score, tuple) else entry.score
    return [_score_text(score, entry.last_value)] * len(view.score_names)


def _json(value: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    return json.dumps(value, allow_nan=False).replace("</", "<\\/").replace("<!--", "\\u003c!--")


def _cards(view: SearchView) -> str:
    best = view.best(1)
    volume = stage_volumes(view.stage_draws)[-1]
    left = f"{volume.estimate:.1e}" if volume.estimate else f"< {volume.upper:.0e}"
    cards = [
        (f"{best[0].score:.5g}" if best else "none", f"best {_score_name(view)} ({view.objective}imise)")
        if view.objectives is None
        else (str(len(view.dataset.pareto_indices())), "in the Pareto front"),
        (f"{len(view.dataset)} <small>of {view.total_budget}</small>", "evaluations"),
        (f"{len(view.classifiers)} <small>of {view.total_classifiers}</small>", "classifiers"),
        (left if view.classifiers else "1", "of the prior survives"),
        (str(len(view.failures)), "failed"),
        *([(str(len(view.pruned)), "pruned")] if view.pruned else []),
    ]
    return "".join(f'<div class="card"><b>{value}</b><span>{label}</span></div>' for value, label in cards)


def _score_name(view: SearchView) -> str:
    return "mean score" if view.replicates.is_noisy else "score"


def _best(view: SearchView) -> str:
    chosen = view.best(_NUM_BEST)
    if not chosen:
        return "<p>No evaluation has a score yet.</p>"
    names = view.space.get_parameter_names()
    counts = [[str(best.num_evaluations)] if view.replicates.is_noisy else [] for best in chosen]
    rows = [
        [f"{best.score:.6g}", *count, _number(view, best.number), *map(value_text, view.dataset.X[best.number])]
        for best, count in zip(chosen, counts, strict=True)
    ]
    numbers = ["evaluations", "first evaluation"] if view.replicates.is_noisy else ["evaluation"]
    table = _table([_score_name(view), *numbers, *names], rows, identity="best-table")
    setting = dict(view.dataset.prepare_parameter(view.dataset.X[chosen[0].number]))
    python = "parameters = {\n" + "".join(f"    {name!r}: {value!r},\n" for name, value in setting.items()) + "}"
    blocks = [("Python", python), ("JSON", json.dumps(_plain(setting), indent=2))]
    copies = "".join(
        f'<figure class="code"><figcaption>{kind}<button type="button" class="copy" data-kind="{kind.lower()}">Copy'
        f"</button></figcaption><pre>{html.escape(text)}</pre></figure>"
        for kind, text in blocks
    )
    ranking = "<p>Ranked by the mean score, two standard errors to the worse.</p>" if view.replicates.is_noisy else ""
    return f'<div class="codes">{copies}</div>{ranking}{table}'


def _front(view: SearchView) -> str:
    """Return the evaluations that no other dominates, as a table."""
    chosen = view.dataset.pareto_indices()
    if not chosen:
        return "<p>No evaluation has scores yet.</p>"
    assert view.objectives is not None, "checked by the caller"
    head = [f"{name} ({one})" for name, one in view.objectives.as_config()]
    rows = [
        [*(f"{score:.6g}" for score in view.score_numbers(i)), _number(view, i), *map(value_text, view.dataset.X[i])]
        for i in chosen
    ]
    table = _table([*head, "evaluation", *view.space.get_parameter_names()], rows, identity="front-table")
    return (
        "<p>No evaluation is better than one of these in an objective and not worse in the others: "
        f"{html.escape(view.objective_text)}.</p>{table}"
    )


_HISTORY = """<section id="history"><h2>Scores by round</h2>
<p>Every dot is an evaluation; the medians of the rounds rise or fall as the classifiers narrow the search.</p>
<div class="plot" data-figure="history"></div>"""


def _objectives(view: SearchView) -> str:
    """Return the beginning of the section that has the objectives against each other; its picture is of two."""
    if len(view.score_names) != 2:
        return '<section id="history">' if view.curves else '<section id="history" hidden>'
    return (
        '<section id="history"><h2>Objectives</h2><p>Every dot is an evaluation; the later, the more it stands out. '
        'The line joins the Pareto front.</p><div class="plot" data-figure="front"></div>'
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _survivors(view: SearchView) -> str:
    if not view.classifiers:
        return ""
    marginals = stage_marginals(view)
    rows = [[m.scale.name, f"{m.scale.text_at(0.0)} to {m.scale.text_at(1.0)}" if not m.scale.has_atoms
             else ", ".join(m.scale.bin_labels()[:8]), m.survivors()] for m in marginals]  # fmt: skip
    known = marginals[0].num_known
    return _table(["parameter", "prior", f"survives {known} stages"], rows, identity="survivors-table")


def _stages(view: SearchView) -> str:
    rows = []
    for stage, volume in enumerate(stage_volumes(view.stage_draws)[1:], start=1):
        accuracy = view.accuracies[stage - 1] if stage <= len(view.accuracies) else math.nan
        rows.append(
            [
                str(stage),
                f"{accuracy:.3f}" if math.isfinite(accuracy) else "skipped",
                f"{volume.estimate:.2e}" if volume.estimate else "0",
                f"{volume.lower:.1e}",
                f"{volume.upper:.1e}",
                f"{2.0**-stage:.2e}",
            ]
        )
    head = ["stage", "cross-validation accuracy", "prior mass left", "at least", "at most", "2^-stage"]
    return _table(head, rows, identity="stages-table")


def _evaluations(view: SearchView) -> str:
    names = view.space.get_parameter_names()
    rows = [
        [
            _number(view, i),
            str(i // view.num_workers + 1),
            *(_score_text(score, view.pruned.get(i)) for score in view.score_numbers(i)),
            *map(value_text, row),
        ]
        for i, row in enumerate(view.dataset.X)
    ]
    if view.earlier is not None:
        rows += [
            [f"earlier {i}", "-", f"{score:.6g}" if math.isfinite(score) else "none", *map(value_text, row)]
            for i, (row, score) in enumerate(zip(view.earlier.rows, view.earlier.scores, strict=True))
        ]
    return _table(["evaluation", "round", *view.score_names, *names], rows, identity="evaluations-table")


def _score_text(score: float, last_value: float | None) -> str:
    """Return what a table says of an evaluation; `last_value` is that of a pruned one."""
    if last_value is not None:
        return f"pruned at {last_value:.6g}" if math.isfinite(last_value) else "pruned"
    return f"{score:.6g}" if math.isfinite(score) else "failed"


def _number(view: SearchView, index: int) -> str:
    return f"{index} (enqueued)" if index in view.enqueued else str(index)


def _failures(view: SearchView) -> str:
    if not view.failures:
        return "<p>Every evaluation gave a score.</p>"
    items = []
    for failure in view.failures:
        setting = ", ".join(f"{name}={value!r}" for name, value in failure.parameters.items())
        details = html.escape(f"{setting}\n\n{failure.traceback}".rstrip())
        items.append(
            f"<details><summary><b>evaluation {failure.index}</b> {html.escape(failure.reason)}</summary>"
            f"<pre>{details}</pre></details>"
        )
    return "".join(items)


def _settings(view: SearchView) -> str:
    rows = [
        ["engine", view.engine],
        ["folder", str(view.folder)],
        ["objective", view.objective if view.objectives is None else view.objective_text],
        ["total_budget", str(view.total_budget)],
        ["num_batches", str(view.num_batches)],
        ["seed", str(view.seed)],
        *([["warm start", view.earlier.describe()]] if view.earlier is not None else []),
        *([parameter.name, repr(parameter)] for parameter in view.space),
        *([name, f"only where {view.space.conditions.describe(name)}"] for name in view.space.conditions.order),
        *(["constraint", str(constraint)] for constraint in view.space.constraints),
    ]
    return _table(["setting", "value"], rows, identity="settings-table")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], *, identity: str) -> str:
    heads = "".join(f'<th scope="col"><button type="button">{html.escape(text)}</button></th>' for text in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll"><table id="{identity}" class="sortable"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )
