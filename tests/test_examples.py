import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, total_budget: int, num_batches: int, *more: str) -> str:
    arguments = ["--total-budget", str(total_budget), "--num-batches", str(num_batches), "--save-dir", "run", *more]
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def number(pattern: str, output: str) -> float:
    match = re.search(pattern, output)
    assert match, output
    return float(match[1])


def test_every_example_has_a_test() -> None:
    tested = set(re.findall(r'run\("(\w+)"', Path(__file__).read_text()))
    assert {path.stem for path in EXAMPLES.glob("*.py")} == tested


def test_branin_finds_a_good_point() -> None:
    output = run("branin", 100, 10)
    assert 0.397 < number(r"best of 100 evaluations: (\S+)", output) < 5
    assert "10 configurations that pass 9 classifiers" in output


def test_hartmann6_finds_a_good_point() -> None:
    output = run("hartmann6", 120, 6)
    assert -3.33 < number(r"best of 120 evaluations: (\S+)", output) < -1
    assert "from 5 classifiers" in output


def test_torch_cnn_trains_networks() -> None:
    pytest.importorskip("torch")
    output = run("torch_cnn", 6, 2)
    assert number(r"accuracy of 6 networks: (\S+)", output) > 0.3
    assert "'pooling'" in output


@pytest.mark.gpu
def test_torch_cnn_trains_networks_on_the_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    output = run("torch_cnn", 24, 4, "--gpu-evaluators", "2")
    assert number(r"accuracy of 24 networks: (\S+)", output) > 0.5


def test_fit_dataset_draws_better_settings_than_its_table_holds() -> None:
    output = run("fit_dataset", 100, 5)
    assert number(r"pass: (\S+)", output) > number(r"table: (\S+),", output)


def test_custom_parameters_run_on_both_paths() -> None:
    output = run("custom_parameters", 60, 3)
    assert number(r"compiled: best loss (\S+)", output) < 0.5
    assert number(r"through Python: best loss (\S+)", output) < 0.5


def test_a_restored_search_is_the_same_as_an_undisturbed_one() -> None:
    output = run("restore", 40, 4)
    assert "restored 20 evaluations" in output
    assert "the same as an undisturbed search: True" in output
