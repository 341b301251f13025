"""``shac bench``."""

from __future__ import annotations

import click

from shac.cli.errors import explains_errors

__all__ = ["bench"]


@click.command()
@click.option("--stages", type=click.IntRange(1, 18), default=12, show_default=True, help="Classifiers of the cascade.")
@click.option("--repeats", type=click.IntRange(1, 1000), default=3, show_default=True, help="Timed runs of each way.")
@click.option("--threads", type=click.IntRange(1, 4096), help="Threads of the second pair.  [default: all cores]")
@explains_errors
def bench(stages: int, repeats: int, threads: int | None) -> None:
    """Time the sampler on this machine against vectorised XGBoost, after checking that their answers agree."""
    from shac.bench import run_bench

    result = run_bench(num_stages=stages, repeats=repeats, threads=threads, say=lambda line: click.echo(line, err=True))
    click.echo(result.table())
