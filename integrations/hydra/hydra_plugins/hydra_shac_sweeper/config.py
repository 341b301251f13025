"""What can be set below ``hydra.sweeper``, with its defaults."""

# No postponed annotations: Hydra runs this file without a module of its name, where dataclasses could not read them.

from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore

__all__ = ["ShacSweeperConf"]


@dataclass
class ShacSweeperConf:
    """See `hydra_plugins.hydra_shac_sweeper.shac_sweeper.ShacSweeper`."""

    _target_: str = "hydra_plugins.hydra_shac_sweeper.shac_sweeper.ShacSweeper"
    n_trials: int = 100
    num_batches: int | None = None
    n_jobs: int | None = None
    direction: str = "minimize"
    seed: int | None = None
    max_failure_rate: float = 0.0
    params: dict[str, Any] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    constraints: list[str] = field(default_factory=list)
    strategy: str = "guided"
    max_classifiers: int = 18
    skip_cv_checks: bool = False
    save_dir: str = "${hydra.sweep.dir}/shac"
    report: bool = True


ConfigStore.instance().store(group="hydra/sweeper", name="shac", node=ShacSweeperConf, provider="shac_sweeper")
