"""Searches on a Dask cluster: a real scheduler and real workers on the loopback interface."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
import types
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clusters
import evaluations
import psutil
import pytest
import searches

import shac
from shac.evaluation import EvaluationTask, EvaluatorPool
from shac.store.journal import read_journal

distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")

# Dask leaves sockets and event loops to the garbage collector when a cluster goes away
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def tasks_of(values: list[Any]) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=value), seed=i) for i, value in enumerate(values)]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[clusters.DaskProcesses]:
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("dask"))
    try:
        with clusters.dask_cluster(2) as made:
            yield made
    finally:
        os.chdir(before)


def engine(cluster: Any, function: Any = searches.branin, **settings: Any) -> shac.SHAC:
    made = searches.engine(function, **{"total_budget": 30, "num_batches": 3, **settings})
    made.evaluator_backend = "dask"
    made.evaluator_cluster = cluster
    made.set_num_parallel_evaluators(2)
    return made


def table(folder: str) -> bytes:
    return Path(folder, "dataset.csv").read_bytes()


def undisturbed() -> bytes:
    searches.engine(total_budget=30, num_batches=3, save_dir="undisturbed").fit(skip_cv_checks=True)
    return table("undisturbed")


def gone(pids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_a_search_by_address_writes_the_table_of_one_on_threads(cluster: clusters.DaskProcesses) -> None:
    search = engine(cluster.address)
    search.fit(skip_cv_checks=True)
    assert table("shac_run") == undisturbed()
    assert {e.worker_id for e in read_journal(Path("shac_run/journal.jsonl"))} == {0, 1}


def test_a_client_is_used_and_stays_open(cluster: clusters.DaskProcesses) -> None:
    with distributed.Client(cluster.address, set_as_default=False) as client:
        engine(client).fit(skip_cv_checks=True)
        assert client.submit(sum, [1, 2]).result() == 3
    assert table("shac_run") == undisturbed()


def test_the_current_client_is_found(cluster: clusters.DaskProcesses) -> None:
    with distributed.Client(cluster.address):
        search = engine(None, lambda worker_id, parameters: float(os.getppid()), total_budget=4, num_batches=1)
        search.fit()
    assert set(search.dataset.Y) <= {float(worker.pid) for worker in cluster.workers}


def test_failures_on_a_cluster_are_those_of_processes(cluster: clusters.DaskProcesses) -> None:
    def misbehaves(worker_id: int, parameters: OrderedDict[str, Any]) -> Any:
        kind = parameters["x"]
        if kind == "exit":
            os._exit(3)
        if kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if kind == "segfault":
            import ctypes
            import faulthandler

            faulthandler.disable()  # its report would stand among those of pytest
            ctypes.string_at(0)
        if kind == "raise":
            raise ValueError("no such depth")
        if kind == "hang":
            time.sleep(60)
        return {"nan": float("nan"), "text": "text", "good": 1.0}[kind]

    kinds = ["exit", "kill", "segfault", "raise", "hang", "nan", "text", "good", "good"]
    with EvaluatorPool(
        misbehaves, num_evaluators=2, backend="dask", cluster=cluster.address, evaluation_timeout=1.0
    ) as pool:
        outcomes = pool.evaluate(tasks_of(kinds))
    expected = [
        "exited with code 3",
        "was killed by SIGKILL",
        "was killed by SIGSEGV",
        "ValueError: no such depth",
        "EvaluationTimeout: no result within 1 s",
        "must return a finite number, got nan",
        "must return a real number",
        "None",
        "None",
    ]
    for outcome, reason in zip(outcomes, expected, strict=True):
        assert reason in str(outcome.error)
    assert all(worker.poll() is None for worker in cluster.workers)


def test_nothing_is_left_on_the_nodes_after_a_search(cluster: clusters.DaskProcesses) -> None:
    with EvaluatorPool(
        lambda worker_id, parameters: float(os.getpid()), num_evaluators=2, backend="dask", cluster=cluster.address
    ) as pool:
        pids = {int(outcome.score) for outcome in pool.evaluate(tasks_of([0, 1, 2, 3]))}
        assert all(psutil.pid_exists(pid) for pid in pids)
    assert gone(list(pids), 3)


def test_an_exception_of_the_listener_ends_what_runs_on_the_nodes(
    cluster: clusters.DaskProcesses, tmp_path: Path
) -> None:
    def sleeps(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        if parameters["x"]:
            (tmp_path / "note").write_text(str(os.getpid()))
        time.sleep(parameters["x"])
        return 0.0

    def fails(outcome: object) -> None:
        while not (tmp_path / "note").exists():
            time.sleep(0.01)
        time.sleep(0.1)
        raise OSError("disk full")

    # The client stays open: its end would drop the evaluation as well
    with distributed.Client(cluster.address, set_as_default=False) as client:
        pool = EvaluatorPool(sleeps, num_evaluators=2, backend="dask", cluster=client)
        with pytest.raises(OSError, match="disk full"):
            pool.evaluate(tasks_of([0, 60]), on_finished=fails)
        assert gone([int((tmp_path / "note").read_text())], 4)


def test_a_worker_that_is_killed_midway_costs_nothing() -> None:
    def slow(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        time.sleep(0.1)
        return searches.branin(worker_id, parameters)

    class Kill(shac.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                import threading

                threading.Timer(0.25, made.workers[0].kill).start()

    with clusters.dask_cluster(2) as made:
        search = engine(made.address, slow)
        history = search.fit(skip_cv_checks=True, callbacks=[Kill()])
        assert made.workers[0].wait(5) == -signal.SIGKILL
    assert history.failures == []
    assert table("shac_run") == undisturbed()
    lines = Path("shac_run/journal.jsonl").read_text().splitlines()
    assert sum('"kind":"evaluation"' in line for line in lines) == 30


def test_workers_that_declare_a_gpu_run_one_evaluation_each(tmp_path: Path) -> None:
    """One worker of four threads with one GPU: without the resource all four would run at once."""
    log = tmp_path / "log"

    def overlaps(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        with log.open("a") as file:
            file.write("+")
        time.sleep(0.1)
        with log.open("a") as file:
            file.write("-")
        return 0.0

    for options, alone in ([], False), (["--resources", "GPU=1"], True):
        log.write_text("")
        with (
            clusters.dask_cluster(1, "--nthreads", "4", *options) as made,
            EvaluatorPool(overlaps, num_evaluators=4, backend="dask", cluster=made.address) as pool,
        ):
            assert not any(outcome.failed for outcome in pool.evaluate(tasks_of([0] * 8)))
        assert ("++" not in log.read_text()) == alone


SEARCH = """
import sys, time
import searches

