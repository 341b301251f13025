"""The jobs of a sweep without Hydra, which composes a configuration in a tenth of a second."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus

import shac
from hydra_plugins.hydra_shac_sweeper._search_space import sweep_space
from hydra_plugins.hydra_shac_sweeper._sweep import Limits, run_jobs

SWEEP = sweep_space(OverridesParser.create().parse_overrides(["x=interval(-5,5)", "y=int(interval(0,3))"]))


def value_of(overrides: Sequence[str]) -> float:
    values = [float(text.partition("=")[2]) for text in overrides]
    return (values[0] - 1) ** 2 + values[1]


def fails_below_zero(overrides: Sequence[str]) -> float:
    if overrides[0].startswith("x=-"):
        raise ArithmeticError("diverged")
    return value_of(overrides)


class Launcher:
    """Runs a function of a job's overrides."""

    def __init__(self, function: Callable[[Sequence[str]], Any]) -> None:
        self.function = function
        self.batches: list[tuple[int, int]] = []
        self.jobs: list[list[str]] = []

    def __call__(self, batch: list[list[str]], number: int) -> list[JobReturn]:
        self.batches.append((number, len(batch)))
        self.jobs += batch
        return [self.run(overrides) for overrides in batch]

    def run(self, overrides: list[str]) -> JobReturn:
        job = JobReturn(overrides=overrides)
        try:
            job.return_value = self.function(overrides)
            job.status = JobStatus.COMPLETED
        except ArithmeticError as error:
            job.return_value = error
            job.status = JobStatus.FAILED
        return job


def run(
    function: Callable[[Sequence[str]], Any],
    *,
    num_jobs: int = 4,
    rate: float = 0.0,
    budget: int = 12,
    goes_on: bool = False,
) -> tuple[shac.SHAC, Launcher]:
    engine = shac.SHAC(None, SWEEP.space, budget, budget // 4, "min", save_dir="run", seed=1)
    if goes_on:
        engine.restore_data()
    launcher = Launcher(function)
    run_jobs(engine, SWEEP, launcher, Limits(num_jobs, rate, skip_cv_checks=False))
    return engine, launcher


@pytest.mark.parametrize("num_jobs", [1, 3, 100])
def test_what_is_searched_does_not_depend_on_how_many_jobs_run_at_once(
    num_jobs: int, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, by_round = run(value_of)
    monkeypatch.chdir(tmp_path_factory.mktemp("other"))
    _, launcher = run(value_of, num_jobs=num_jobs)
    assert launcher.jobs == by_round.jobs
    in_round = [(start, min(num_jobs, 4 - start)) for start in range(0, 4, min(num_jobs, 4))]
    assert launcher.batches == [(4 * number + start, count) for number in range(3) for start, count in in_round]


def test_failed_jobs_are_worse_than_the_median() -> None:
    engine, launcher = run(fails_below_zero, rate=1.0)
    assert [math.isnan(score) for score in engine.dataset.Y] == [job[0].startswith("x=-") for job in launcher.jobs]
    assert any(math.isnan(score) for score in engine.dataset.Y)
    assert engine.best_configuration["x"] >= 0


def test_too_many_failures_of_a_batch_end_the_sweep_which_goes_on_after_them() -> None:
    with pytest.raises(ArithmeticError, match="diverged"):
        run(fails_below_zero, rate=0.1)
    engine, launcher = run(value_of, rate=0.1, goes_on=True)
    assert launcher.batches[0] == (4, 4)
    assert sum(math.isnan(score) for score in engine.dataset.Y) == 2  # both of the first round
    _, finished = run(value_of, goes_on=True)
    assert finished.batches == []
    _, longer = run(value_of, budget=16, goes_on=True)
    assert longer.batches == [(12, 4)]


def test_three_rounds_in_which_every_job_fails_end_the_sweep() -> None:
    def fails(overrides: Sequence[str]) -> float:
        raise ArithmeticError("diverged")

    with pytest.raises(ArithmeticError, match="diverged"):
        run(fails, num_jobs=1, rate=1.0, budget=20)
    assert len(shac.Dataset.load_from_directory("run").Y) == 12  # as `max_failed_rounds` of SHAC


@pytest.mark.parametrize("value, kind", [(None, TypeError), ("good", ValueError), ([1.0], TypeError)])
def test_an_application_that_returns_no_number_is_an_error(value: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="the application's function: expected it to return a number, got "):
        run(lambda overrides: value)
