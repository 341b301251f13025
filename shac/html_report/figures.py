"""The report's pictures, in plotly's form: traces and a layout, without plotly's Python objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.html_report.layout import MOST_COLUMNS, Figure, escaped, layout_of, lines_of, setting_text
from shac.insight import (
    ABSENT,
    gain_shares,
    list_rounds,
    range_of_better_half,
    score_unit,
    stage_marginals,
    stage_volumes,
)
from shac.insight.colours import ACCENT, BAD, FAINT, INK, MUTED, SCALE, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shac.insight import ColumnScale, Round, SearchView

__all__ = ["list_figures"]

_MOST_LINES = 300
_LINE_GROUPS = 12
_BLOCK_HEIGHT = 92
_BLOCK_NAME_WIDTH = 14  # letters in the margin
_AXIS_NAME_WIDTH = 16  # letters between two axes
_BAR_NAME_WIDTH = 26  # letters beside a bar


def list_figures(view: SearchView) -> dict[str, Figure]:
    """Draw every picture that the search has data for.

    Parameters
    ----------
    view : SearchView
        The search.

    Returns
    -------
    dict
        A figure for each name: 'history', 'curves', 'region', 'volume', 'importance', 'parallel'; of two objectives
        'front' instead of 'history', of more neither.
    """
    figures: dict[str, Figure] = {}
    if len(view.scores) and view.objectives is None:
        figures["history"] = _history(view)
    elif len(view.scores) and len(view.score_names) == 2:
        figures["front"] = _front(view)
    if view.curves:
        figures["curves"] = _curves(view)
    if view.classifiers:
        figures["region"] = _region(view)
        figures["volume"] = _volume(view)
        figures["importance"] = _importance(view)
    if view.best(1):
        figures["parallel"] = _parallel(view)
    return figures


def _curves(view: SearchView) -> Figure:
    """Draw what evaluations reported, as two traces: those that went on to their end, and those that were pruned."""
    unit, in_units = score_unit(np.array([value for curve in view.curves for value in curve.values]))
    traces: list[dict[str, Any]] = []
    for pruned, name, colour in ((False, "to its end", ACCENT), (True, "pruned", BAD)):
        chosen = [curve for curve in view.curves if curve.pruned == pruned]
        if not chosen:
            continue
        steps: list[int | None] = []
        values: list[float | None] = []
        for curve in chosen:
            steps += [*curve.steps, None]
            values += [*(_number(value / unit) for value in curve.values), None]
        traces.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": name, "x": steps, "y": values, "opacity": 0.5,
                "line": {"color": colour, "width": 1.2}, "marker": {"size": 3},
                "hovertemplate": f"{name}, step %{{x}}: %{{y:.5g}}<extra></extra>",
            }
        )  # fmt: skip
    layout = layout_of(
        340,
        xaxis={"title": {"text": "step"}},
        yaxis={"title": {"text": f"reported value{in_units}"}},
    )
    return {"data": traces, "layout": layout}


def _history(view: SearchView) -> Figure:
    rounds = list_rounds(view)
    unit, in_units = score_unit(view.scores)
    scores = view.scores / unit
    finite = np.flatnonzero(np.isfinite(scores))
    medians_x: list[float | None] = []
    medians_y: list[float | None] = []
    for entry in rounds:
        medians_x += [entry.begin - 0.4, entry.end - 0.6, None]
        medians_y += [_number(entry.median / unit)] * 2 + [None]
    best = view.best_so_far() / unit
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers", "name": "evaluation", "x": finite.tolist(),
            "y": scores[finite].tolist(), "marker": {"color": ACCENT, "size": 6, "opacity": 0.6},
            "text": [setting_text(view, int(i)) for i in finite], "hovertemplate": "%{text}<extra></extra>",
        },
        {
            "type": "scatter", "mode": "lines", "name": "median of the round", "x": medians_x, "y": medians_y,
            "line": {"color": INK, "width": 2.5}, "hovertemplate": "median %{y:.5g}<extra></extra>",
        },
        {
            "type": "scatter", "mode": "lines", "name": "best so far", "x": list(range(len(best))),
            "y": [_number(value) for value in best], "line": {"color": SECOND, "width": 2, "shape": "hv"},
            "hovertemplate": "best so far %{y:.5g}<extra></extra>",
        },
    ]  # fmt: skip
    failed = np.array([i for i in np.flatnonzero(~np.isfinite(scores)) if i not in view.pruned], dtype=np.intp)
    if failed.size:
        worst = scores[finite].min() if finite.size else 0.0
        traces.append(
            {
                "type": "scatter", "mode": "markers", "name": "failed", "x": failed.tolist(),
                "y": [float(worst)] * len(failed), "marker": {"color": BAD, "symbol": "x", "size": 8},
                "text": [setting_text(view, int(i)) for i in failed], "hovertemplate": "failed %{text}<extra></extra>",
            }
        )  # fmt: skip
    axis, bands = _round_axis(rounds)
    layout = layout_of(420, xaxis=axis, yaxis={"title": {"text": "score" + in_units}}, shapes=bands)
    return {"data": traces, "layout": {**layout, "updatemenus": _range_buttons(scores, view.objective)}}


def _round_axis(rounds: Sequence[Round]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return an axis of evaluations that names their rounds, and a band behind every other round."""
    step = max(1, -(-len(rounds) // 25))
    ticks = rounds[::step]
    axis = {
        "title": {"text": "round"}, "showgrid": False, "tickvals": [(r.begin + r.end - 1) / 2 for r in ticks],
        "ticktext": [str(r.number) for r in ticks],
    }  # fmt: skip
    bands = [
        {"type": "rect", "yref": "paper", "y0": 0, "y1": 1, "x0": r.begin - 0.5, "x1": r.end - 0.5,
         "fillcolor": FAINT, "opacity": 0.35, "line": {"width": 0}, "layer": "below"}
        for r in rounds[1::2]
    ]  # fmt: skip
    return axis, bands


def _range_buttons(scores: NDArray[np.float64], objective: str) -> list[dict[str, Any]]:
    """Return a menu of buttons that show all scores or their better half; none where that is all."""
    shown = range_of_better_half(scores, objective)
    if shown is None:
        return []
    buttons = [("all", "yaxis.autorange", True), ("better half", "yaxis.range", list(shown))]
    menu = {
        "type": "buttons", "direction": "right", "x": 1, "xanchor": "right", "y": -0.07, "yanchor": "top",
        "showactive": False, "bgcolor": "rgba(0,0,0,0)", "bordercolor": FAINT, "font": {"color": INK, "size": 11},
        "buttons": [{"label": label, "method": "relayout", "args": [name, value]} for label, name, value in buttons],
    }  # fmt: skip
    return [menu]


def _front(view: SearchView) -> Figure:
    """Draw two objectives against each other: all evaluations, and the border of what the Pareto front dominates."""
    scores = np.array([view.score_numbers(i) for i in range(len(view.scores))])
    chosen = view.dataset.pareto_indices()
    groups = (("evaluation", np.flatnonzero(np.isfinite(view.scores)).tolist()), ("Pareto front", chosen))
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers", "name": name, "x": scores[of_group, 0].tolist(),
            "y": scores[of_group, 1].tolist(), "text": [setting_text(view, i) for i in of_group],
            "hovertemplate": "%{text}<extra></extra>",
        }
        for name, of_group in groups
    ]  # fmt: skip
    evaluations, front = traces
    evaluations["marker"] = {"size": 6, "color": groups[0][1], "colorscale": [[0, SCALE[1]], [1, SCALE[-1]]]}
    # Between two of its points the front is as good as the first of them in the second objective
    front |= {"mode": "lines+markers", "line": {"color": SECOND, "width": 2, "shape": "hv"}, "marker": {"size": 8}}
    assert view.objectives is not None, "checked by the caller"
    x, y = ({"title": {"text": escaped(f"{name} ({one})")}} for name, one in view.objectives.as_config())
    return {"data": traces, "layout": layout_of(440, xaxis=x, yaxis=y)}


