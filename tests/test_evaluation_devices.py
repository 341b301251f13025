"""What an evaluator has of the machine, seeds, threads and GPUs, and what an evaluation can ask for."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import shac
from shac.evaluation import EvaluationTask, EvaluatorPool, derive_seed, evaluation_seed, torch_device, torch_devices
from shac.evaluation.cores import THREAD_VARIABLES, share_of_cores, thread_environment
from shac.evaluation.devices import checked_gpus, gpus_of_worker, visible_gpus
from shac.evaluation.seeding import seed_generators

PROCESS_BACKENDS = ["loky", "multiprocessing"]


def tasks_of(values: list[Any]) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=value), seed=i) for i, value in enumerate(values)]


@pytest.mark.parametrize(
    "engine_seed, index, seed",
    [
        (0, 0, 2577681936289198552),
        (-5, 3, 1090439570581292382),
        (2**80, 10**9, 4952874577150989632),
    ],
)
def test_the_seeds_of_evaluations_never_change(engine_seed: int, index: int, seed: int) -> None:
    assert derive_seed(engine_seed, index) == seed
    assert type(derive_seed(engine_seed, index)) is int


@given(st.integers(), st.integers(min_value=0))
def test_a_seed_has_63_bits(engine_seed: int, index: int) -> None:
    assert 0 <= derive_seed(engine_seed, index) < 2**63


def test_seeds_of_neighbours_differ() -> None:
    assert len({derive_seed(seed, index) for seed in range(-50, 50) for index in range(100)}) == 10_000


def test_numpy_integers_give_the_seeds_of_integers() -> None:
    assert derive_seed(np.int64(3), np.uint8(4)) == derive_seed(3, 4)


def test_bad_arguments_of_a_seed_are_refused() -> None:
    with pytest.raises(ValueError, match="evaluation_index must be 0 or more, got -1"):
        derive_seed(0, -1)
    with pytest.raises(TypeError):
        derive_seed(0.5, 0)  # type: ignore[arg-type]


def test_there_is_no_evaluation_seed_outside_of_an_evaluation() -> None:
    with pytest.raises(LookupError, match="outside of an evaluation function"):
        evaluation_seed()
    with EvaluatorPool(lambda worker_id, parameters: evaluation_seed(), num_evaluators=1, backend="threading") as pool:
        pool.evaluate(tasks_of([0]))
    with pytest.raises(LookupError):
        evaluation_seed()


@given(st.integers(0, 2**63 - 1))
def test_every_seed_seeds_all_generators(seed: int) -> None:
    drawn = []
    for _ in range(2):
        seed_generators(seed, torch=True)
        drawn.append((random.random(), np.random.random(), torch.rand(()).item()))  # noqa: NPY002
    assert drawn[0] == drawn[1]


def test_the_cores_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    assert [share_of_cores(n) for n in (1, 2, 3, 8, 9)] == [8, 4, 2, 1, 1]


def test_a_limit_of_the_user_is_kept_unless_there_is_a_newer_one() -> None:
    environment = {"OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "64", "OPENBLAS_NUM_THREADS": "many"}
    divided = thread_environment(4, explicit=False, environment=environment)
    assert divided == {**dict.fromkeys(THREAD_VARIABLES, "4"), "OMP_NUM_THREADS": "2"}
    asked_for = thread_environment(4, explicit=True, environment=environment)
    assert asked_for == dict.fromkeys(THREAD_VARIABLES, "4")


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("joblib.cpu_count", lambda: 2)


@pytest.mark.usefixtures("two_cores")
@pytest.mark.parametrize(
    "backend, settings, threads",
    [
        ("loky", {}, 1),
        ("multiprocessing", {}, 1),
        ("multiprocessing", {"threads_per_evaluator": 3}, 3),
    ],
)
def test_evaluators_side_by_side_do_not_fight_for_the_cores(
    backend: str, settings: dict[str, Any], threads: int
) -> None:
    def threads_of(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        if parameters["x"] == "torch":
            import torch

            return float(torch.get_num_threads())
        import numpy  # noqa: F401, ICN001 - loads a BLAS
        import threadpoolctl

        assert os.environ["OMP_NUM_THREADS"] == os.environ["MKL_NUM_THREADS"]
        return float(max(pool["num_threads"] for pool in threadpoolctl.threadpool_info()))

    with EvaluatorPool(threads_of, num_evaluators=2, backend=backend, seed_torch=backend == "loky", **settings) as pool:
        assert pool.threads_per_evaluator == threads
        outcomes = pool.evaluate(tasks_of(["torch", "torch", "blas", "blas"]))
    assert [(outcome.score, outcome.error) for outcome in outcomes] == [(float(threads), None)] * 4


FORK_AFTER_OPENMP = """
from collections import OrderedDict
import torch
from shac.evaluation import EvaluationTask, EvaluatorPool

