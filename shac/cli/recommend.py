"""``shac recommend``."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from shac.cli.errors import explains_errors
from shac.cli.rows import restored_search, written

__all__ = ["recommend"]


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("-n", "--count", type=click.IntRange(min=1), default=5, show_default=True, help="Configurations.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="json gives one object a line.",
)
@explains_errors
def recommend(folder: Path, count: int, format_: str) -> None:
    """List the best configurations for use that the search in DIR knows of.

    Each has the score that is predicted, and the one that its evaluation gave, if it was evaluated. Configurations go
    to standard output and nothing else does, so that they can be piped.
    """
    from shac.insight import view_of

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    view = view_of(folder)
    recommended = restored_search(view).recommend(count)
    rows = [view.space.to_row(one.configuration) for one in recommended]
    scores: list[dict[str, float | None]] = [
        {"predicted_score": one.predicted_score, "score": one.score, "num_evaluations": one.num_evaluations}
        for one in recommended
    ]
    click.echo(written(rows, view.space, format_, scores), nl=False)
