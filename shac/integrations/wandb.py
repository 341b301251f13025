"""A search in Weights & Biases."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING, Any

from shac.integrations.tracking import TrackingCallback

if TYPE_CHECKING:
    from shac.integrations.tracking import TrackedEvaluation, TrackedSearch

__all__ = ["WandbCallback"]

_LENGTH_OF_ID = 16


class WandbCallback(TrackingCallback):
    """Writes a search into Weights & Biases: a run of the search, and one run an evaluation, all in one group.

    A run has the parameters as its configuration, ``score`` and ``seconds`` in its summary, what was reported as
    ``reported``, and the ``status``, ``seed``, ``attempt`` and ``error`` in its configuration under ``shac``; failed
    evaluations are marked as failed. The run of the search has the numbers of each round; a search that goes on goes on
    with it. Needs the extra ``wandb``; with ``mode="offline"`` nothing leaves the machine.

    Parameters
    ----------
    **arguments
        Of `wandb.init` for all runs: ``project``, ``entity``, ``mode``, ``dir``, ``tags``, ``settings``, ...

    Raises
    ------
    ImportError
        If wandb is not installed.
    ValueError
        For an argument that the callback sets itself: ``config``, ``group``, ``id``, ``job_type``, ``name``,
        ``reinit``, ``resume``.

    Examples
    --------
    >>> search.fit(callbacks=[WandbCallback(project="digits", mode="offline")])  # doctest: +SKIP
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        try:
            import wandb
        except ImportError as error:
            raise ImportError("runs in Weights & Biases need a package: pip install 'shac[wandb]'") from error

        own = {"config", "group", "id", "job_type", "name", "reinit", "resume"} & {*arguments}
        if own:
            raise ValueError(f"arguments: expected none that the callback sets itself, got {', '.join(sorted(own))}")
        self._init = wandb.init
        self._arguments = arguments
        self._group = ""
        self._search: Any = None

    def begin_search(self, search: TrackedSearch) -> None:
        number = hashlib.blake2b(search.identity.encode(), digest_size=_LENGTH_OF_ID // 2).hexdigest()
        self._group = f"{search.name} {number[:8]}"
        self._search = self._init(
            **copy.deepcopy(self._arguments),  # settings take on the identity of a run
            name=search.name,
            group=self._group,
            job_type="search",
            config=search.settings,
            reinit="create_new",
            id=number,
            resume="allow",
        )

    def track_evaluation(self, evaluation: TrackedEvaluation) -> None:
        run = self._init(
            **copy.deepcopy(self._arguments),
            name=evaluation.name,
            group=self._group,
            job_type="evaluation",
            config={**evaluation.parameters, "shac": evaluation.details},
            reinit="create_new",
        )
        for step, value in evaluation.curve:
            run.log({"reported": value}, step=step)
        run.summary.update(evaluation.metrics)
        run.finish(exit_code=int(evaluation.status == "failed"))

    def track_round(self, number: int, metrics: dict[str, float]) -> None:
        self._search.log(metrics, step=number)

    def end_search(self) -> None:
        if self._search is not None:
            self._search.finish()
            self._search = None
