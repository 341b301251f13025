"""What ``shac show`` says of a search that runs."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from searches import branin, engine

import shac
from shac.cli import main
from shac.store.lock import FolderLock


def shown(*options: str) -> str:
    result = CliRunner().invoke(main, ["show", "run", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_round_under_way_and_its_process_are_shown() -> None:
    search = engine(branin, save_dir="run")  # 60 evaluations in 6 rounds
    search.fit(max_evaluations=13)
    assert "round 2: 3 of 10 evaluations have ended" in shown()
    assert "running" not in shown()
    with FolderLock(Path("run")):
        assert f"process {os.getpid()} on " in shown()
        assert json.loads(shown("--format", "json"))["running"].startswith(f"process {os.getpid()} on ")
    values = json.loads(shown("--format", "json"))
    assert (values["evaluations"], values["ended_in_round"], values["running"]) == (10, 3, None)
    search.fit()
    assert "under way" not in shown()


def test_a_process_that_was_killed_does_not_run() -> None:
    engine(branin, save_dir="run").fit(max_evaluations=3)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    text = Path("run/.lock").read_text()
    with FolderLock(Path("run")):
        text = Path("run/.lock").read_text()
    Path("run/.lock").write_text(text.replace(f"process {os.getpid()} ", f"process {ended.pid} "))
    assert "running" not in shown()
    Path("run/.lock").write_text("process 1 on another-machine since 2026-01-01 00:00:00 +0000")
    assert "another-machine" in shown()  # who knows


def umlaut(worker_id: int, parameters: Any) -> float:
    if parameters["x"] > 0.5:
        raise RuntimeError("über")
    return float(parameters["x"])


def test_letters_that_a_stream_does_not_have_are_written_in_another_way() -> None:
    search = shac.SHAC(umlaut, [shac.UniformHP("x", 0.0, 1.0)], 8, 2, save_dir="run", seed=0)
    search.concurrent_evaluators()
    search.fit(progress=False)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    finished = subprocess.run(
        [sys.executable, "-m", "shac", "show", "run"], capture_output=True, text=True, check=True, env=environment
    )
    assert "\\xfcber" in finished.stdout