def multiplies(worker_id, parameters):
    matrix = torch.ones(500, 500)
    return float((matrix @ matrix).relu().sum())

torch.set_num_threads(2)
expected = multiplies(0, {})  # this thread has an OpenMP team now
task = EvaluationTask(0, OrderedDict(), seed=0)
with EvaluatorPool(multiplies, num_evaluators=1, backend="multiprocessing", threads_per_evaluator=2) as pool:
    [outcome] = pool.evaluate([task])
print(outcome.score == expected)
"""


def test_a_forked_worker_can_use_threads_after_its_parent_has(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(FORK_AFTER_OPENMP)
    environment = {**os.environ, "PYTHONPATH": str(Path(next(iter(shac.__path__))).parent)}
    result = subprocess.run(
        [sys.executable, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.stdout == "True\n", result.stderr


@pytest.mark.usefixtures("two_cores")
@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_a_fresh_worker_has_its_limits_before_anything_is_imported() -> None:
    def had_at_birth(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        birth = Path("/proc/self/environ").read_text().split("\0")
        return float({"OMP_NUM_THREADS=1", "MKL_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1"} <= set(birth))

    with EvaluatorPool(had_at_birth, num_evaluators=2) as pool:
        assert [outcome.score for outcome in pool.evaluate(tasks_of([0]))] == [1.0]


@pytest.mark.usefixtures("two_cores")
def test_threads_are_left_alone_on_request() -> None:
    def is_set(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float("OMP_NUM_THREADS" in os.environ)

    with EvaluatorPool(is_set, num_evaluators=2, limit_threads=False) as pool:
        assert pool.threads_per_evaluator is None
        assert [outcome.score for outcome in pool.evaluate(tasks_of([0]))] == [0.0]


def test_a_worker_imports_torch_only_when_it_is_needed() -> None:
    def has_torch(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float("torch" in sys.modules)

    with EvaluatorPool(has_torch, num_evaluators=1) as pool:
        assert [outcome.score for outcome in pool.evaluate(tasks_of([0]))] == [0.0]


@pytest.fixture
def three_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)


@pytest.mark.usefixtures("three_gpus")
def test_worker_ids_take_the_gpus_in_turn() -> None:
    assert [str(torch_device(worker_id)) for worker_id in range(5)] == [
        "cuda:0",
        "cuda:1",
        "cuda:2",
        "cuda:0",
        "cuda:1",
    ]
    assert torch_device(np.int64(4)) == torch.device("cuda", 1)  # type: ignore[arg-type]


def test_without_cuda_every_worker_id_has_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_device(0) == torch_device(7) == torch.device("cpu")


@pytest.mark.parametrize("worker_id", [-1, 1.0, "0", None, True])
def test_what_is_no_worker_id_has_no_device(worker_id: Any) -> None:
    with pytest.raises(ValueError, match="worker_id must be an integer of 0 or more, got"):
        torch_device(worker_id)


@pytest.mark.parametrize(
    "variable, gpus",
    [
        ("", []),
        ("-1", []),
        ("0", ["0"]),
        ("3, 1", ["3", "1"]),
        ("1,-1,2", ["1"]),
        ("1,,2", ["1"]),
        ("GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-GPU-5c1/1/0", None),
        ("MIG-8932f937-d72c-4106-c12f-20bd9faed9f6", None),
        ("NoDevFiles", []),
        ("none", []),
        ("void", []),
        ("0,cpu,1", ["0"]),
        ("all", []),
    ],
)
def test_visible_gpus_are_read_as_cuda_reads_them(variable: str, gpus: list[str] | None) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": variable}) == (variable.split(",") if gpus is None else gpus)


@pytest.mark.usefixtures("three_gpus")
def test_without_the_variable_all_gpus_are_visible() -> None:
    assert visible_gpus({}) == ["0", "1", "2"]


def test_without_gpus_nothing_is_pinned() -> None:
    assert gpus_of_worker(3, []) == []
    checked_gpus([], 2)


@pytest.mark.parametrize("variable", ["0,0", "1,0,1", "GPU-1,GPU-1", "0, 0"])
def test_a_gpu_that_is_named_twice_is_an_error_as_cuda_sees_none_then(variable: str) -> None:
    with pytest.raises(ValueError, match=f"CUDA_VISIBLE_DEVICES must name each GPU once, got '{variable}'"):
        visible_gpus({"CUDA_VISIBLE_DEVICES": variable})


def test_an_entry_that_names_no_gpu_is_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    visible_gpus({"CUDA_VISIBLE_DEVICES": "NoDevFiles"})
    assert not caplog.records
    visible_gpus({"CUDA_VISIBLE_DEVICES": "0,all"})
    assert "expected numbers or names of GPUs, got 'all'" in caplog.text


def devices_of(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    return float("".join(str(device.index) for device in torch_devices(worker_id)))


@pytest.mark.usefixtures("three_gpus")
@pytest.mark.parametrize(("share", "expected"), [(1, {0, 1, 2}), (2, {1}), (3, {12})])
def test_an_evaluation_has_as_many_devices_as_were_asked_for(share: int, expected: set[int]) -> None:
    with EvaluatorPool(devices_of, num_evaluators=3, backend="threading", gpus_per_evaluation=share) as pool:
        assert {outcome.score for outcome in pool.evaluate(tasks_of(list(range(12))))} == expected
    assert torch_devices(1) == [torch.device("cuda", 1)]


@pytest.mark.usefixtures("three_gpus")
def test_more_devices_than_there_are_fail_with_both_numbers() -> None:
    with EvaluatorPool(devices_of, num_evaluators=1, backend="threading", gpus_per_evaluation=4) as pool:
        [outcome] = pool.evaluate(tasks_of([0]))
    assert outcome.error == "ValueError: gpus_per_evaluation must be at most the number of visible GPUs, 3, got 4"


def test_without_cuda_an_evaluation_of_many_gpus_has_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert torch_devices(5) == [torch.device("cpu")]


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("0,1", "gpus_per_evaluation must be at most the number of visible GPUs, 2, got 3"),
        ("MIG-1,MIG-2,MIG-3", "gpus_per_evaluation must be 1 where CUDA_VISIBLE_DEVICES names slices of a GPU"),
    ],
)
def test_gpus_that_cannot_be_pinned_are_refused_before_a_worker_starts(
    variable: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", variable)
    with pytest.raises(ValueError, match=message):
        EvaluatorPool(devices_of, num_evaluators=1, pin_gpus=True, gpus_per_evaluation=3)


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_pinned_worker_sees_the_gpus_of_its_share(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def sees(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float(os.environ["CUDA_VISIBLE_DEVICES"].replace(",", ""))

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1,2,3,4,5")
    with EvaluatorPool(sees, num_evaluators=3, backend=backend, pin_gpus=True, gpus_per_evaluation=2) as pool:
        outcomes = pool.evaluate(tasks_of([0, 0, 0]))
    assert [outcome.score for outcome in outcomes] == [12, 34, 12]


def test_several_gpus_need_evaluators_on_gpus() -> None:
    space = [shac.UniformHP("x", 0, 1)]
    with pytest.raises(ValueError, match="gpus_per_evaluation: expected max_gpu_evaluators above 0 with it, got 0"):
        shac.TorchSHAC(None, space, 4, 2, 0, gpus_per_evaluation=2)
    with pytest.raises(ValueError, match="gpus_per_evaluation: expected an integer of at least 1, got 0"):
        shac.TorchSHAC(None, space, 4, 2, 1, gpus_per_evaluation=0)


def test_the_engine_of_pytorch_hands_its_number_of_gpus_to_the_evaluations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    engine = shac.TorchSHAC(devices_of, [shac.UniformHP("x", 0, 1)], 4, 2, 2, gpus_per_evaluation=2)
    engine.concurrent_evaluators()
    engine.fit()
    assert set(engine.dataset.Y) <= {1.0, 23.0}


@pytest.mark.parametrize("backend", PROCESS_BACKENDS)
def test_a_pinned_worker_sees_one_gpu_from_its_start(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def sees(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        visible = ["5", "GPU-8932f937"].index(os.environ["CUDA_VISIBLE_DEVICES"])
        return visible + 10.0 * ("torch" in sys.modules)

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,GPU-8932f937,-1,7")
    with EvaluatorPool(sees, num_evaluators=3, backend=backend, pin_gpus=True) as pool:
        outcomes = pool.evaluate(tasks_of([0, 0, 0]))
        before_torch = 0 if backend == "loky" else 10  # a fork has what its parent has imported
        assert [(outcome.worker_id, outcome.score) for outcome in outcomes] == [
            (0, before_torch),
            (1, before_torch + 1),
            (2, before_torch),
        ]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "5,GPU-8932f937,-1,7"


def test_pinning_without_gpus_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def sees(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        return float(os.environ["CUDA_VISIBLE_DEVICES"] == "")

    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with EvaluatorPool(sees, num_evaluators=1, pin_gpus=True) as pool:
        assert [outcome.score for outcome in pool.evaluate(tasks_of([0]))] == [1.0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device, and PyTorch sees none")
@pytest.mark.parametrize("pin_gpus", [False, True])
def test_a_network_is_trained_on_the_gpu_of_its_evaluator(pin_gpus: bool) -> None:
    devices = torch.cuda.device_count()

    def trains(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        import torch

        from shac.evaluation import torch_device

        device = torch_device(worker_id)
        expected = 0 if pin_gpus else worker_id % devices
        assert (device.type, device.index) == ("cuda", expected)
        if pin_gpus:
            assert torch.cuda.device_count() == 1
        inputs = torch.rand(256, 2, device=device)
        targets = inputs.sum(dim=1, keepdim=True)
        network = torch.nn.Sequential(torch.nn.Linear(2, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=parameters["x"])
        for _ in range(200):
            optimizer.zero_grad()
            loss = torch.nn.functional.mse_loss(network(inputs), targets)
            loss.backward()
            optimizer.step()
        assert next(network.parameters()).device == device
        return float(loss.item())

    with EvaluatorPool(trains, num_evaluators=2, seed_torch=True, pin_gpus=pin_gpus) as pool:
        outcomes = pool.evaluate(tasks_of([0.01, 0.03]))
    assert [outcome.error for outcome in outcomes] == [None, None]
    assert [outcome.worker_id for outcome in outcomes] == [0, 1]
    assert all(outcome.score < 0.05 for outcome in outcomes)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows forks no processes")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_no_process_is_forked_while_another_thread_seeds_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, begun = threading.Lock(), threading.Event()

    def seed_slowly(seed: int) -> None:
        with lock:
            begun.set()
            time.sleep(0.5)

    monkeypatch.setattr(torch, "manual_seed", seed_slowly)
    seeding = threading.Thread(target=seed_generators, args=(1,), kwargs={"torch": True})
    seeding.start()
    assert begun.wait(10)
    child = os.fork()
    if child == 0:
        os._exit(int(lock.locked()))  # nobody in the child would ever release it
    assert os.waitpid(child, 0)[1] == 0
    seeding.join()
    seed_generators(1, torch=False)
