"""The sweeper that Hydra finds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper
from omegaconf import OmegaConf

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hydra.core.utils import JobReturn
    from hydra.plugins.launcher import Launcher
    from hydra.types import HydraContext, TaskFunction
    from omegaconf import DictConfig

    import shac
    from hydra_plugins.hydra_shac_sweeper._search_space import SweepSpace

__all__ = ["ShacSweeper"]

log = logging.getLogger(__name__)

_OBJECTIVES = {"minimize": "min", "maximize": "max"}


class ShacSweeper(Sweeper):  # type: ignore[misc]  # Hydra is read without its types
    """Searches the parameters of a Hydra application; the arguments are those below ``hydra.sweeper``.

    Parameters
    ----------
    n_trials : int
        Jobs of the search.
    num_batches : int, optional
        Rounds of the search, a divisor of `n_trials`; by default rounds of about ten jobs.
    n_jobs : int, optional
        Jobs that the launcher gets at once, at most a round. By default one for Hydra's basic launcher, which runs one
        after another, and a round for any other. What is searched does not depend on it.
    direction : {'minimize', 'maximize'}
        Whether small or large values that the application returns are better.
    seed : int, optional
        Of the search.
    max_failure_rate : float
        Share of the jobs of a batch that may fail: they count as worse than the median. Where more do, the sweep ends
        with the first one's error.
    params : dict
        Overrides such as those of the command line, which come after them.
    conditions, constraints
        See `shac.HyperParameterList`; names are the keys of the overrides.
    strategy, max_classifiers
        See `shac.SHAC`.
    skip_cv_checks : bool
        See `shac.SHAC.fit`.
    save_dir : str
        Folder of the search. One that holds a sweep of the same space goes on.
    report : bool
        Whether the sweep's folder gets ``report.html`` at the end, where plotly is installed.
    """

    def __init__(
        self,
        n_trials: int,
        num_batches: int | None,
        n_jobs: int | None,
        direction: str,
        seed: int | None,
        max_failure_rate: float,
        params: Mapping[str, Any],
        conditions: Mapping[str, Any],
        constraints: Sequence[str],
        strategy: str,
        max_classifiers: int,
        skip_cv_checks: bool,
        save_dir: str,
        report: bool,
    ) -> None:
        if direction not in _OBJECTIVES:
            raise ValueError(f"hydra.sweeper.direction: expected 'minimize' or 'maximize', got {direction!r}")
        if n_trials < 1:
            raise ValueError(f"hydra.sweeper.n_trials: expected 1 or more, got {n_trials}")
        if n_jobs is not None and n_jobs < 1:
            raise ValueError(f"hydra.sweeper.n_jobs: expected 1 or more, or null, got {n_jobs}")
        if not 0 <= max_failure_rate <= 1:
            raise ValueError(f"hydra.sweeper.max_failure_rate: expected a share in [0, 1], got {max_failure_rate}")
        self.n_trials = n_trials
        self.num_batches = num_batches
        self.n_jobs = n_jobs
        self.objective = _OBJECTIVES[direction]
        self.seed = seed
        self.max_failure_rate = max_failure_rate
        self.params = params
        self.conditions = conditions
        self.constraints = constraints
        self.strategy = strategy
        self.max_classifiers = max_classifiers
        self.skip_cv_checks = skip_cv_checks
        self.save_dir = save_dir
        self.report = report
        self.config: DictConfig | None = None
        self.launcher: Launcher | None = None
        self.hydra_context: HydraContext | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[Sequence[JobReturn]]:
        """Run the sweep.

        Parameters
        ----------
        arguments : list of str
            Overrides of the command line.

        Returns
        -------
        list of sequences of JobReturn
            One a batch of the launcher; without the jobs of an earlier run that the sweep goes on from.
        """
        # Hydra imports the sweepers that are installed whenever an application starts
        from hydra_plugins.hydra_shac_sweeper._search_space import sweep_space
        from hydra_plugins.hydra_shac_sweeper._sweep import Limits, run_jobs

        config, context, launcher = self.config, self.hydra_context, self.launcher
        if config is None or context is None or launcher is None:
            raise RuntimeError("setup: expected a call before sweep()")
        texts = [f"{key}={'null' if value is None else value}" for key, value in self.params.items()]
        overrides = OverridesParser.create(config_loader=context.config_loader).parse_overrides([*texts, *arguments])
        sweep = sweep_space(overrides, _plain(self.conditions), _plain(self.constraints))
        engine = self._engine(sweep)
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        OmegaConf.save(config, folder / "multirun.yaml")

        def launch(batch: list[list[str]], number: int) -> Sequence[JobReturn]:
            self.validate_batch_is_legal(batch)
            jobs: Sequence[JobReturn] = launcher.launch(batch, initial_job_idx=number)
            return jobs

        limits = Limits(self.n_jobs or _jobs_at_once(launcher, engine), self.max_failure_rate, self.skip_cv_checks)
        returns = run_jobs(engine, sweep, launch, limits)
        self._write_results(engine, sweep, folder)
        return returns

    def _engine(self, sweep: SweepSpace) -> shac.SHAC:
        import shac
        from hydra_plugins.hydra_shac_sweeper._sweep import num_rounds

        save_dir = Path(self.save_dir)
        engine = shac.SHAC(
            None,
            sweep.space,
            self.n_trials,
            num_rounds(self.n_trials, self.num_batches),
            self.objective,
            self.max_classifiers,
            save_dir=save_dir,
            seed=self.seed,
            strategy=self.strategy,
        )
        if (save_dir / "manifest.json").exists():
            engine.restore_data()
            log.info("Going on with the search in %s", engine.save_dir)
        return engine

    def _write_results(self, engine: shac.SHAC, sweep: SweepSpace, folder: Path) -> None:
        import shac

        results: dict[str, Any] = {"name": "shac", "best_params": None, "best_value": None}
        if best := engine.top(1):
            ((configuration, score),) = best
            results |= {"best_params": sweep.plain(configuration), "best_value": score}
        OmegaConf.save(OmegaConf.create(results), folder / "optimization_results.yaml")
        log.info("Best parameters: %s, best value: %s", results["best_params"], results["best_value"])
        if self.report:
            try:
                path = shac.write_report(engine, folder / "report.html", title=folder.name)
            except ImportError as error:
                log.info("No report: %s", error)
            else:
                log.info("Report: %s", path)


def _jobs_at_once(launcher: Launcher, engine: shac.SHAC) -> int:
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher

    return 1 if isinstance(launcher, BasicLauncher) else engine.num_workers


def _plain(config: Any) -> Any:
    return OmegaConf.to_container(config) if OmegaConf.is_config(config) else config
