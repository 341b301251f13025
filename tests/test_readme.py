import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)


def test_the_example_of_the_readme_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = blocks("python")
    small = example.replace("total_budget=200, num_batches=20", "total_budget=20, num_batches=10")
    random_score = "hash((parameters['lr'], parameters['layers'])) % 1000 / 1000"
    exec(compile(small.replace("return 0.9", f"return {random_score}"), "README.md", "exec"), {})
    assert "OrderedDict" in capsys.readouterr().out


def test_the_first_command_runs_the_demo_and_the_second_the_tests() -> None:
    demo, tests, *_ = blocks("bash")
    assert demo.rstrip().endswith(".venv/bin/shac demo")
    assert tests.rstrip().endswith(".venv/bin/pytest --numprocesses=2 --dist=loadfile")
