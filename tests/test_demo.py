import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import shac
from shac.cli import main

pytest.importorskip("torch")

from shac import demo


def setting(**changes: Any) -> dict[str, Any]:
    return {
        "learning_rate": 0.01,
        "weight_decay": 1e-4,
        "width": 64,
        "depth": 1,
        "dropout": 0.1,
        "activation": "relu",
        "optimiser": "adam",
        "batch_size": 64,
        **changes,
    }


def test_the_space_has_the_parameters_that_training_uses() -> None:
    assert set(setting()) == {parameter.name for parameter in demo.digits_space()}
    assert len(demo.digits_space()) >= 7


def test_good_settings_learn_digits_and_bad_ones_do_not() -> None:
    assert demo.validation_accuracy(0, setting()) > 0.9
    assert demo.held_out_accuracy(0, setting()) > 0.9
    assert demo.validation_accuracy(0, setting(learning_rate=1.0, optimiser="rmsprop", depth=4)) < 0.5


@pytest.mark.parametrize("change", [{"activation": a} for a in ("gelu", "tanh", "sigmoid")] + [{"optimiser": "sgd"}])
def test_every_choice_trains(change: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_NUM_EPOCHS", 1)
    assert 0 <= demo.validation_accuracy(0, setting(**change)) <= 1


def test_a_demo_that_is_interrupted_goes_on_and_prints_a_table_and_the_best_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = [sys.executable, "-m", "shac", "demo", "--total-budget", "8", "--num-batches", "2", "--samples", "1"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        assert next(running.stderr).startswith("round  evaluations")
        for line in running.stderr:
            if line.split()[:2] == ["1", "4"]:
                running.send_signal(signal.SIGINT)
                break
        _, errors = running.communicate()
    assert running.returncode == 130
    assert "what was evaluated is in shac_demo: --resume goes on with it" in errors

    again = CliRunner().invoke(main, command[3:])
    assert again.exit_code == 2
    assert "shac_demo holds a search already" in again.stderr
    assert "--resume goes on with it" in again.stderr
    assert "Traceback" not in again.stderr

    results = []

    def run_demo(*arguments: Any, **options: Any) -> demo.DemoResult:
        results.append(run(*arguments, **options))
        return results[-1]

    run = demo.run_demo
    monkeypatch.setattr(demo, "run_demo", run_demo)
    resumed = CliRunner().invoke(main, [*command[3:], "--resume"])
    assert resumed.exit_code == 0, resumed.stderr
    assert "pass all 1 classifiers" in resumed.stdout
    assert "learning_rate" in resumed.stdout
    rounds = [line.split()[:2] for line in resumed.stderr.splitlines()]
    assert ["2", "8"] in rounds
    assert ["1", "4"] not in rounds

    (result,) = results
    assert result.num_classifiers == 1
    assert result.predicted.shape == result.random.shape == (1,)
    assert np.isfinite([*result.predicted, *result.random, result.best]).all()
    assert set(result.seconds) == {"evaluating", "training", "sampling", "predicting"}
    assert Path("shac_demo/manifest.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--total-budget", "10", "--num-batches", "3"], "total_budget: expected a multiple of num_batches=3"),
        (["demo", "--total-budget", "many"], "'many' is not a valid integer"),
        (["demo", "--samples", "0"], "0 is not in the range"),
        (["demo", "--save-dir", "a_file"], "is a file"),
        (["demo", "--seed", str(2**64)], "seed: expected an integer below"),
        (["dance"], "No such command 'dance'"),
    ],
)
def test_bad_arguments_are_one_clear_line_and_exit_code_2(arguments: list[str], message: str) -> None:
    Path("a_file").touch()
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output


def test_without_torch_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = CliRunner().invoke(main, ["demo"])
    assert result.exit_code == 2
    assert "pip install 'shac[torch]'" in result.output


def test_the_version_is_that_of_the_package() -> None:
    assert CliRunner().invoke(main, ["--version"]).output == f"shac, version {shac.__version__}\n"
