import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
# The page on clusters needs some: test_evaluation_dask.py and test_evaluation_ray.py do what it shows. That on Hydra
# needs the plug-in, whose own tests run it.
PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name not in {"clusters.md", "hydra.md"})
BIN = Path(sys.executable).parent


def blocks(page: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w*)\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_every_code_block_runs(page: str) -> None:
    """A page is one program: its blocks run top to bottom, those of bash as commands."""
    program = "import subprocess\n"
    for language, code in blocks(page):
        if language == "text":
            continue
        if language == "python":
            program += code
            continue
        assert language == "bash", f"{page}: expected blocks of python or bash, got {language!r}"
        if code.startswith("pip install"):
            extras = re.findall(r"shac\[([\w,]+)\]", code)[0].split(",")
            known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
            assert set(extras) <= set(known)
            continue
        program += f"subprocess.run({['bash', '-euo', 'pipefail', '-c', code]!r}, check=True)\n"
    Path("page.py").write_text(program)
    environment = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    finished = subprocess.run([sys.executable, "page.py"], capture_output=True, text=True, check=False, env=environment)
    assert finished.returncode == 0, f"{page}:\n{finished.stderr}"


def test_the_guide_builds_strictly() -> None:
    pytest.importorskip("material")
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "-f",
        ROOT / "mkdocs.yml",
        "-d",
    ]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    finished = subprocess.run(
        [*command, Path("site").absolute()], capture_output=True, text=True, check=False, env=environment
    )
    assert finished.returncode == 0, finished.stderr
    reference = Path("site/api/index.html").read_text()
    import shac

    missing = [name for name in shac.__all__ if not name.startswith("__") and f'id="shac.{name}"' not in reference]
    aliases = {name for name in missing if name.endswith("HP")}
    assert set(missing) == aliases


def test_the_notebook_runs() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.read(ROOT / "examples/search.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are made by those who run it"
    nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("80 of 80 evaluations" in str(output.get("data")) for output in shown)
    assert any("image/png" in output.get("data", {}) for output in shown)
    assert Path("report.html").stat().st_size > 1_000_000
