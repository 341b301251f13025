"""``shac serve``."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from shac.cli.errors import explains_errors, needs

__all__ = ["serve"]


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8765,
    show_default=True,
    help="Of 127.0.0.1, which other machines do not reach; 0 for a free one.",
)
@click.option("--title", help="Heading of the page.  [default: the folder's name]")
@explains_errors
def serve(folder: Path, port: int, title: str | None) -> None:
    """Show the report of the search in DIR in a browser, while it runs: the page follows its files until Ctrl-C.

    The search need not have begun.
    """
    needs("plotly", "report", "the report's pictures are interactive")
    from shac.html_report.live import server_of

    try:
        server = server_of(folder, port=port, title=title)
    except OSError as error:
        raise click.ClickException(f"--port: expected a port that is free, got {port}: {error.strerror}") from error
    with server, contextlib.suppress(KeyboardInterrupt):
        click.echo(f"http://127.0.0.1:{server.server_port}/ follows {folder}; Ctrl-C ends it", err=True)
        server.serve_forever()
