"""Programs that were there before, and the few lines that let SHAC search their settings."""

import difflib
import os
import re
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "examples" / "existing"
MOST_LINES = 5


def code_of(name: str) -> list[str]:
    """The lines of a program behind its docstring."""
    return (FOLDER / name).read_text().splitlines()[1:]


def output_of(*command: str | Path) -> str:
    environment = {**os.environ, "SHAC_PROGRESS": "0"}
    finished = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("name", ["study", "pipeline", "training"])
def test_at_most_five_lines_are_changed(name: str) -> None:
    lines = list(difflib.ndiff(code_of(f"{name}.py"), code_of(f"{name}_shac.py")))
    assert 0 < sum(line.startswith("+ ") for line in lines) <= MOST_LINES
    assert sum(line.startswith("- ") for line in lines) <= MOST_LINES


@pytest.mark.parametrize(
    ("name", "package", "shown"),
    [
        ("study", "optuna", r"\{'rate': [\d.e-]+, 'layers': 3, 'activation': 'gelu'\} 0\.9[678]"),
        ("pipeline", "sklearn", r"\{'pca__n_components': \d+, 'svc__C': .*'svc__gamma': .*\} 0\.9"),
        ("training", "pytorch_lightning", r"OrderedDict\(.*'lr'.*'width'.*\) 0\.0\d+"),
    ],
)
def test_a_program_finds_settings_and_shows_them(name: str, package: str, shown: str) -> None:
    pytest.importorskip(package)
    assert re.search(shown, output_of(FOLDER / f"{name}_shac.py"))


@pytest.mark.skipif(
    not any(distribution.name == "hydra-shac-sweeper" for distribution in distributions()),
    reason="the plug-in of Hydra is not installed",
)
def test_an_application_of_hydra_is_not_changed_at_all() -> None:
    command = re.findall(r"^python (.*?)^```", (FOLDER / "README.md").read_text(), re.MULTILINE | re.DOTALL)[0]
    arguments = re.findall(r"'[^']*'|[^\s\\']+", command)[1:]
    output_of(FOLDER / "hydra_app" / "train.py", *(argument.strip("'") for argument in arguments))
    (results,) = Path().rglob("optimization_results.yaml")
    assert re.search(r"layers: 3", results.read_text())
