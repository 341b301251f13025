"""``shac demo``."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING, Any

import click

from shac.cli.errors import needs
from shac.errors import SaveFolderError
from shac.progress import write_line

if TYPE_CHECKING:
    from shac.demo import DemoResult

__all__ = ["demo"]


@click.command()
@click.option("--total-budget", type=click.IntRange(min=1), default=200, show_default=True, help="Evaluations.")
@click.option("--num-batches", type=click.IntRange(min=1), default=20, show_default=True, help="Rounds.")
@click.option("--samples", type=click.IntRange(min=1), default=20, show_default=True, help="Configurations to predict.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of everything.")
@click.option(
    "--save-dir",
    type=click.Path(file_okay=False),
    default="shac_demo",
    show_default=True,
    help="Folder of the search; must not hold one, but with --resume.",
)
@click.option("--resume", is_flag=True, help="Go on with the search in the folder.")
def demo(total_budget: int, num_batches: int, samples: int, seed: int, save_dir: str, *, resume: bool) -> None:
    """Search the hyper-parameters of a small PyTorch network on scikit-learn's digits.

    Progress goes to standard error, the result to standard output.
    """
    needs("torch", "torch", "the demo trains PyTorch models")
    from shac.demo import run_demo

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        result = run_demo(
            save_dir,
            total_budget=total_budget,
            num_batches=num_batches,
            num_samples=samples,
            seed=seed,
            resume=resume,
            write=write_line,  # above what is drawn, which click's echo writes into
        )
    except KeyboardInterrupt:
        write_line(f"what was evaluated is in {save_dir}: --resume goes on with it")
        raise
    except (SaveFolderError, ValueError) as error:
        hint = "; --resume goes on with it, --save-dir names another" if isinstance(error, SaveFolderError) else ""
        raise click.UsageError(f"{error}{hint}") from error
    except OSError as error:
        raise click.UsageError(f"--save-dir: {error}") from error
    click.echo(_table(result))
    click.echo(f"\nThe search is in {save_dir} (shac show, shac report); its best configuration:")
    for name, value in result.best_parameters.items():
        click.echo(f"  {name:14} {value:.6g}" if isinstance(value, float) else f"  {name:14} {value}")


def _table(result: DemoResult) -> str:
    def row(name: str, *cells: Any) -> str:
        return f"{name:44}" + "".join(f"{cell:>10}" for cell in cells)

    accuracies = [
        (f"predicted, pass all {result.num_classifiers} classifiers", result.predicted),
        ("random, from the prior", result.random),
    ]
    lines = [row(f"held-out accuracy of {len(result.random)} configurations", "median", "best", "worst")]
    for name, scores in accuracies:
        lines.append(row(f"  {name}", *(f"{f(scores):.3f}" for f in (_median, max, min))))
    lines += [row("  the best of the search, 5 trainings", f"{result.best:.3f}"), "", row("seconds spent")]
    lines += [row(f"  {kind}", f"{seconds:.1f}") for kind, seconds in result.seconds.items()]
    return "\n".join(lines)


def _median(scores: Any) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all evaluations failed: the table says nan
        import numpy as np

        return float(np.nanmedian(scores))
