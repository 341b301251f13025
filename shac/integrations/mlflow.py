"""A search in MLflow."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from shac.integrations.tracking import TrackingCallback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow.tracking import MlflowClient

    from shac.integrations.tracking import TrackedEvaluation, TrackedSearch

__all__ = ["MLflowCallback"]

_MOST_AT_ONCE = 100  # parameters that one call may hold
_LONGEST_VALUE = 6000
_LONGEST_TAG = 5000
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED"}


class MLflowCallback(TrackingCallback):
    """Writes a search into MLflow: a run of the search, and below it one run an evaluation.

    A run has the parameters, the metrics ``score`` and ``seconds``, what was reported as the metric ``reported``, and
    the tags ``shac.status``, ``shac.seed``, ``shac.attempt`` and ``shac.error``; failed evaluations are ``FAILED``,
    pruned ones ``KILLED``. The run of the search has the numbers of each round. A search that goes on finds its run
    again. The active run of the program is left alone. Needs the extra ``mlflow``.

    Parameters
    ----------
    experiment_name : str, default "shac"
        Made where it is not there.
    tracking_uri : str, optional
        Where MLflow keeps runs; by default where `mlflow` does.
    tags : mapping of str to str, optional
        Of the run of the search.

    Raises
    ------
    ImportError
        If MLflow is not installed.

    Examples
    --------
    >>> callback = MLflowCallback("digits", tracking_uri="sqlite:///runs.db")  # doctest: +SKIP
    >>> search.fit(callbacks=[callback])  # doctest: +SKIP
    """

    def __init__(
        self,
        experiment_name: str = "shac",
        *,
        tracking_uri: str | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        try:
            from mlflow.tracking import MlflowClient
        except ImportError as error:
            raise ImportError("runs in MLflow need a package: pip install 'shac[mlflow]'") from error

        self._client: MlflowClient = MlflowClient(tracking_uri=tracking_uri)
        self._experiment_name = experiment_name
        self._tags = dict(tags or {})
        self._experiment_id = ""
        self._search_id = ""

    def begin_search(self, search: TrackedSearch) -> None:
        experiment = self._client.get_experiment_by_name(self._experiment_name)
        self._experiment_id = (
            self._client.create_experiment(self._experiment_name) if experiment is None else experiment.experiment_id
        )
        found = self._runs_of(search) if search.goes_on else []
        if found:
            self._search_id = found[0].info.run_id
            self._client.update_run(self._search_id, status="RUNNING")
            return
        tags = {**self._tags, "shac.search": search.identity}
        run = self._client.create_run(self._experiment_id, run_name=search.name, tags=tags)
        self._search_id = run.info.run_id
        self._log(self._search_id, params=search.settings)

    def track_evaluation(self, evaluation: TrackedEvaluation) -> None:
        started, ended = (round(1000 * time) for time in (evaluation.started, evaluation.ended))
        tags = {
            "mlflow.parentRunId": self._search_id,
            **{f"shac.{name}": text[:_LONGEST_TAG] for name, text in evaluation.details.items()},
        }
        run = self._client.create_run(
            self._experiment_id, start_time=started, tags=tags, run_name=evaluation.name
        ).info.run_id
        curve = [("reported", value, ended, step) for step, value in evaluation.curve]
        numbers = [(name, value, ended, 0) for name, value in evaluation.metrics.items()]
        self._log(run, params=evaluation.parameters, metrics=[*numbers, *curve])
        self._client.set_terminated(run, status=_STATUS[evaluation.status], end_time=ended)

    def track_round(self, number: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self._client.log_metric(self._search_id, name, value, step=number)

    def end_search(self) -> None:
        self._client.set_terminated(self._search_id)

    def _runs_of(self, search: TrackedSearch) -> list[Any]:
        condition = f"tags.`shac.search` = {json.dumps(search.identity)}"
        return list(self._client.search_runs([self._experiment_id], condition, max_results=1))

    def _log(self, run: str, *, params: Mapping[str, Any], metrics: Sequence[tuple[str, float, int, int]] = ()) -> None:
        from mlflow.entities import Metric, Param

        texts = [(name, str(value)[:_LONGEST_VALUE]) for name, value in _allowed(params).items()]
        for first in range(0, max(len(texts), len(metrics)), _MOST_AT_ONCE):
            chosen = slice(first, first + _MOST_AT_ONCE)
            self._client.log_batch(
                run,
                params=[Param(name, text) for name, text in texts[chosen]],
                metrics=[Metric(*entry) for entry in metrics[chosen]],
            )


def _allowed(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with names that MLflow takes, each another one."""
    named: dict[str, Any] = {}
    for name, value in params.items():
        allowed = re.sub(r"[^\w.\- :/]", "_", name).strip("/.") or "_"
        while allowed in named:
            allowed += "_"
        named[allowed] = value
    return named
