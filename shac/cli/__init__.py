"""The command line."""

from __future__ import annotations

import click

import shac
from shac.cli.bench import bench
from shac.cli.demo import demo
from shac.cli.errors import OneLineErrors
from shac.cli.importing import import_folder
from shac.cli.predict import predict
from shac.cli.recommend import recommend
from shac.cli.report import report
from shac.cli.serve import serve
from shac.cli.show import show

__all__ = ["main"]


@click.group(cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(shac.__version__, prog_name="shac")
def main() -> None:
    """Hyper-parameter search by Successive Halving and Classification.

    Results go to standard output, logs and progress to standard error. SHAC_PROGRESS=0 turns progress off.
    """


for _command in (demo, show, recommend, predict, report, serve, bench, import_folder):
    main.add_command(_command)
