"""A search in TensorBoard."""

from __future__ import annotations

import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.integrations.tracking import TrackingCallback, score_names
from shac.parameters import DiscreteHyperParameter, MultiDiscreteHyperParameter

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from shac.integrations.tracking import TrackedEvaluation, TrackedSearch

__all__ = ["TensorBoardCallback"]


class TensorBoardCallback(TrackingCallback):
    """Writes a search into TensorBoard: a run of the search with the numbers of each round, and one run an evaluation.

    An evaluation has its parameters for the tab "HParams", next to its ``score`` and ``seconds``, and the curve that it
    reported. A failed evaluation is shown as such there; a pruned one has no score. Needs the extra
    ``tensorboard``, and neither PyTorch nor TensorFlow.

    Parameters
    ----------
    log_dir : str or path, optional
        What ``tensorboard --logdir`` is given; the folder ``tensorboard`` of the search's `save_dir` by default.

    Raises
    ------
    ImportError
        If TensorBoard is not installed.

    Examples
    --------
    >>> search.fit(callbacks=[TensorBoardCallback("runs/digits")])  # doctest: +SKIP
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        try:
            import tensorboard.summary.writer.event_file_writer  # noqa: F401 - where it is missing, that is said now
        except ImportError as error:
            raise ImportError("runs in TensorBoard need a package: pip install 'shac[tensorboard]'") from error

        self._given = None if log_dir is None else Path(log_dir).expanduser().absolute()
        self._log_dir = Path()
        self._search: _Run | None = None
        self._types: dict[str, type] = {}

    def begin_search(self, search: TrackedSearch) -> None:
        self._log_dir = self._given or search.folder / "tensorboard"
        self._search = _Run(self._log_dir)
        self._types = dict(_types(self.engine.parameters))
        self._search.write(_experiment(self._types, score_names(self.engine)))

    def track_evaluation(self, evaluation: TrackedEvaluation) -> None:
        run = _Run(self._log_dir / evaluation.name.replace(" ", "-"))
        try:
            run.write(_session_start(evaluation, self._types), evaluation.started)
            for step, value in evaluation.curve:
                run.write(_scalars({"reported": value}), evaluation.ended, step)
            run.write(_scalars(evaluation.metrics), evaluation.ended)
            run.write(_session_end(evaluation), evaluation.ended)
        finally:
            run.close()

    def track_round(self, number: int, metrics: dict[str, float]) -> None:
        if self._search is not None:
            self._search.write(_scalars(metrics), step=number)
            self._search.flush()

    def end_search(self) -> None:
        if self._search is not None:
            self._search.close()
            self._search = None


class _Run:
    """An event file."""

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        folder.mkdir(parents=True, exist_ok=True)
        self._writer = EventFileWriter(str(folder))
        self.flush, self.close = self._writer.flush, self._writer.close

    def write(self, summary: Any, time: float | None = None, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=clock.time() if time is None else time, step=step, summary=summary))


def _scalars(values: Mapping[str, float]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=name, simple_value=value) for name, value in values.items()])


def _types(space: Iterable[Any]) -> Iterator[tuple[str, type]]:
    """Name the type that each parameter is shown with: of choices of several types, texts."""
    for parameter in space:
        shown: type = float
        if isinstance(parameter, DiscreteHyperParameter | MultiDiscreteHyperParameter):
            kinds = {type(value) for value in parameter.values}
            shown = bool if kinds == {bool} else float if kinds <= {int, float} else str
        count = getattr(parameter, "sample_count", None)
        names = [parameter.name] if count is None else [f"{parameter.name}.{k}" for k in range(count)]
        yield from ((name, shown) for name in names)


def _experiment(types: Mapping[str, type], scores: Sequence[str]) -> Any:
    """Describe the parameters of a search, and what is shown next to them."""
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    number = {float: api_pb2.DATA_TYPE_FLOAT64, bool: api_pb2.DATA_TYPE_BOOL, str: api_pb2.DATA_TYPE_STRING}
    experiment = api_pb2.Experiment(
        hparam_infos=[api_pb2.HParamInfo(name=name, type=number[shown]) for name, shown in types.items()],
        metric_infos=[api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in (*scores, "seconds")],
    )
    return _for_plugin(metadata.EXPERIMENT_TAG, plugin_data_pb2.HParamsPluginData(experiment=experiment))


def _session_start(evaluation: TrackedEvaluation, types: Mapping[str, type]) -> Any:
    from tensorboard.plugins.hparams import metadata, plugin_data_pb2

    info = plugin_data_pb2.SessionStartInfo(start_time_secs=evaluation.started)
    for name, value in evaluation.parameters.items():
        if types[name] is str or isinstance(value, str):  # parameters of the user's own may have texts
            info.hparams[name].string_value = str(value)
        elif types[name] is bool:
            info.hparams[name].bool_value = bool(value)
        else:
            info.hparams[name].number_value = float(value)
    return _for_plugin(metadata.SESSION_START_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_start_info=info))


def _session_end(evaluation: TrackedEvaluation) -> Any:
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_FAILURE if evaluation.status == "failed" else api_pb2.STATUS_SUCCESS
    info = plugin_data_pb2.SessionEndInfo(status=status, end_time_secs=evaluation.ended)
    return _for_plugin(metadata.SESSION_END_INFO_TAG, plugin_data_pb2.HParamsPluginData(session_end_info=info))


def _for_plugin(tag: str, data: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata

    return Summary(
        value=[Summary.Value(tag=tag, metadata=metadata.create_summary_metadata(data), tensor=metadata.NULL_TENSOR)]
    )
