import csv
import io
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from searches import branin, engine, read_manifest, write_manifest

import shac
from shac.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "run"
    search = engine(_failing_branin, save_dir=path)
    search.fit()
    return path


def _failing_branin(worker_id: int, parameters: Any) -> float:
    if parameters["x"] > 9:
        raise RuntimeError("too far right")
    return branin(worker_id, parameters)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_show_tells_settings_progress_best_parameters_and_stages(folder: Path) -> None:
    result = run("show", folder)
    assert result.exit_code == 0, result.output
    search = shac.SHAC(None, None, 60, 6, "min", save_dir=folder)
    search.restore_data()
    for text in ("SHAC in", "minimise", "60 of 60", f"{len(search.classifiers)} of 5", "2^-stage"):
        assert text in result.stdout
    best = min(score for score in search.dataset.Y if not math.isnan(score))
    assert f"{best:.5g}" in result.stdout
    failed = [i for i, row in enumerate(search.dataset.X) if row[0] > 9]
    assert failed
    for index in failed:
        assert f"{index} " in result.stdout.split("Failed evaluations")[1]


def test_show_gives_json_to_programs(folder: Path) -> None:
    result = run("show", folder, "--format", "json", "--best", 2)
    assert result.exit_code == 0, result.output
    shown = json.loads(result.stdout)
    search = shac.SHAC(None, None, 60, 6, "min", save_dir=folder)
    search.restore_data()
    assert (shown["evaluations"], shown["classifiers"], shown["objective"]) == (60, len(search.classifiers), "min")
    assert [(entry["parameters"], entry["score"]) for entry in shown["best"]] == [
        (dict(parameters), score) for parameters, score in search.top(2)
    ]
    failed = [i for i, row in enumerate(search.dataset.X) if row[0] > 9]
    assert [entry["evaluation"] for entry in shown["failures"]] == failed
    assert {entry["reason"] for entry in shown["failures"]} == {"RuntimeError: too far right"}


def test_predict_gives_json_lines_and_nothing_else_to_a_pipe(folder: Path) -> None:
    command = [sys.executable, "-m", "shac", "predict", str(folder), "-n", "20", "--seed", "3", "--format", "json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    settings = [json.loads(line) for line in finished.stdout.splitlines()]
    assert len(settings) == 20
    assert "seed 3" in finished.stderr
    search = shac.SHAC(None, None, 60, 6, "min", save_dir=folder)
    search.restore_data()
    assert settings == [dict(setting) for setting in search.predict(num_samples=20, seed=3)]


def test_predict_gives_csv_that_reads_back(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("predict", folder, "-n", 5, "--format", "csv", "--seed", 1).stdout)))
    lines = run("predict", folder, "-n", 5, "--format", "json", "--seed", 1).stdout.splitlines()
    assert [{name: float(text) for name, text in row.items()} for row in rows] == [json.loads(line) for line in lines]


def test_predict_says_in_a_line_that_it_walked(folder: Path) -> None:
    walked = run("predict", folder, "-n", 4, "--max-seconds", 1e-12, "--format", "json")
    assert "shac: warning: predict: drawing 4 configurations exactly should take" in walked.stderr
    assert len(walked.stdout.splitlines()) == 4
    assert "warning" not in run("predict", folder, "-n", 4, "--max-seconds", 1e-12, "--exact").stderr


def test_predict_gives_a_table_with_fewer_classifiers_and_relaxed(folder: Path) -> None:
    for options in ([], ["--classifiers", "0"], ["--relax"]):
        head, *lines = run("predict", folder, "-n", 4, *options).stdout.splitlines()
        assert head.split() == ["x", "y"]
        assert [len(line.split()) for line in lines] == [2, 2, 2, 2]


