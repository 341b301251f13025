"""``shac predict``."""

from __future__ import annotations

import logging
import secrets
from pathlib import Path

import click

from shac.cli.errors import explains_errors, warnings_as_lines
from shac.cli.rows import restored_search, written

__all__ = ["predict"]


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-n", "--samples", type=click.IntRange(min=0), default=10, show_default=True, help="Configurations to draw."
)
@click.option(
    "--classifiers", type=click.IntRange(min=0), help="Use the first so many classifiers.  [default: all of them]"
)
@click.option("--relax", is_flag=True, help="Let samples fail a classifier where 2^k candidates in a row find none.")
@click.option("--exact", is_flag=True, help="Draw exactly, however long it takes; never walk.")
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    help="Longest that drawing exactly may take by the estimate; above it chains walk within the region.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**64 - 1), help="Same seed, same configurations.  [default: a fresh one]"
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="json gives one object a line.",
)
@explains_errors
def predict(
    folder: Path,
    samples: int,
    classifiers: int | None,
    relax: bool,
    exact: bool,
    max_seconds: float,
    seed: int | None,
    format_: str,
) -> None:
    """Draw configurations that pass the classifiers of the search in DIR.

    Configurations go to standard output and nothing else does, so that they can be piped.
    """
    from shac.insight import view_of

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    view = view_of(folder)
    num_stages = view.cascade.num_stages if classifiers is None else classifiers
    if num_stages > view.cascade.num_stages:
        raise click.BadParameter(
            f"expected at most {view.cascade.num_stages}, the classifiers trained, got {num_stages}",
            param_hint="--classifiers",
        )
    seed = secrets.randbits(63) if seed is None else seed
    click.echo(f"{samples} configurations that pass {num_stages} classifiers of {folder}, seed {seed}", err=True)
    search = restored_search(view)
    with warnings_as_lines():
        configurations = search.predict(
            num_samples=samples,
            max_classifiers=num_stages,
            relax_checks=relax,
            seed=seed,
            exact=exact or None,
            max_seconds=max_seconds,
        )
    rows = [view.space.to_row(configuration) for configuration in configurations]
    click.echo(written(rows, view.space, format_), nl=False)
