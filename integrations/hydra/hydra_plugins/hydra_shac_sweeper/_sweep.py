"""The sweep: batches of jobs for a launcher, whose results are the scores of a search."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, NamedTuple

from hydra.core.utils import JobStatus

import shac

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hydra.core.utils import JobReturn

    from hydra_plugins.hydra_shac_sweeper._search_space import SweepSpace

    Launch = Callable[[list[list[str]], int], Sequence[JobReturn]]

__all__ = ["Limits", "num_rounds", "run_jobs"]

log = logging.getLogger(__name__)


class Limits(NamedTuple):
    """How many jobs are launched at once, and how many of them may fail."""

    num_jobs: int
    max_failure_rate: float
    skip_cv_checks: bool


def num_rounds(n_trials: int, num_batches: int | None) -> int:
    """Return into how many rounds a search is divided: by default rounds of about ten jobs, of fewer in small ones.

    Raises
    ------
    ValueError
        If rounds of one size do not add up to `n_trials`.

    Examples
    --------
    >>> num_rounds(200, None), num_rounds(60, None), num_rounds(20, None), num_rounds(3, None)
    (20, 6, 5, 1)
    """
    if num_batches is not None:
        if num_batches < 1 or n_trials % num_batches:
            raise ValueError(
                f"hydra.sweeper.num_batches: expected a divisor of n_trials, {n_trials}, got {num_batches}"
            )
        return num_batches
    if n_trials < 8:
        return 1
    wanted = min(10.0, max(4.0, math.sqrt(n_trials)))
    sizes = [size for size in range(4, 21) if n_trials % size == 0 and 2 * size <= n_trials]
    if not sizes:
        raise ValueError(
            f"hydra.sweeper.n_trials: expected a number that rounds of 4 to 20 jobs add up to, or num_batches, "
            f"got {n_trials}"
        )
    return n_trials // min(sizes, key=lambda size: abs(size - wanted))


def run_jobs(engine: shac.SHAC, sweep: SweepSpace, launch: Launch, limits: Limits) -> list[Sequence[JobReturn]]:
    """Run the jobs that are left of a search.

    Parameters
    ----------
    engine : SHAC
    sweep : SweepSpace
    launch : callable
        Runs the jobs of a list of overrides, from the one of the given number on, and returns how they ended.
    limits : Limits

    Returns
    -------
    list of sequences of JobReturn
        One a batch.

    Raises
    ------
    TypeError, ValueError
        If a job returns no number.
    Exception
        That of the first job that failed, where too many of a batch did, or all in `max_failed_rounds` rounds; after
        the search took in all of the batch.
    """
    returns = []
    failed_in_a_row = 0
    while asked := _ask(engine, limits.num_jobs):
        batch = [sweep.overrides(configuration) for configuration in asked]
        jobs = launch(batch, asked[0].number)
        returns.append(jobs)
        failed = [job for job in jobs if job.status == JobStatus.FAILED]
        for configuration, job in zip(asked, jobs, strict=True):
            is_failed = job.status == JobStatus.FAILED
            failed_in_a_row = failed_in_a_row + 1 if is_failed else 0
            engine.tell(configuration, math.nan if is_failed else _score(job), skip_cv_checks=limits.skip_cv_checks)
        _log(engine, asked[-1].number + 1, len(failed))
        is_over = failed_in_a_row >= engine.max_failed_rounds * engine.num_workers
        if failed and (len(failed) / len(jobs) > limits.max_failure_rate or is_over):
            log.error(
                "%d of %d jobs failed: see hydra.sweeper.max_failure_rate. The sweep goes on from %s.",
                *(len(failed), len(jobs), engine.save_dir),
            )
            failed[0].return_value  # noqa: B018 - raises what the job raised
    return returns


def _ask(engine: shac.SHAC, count: int) -> list[Any]:
    """Ask for the next batch of a round, so that what is searched does not depend on how many jobs run at once."""
    first = _configurations(engine, 1)
    if not first:
        return []
    left = engine.num_workers - 1 - first[0].number % engine.num_workers
    more = min(count - 1, left)
    return first + (_configurations(engine, more) if more else [])


def _configurations(engine: shac.SHAC, count: int) -> list[Any]:
    try:
        return engine.ask(count)
    except shac.EmptyRegionError:
        return engine.ask(count, relax_checks=True)


def _score(job: JobReturn) -> float:
    value = job.return_value
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise type(error)(f"the application's function: expected it to return a number, got {value!r}") from error


def _log(engine: shac.SHAC, count: int, num_failed: int) -> None:
    best = engine.top(1)
    log.info(
        "%d of %d jobs%s%s",
        *(count, engine.total_budget, f", {num_failed} of the last ones failed" if num_failed else ""),
        f", best {best[0][1]:g}" if best else "",
    )