def test_a_reader_that_has_enough_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m shac predict {folder} -n 20000 --classifiers 0 --format json | head -n 1"
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert len(finished.stdout.splitlines()) == 1
    assert "Traceback" not in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["show", "nowhere"], "nowhere: expected the folder of a search, but it is no folder"),
        (["show", "."], "expected the folder of a search, but it has no manifest.json"),
        (["show", "damaged"], "manifest.json: expected JSON"),
        (["show"], "Missing argument 'DIR'"),
        (["predict", "FOLDER", "-n", "many"], "'many' is not a valid integer"),
        (["predict", "FOLDER", "-n", "-1"], "-1 is not in the range"),
        (["predict", "FOLDER", "--classifiers", "99"], "expected at most"),
        (["predict", "FOLDER", "--seed", str(2**64)], "is not in the range"),
        (["predict", "FOLDER", "--format", "xml"], "'xml' is not one of"),
        (["predict", "a_file"], "is no folder"),
        (["report", "nowhere"], "is no folder"),
        (["report", "FOLDER", "-o", "no/such/folder.html"], "no/such"),
        (["report", "FOLDER", "-o", "."], "is a directory"),
        (["bench", "--stages", "19"], "19 is not in the range"),
        (["import", "nowhere", "new", "--objective", "max"], "expected dataset.csv and parameters.json"),
        (["import", "old", "FOLDER", "--objective", "max"], "expected a folder without a search"),
        (["import", "old", "new", "--objective", "max", "--num-batches", "50"], "num_batches: expected 1 to 2"),
        (["--nonsense"], "No such option"),
        (["dance"], "No such command 'dance'"),
    ],
)
def test_bad_folders_and_numbers_are_one_line_and_exit_code_2(arguments: list[str], message: str, folder: Path) -> None:
    Path("a_file").touch()
    Path("damaged").mkdir()
    Path("damaged/manifest.json").write_text("{")
    Path("old").mkdir()
    config = {"x": ["UniformContinuousHyperParameter", {"name": "x", "min_value": 0.0, "max_value": 1.0}]}
    Path("old/parameters.json").write_text(json.dumps(config))
    Path("old/dataset.csv").write_text("id,x,scores\n0,0.5,1.0\n1,0.25,2.0\n")
    result = run(*(str(folder) if argument == "FOLDER" else argument for argument in arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("shac: error: ")
    assert result.stdout == ""


def test_a_truncated_table_is_one_line(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    (copy / "dataset.csv").write_text("id\n")
    result = run("show", copy)
    assert result.exit_code == 2
    assert "dataset.csv" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_manifest_whose_accuracies_are_no_numbers_is_one_line(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    manifest = read_manifest(copy)
    manifest["progress"]["accuracies"][0] = "good"
    write_manifest(copy, manifest)
    for command in (["show", copy], ["report", copy, "-o", "out.html"]):
        result = run(*command)
        assert result.exit_code == 2
        assert "manifest.json: expected the settings and the progress" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_space_without_parameters_is_not_imported() -> None:
    Path("old").mkdir()
    Path("old/parameters.json").write_text("{}")
    Path("old/dataset.csv").write_text("id,scores\n0,1.0\n1,2.0\n")
    result = run("import", "old", "new", "--objective", "max")
    assert result.exit_code == 2
    assert result.stderr.startswith("shac: error: hyperparameter_list: expected at least one parameter")
    assert len(result.stderr.splitlines()) == 1
    assert not Path("new").exists()


def test_bench_checks_and_times_both(folder: Path) -> None:
    result = run("bench", "--stages", 2, "--repeats", 1, "--threads", 2)
    assert result.exit_code == 0, result.output
    assert "the same decisions on all of 20,000 rows" in result.stdout
    assert result.stdout.count("XGBoost on blocks") == 2
    assert "times as fast as XGBoost" in result.stdout


def test_bench_refuses_wrong_decisions(monkeypatch: pytest.MonkeyPatch) -> None:
    from shac import bench

    right = bench._passes
    monkeypatch.setattr(bench, "_passes", lambda models, rows: ~right(models, rows))
    with pytest.raises(RuntimeError, match="expected XGBoost's decisions"):
        bench.run_bench(num_stages=1, repeats=1, threads=1, say=lambda line: None)


def test_without_a_command_the_help_is_shown() -> None:
    result = run()
    assert "Commands:" in result.output
    assert result.exit_code == 2


def test_names_and_choices_that_differ_in_their_ends_are_shown_whole_in_a_pipe() -> None:
    names = [f"model.encoder.layers.0.attention.self.dropout_prob.{end}" for end in "ab"]
    choices = [f"torchvision.models.{name}" for name in ("resnet18", "efficientnet_b0")]
    space = [shac.UniformHP(names[0], 0, 1), shac.DiscreteHP(names[1], choices)]
    search = shac.SHAC(lambda w, p: p[names[0]], space, 40, 4, save_dir="long", seed=0)
    search.concurrent_evaluators()
    search.fit(progress=False)
    done = subprocess.run(
        [sys.executable, "-m", "shac", "show", "long"], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert all(name in done.stdout for name in names)
    assert any(choice in done.stdout for choice in choices)
    assert "…" not in done.stdout
