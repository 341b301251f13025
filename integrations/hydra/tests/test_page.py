"""The guide's page is an application and the commands that search it, here with fewer jobs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

PAGE = Path(__file__).parents[3] / "docs/hydra.md"


def fewer_jobs(page: str) -> str:
    for written, run in (("n_trials: 40", "n_trials: 12"), ("n_trials=50", "n_trials=16")):
        assert page.count(written) == 1
        page = page.replace(written, run)
    return page


def test_the_application_of_the_guide_runs() -> None:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", fewer_jobs(PAGE.read_text()), re.MULTILINE | re.DOTALL)
    (application,) = [code for language, code in blocks if language == "python"]
    (configuration,) = [code for language, code in blocks if language == "yaml"]
    Path("train.py").write_text(application)
    Path("config.yaml").write_text(configuration)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    commands = [code for language, code in blocks if language == "bash"]
    for command in commands:
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PATH": path},
        )
        assert finished.returncode == 0, f"{command}\n{finished.stdout}\n{finished.stderr}"
    results: Any = OmegaConf.load("sweep/optimization_results.yaml")
    assert results.best_value > 0.7
    assert sorted(int(path.name) for path in Path("sweep").glob("[0-9]*")) == [*range(16)]
    assert Path("sweep/report.html").stat().st_size > 1_000_000
