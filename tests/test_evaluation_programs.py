"""Evaluations that are training programs: with data loaders, pools, ranks and programs of their own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import psutil
import pytest
from evaluations import LEAVES, SLEEPS, leave, outer

from shac.evaluation import EvaluationTask, EvaluatorPool

SCRIPT = Path(__file__).with_name("training_programs.py")


def errors_of(*command: Any, environment: dict[str, str] | None = None) -> dict[str, str | None]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, command)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(environment or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    errors: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    if any(errors.values()):
        sys.stderr.write(done.stderr)  # what a process that died had to say
    return errors


@pytest.mark.slow
def test_whatever_a_script_starts_works_in_its_evaluations() -> None:
    errors = errors_of(SCRIPT, "loky")
    assert len(errors) == 14
    assert not [*filter(None, errors.values())]


@pytest.mark.slow
def test_what_a_script_starts_works_in_forked_workers() -> None:
    kinds = [
        "persistent loader",
        "loader, spawn",
        "loader, forkserver",
        "process",
        "ranks, fork",
        "pool",
        "executor, spawn",
    ]
    assert errors_of(SCRIPT, "multiprocessing", *kinds) == dict.fromkeys(kinds)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["threading", "dask", "ray"])
def test_what_a_script_starts_works_on_other_backends(backend: str) -> None:
    if backend in ("dask", "ray"):
        pytest.importorskip({"dask": "distributed"}.get(backend, backend), reason=f"needs the extra '{backend}'")
    kinds = ["loader", "ranks, spawn", "pool", "program"]
    assert errors_of(SCRIPT, backend, *kinds) == dict.fromkeys(kinds)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_whatever_a_module_starts_works_in_its_evaluations(backend: str) -> None:
    kinds = ["loader, spawn", "pool"]
    assert errors_of("-m", "training_programs", backend, *kinds) == dict.fromkeys(kinds)


def test_workers_that_are_spawned_start_what_a_script_does() -> None:
    kinds = ["loader", "pool"]
    assert errors_of(SCRIPT, "multiprocessing", *kinds, environment={"JOBLIB_START_METHOD": "spawn"}) == dict.fromkeys(
        kinds
    )


def test_a_start_method_that_the_program_chose_is_that_of_its_evaluations() -> None:
    program = (
        "import multiprocessing, training_programs\n"
        "def method(worker_id, parameters):\n"
        "    return 1 / (multiprocessing.get_start_method() == parameters['kind'])\n"
        "multiprocessing.set_start_method('spawn')\n"
        "training_programs.main('loky', 'spawn', function=method)"
    )
    assert errors_of("-c", program) == {"spawn": None}


def test_describing_the_program_leaves_its_start_method_open() -> None:
    program = (
        "import multiprocessing, shac.evaluation; shac.evaluation.EvaluatorPool(max, num_evaluators=1); "
        "multiprocessing.set_start_method('spawn'); print('{}')"
    )
    assert errors_of("-c", program) == {}


def sleepers() -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and tuple(process.cmdline()) in SLEEPS:
                found.append(process)
        except psutil.Error:
            pass
    return found


def wait_until(condition: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {sleepers()}"
        time.sleep(0.05)


def task(**parameters: bool) -> EvaluationTask:
    return EvaluationTask(0, OrderedDict({"waits": False, "dies": False, **parameters}), seed=0)


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_what_an_evaluation_leaves_behind_ends_with_it(backend: str) -> None:
    with EvaluatorPool(leave, num_evaluators=1, backend=backend) as pool:
        for _ in range(3):
            [outcome] = pool.evaluate([task()])
            assert outcome.error is None
            assert not sleepers()
        [worker] = [child for child in psutil.Process().children() if "sleep" not in child.name()][-1:]
        assert not [child for child in worker.children(recursive=True) if child.status() == psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_what_an_evaluation_leaves_behind_ends_with_its_time(backend: str) -> None:
    with EvaluatorPool(leave, num_evaluators=1, backend=backend, evaluation_timeout=1.0) as pool:
        [outcome] = pool.evaluate([task(waits=True)])
    assert "EvaluationTimeout" in str(outcome.error)
    wait_until(lambda: not sleepers())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_what_an_evaluation_leaves_behind_ends_with_the_search(
    backend: str, number: signal.Signals, tmp_path: Path
) -> None:
    script = tmp_path / "search.py"
    script.write_text(
        f"{LEAVES}\nimport shac\nif __name__ == '__main__':\n"
        "    space = [shac.DiscreteHP('waits', [True]), shac.DiscreteHP('dies', [False])]\n"
        "    search = shac.SHAC(leave, space, 4, 2, save_dir='run', seed=0)\n"
        f"    search.evaluator_backend = {backend!r}\n"
        "    search.fit()\n"
    )
    search = subprocess.Popen([sys.executable, script], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(sleepers()) >= 4, 60)
        search.send_signal(number)
        search.wait(20)
        wait_until(lambda: not sleepers())
    finally:
        search.kill()
        for process in sleepers():
            process.kill()


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_what_an_evaluation_is_about_to_start_when_its_search_is_killed_ends_too(backend: str, tmp_path: Path) -> None:
    script = tmp_path / "search.py"
    script.write_text(
        "import os, shac, subprocess\n"
        "def start(worker_id, parameters):\n"
        "    seconds = os.environ['SECONDS_OF_SLEEP']\n"
        "    loop = f'for i in $(seq 1000); do (setsid sleep {seconds}1 &); done'\n"
        "    subprocess.run(['sh', '-c', loop], start_new_session=True)\n"
        "if __name__ == '__main__':\n"
        "    search = shac.SHAC(start, [shac.UniformHP('x', 0, 1)], 4, 2, save_dir='run', seed=0)\n"
        f"    search.evaluator_backend = {backend!r}\n"
        "    search.fit()\n"
    )
    search = subprocess.Popen([sys.executable, script], cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: len(sleepers()) >= 20, 60)
        search.kill()
        search.wait(20)
        wait_until(lambda: not sleepers(), 20)
        time.sleep(0.2)
        assert not sleepers()
    finally:
        search.kill()
        for process in sleepers():
            process.kill()


def test_a_persistent_loader_that_outlives_its_evaluation_disturbs_no_other() -> None:
    program = (
        "import training_programs as t\n"
        "kept = []\n"
        "def keep(worker_id, parameters):\n"
        "    loader = t.DataLoader(t.Numbers(), num_workers=2, persistent_workers=True)\n"
        "    kept.append((loader, iter(loader)))\n"
        "    return sum(len(batch) for batch in loader)\n"
        "t.main('loky', 'first', 'second', 'third', 'fourth', function=keep)"
    )
    assert errors_of("-c", program) == dict.fromkeys(["first", "second", "third", "fourth"])


@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_a_search_within_an_evaluation_ends(backend: str) -> None:
    tasks = [
        EvaluationTask(i, OrderedDict(inner=name), seed=i)
        for i, name in enumerate(["loky", "multiprocessing", "threading"])
    ]
    with EvaluatorPool(outer, num_evaluators=2, backend=backend, evaluation_timeout=60) as pool:
        assert {outcome.error for outcome in pool.evaluate(tasks)} == {None}


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_a_search_runs_where_a_standard_stream_is_closed(closed: str, tmp_path: Path) -> None:
    script = tmp_path / "search.py"
    script.write_text(
        "import shac\nfrom pathlib import Path\nif __name__ == '__main__':\n"
        "    search = shac.SHAC(lambda worker_id, p: p['x'], [shac.UniformHP('x', 0, 1)], 4, 2, save_dir='run')\n"
        "    search.fit()\n    Path('done').write_text(str(len(search.dataset)))\n"
    )
    subprocess.run(["sh", "-c", f"{sys.executable} {script} {closed}"], cwd=tmp_path, check=False, timeout=60)
    assert (tmp_path / "done").read_text() == "4"


NOTEBOOK = """
import json
import torch
from torch.utils.data import DataLoader, Dataset
import shac

