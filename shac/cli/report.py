"""``shac report``."""

from __future__ import annotations

from pathlib import Path

import click

from shac.cli.errors import explains_errors, needs

__all__ = ["report"]


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default="report.html",
    show_default=True,
    help="The HTML file; replaced if it is there.",
)
@click.option("--title", help="Heading of the report.  [default: the folder's name]")
@explains_errors
def report(folder: Path, output: Path, title: str | None) -> None:
    """Write the search in DIR as one HTML file with interactive pictures, which opens without a network."""
    needs("plotly", "report", "the report's pictures are interactive")
    from shac.html_report import write_report

    write_report(folder, output, title=title)
    click.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB", err=True)