def hangs(worker_id, parameters):
    import os
    open("pid%d" % worker_id, "w").write(str(os.getpid()))
    time.sleep(60)
    return 0.0

if __name__ == "__main__":
    engine = searches.engine(hangs)
    engine.evaluator_backend = "dask"
    engine.evaluator_cluster = sys.argv[1]
    engine.set_num_parallel_evaluators(2)
    engine.fit()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_search_that_is_stopped_or_killed_frees_the_cluster(
    cluster: clusters.DaskProcesses, tmp_path: Path, number: signal.Signals
) -> None:
    # The nodes write where they were started, so by a full path
    script = tmp_path / "search.py"
    script.write_text(textwrap.dedent(SEARCH.replace('"pid%d"', repr(str(tmp_path / "pid%d")))))
    notes = [tmp_path / "pid0", tmp_path / "pid1"]
    with subprocess.Popen(
        [sys.executable, str(script), cluster.address], env=clusters.ENVIRONMENT, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 20
        while not all(note.exists() and note.read_text() for note in notes):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(number)
        _, errors = process.communicate(timeout=15)
        seconds = time.monotonic() - began
    assert seconds < 5
    if number != signal.SIGKILL:
        assert "stopped the search: 0 of 60 evaluations are done" in errors
    assert gone([int(note.read_text()) for note in notes], 5)
    # The workers are free for the next one
    with EvaluatorPool(lambda w, p: 1.0, num_evaluators=2, backend="dask", cluster=cluster.address) as pool:
        began = time.monotonic()
        assert not any(outcome.failed for outcome in pool.evaluate(tasks_of([0, 1])))
        assert time.monotonic() - began < 30


LOCAL = """
import os, searches

if __name__ == "__main__":
    engine = searches.engine(total_budget=30, num_batches=3)
    engine.evaluator_backend = "dask"
    engine.set_num_parallel_evaluators(2)
    engine.fit(skip_cv_checks=True)
"""


def test_without_a_cluster_a_local_one_is_started_and_ended(tmp_path: Path) -> None:
    script = tmp_path / "local.py"
    script.write_text(textwrap.dedent(LOCAL))
    subprocess.run([sys.executable, str(script)], env=clusters.ENVIRONMENT, check=True, timeout=60)
    assert table("shac_run") == undisturbed()


def test_a_cluster_that_is_none_is_refused() -> None:
    for backend, cluster, error, message in [
        ("dask", 3, TypeError, "cluster must be a distributed.Client, a scheduler's address or None, got int"),
        ("loky", "tcp://127.0.0.1:1", ValueError, "cluster must be None unless backend is one of"),
    ]:
        with pytest.raises(error, match=message):
            EvaluatorPool(lambda w, p: 1.0, num_evaluators=1, backend=backend, cluster=cluster)


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_a_package_that_is_not_installed_is_named_with_its_extra(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, {"dask": "distributed", "ray": "ray"}[backend], None)
    with pytest.raises(ImportError, match=rf"pip install 'shac\[{backend}\]'"):
        EvaluatorPool(lambda w, p: 1.0, num_evaluators=1, backend=backend)


@pytest.mark.parametrize(
    ("package", "found"),
    [
        ("raise ModuleNotFoundError(\"No module named 'shac'\")", "No module named 'shac'"),
        ("__version__ = '0.0.9'", "0.0.9"),
    ],
)
def test_a_node_without_this_version_of_the_package_is_an_error_and_no_endless_wait(
    package: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nodes").mkdir()
    (tmp_path / "nodes/shac.py").write_text(package)
    monkeypatch.setitem(clusters.ENVIRONMENT, "PYTHONPATH", str(tmp_path / "nodes"))
    with (
        clusters.dask_cluster(1) as cluster,
        EvaluatorPool(searches.branin, num_evaluators=1, backend="dask", cluster=cluster.address) as pool,
    ):
        [outcome] = pool.evaluate(tasks_of([0]))
    assert outcome.error == f"ImportError: the node must have shac {shac.__version__} installed, got {found}"


def test_what_a_function_carries_is_sent_to_a_node_once(
    cluster: clusters.DaskProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(1_000_000)
    sizes: list[int] = []

    def note_size(job: Any) -> bytes:
        sizes.append(len(pickle.dumps(job)))
        return pickle.dumps(job)

    monkeypatch.setattr("shac.evaluation.backends.pickle", types.SimpleNamespace(dumps=note_size))

    def carries(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float(len(data))

    with distributed.Client(cluster.address, timeout="30s", set_as_default=False) as client:
        num_nodes = len(client.scheduler_info()["workers"])
        with EvaluatorPool(carries, num_evaluators=1, backend="dask", cluster=client) as pool:
            outcomes = pool.evaluate(tasks_of(list(range(8))))
            assert [outcome.score for outcome in outcomes] == [1e6] * 8
            assert not [size for size in sizes if size > 1_000_000]
            assert list(client.run(evaluations.num_payloads).values()) == [1] * num_nodes
        assert set(client.run(evaluations.num_payloads).values()) == {0}


def test_overlapping_rounds_that_prune_have_the_table_of_one_on_threads(cluster: clusters.DaskProcesses) -> None:
    engine(cluster.address, searches.branin_in_steps, pruning="median").fit(overlap=4)
    settings = {"total_budget": 30, "num_batches": 3, "pruning": "median", "save_dir": "one"}
    other = searches.engine(searches.branin_in_steps, **settings)
    other.fit(overlap=4)
    assert other.state.pruned
    assert table("shac_run") == table("one")