def _region(view: SearchView) -> Figure:
    shown = stage_marginals(view)[:MOST_COLUMNS]
    count = len(shown)
    height = _BLOCK_HEIGHT * count + 40
    layout = layout_of(height, margin={"l": 120, "r": 190, "t": 8, "b": 28})
    layout["annotations"] = []
    traces = []
    share = 1 / count
    for block, marginals in enumerate(shown):
        scale, suffix = marginals.scale, "" if block == 0 else str(block + 1)
        known = marginals.num_known
        top = 1 - block * share
        labels = scale.short_bin_labels()
        densities = marginals.densities[: known + 1]
        traces.append(
            {
                "type": "heatmap", "x": scale.edges.tolist(), "y": list(range(known + 1)),
                "z": [[_number(value) for value in row] for row in np.sqrt(densities)],
                "zmin": 0, "zmax": float(np.sqrt(max(4.0, min(12.0, np.nanmax(densities))))),
                "xaxis": f"x{suffix}", "yaxis": f"y{suffix}", "showscale": False,
                "colorscale": [[i / (len(SCALE) - 1), colour] for i, colour in enumerate(SCALE)],
                "text": [[f"{label}<br>{d:.2f} times the prior" for label, d in zip(labels, row, strict=True)]
                         for row in densities],
                "hovertemplate": f"<b>{escaped(scale.name)}</b> after %{{y}} stages<br>%{{text}}<extra></extra>",
            }
        )  # fmt: skip
        layout[f"xaxis{suffix}"] = {
            **_ticks(scale), "domain": [0, 1], "range": [0, 1], "anchor": f"y{suffix}",
            "showgrid": False, "zeroline": False, "tickfont": {"color": MUTED, "size": 10}, "fixedrange": True,
        }  # fmt: skip
        layout[f"yaxis{suffix}"] = {
            "domain": [top - share * 0.66, top], "range": [len(marginals.masses) - 0.5, -0.5], "anchor": f"x{suffix}",
            "tickvals": [0, known], "ticktext": ["prior", f"stage {known}"], "showgrid": False, "zeroline": False,
            "tickfont": {"color": MUTED, "size": 9}, "fixedrange": True,
        }  # fmt: skip
        middle = top - share * 0.33
        for x, anchor, text in ((-0.008, "right", f"<b>{lines_of(scale.name, _BLOCK_NAME_WIDTH)}</b>"),
                                (1.01, "left", escaped(marginals.survivors()))):  # fmt: skip
            layout["annotations"].append(
                {"xref": "paper", "yref": "paper", "x": x, "y": middle, "xanchor": anchor, "yanchor": "middle",
                 "text": text, "showarrow": False, "xshift": -46 if anchor == "right" else 0,
                 "font": {"size": 12, "color": INK}}
            )  # fmt: skip
    layout["margin"]["l"] = 70 + 7 * max(len(m.scale.name) for m in shown)
    return {"data": traces, "layout": layout}


