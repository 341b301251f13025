"""Searches in TensorBoard, MLflow and Weights & Biases: the real packages, read back."""

import importlib
import json
import struct
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evaluations import reports_or_fails

import shac

tensorboard: Any = pytest.importorskip("tensorboard", reason="needs the extra 'tensorboard'")
mlflow: Any = pytest.importorskip("mlflow", reason="needs the extra 'mlflow'")
wandb: Any = pytest.importorskip("wandb", reason="needs the extra 'wandb'")

SPACE = [
    shac.UniformHP("rate", 0, 1),
    shac.DiscreteHP("kind", [None, True, "x"]),
    shac.DiscreteHP("deep", [True, False]),
    shac.MultiDiscreteHP("widths π=$", [8, 16], sample_count=2),
]


def engine(folder: Any = "run") -> shac.SHAC:
    search = shac.SHAC(reports_or_fails, SPACE, 20, 2, save_dir=folder, seed=1, pruning="median")
    search.set_num_parallel_evaluators(2)
    return search


def searched_twice(make: Any) -> shac.SHAC:
    """Stop within the first round, and go on with another engine."""
    engine().fit(progress=False, max_evaluations=7, callbacks=[make()])
    search = engine()
    search.restore_data()
    search.fit(progress=False, callbacks=[make()])
    assert len(search.dataset) == 20
    return search


def test_mlflow_has_a_run_an_evaluation_below_that_of_the_search(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from mlflow.tracking import MlflowClient

    from shac.integrations.mlflow import MLflowCallback

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")  # databases need the whole package
    uri = (tmp_path / "runs").as_uri()
    search = searched_twice(lambda: MLflowCallback("digits", tracking_uri=uri, tags={"team": "vision"}))
    client = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    [parent] = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    children = {int(run.info.run_name.split()[-1]): run for run in runs if run is not parent}
    assert parent.data.tags["team"] == "vision"
    assert parent.data.params == {"total_budget": "20", "num_batches": "2", "objective": "max", "seed": "1"}
    assert parent.info.status == "FINISHED"
    rounds = client.get_metric_history(parent.info.run_id, "evaluations")
    assert [(entry.step, entry.value) for entry in rounds] == [(1, 10.0), (2, 20.0)]
    assert sorted(children) == list(range(20))
    for number, run in children.items():
        parameters, score = search.dataset.get_dataset()[0][number], search.dataset.Y[number]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params["rate"] == str(parameters[0])
        assert run.data.params["kind"] == str(parameters[1])
        assert [run.data.params[f"widths π__.{k}"] for k in range(2)] == [str(w) for w in parameters[3:]]
        status = run.data.tags["shac.status"]
        assert run.info.status == {"finished": "FINISHED", "failed": "FAILED", "pruned": "KILLED"}[status]
        assert run.data.metrics.get("score", np.nan) == pytest.approx(score, nan_ok=True)
        steps = [entry.step for entry in client.get_metric_history(run.info.run_id, "reported")]
        assert steps == [0, 1, 2] if status != "pruned" else len(steps) <= 3
    counts = Counter(run.data.tags["shac.status"] for run in children.values())
    assert set(counts) == {"finished", "failed", "pruned"}
    assert mlflow.active_run() is None


def test_tensorboard_has_the_parameters_of_each_evaluation_next_to_its_score() -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import api_pb2, metadata

    from shac.integrations.tensorboard import TensorBoardCallback

    search = searched_twice(TensorBoardCallback)
    logs = Path("run/tensorboard")
    folders = sorted(path for path in logs.iterdir() if path.is_dir())
    assert [folder.name for folder in folders] == [f"evaluation-{number:05d}" for number in range(20)]
    seen: Counter[str] = Counter()
    for number, folder in enumerate(folders):
        events = EventAccumulator(str(folder)).Reload()
        content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        start = metadata.parse_session_start_info_plugin_data(content)
        row = search.dataset.get_dataset()[0][number]
        assert start.hparams["rate"].number_value == row[0]
        assert start.hparams["kind"].string_value == str(row[1])
        assert start.hparams["deep"].bool_value == row[2]
        assert [start.hparams[f"widths π=$.{k}"].number_value for k in range(2)] == list(row[3:])
        content = events.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
        failed = metadata.parse_session_end_info_plugin_data(content).status == api_pb2.STATUS_FAILURE
        tags = events.Tags()["scalars"]
        score = events.Scalars("score")[0].value if "score" in tags else np.nan
        assert score == pytest.approx(search.dataset.Y[number], rel=1e-6, nan_ok=True)
        seen["failed" if failed else "finished" if "score" in tags else "pruned"] += 1
        assert "seconds" in tags
    assert set(seen) == {"finished", "failed", "pruned"}
    whole = EventAccumulator(str(logs)).Reload()
    assert [event.value for event in whole.Scalars("evaluations")] == [10.0, 20.0]
    experiment = metadata.parse_experiment_plugin_data(
        whole.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    )
    assert [info.name for info in experiment.hparam_infos] == [
        "rate", "kind", "deep", "widths π=$.0", "widths π=$.1",
    ]  # fmt: skip


def test_tensorboard_has_each_of_two_objectives_by_its_name() -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    from shac.integrations.tensorboard import TensorBoardCallback

    objective = {"accuracy": "max", "seconds spent": "min"}
    search = shac.SHAC(lambda worker_id, p: (p["rate"], p["rate"]), SPACE, 8, 2, objective, save_dir="two", seed=1)
    search.concurrent_evaluators()
    search.fit(progress=False, callbacks=[TensorBoardCallback()])
    for number in range(8):
        events = EventAccumulator(f"two/tensorboard/evaluation-{number:05d}").Reload()
        found = [events.Scalars(name)[0].value for name in objective]
        assert found == pytest.approx(search.dataset.Y[number], rel=1e-6)
    whole = EventAccumulator("two/tensorboard").Reload()
    content = whole.SummaryMetadata(metadata.EXPERIMENT_TAG).plugin_data.content
    names = [info.name.tag for info in metadata.parse_experiment_plugin_data(content).metric_infos]
    assert names == ["accuracy", "seconds spent", "seconds"]
    assert [event.value for event in whole.Scalars("front")] == [4.0, 8.0]


def records_of(file: Path) -> Iterator[bytes]:
    """Read what wandb keeps to be sent: a header, then LevelDB's log format."""
    data = file.read_bytes()
    position, parts = 7, b""
    while position < len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        length, kind = struct.unpack_from("<HB", data, position + 4)
        parts += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield parts
            parts = b""


def offline_run(folder: Path) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]], int]:
    """Return its configuration, its summary, its history and its exit code."""
    from wandb.proto import wandb_internal_pb2

    [file] = folder.glob("*.wandb")
    config: dict[str, Any] = {}
    summary: dict[str, Any] = {}
    history: list[dict[str, Any]] = []
    code = 0
    for data in records_of(file):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("run"):
            config |= {entry.key: json.loads(entry.value_json) for entry in record.run.config.update}
            config["_run"] = (record.run.run_id, record.run.run_group, record.run.job_type, record.run.display_name)
        summary |= {
            entry.key or ".".join(entry.nested_key): json.loads(entry.value_json) for entry in record.summary.update
        }
        if record.HasField("history"):
            history.append({e.key or ".".join(e.nested_key): json.loads(e.value_json) for e in record.history.item})
        if record.HasField("exit"):
            code = record.exit.exit_code
    return config, summary, history, code


