"""The folder of an evaluation: its own, the same for each attempt, and after the search was killed."""

import shutil
import signal
import subprocess
import sys
import textwrap
from collections import OrderedDict
from pathlib import Path

import pytest
from evaluations import note

import shac
from shac.evaluation import EvaluationTask, EvaluatorPool

SPACE = [shac.UniformHP("x", 0, 1)]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_each_evaluation_has_a_folder_that_its_attempts_share(backend: str) -> None:
    search = shac.SHAC(note, SPACE, 8, 2, save_dir="run", seed=0, max_retries=2)
    search.evaluator_backend = backend
    search.fit()
    texts = [path.read_text().splitlines() for path in sorted(Path("run/evaluations").glob("*/lines"))]
    assert [lines[0] for lines in texts] == [repr(row[0]) for row in search.dataset.X]
    assert all(len(lines) == 3 == lines.count(lines[0]) for lines in texts)
    assert [path.name[:6] for path in sorted(Path("run/evaluations").iterdir())] == [f"0000{i}-" for i in range(8)]


def test_what_an_earlier_search_left_in_the_folder_is_not_taken_for_its_own() -> None:
    for seed in (0, 1):
        search = shac.SHAC(note, SPACE, 4, 2, save_dir="run", seed=seed, max_retries=2)
        search.concurrent_evaluators()
        search.fit()
        for name in ("manifest.json", "parameters.json", "dataset.csv", "journal.jsonl"):
            Path("run", name).unlink()
        shutil.rmtree("run/classifiers")
    assert all(len(path.read_text().splitlines()) == 3 for path in Path("run/evaluations").glob("*/lines"))
    assert len(list(Path("run/evaluations").iterdir())) == 8


def test_a_preempted_training_goes_on_from_its_checkpoint_when_the_search_is_taken_up_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, sys
            import shac
            import torch

            def train(worker_id, parameters):
                checkpoint = shac.evaluation_dir() / "checkpoint.pt"
                model = torch.nn.Linear(2, 1)
                first = 0
                if checkpoint.exists():
                    saved = torch.load(checkpoint)
                    first = saved["epoch"] + 1
                    model.load_state_dict(saved["model"])
                for epoch in range(first, 4):
                    with open("epochs", "a") as file:
                        file.write(f"{parameters['x']} {epoch}\\n")
                    torch.save({"epoch": epoch, "model": model.state_dict()}, checkpoint)
                    if epoch == 2 and parameters["x"] > 0.7 and not os.path.exists("killed"):
                        open("killed", "w").close()
                        os.kill(int(sys.argv[1]) or os.getppid(), signal.SIGKILL)
                        signal.pause()
                return parameters["x"]

            if __name__ == "__main__":
                search = shac.SHAC(train, [shac.UniformHP("x", 0, 1)], 12, 2, save_dir="run", seed=1)
                search.set_num_parallel_evaluators(1)
                if os.path.exists("run/manifest.json"):
                    search.restore_data()
                search.fit()
            """
        )
    )
    run = [sys.executable, str(script), "0"]
    assert subprocess.run(run, check=False).returncode == -signal.SIGKILL
    subprocess.run(run, check=True)
    epochs = [tuple(line.split()) for line in Path("epochs").read_text().splitlines()]
    assert len(epochs) == len(set(epochs)) == 12 * 4  # none was trained twice


def test_outside_of_an_evaluation_there_is_no_folder() -> None:
    with pytest.raises(LookupError, match=r"evaluation_dir\(\) was called outside of an evaluation function"):
        shac.evaluation_dir()
    with EvaluatorPool(note, num_evaluators=1, backend="threading") as pool:
        [outcome] = pool.evaluate([EvaluationTask(0, OrderedDict(x=0.0), seed=0)])
    assert outcome.error == "LookupError: evaluation_dir() was called in an evaluation that belongs to no search"
    assert not list(Path().iterdir())