def _ticks(scale: ColumnScale) -> dict[str, Any]:
    """Return at most twelve values of a column that has atoms, else its quarters."""
    if scale.has_atoms:
        labels = scale.short_bin_labels()
        step = max(1, -(-len(labels) // 12))
        middles = (scale.edges[:-1] + scale.edges[1:]) / 2
        return {"tickvals": middles[::step].tolist(), "ticktext": labels[::step]}
    positions = [0.0, 0.25, 0.5, 0.75, 1.0]
    return {"tickvals": positions, "ticktext": [scale.text_at(position) for position in positions]}


def _volume(view: SearchView) -> Figure:
    volumes = stage_volumes(view.stage_draws)
    stages = list(range(len(volumes)))
    seen = [(stage, v) for stage, v in enumerate(volumes) if v.estimate > 0]
    lower = [max(v.lower, v.upper / 1000) for v in volumes]
    traces: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "lines", "name": "bounds", "x": stages + stages[::-1],
            "y": [v.upper for v in volumes] + lower[::-1], "fill": "toself", "fillcolor": "rgba(47,111,222,0.16)",
            "line": {"width": 0}, "hoverinfo": "skip",
        },
        {
            "type": "scatter", "mode": "lines", "name": "2<sup>-k</sup>", "x": stages, "y": [2.0**-k for k in stages],
            "line": {"color": MUTED, "dash": "dash"}, "hovertemplate": "2<sup>-%{x}</sup> = %{y:.2e}<extra></extra>",
        },
        {
            "type": "scatter", "mode": "lines+markers", "name": "survives", "x": [stage for stage, _ in seen],
            "y": [v.estimate for _, v in seen], "line": {"color": ACCENT, "width": 2}, "marker": {"size": 7},
            "hovertemplate": "%{y:.2e} of the prior survives %{x} stages<extra></extra>",
        },
    ]  # fmt: skip
    x = {"title": {"text": "stages"}, "showgrid": False, "dtick": 1 if len(stages) < 12 else 2}
    y = {"type": "log", "title": {"text": "prior mass"}, "exponentformat": "power", "dtick": 1}
    return {"data": traces, "layout": layout_of(360, xaxis=x, yaxis=y)}


