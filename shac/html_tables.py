"""Small tables for notebooks: without colours of their own, so that they are read on light pages and dark ones."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["cell_text", "table_html"]

_MOST_LETTERS = 40
_CELL = 'style="text-align:right;padding:2px 8px"'


def cell_text(value: Any) -> str:
    """Write a value in few letters.

    Examples
    --------
    >>> cell_text(0.1234567), cell_text(float("nan")), cell_text("x" * 50)[-3:]
    ('0.123457', '', 'xx…')
    """
    if isinstance(value, float):
        return f"{value:.6g}" if math.isfinite(value) else ""
    text = str(value)
    return text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1] + "…"


def table_html(caption: str, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as HTML; every text is escaped.

    Parameters
    ----------
    caption : str
    head : sequence of str
    rows : iterable of sequences
        One value for each head.

    Examples
    --------
    >>> "&lt;b&gt;" in table_html("Dataset", ["<b>"], [[1.0]])
    True
    """

    def line(kind: str, texts: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{kind} {_CELL}>{html.escape(text)}</{kind}>" for text in texts) + "</tr>"

    body = "".join(line("td", map(cell_text, row)) for row in rows)
    table = f"<table><thead>{line('th', head)}</thead><tbody>{body}</tbody></table>" if body else ""
    return f'<div style="overflow-x:auto"><code>{html.escape(caption)}</code>{table}</div>'
