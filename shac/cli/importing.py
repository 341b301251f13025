"""``shac import``."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from shac.cli.errors import explains_errors

__all__ = ["import_folder"]


@click.command("import")
@click.argument("old", metavar="OLD", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW", type=click.Path(path_type=Path))
@click.option(
    "--objective",
    type=click.Choice(["max", "min"]),
    required=True,
    help="What is better; the old files do not say, and a wrong guess turns the search around.",
)
@click.option(
    "--num-batches",
    type=click.IntRange(min=1),
    help="Rounds of the old search.  [default: guessed from ids and the number of evaluations, and printed]",
)
@click.option("--total-budget", type=click.IntRange(min=1), help="Evaluations of an old search that was not finished.")
@click.option(
    "--strategy",
    type=click.Choice(["guided", "pooled", "paper", "ancestor"]),
    default="guided",
    show_default=True,
    help="How it learns and goes on; ancestor trains trees as the old search did.",
)
@click.option("--max-classifiers", type=click.IntRange(min=1), default=18, show_default=True, help="Most to train.")
@click.option("--skip-cv-checks", is_flag=True, help="Train without the cross-validation gate.")
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True, help="Seed of the training.")
@explains_errors
def import_folder(
    old: Path,
    new: Path,
    objective: str,
    num_batches: int | None,
    total_budget: int | None,
    strategy: str,
    max_classifiers: int,
    skip_cv_checks: bool,
    seed: int,
) -> None:
    """Take over a search of the ancestor.

    OLD is its save folder, with dataset.csv and parameters.json (or datasets/ with them). Its pickled classifiers are
    never read: they are trained again from the table, and the search is saved in NEW.
    """
    from shac.integrations.ancestor import import_ancestor

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    search = import_ancestor(
        old,
        new,
        objective=objective,
        num_batches=num_batches,
        total_budget=total_budget,
        strategy=strategy,
        max_classifiers=max_classifiers,
        skip_cv_checks=skip_cv_checks,
        seed=seed,
    )
    click.echo(
        f"{new}: {len(search.dataset)} of {search.total_budget} evaluations in {search.num_batches} rounds, "
        f"{len(search.classifiers)} of {search.total_classifiers} classifiers trained"
    )
