"""Scores against each parameter: one picture, and a menu that chooses the parameter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.html_report.layout import MOST_COLUMNS, Figure, layout_of, lines_of, setting_text
from shac.insight import ABSENT, gain_shares, score_unit
from shac.insight.colours import FAINT, INK, SCALE

if TYPE_CHECKING:
    from shac.insight import ColumnScale, SearchView

__all__ = ["list_slices"]

_NAME_WIDTH = 40
_FEW_VALUES = 12


def list_slices(view: SearchView) -> dict[str, Figure]:
    """Draw the scores against each parameter, the most important one first.

    Parameters
    ----------
    view : SearchView

    Returns
    -------
    dict
        A figure of the name 'slices'; nothing where there is no score.
    """
    chosen = np.flatnonzero(np.isfinite(view.scores))
    scales = view.scales[:MOST_COLUMNS]
    if not chosen.size:
        return {}
    unit, in_units = score_unit(view.scores)
    places = [scale.positions(view.encoded[chosen, c]) for c, scale in enumerate(scales)]
    places = [np.where(np.isnan(place), ABSENT, place) for place in places]
    axes = [_axis(scale, place) for scale, place in zip(scales, places, strict=True)]
    shown = int(gain_shares(view).mean(axis=0)[: len(scales)].argmax()) if view.classifiers else 0
    trace = {
        "type": "scatter", "mode": "markers", "x": _rounded(places[shown]), "y": (view.scores[chosen] / unit).tolist(),
        "marker": {"size": 6, "opacity": 0.7, "color": chosen.tolist(), "colorscale": [[0, SCALE[1]], [1, SCALE[-1]]]},
        "text": [setting_text(view, int(i)) for i in chosen], "hovertemplate": "%{text}<extra></extra>",
    }  # fmt: skip
    menu = {
        "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom", "showactive": False, "active": shown,
        "bgcolor": "white", "bordercolor": FAINT, "font": {"color": INK, "size": 12},
        "buttons": [
            {"label": lines_of(scale.name, _NAME_WIDTH, 1), "method": "update",
             "args": [{"x": [_rounded(place)]}, {f"xaxis.{name}": value for name, value in axis.items()}]}
            for scale, place, axis in zip(scales, places, axes, strict=True)
        ],
    }  # fmt: skip
    score = "score" if view.objectives is None else "rank"
    layout = layout_of(
        400,
        margin={"l": 64, "r": 24, "t": 56, "b": 40},
        xaxis={**axes[shown], "showgrid": False},
        yaxis={"title": {"text": score + in_units}},
    )
    return {"slices": {"data": [trace], "layout": {**layout, "updatemenus": [menu]}}}


def _axis(scale: ColumnScale, places: Any) -> dict[str, Any]:
    """Return labels of an axis along which the prior is even."""
    if scale.has_atoms:
        middles, labels = (scale.edges[:-1] + scale.edges[1:]) / 2, scale.short_bin_labels()
        step = -(-len(labels) // _FEW_VALUES)
        marks = list(zip(middles[::step].tolist(), labels[::step], strict=True))
    else:
        marks = [(position, scale.text_at(position)) for position in (0.0, 0.25, 0.5, 0.75, 1.0)]
    is_absent = bool((places == ABSENT).any())
    if is_absent:
        marks.append((ABSENT, "absent"))
    return {
        "tickvals": [float(position) for position, _ in marks],
        "ticktext": [lines_of(text, _NAME_WIDTH, 1) for _, text in marks],
        "range": [(ABSENT if is_absent else 0.0) - 0.03, 1.03],
    }


def _rounded(places: Any) -> list[float]:
    """Return places as precisely as anybody sees them: there is a list of them for each parameter."""
    rounded: list[float] = np.round(places, 4).tolist()
    return rounded