class Squares(Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, index):
        return torch.tensor([float(index)]), index ** 2

def square(x):
    return x * x

def train(worker_id, parameters):
    import multiprocessing, joblib
    loader = DataLoader(Squares(), batch_size=4, num_workers=2, persistent_workers=True)
    assert sum(int(y.sum()) for _, y in loader) == 140
    with multiprocessing.Pool(2) as pool:
        assert pool.map(square, [1, 2]) == [1, 4]
    assert joblib.Parallel(n_jobs=2)(joblib.delayed(square)(x) for x in (1, 2)) == [1, 4]
    return parameters["x"]

def errors_of(backend):
    search = shac.SHAC(train, [shac.UniformHP("x", 0, 1)], 4, 2, save_dir=backend, seed=0)
    search.evaluator_backend = backend
    search.set_num_parallel_evaluators(1 if backend == "threading" else 2)
    return [failure["error"] for failure in search.fit(progress=False).failures]
"""


@pytest.mark.slow
def test_what_a_notebook_starts_works_in_its_evaluations() -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    cells = [NOTEBOOK, 'print(json.dumps([errors_of(b) for b in ("loky", "multiprocessing", "threading")]))']
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(notebook, timeout=300).execute()
    assert json.loads(notebook.cells[1].outputs[0].text) == [[], [], []]