def _importance(view: SearchView) -> Figure:
    shares = gain_shares(view)
    means = shares.mean(axis=0)
    order = np.argsort(means, kind="stable")[::-1][:20][::-1]
    names = [view.space.get_parameter_names()[column] for column in order]
    positions = list(range(len(order)))
    stages = len(shares)
    traces: list[dict[str, Any]] = [
        {
            "type": "bar", "orientation": "h", "name": "mean", "x": means[order].tolist(), "y": positions,
            "marker": {"color": ACCENT, "opacity": 0.85}, "text": [f"{means[c]:.0%}" for c in order],
            "textposition": "outside", "cliponaxis": False, "hovertemplate": "%{x:.1%}<extra></extra>",
        },
        {
            "type": "scatter", "mode": "markers", "name": "single stages", "visible": "legendonly",
            "x": shares[:, order].T.ravel().tolist(), "y": np.repeat(positions, stages).tolist(),
            "text": [f"stage {k + 1}" for _ in order for k in range(stages)],
            "marker": {"color": INK, "opacity": 0.4, "size": 5}, "hovertemplate": "%{text}: %{x:.1%}<extra></extra>",
        },
    ]  # fmt: skip
    layout = layout_of(
        max(360, 90 + 26 * len(order)),
        xaxis={"title": {"text": "share of the gain"}, "tickformat": ".0%", "rangemode": "tozero"},
        yaxis={
            "showgrid": False,
            "tickvals": positions,
            "ticktext": [lines_of(n, _BAR_NAME_WIDTH, 2) for n in names],
            "automargin": True,
        },
    )
    return {"data": traces, "layout": layout}


def _parallel(view: SearchView) -> Figure:
    """Lines in a few groups of colour, one trace each: plotly's own parallel coordinates need WebGL."""
    best = view.best(_MOST_LINES)
    chosen = [entry.number for entry in best]
    scales = view.scales[:MOST_COLUMNS]
    X = view.encoded[chosen]
    heights = np.stack([scale.positions(X[:, c]) for c, scale in enumerate(scales)], axis=1)
    missing = np.isnan(heights)
    heights[missing] = ABSENT
    traces = []
    groups = np.array_split(np.arange(len(chosen)), min(_LINE_GROUPS, len(chosen)))
    for number, group in enumerate(reversed(groups)):  # the best on top
        strength = (number + 1) / len(groups)
        x: list[float | None] = []
        y: list[float | None] = []
        texts: list[str] = []
        for line in group:
            x += [*range(len(scales)), None]
            y += [*heights[line].tolist(), None]
            texts += [setting_text(view, chosen[line])] * (len(scales) + 1)
        low, high = best[group[-1]].score, best[group[0]].score
        traces.append(
            {
                "type": "scatter", "mode": "lines", "x": x, "y": y, "text": texts, "connectgaps": False,
                "name": f"{low:.4g} to {high:.4g}", "opacity": 0.25 + 0.65 * strength,
                "line": {"color": _mixed(strength), "width": 0.8 + 1.4 * strength**3},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )  # fmt: skip
    annotations = []
    for c, scale in enumerate(scales):
        annotations += _axis_marks(c, scale, some_absent=bool(missing[:, c].any()))
    posts = [
        {"type": "line", "x0": c, "x1": c, "y0": 0, "y1": 1, "line": {"color": MUTED, "width": 1}}
        for c in range(len(scales))
    ]
    names = [lines_of(scale.name, _AXIS_NAME_WIDTH) for scale in scales]
    layout = layout_of(
        460,
        xaxis={"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False, "tickfont": {"color": INK},
               "range": [-0.15, len(names) - 0.4]},
        yaxis={"visible": False, "range": [(ABSENT if missing.any() else 0.0) - 0.04, 1.04]},
        annotations=annotations,
        shapes=posts,
        margin={"l": 24, "r": 24, "t": 24, "b": 72},
        legend={"title": {"text": "score" if view.objectives is None else "rank"}, "traceorder": "reversed", "x": 1.01,
                "y": 0.5, "yanchor": "middle"},
    )  # fmt: skip
    return {"data": traces, "layout": layout}


def _axis_marks(column: int, scale: ColumnScale, *, some_absent: bool) -> list[dict[str, Any]]:
    """Return the texts beside a column's post: its values where they are few, else its quarters."""
    marks = (
        list(zip((scale.edges[:-1] + scale.edges[1:]) / 2, scale.short_bin_labels(), strict=True))
        if scale.has_atoms and scale.num_bins <= 8
        else [(p, scale.text_at(p)) for p in (0.0, 0.25, 0.5, 0.75, 1.0)]
    )
    if some_absent:
        marks.append((ABSENT, "absent"))
    return [
        {"x": column, "y": float(p), "text": escaped(text), "showarrow": False, "xanchor": "left", "xshift": 4,
         "font": {"size": 10, "color": INK}, "bgcolor": "rgba(255,255,255,0.82)", "borderpad": 1}
        for p, text in marks
    ]  # fmt: skip


def _mixed(strength: float) -> str:
    """Return the colour at a position between the scale's second colour (0) and its last (1)."""
    stops = np.array([[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in SCALE[1:]])
    position = strength * (len(stops) - 1)
    red, green, blue = (round(float(np.interp(position, range(len(stops)), stops[:, k]))) for k in range(3))
    return f"rgb({red},{green},{blue})"


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
