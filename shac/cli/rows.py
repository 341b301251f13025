"""Configurations on standard output, and the search that they come from."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shac.engine import SHAC
    from shac.insight import SearchView
    from shac.space import HyperParameterList

__all__ = ["restored_search", "written"]


def restored_search(view: SearchView) -> SHAC:
    """Return the search of a view, as an engine that needs no evaluation function."""
    from shac import SHAC

    budget = view.num_workers * view.num_batches  # the last round may be smaller, which does not matter here
    search = SHAC(None, None, budget, view.num_batches, view.dataset.objective, save_dir=view.folder)
    search.restore_data()
    return search


def written(
    rows: Sequence[Sequence[Any]],
    space: HyperParameterList,
    format_: str,
    more: Sequence[Mapping[str, float | None]] | None = None,
) -> str:
    """Write flat rows, a line each.

    Parameters
    ----------
    rows : sequence of rows
    space : HyperParameterList
    format_ : {'table', 'csv', 'json'}
    more : sequence of mappings, optional
        Numbers of each row that are no parameters, the same for all; None for one that there is not. An object of JSON
        has the parameters under ``configuration`` then.

    Returns
    -------
    str
    """
    if format_ == "json":
        objects = [_plain(space.to_parameters(row)) for row in rows]
        if more is not None:
            objects = [{"configuration": o, **_plain(dict(m))} for o, m in zip(objects, more, strict=True)]
        return "".join(json.dumps(one) + "\n" for one in objects)
    texts = [[column.to_text(value) for column, value in zip(space.columns, row, strict=True)] for row in rows]
    names = space.get_parameter_names()
    if more:
        write = repr if format_ == "csv" else "{:.6g}".format
        numbers = [["" if number is None else write(number) for number in m.values()] for m in more]
        texts = [[*m, *text] for m, text in zip(numbers, texts, strict=True)]
        names = [*more[0], *names]
    return _csv([names, *texts]) if format_ == "csv" else _table([names, *texts])


def _plain(value: Any) -> Any:
    """Only what JSON has: its numbers are finite, and other objects are written as text."""
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, bool | int | str) else str(value)


def _csv(lines: Iterable[Sequence[str]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _table(lines: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need: whatever reads a pipe has no width."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(line.rstrip() + "\n" for line in padded)
