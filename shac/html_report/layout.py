"""What pictures of the report share: their layout, and the texts in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shac.insight import value_text
from shac.insight.colours import ACCENT, FAINT, INK, MUTED
from shac.insight.names import wrapped

if TYPE_CHECKING:
    from shac.insight import SearchView

__all__ = ["MOST_COLUMNS", "Figure", "escaped", "layout_of", "lines_of", "setting_text"]

Figure = dict[str, Any]

MOST_COLUMNS = 30


def layout_of(height: int, **more: Any) -> dict[str, Any]:
    """Return the layout of a picture of a height; what is given comes in addition, or instead."""
    axis = {"gridcolor": FAINT, "zeroline": False, "linecolor": FAINT, "tickfont": {"color": MUTED}}
    return {
        "height": height,
        "margin": {"l": 64, "r": 24, "t": 24, "b": 48},
        "font": {"family": "inherit", "color": INK, "size": 12},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "hoverlabel": {"bgcolor": "white", "bordercolor": FAINT, "font": {"color": INK}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"},
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "#b6bec9", "activecolor": ACCENT, "orientation": "h"},
        **more,
        "xaxis": {**axis, **more.get("xaxis", {})},
        "yaxis": {**axis, **more.get("yaxis", {})},
    }


def setting_text(view: SearchView, index: int) -> str:
    """Return what stands above an evaluation under the mouse."""
    names = view.space.get_parameter_names()
    pairs = list(zip(names, view.dataset.X[index], strict=True))
    lines = [f"{name} = {value_text(value)}" for name, value in pairs[:MOST_COLUMNS]]
    scores = ", ".join(f"{score:.5g}" for score in view.score_numbers(index))
    return "<br>".join([f"<b>evaluation {index}: {scores}</b>", *lines])


def lines_of(name: str, width: int, max_lines: int = 4) -> str:
    """Break a name into lines."""
    return escaped(wrapped(name, width, max_lines)).replace("\n", "<br>")


def escaped(text: str) -> str:
    """Return a text that plotly does not take for tags."""
    return text.replace("&", "&amp;").replace("<", "&lt;")
