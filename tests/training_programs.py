"""What training programs start on their own, each kind as an evaluation; run as a script, or a module with ``-m``.

``python training_programs.py BACKEND [KIND ...]`` prints, as JSON, the error of each kind, or null.
"""

import concurrent.futures
import json
import multiprocessing
import subprocess
import sys
import tempfile
from collections import OrderedDict
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing
from torch.utils.data import DataLoader, Dataset

from shac.evaluation import EvaluationTask, EvaluatorPool

SUM = 2016.0


class Numbers(Dataset):  # type: ignore[misc]  # a class without types here
    """A data set of the script's own, which workers that start afresh have to find."""

    def __len__(self) -> int:
        return 64

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor(float(index))


def square(x: float) -> float:
    return x * x


def rank_sum(rank: int, file: str, meeting: Any, results: Any) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1, bias=False))
    model(torch.tensor([[rank + 1.0]])).backward()
    gradient = float(next(model.parameters()).grad)
    del model
    torch.distributed.barrier()
    # One after the other: a rank that is gone can make the other's threads end the process while it closes
    for closing in range(2):
        meeting.wait()
        if rank == closing:
            torch.distributed.destroy_process_group()
    meeting.wait()
    results.put(gradient)


def load(context: str | None, *, persistent: bool = False) -> None:
    loader = DataLoader(
        Numbers(), batch_size=16, num_workers=2, multiprocessing_context=context, persistent_workers=persistent
    )
    for _ in range(2 if persistent else 1):
        assert sum(float(batch.sum()) for batch in loader) == SUM


def start_ranks(method: str) -> None:
    context = torch.multiprocessing.get_context(method)
    results, meeting = context.SimpleQueue(), context.Barrier(2)
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.start_processes(
            rank_sum, (f"{folder}/meet", meeting, results), nprocs=2, start_method=method
        )
        assert [results.get(), results.get()] == [1.5, 1.5]


def start_process() -> None:
    child = multiprocessing.Process(target=square, args=(2.0,))
    child.start()
    child.join()
    assert child.exitcode == 0


def start_pool(method: str | None) -> None:
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(square, [1.0, 2.0, 3.0]) == [1, 4, 9]


def start_executor(method: str | None) -> None:
    with concurrent.futures.ProcessPoolExecutor(2, multiprocessing.get_context(method)) as executor:
        assert list(executor.map(square, [1.0, 2.0])) == [1, 4]


def start_joblib() -> None:
    import joblib

    assert joblib.Parallel(n_jobs=2)(joblib.delayed(square)(x) for x in (1.0, 2.0)) == [1, 4]


def start_program() -> None:
    done = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
    assert done.stdout == "42\n"


KINDS: dict[str, Any] = {
    "loader": lambda: load(None),
    "persistent loader": lambda: load(None, persistent=True),
    "loader, fork": lambda: load("fork"),
    "loader, spawn": lambda: load("spawn"),
    "loader, forkserver": lambda: load("forkserver"),
    "process": start_process,
    "ranks, spawn": lambda: start_ranks("spawn"),
    "ranks, fork": lambda: start_ranks("fork"),
    "pool": lambda: start_pool(None),
    "pool, spawn": lambda: start_pool("spawn"),
    "executor": lambda: start_executor(None),
    "executor, spawn": lambda: start_executor("spawn"),
    "joblib": start_joblib,
    "program": start_program,
}


def train(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
    KINDS[parameters["kind"]]()
    return 1.0


def main(backend: str, *kinds: str, function: Any = train) -> None:
    tasks = [EvaluationTask(i, OrderedDict(kind=kind), seed=i) for i, kind in enumerate(kinds or KINDS)]
    # A fork while another evaluation's thread holds a lock waits for that for ever: threads run one at a time
    with EvaluatorPool(
        function,
        num_evaluators=1 if backend == "threading" else 2,
        backend=backend,
        seed_torch=True,
        evaluation_timeout=300,
    ) as pool:
        outcomes = pool.evaluate(tasks)
    sys.stdout.write(json.dumps({outcome.parameters["kind"]: outcome.error for outcome in outcomes}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
