"""Through Hydra itself, as its own sweepers are tested."""

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.sweeper import Sweeper
from hydra.test_utils.test_utils import TSweepRunner
from omegaconf import OmegaConf

import shac
from hydra_plugins.hydra_shac_sweeper.shac_sweeper import ShacSweeper

SPACE = ["+x=interval(-5,5)", "+y=int(interval(0,3))"]

pytestmark = pytest.mark.usefixtures("hydra_restore_singletons")


def test_hydra_finds_the_sweeper() -> None:
    assert ShacSweeper.__name__ in [x.__name__ for x in Plugins.instance().discover(Sweeper)]


def sweep(runner: TSweepRunner, function: Callable[[Any], Any], *overrides: str) -> list[Any]:
    """Sweep in this process, into the folder "sweep"; the jobs in order."""
    with runner(
        calling_file=None,
        calling_module="hydra.test_utils.a_module",
        task_function=function,
        config_path="configs",
        config_name="compose.yaml",
        overrides=[
            *("hydra/sweeper=shac", "hydra.sweeper.n_trials=8", "hydra.sweeper.num_batches=2", *SPACE),
            *("hydra.sweeper.seed=1", "hydra.sweeper.report=false", "hydra.job.chdir=false"),
            *(f"hydra.sweeper.save_dir={Path('sweep/shac').absolute()}", *overrides),
        ],
        temp_dir=Path("removed").absolute(),
    ) as swept:
        shutil.copytree("removed", "sweep", dirs_exist_ok=True)  # Hydra's runner removes its folder
        return [job for batch in swept.returns or [] for job in batch]


def bowl(config: Any) -> float:
    return float((config.x - 1) ** 2 + config.y)


def numbers(jobs: list[Any]) -> list[int]:
    return [job.hydra_cfg.hydra.job.num for job in jobs]


def test_a_sweep_minimizes_and_writes_its_results(hydra_sweep_runner: TSweepRunner) -> None:
    jobs = sweep(hydra_sweep_runner, bowl)
    assert len(jobs) == 8
    best = min(jobs, key=lambda job: float(job.return_value))
    results = OmegaConf.load("sweep/optimization_results.yaml")
    assert results == {
        "name": "shac",
        "best_params": {"x": best.cfg.x, "y": best.cfg.y},
        "best_value": best.return_value,
    }
    assert numbers(jobs) == [*range(8)]
    dataset = shac.Dataset.load_from_directory("sweep/shac")
    assert [job.return_value for job in jobs] == dataset.Y
    assert Path("sweep/multirun.yaml").exists()


def test_a_sweep_whose_job_fails_ends_with_its_error_and_goes_on_from_there(hydra_sweep_runner: TSweepRunner) -> None:
    calls: list[float] = []

    def fails_once(config: Any) -> float:
        calls.append(config.x)
        if len(calls) == 6:
            raise ArithmeticError("diverged")
        return bowl(config)

    with pytest.raises(ArithmeticError, match="diverged"):
        sweep(hydra_sweep_runner, fails_once)
    assert numbers(sweep(hydra_sweep_runner, fails_once)) == [6, 7]
    scores = shac.Dataset.load_from_directory("sweep/shac").Y
    assert [math.isnan(score) for score in scores] == [number == 5 for number in range(8)]


def test_the_configuration_file_and_the_command_line_say_what_is_swept(hydra_sweep_runner: TSweepRunner) -> None:
    jobs = sweep(
        hydra_sweep_runner,
        lambda config: config.x + config.y + config.foo + config.bar,
        *("+hydra.sweeper.params={foo:'choice(1,2)',bar:'choice(7,8)'}", "bar=5,6", "hydra.sweeper.direction=maximize"),
    )
    assert {job.cfg.foo for job in jobs} == {1, 2}
    assert {job.cfg.bar for job in jobs} <= {5, 6}
    results: Any = OmegaConf.load("sweep/optimization_results.yaml")
    assert results.best_value == max(job.return_value for job in jobs)


@pytest.mark.parametrize(
    "override, message",
    [
        ("hydra.sweeper.direction=min", "direction: expected 'minimize' or 'maximize', got 'min'"),
        ("hydra.sweeper.n_trials=0", "n_trials: expected 1 or more, got 0"),
        ("hydra.sweeper.n_jobs=0", "n_jobs: expected 1 or more, or null, got 0"),
        ("hydra.sweeper.max_failure_rate=2", r"max_failure_rate: expected a share in \[0, 1\], got 2"),
    ],
)
def test_options_out_of_range_are_named(hydra_sweep_runner: TSweepRunner, override: str, message: str) -> None:
    with pytest.raises(HydraException) as raised:
        sweep(hydra_sweep_runner, bowl, override)
    causes = [raised.value, raised.value.__cause__]
    assert any(re.search(message, str(cause)) for cause in causes), causes