def test_wandb_has_a_run_an_evaluation_in_the_group_of_the_search(tmp_path: Path) -> None:
    from shac.integrations.wandb import WandbCallback

    arguments = {"project": "digits", "mode": "offline", "dir": str(tmp_path), "settings": wandb.Settings(silent=True)}
    try:
        search = searched_twice(lambda: WandbCallback(**arguments))
    finally:
        wandb.teardown()  # a process that serves all runs
    runs = [offline_run(folder) for folder in sorted((tmp_path / "wandb").glob("offline-run-*"))]
    parents = [run for run in runs if run[0]["_run"][2] == "search"]
    assert len(parents) == 2  # two calls of fit; of one run
    assert len({run[0]["_run"][0] for run in parents}) == 1
    assert [line["evaluations"] for parent in parents for line in parent[2]] == [10, 20]
    children = {int(run[0]["_run"][3].split()[-1]): run for run in runs if run[0]["_run"][2] == "evaluation"}
    assert sorted(children) == list(range(20))
    assert len({run[0]["_run"][1] for run in runs}) == 1
    for number, (config, summary, history, code) in children.items():
        row = search.dataset.get_dataset()[0][number]
        assert (config["rate"], config["kind"], config["deep"]) == (
            row[0],
            str(row[1]) if row[1] is None else row[1],
            row[2],
        )
        assert summary.get("score", np.nan) == pytest.approx(search.dataset.Y[number], nan_ok=True)
        assert code == (config["shac"]["status"] == "failed")
        assert [line["reported"] for line in history] == pytest.approx(
            [row[0] * 7 % 1 * (k + 1) / 3 for k in range(len(history))]
        )


@pytest.mark.parametrize("name", ["config", "group", "id", "job_type", "name", "reinit", "resume"])
def test_what_the_callback_sets_in_wandb_is_refused(name: str) -> None:
    from shac.integrations.wandb import WandbCallback

    with pytest.raises(ValueError, match=f"arguments: expected none that the callback sets itself, got {name}"):
        WandbCallback(**{name: "x"})


@pytest.mark.parametrize("name", ["TensorBoard", "MLflow", "Wandb"])
def test_a_tracker_that_is_not_installed_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    extra = name.lower()
    for module in [module for module in sys.modules if module.split(".")[0] == extra]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, extra, None)
    callback = getattr(importlib.import_module(f"shac.integrations.{extra}"), f"{name}Callback")
    with pytest.raises(ImportError, match=rf"need a package: pip install 'shac\[{extra}\]'"):
        callback()
