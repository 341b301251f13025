"""What this package does on a GPU, in a few minutes: the tests marked gpu, and searches as users run them.

``python benchmarks/check_gpu.py`` uses the first GPU. Each check is a search or a pool of evaluators whose evaluations
do what trainings do: data loaders with workers, too much memory, an error in a kernel, `torch.compile`, ranks. It ends
with exit code 1 if something is not as it must be. Without a GPU, ``--cpu`` runs the search of networks, to check this
program; ``--only NAME`` runs one check.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, OrderedDict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import shac
from shac.evaluation import EvaluationOutcome, EvaluationTask, EvaluatorPool

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# Of the encoded samples of `samples`, drawn on a machine without a GPU
DIGEST_OF_SAMPLES = "bb161932071c204e"
TOO_MUCH = 2**50  # bytes; more than any device has
EVALUATORS = 4
MIB = 2**20
GIB = 2**30

Parameters = OrderedDict[str, Any]


class Report:
    """What was seen, a line each; `is_right` unless one was not as it must be."""

    def __init__(self) -> None:
        self.is_right = True

    def __call__(self, title: str, value: object, right: bool = True) -> None:
        self.is_right &= right
        print(f"{'ok  ' if right else 'FAIL'} {title:<66} {value}", flush=True)


# Evaluations


def train(worker_id: int, parameters: Parameters) -> float:
    import numpy as np
    import torch
    from sklearn.datasets import load_digits
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    device = shac.torch_device(worker_id)
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    x = torch.tensor(images[order] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    y = torch.tensor(labels[order])
    if parameters["width"] > 60:  # as a batch that is too large would
        torch.empty(TOO_MUCH, dtype=torch.uint8, device=device)
    width = parameters["width"]
    model = nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(16 * width, 10)
    ).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=parameters["learning_rate"])
    on_gpu = device.type == "cuda"
    loader = DataLoader(
        TensorDataset(x[:1200], y[:1200]), batch_size=64, shuffle=True, num_workers=2, pin_memory=on_gpu
    )
    for images_of_batch, labels_of_batch in loader:
        optimiser.zero_grad()
        outputs = model(images_of_batch.to(device, non_blocking=on_gpu))
        loss = nn.functional.cross_entropy(outputs, labels_of_batch.to(device))
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        hits = model(x[1200:].to(device)).argmax(dim=1).cpu() == y[1200:]
    return float(hits.float().mean())


def train_without_loaders(worker_id: int, parameters: Parameters) -> float:
    import torch
    from torch import nn

    torch.use_deterministic_algorithms(mode=True)
    device = shac.torch_device(worker_id)
    x = torch.rand(4096, 16, device=device)
    y = (x.sum(dim=1) > 8).long()
    width = parameters["width"] * 8
    model = nn.Sequential(nn.Linear(16, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2))
    model.to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=parameters["learning_rate"])
    for _ in range(300):
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimiser.step()
    return -float(loss.detach())


def take_and_free(worker_id: int, parameters: Parameters) -> float:
    import torch

    held = torch.empty(8 * GIB, dtype=torch.uint8, device=shac.torch_device(worker_id))
    held.fill_(1)
    return float(held[:10].sum())


def keep_more_each_time(worker_id: int, parameters: Parameters) -> float:
    import torch

    kept = globals().setdefault("_kept", [])
    share = int(0.3 * torch.cuda.get_device_properties(0).total_memory)
    kept.append(torch.empty(share, dtype=torch.uint8, device=shac.torch_device(worker_id)))
    return float(len(kept))


def fail_in_a_kernel(worker_id: int, parameters: Parameters) -> float:
    import torch

    table = torch.zeros(4, device=shac.torch_device(worker_id))
    index = torch.tensor([4 if parameters["x"] == 1 else 0], device=table.device)
    return float(table[index].sum())


def last_too_long(worker_id: int, parameters: Parameters) -> float:
    import torch

    held = torch.zeros(4 * GIB, dtype=torch.uint8, device=shac.torch_device(worker_id))
    if parameters["x"] == 1:
        while True:  # the host waits for the device, in a call that does not return
            torch.cuda._sleep(2**31 - 1)
            torch.cuda.synchronize()
    return float(held[:1].sum())


def compile_a_model(worker_id: int, parameters: Parameters) -> float:
    import torch

    torch._dynamo.reset()
    device = shac.torch_device(worker_id)
    width = 32 + 16 * int(parameters["x"])
    model = torch.nn.Sequential(torch.nn.Linear(8, width), torch.nn.GELU(), torch.nn.Linear(width, 1)).to(device)
    compiled = torch.compile(model)
    x = torch.rand(64, 8, device=device)
    began = time.perf_counter()
    compiled(x).sum().backward()
    if not torch.allclose(compiled(x), model(x), atol=1e-5):
        raise AssertionError("the compiled model must compute what the model does")
    return time.perf_counter() - began


def start_ranks(worker_id: int, parameters: Parameters) -> float:
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    program = (
        "import torch, torch.distributed as group\n"
        "group.init_process_group('nccl', device_id=torch.device('cuda', 0))\n"
        "x = torch.ones(1, device='cuda'); group.all_reduce(x)\n"
        "print(float(x)); group.destroy_process_group()\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ranks.py"
        file.write_text(program)
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=1", str(file)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1])


def train_with_lightning(worker_id: int, parameters: Parameters) -> float:
    import pytorch_lightning as lightning
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: Sequence[torch.Tensor], index: int) -> torch.Tensor:
            return ((self.layer(batch[0]) - batch[1]) ** 2).mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    x = torch.rand(512, 4)
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="gpu",
        devices=[shac.torch_device(worker_id).index],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Module()
    trainer.fit(module, DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=32, num_workers=2))
    return float(module.layer.weight.detach().sum())


def add_with_jax(worker_id: int, parameters: Parameters) -> float:
    import time

    import jax

    device = jax.devices()[0]
    if device.platform != "gpu":
        raise RuntimeError(f"JAX must see the GPU, got {device}")
    total = float((jax.numpy.ones((4096, 4096)) @ jax.numpy.ones((4096, 4096)))[0, 0])
    time.sleep(2)  # while another evaluation wants memory
    return total


# Checks


def tasks(count: int) -> list[EvaluationTask]:
    return [EvaluationTask(i, OrderedDict(x=float(i), width=8, learning_rate=0.01), seed=i) for i in range(count)]


def errors_of(outcomes: Sequence[EvaluationOutcome]) -> list[str]:
    return [str(outcome.error)[:160] for outcome in outcomes if outcome.error is not None]


def device_memory() -> int:
    """Return the bytes in use on the first GPU, by whatever process."""
    import torch

    free, total = torch.cuda.mem_get_info(0)
    return int(total - free)


def memory_comes_back(before: int, seconds: float = 20.0) -> int:
    """Wait until the device's memory is as free as before, and return how much more is in use."""
    deadline = time.monotonic() + seconds
    while (more := device_memory() - before) > 256 * MIB and time.monotonic() < deadline:
        time.sleep(0.2)
    return more


def search(folder: Path, evaluations: int, gpu_evaluators: int | None, **more: Any) -> shac.TorchSHAC:
    space = [shac.LogUniformHP("learning_rate", 1e-5, 1e-1), shac.IntegerHP("width", 2, 64)]
    function = more.pop("function", train)
    return shac.TorchSHAC(
        function, space, evaluations, 4, gpu_evaluators, max_cpu_evaluators=2, save_dir=folder, seed=0, **more
    )


def marked_tests(report: Report, folder: Path) -> None:
    tests = Path(__file__).parent.parent / "tests"
    files = [
        str(tests / name) for name in ("test_evaluation_devices.py", "test_evaluation_memory.py", "test_examples.py")
    ]
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    last = done.stdout.strip().splitlines()[-1:] or [done.stderr[-300:]]
    report("tests marked gpu", last[0], done.returncode == 0)
    if done.returncode != 0:
        print(done.stdout[-3000:])


def networks(report: Report, folder: Path, evaluations: int = 40, gpu_evaluators: int = EVALUATORS) -> None:
    engine = search(folder, evaluations, gpu_evaluators)
    failures = engine.fit(progress=False).failures
    reasons = Counter(str(failure["error"]) for failure in failures)
    widths = [row[1] for row in engine.dataset.X]
    report("evaluations", len(engine.dataset), len(engine.dataset) == evaluations)
    report("best validation accuracy", f"{max(engine.dataset.Y):.3f}", max(engine.dataset.Y) > 0.3)
    report("evaluations that asked for too much memory", sum(width > 60 for width in widths))
    report("evaluations that failed", len(failures), len(failures) == sum(width > 60 for width in widths))
    for reason, count in reasons.items():
        report(f"... {count} times", reason[:100], "memory" in reason)


def default_evaluators(report: Report, folder: Path) -> None:
    import torch

    engine = search(folder, 8, None)
    count = engine.num_parallel_evaluators
    report("evaluators by default, as many as GPUs", count, count == torch.cuda.device_count())


def same_table(report: Report, folder: Path) -> None:
    os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # what PyTorch asks for, for deterministic algorithms
    tables = []
    for evaluators in (1, 4):
        engine = search(folder / str(evaluators), 24, evaluators, function=train_without_loaders)
        engine.fit(progress=False)
        tables.append((engine.dataset.X, engine.dataset.Y))
    del os.environ["CUBLAS_WORKSPACE_CONFIG"]
    report("tables of 1 and 4 evaluators on a GPU are equal", tables[0] == tables[1], tables[0] == tables[1])


def cache_is_given_back(report: Report, folder: Path) -> None:
    before = device_memory()
    with EvaluatorPool(take_and_free, num_evaluators=2) as pool:
        outcomes = pool.evaluate(tasks(4))
        between = device_memory() - before
    report("evaluations of 8 GiB", errors_of(outcomes) or "no failure", not errors_of(outcomes))
    report("MiB that 2 idle workers hold on the device afterwards", between // MIB, between < 4 * GIB)
    after = memory_comes_back(before)
    report("MiB held after the pool", after // MIB, after <= 256 * MIB)


def memory_that_leaks(report: Report, folder: Path) -> None:
    with EvaluatorPool(keep_more_each_time, num_evaluators=1) as pool:
        outcomes = pool.evaluate(tasks(8))
    report("evaluations that each keep 30 % of the GPU", errors_of(outcomes) or "no failure", not errors_of(outcomes))
    kept = [int(outcome.score) for outcome in outcomes if outcome.error is None]
    report("... shares that their process held, a fresh one after an error", kept, max(kept) == 3)


def error_in_a_kernel(report: Report, folder: Path) -> None:
    with EvaluatorPool(fail_in_a_kernel, num_evaluators=1) as pool:
        outcomes = pool.evaluate(tasks(4))
    failed = [outcome.index for outcome in outcomes if outcome.error is not None]
    report("evaluations after an assertion in a kernel succeed; failed:", failed, failed == [1])
    report("... its reason", errors_of(outcomes)[:1])


def time_limit(report: Report, folder: Path) -> None:
    before = device_memory()
    with EvaluatorPool(last_too_long, num_evaluators=1, evaluation_timeout=15) as pool:
        outcomes = pool.evaluate(tasks(3))
    failed = [outcome.index for outcome in outcomes if outcome.error is not None]
    report("an evaluation that waits for the device is ended at its limit", failed, failed == [1])
    after = memory_comes_back(before)
    report("... MiB held afterwards", after // MIB, after <= 256 * MIB)


def memory_limit(report: Report, folder: Path) -> None:
    with EvaluatorPool(take_and_free, num_evaluators=1, max_memory_per_evaluation=6 * GIB) as pool:
        outcomes = pool.evaluate(tasks(2))
    report(
        "8 GiB on the device under a limit of 6 GiB on the host",
        errors_of(outcomes) or "no failure",
        not errors_of(outcomes),
    )


def killed_search(report: Report, folder: Path) -> None:
    before = device_memory()
    program = (
        "import sys; sys.path.insert(0, sys.argv[2]); import check_gpu, shac\n"
        "def hold(worker_id, parameters):\n"
        "    import time, torch\n"
        "    held = torch.zeros(4 * 2**30, dtype=torch.uint8, device=shac.torch_device(worker_id))\n"
        "    print('holds', flush=True); time.sleep(600); return 0.0\n"
        "check_gpu.search(sys.argv[1], 8, 2, function=hold).fit(progress=False)\n"
    )
    command = [sys.executable, "-c", program, str(folder / "killed"), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while device_memory() - before < 8 * GIB and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        held = device_memory() - before
        process.send_signal(signal.SIGKILL)
        errors = process.stderr.read() if held < 8 * GIB and process.stderr is not None else ""
    began = time.monotonic()
    after = memory_comes_back(before)
    report("MiB held by two evaluations whose search is killed", errors[-300:] or held // MIB, held >= 8 * GIB)
    report("... and held afterwards", f"{after // MIB}, after {time.monotonic() - began:.1f} s", after <= 256 * MIB)


def parent_that_uses_cuda(report: Report, folder: Path) -> None:
    import torch

    torch.zeros(1, device="cuda")
    for backend in ("loky", "threading", "multiprocessing"):
        with EvaluatorPool(train_without_loaders, num_evaluators=2, backend=backend, seed_torch=True) as pool:
            errors = errors_of(pool.evaluate(tasks(2)))
        # A forked process cannot use CUDA where its parent does: PyTorch's rule
        right = len(errors) == 2 and "CUDA" in errors[0] if backend == "multiprocessing" else not errors
        report(f"{backend}, where the search's own process uses CUDA", errors[:1] or "no failure", right)


def gpu_by_name(report: Report, folder: Path) -> None:
    import torch

    name = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import check_gpu\n"
        "from shac.evaluation import EvaluatorPool\n"
        "with EvaluatorPool(check_gpu.train_without_loaders, num_evaluators=2, pin_gpus=True) as pool:\n"
        "    print(check_gpu.errors_of(pool.evaluate(check_gpu.tasks(2))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).parent)],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": name},
        capture_output=True,
        text=True,
        check=False,
    )
    report(f"pinned to {name}", (done.stdout or done.stderr[-200:]).strip(), done.stdout.strip() == "[]")


def compiled_models(report: Report, folder: Path) -> None:
    with EvaluatorPool(compile_a_model, num_evaluators=1, evaluation_timeout=120) as pool:
        outcomes = pool.evaluate(tasks(3))
    report("torch.compile, three times in one worker", errors_of(outcomes) or "no failure", not errors_of(outcomes))
    report("... seconds", [round(outcome.score, 1) for outcome in outcomes])


def ranks(report: Report, folder: Path) -> None:
    with EvaluatorPool(start_ranks, num_evaluators=1, evaluation_timeout=120) as pool:
        outcomes = pool.evaluate(tasks(2))
    report("torchrun with NCCL inside of evaluations", errors_of(outcomes) or "no failure", not errors_of(outcomes))


def lightning_module(report: Report, folder: Path) -> None:
    if find_spec("pytorch_lightning") is None:
        report("PyTorch Lightning", "not installed")
        return
    with EvaluatorPool(train_with_lightning, num_evaluators=2, seed_torch=True, evaluation_timeout=120) as pool:
        outcomes = pool.evaluate(tasks(4))
    report("PyTorch Lightning on the GPU, two at a time", errors_of(outcomes) or "no failure", not errors_of(outcomes))


def jax_evaluations(report: Report, folder: Path) -> None:
    if find_spec("jax") is None:
        report("JAX", "not installed")
        return
    for preallocate in ("true", "false"):
        os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = preallocate
        with EvaluatorPool(add_with_jax, num_evaluators=2, evaluation_timeout=120) as pool:
            errors = errors_of(pool.evaluate(tasks(4)))
        report(
            f"JAX, two at a time, XLA_PYTHON_CLIENT_PREALLOCATE={preallocate}",
            errors[:1] or "no failure",
            preallocate == "true" or not errors,
        )


def throughput(report: Report, folder: Path) -> None:
    rates = {}
    for evaluators in (1, 2, 4, 8):
        with EvaluatorPool(train, num_evaluators=evaluators, seed_torch=True) as pool:
            pool.evaluate(tasks(evaluators))  # starts the workers
            began = time.perf_counter()
            pool.evaluate(tasks(24))
            rates[evaluators] = 24 / (time.perf_counter() - began)
    report("evaluations a second with 1, 2, 4, 8 evaluators on the GPU", [round(rate, 2) for rate in rates.values()])
    with EvaluatorPool(train, num_evaluators=4, seed_torch=True, evaluations_per_worker=1) as pool:
        began = time.perf_counter()
        pool.evaluate(tasks(16))
        rate = 16 / (time.perf_counter() - began)
    report("... with 4, each evaluation in a fresh process", round(rate, 2))


def samples(report: Report, folder: Path) -> None:
    """Check samples that depend on no machine: of a cascade trained on a table, by one thread."""
    import numpy as np
    import xgboost

    random = np.random.default_rng(0)
    space = shac.HyperParameterList([shac.UniformHP(name, 0.0, 1.0) for name in "abc"])
    models = []
    for stage in range(4):
        X = random.random((100, 3), dtype=np.float32)
        y = (X[:, stage % 3] + X[:, (stage + 1) % 3] > 1).astype(int)
        models.append(xgboost.XGBClassifier(n_estimators=50, n_jobs=1, random_state=0).fit(X, y))
    drawn, _ = shac.Cascade(models, space).sample(1000, seed=0)
    digest = hashlib.sha256(drawn.tobytes()).hexdigest()[:16]
    report("samples equal those drawn without a GPU", digest, digest == DIGEST_OF_SAMPLES)


CHECKS: list[Callable[[Report, Path], None]] = [
    samples,
    marked_tests,
    default_evaluators,
    networks,
    same_table,
    cache_is_given_back,
    memory_that_leaks,
    memory_limit,
    error_in_a_kernel,
    time_limit,
    killed_search,
    gpu_by_name,
    parent_that_uses_cuda,
    compiled_models,
    ranks,
    lightning_module,
    jax_evaluations,
    throughput,
]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--evaluations", type=int, default=40)
    parser.add_argument("--cpu", action="store_true", help="run the search on the CPU, and no other check")
    parser.add_argument("--only", action="append", choices=[check.__name__ for check in CHECKS], help="run this check")
    arguments = parser.parse_args()
    import torch

    if not arguments.cpu and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU; --cpu checks this program without one")
    report, start = Report(), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        if arguments.cpu:
            networks(report, Path(folder) / "search", arguments.evaluations, 0)
            samples(report, Path(folder))
        else:
            print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
            before = device_memory()
            for check in CHECKS:
                if arguments.only and check.__name__ not in arguments.only:
                    continue
                began = time.perf_counter()
                try:
                    check(report, Path(folder) / check.__name__)
                except Exception:  # noqa: BLE001 - the other checks go on
                    report(check.__name__, traceback.format_exc(), right=False)
                print(f"     {check.__name__}: {time.perf_counter() - began:.1f} s", flush=True)
            after = memory_comes_back(before)
            report("MiB of the device more in use than before", after // MIB, after <= 256 * MIB)
    print(f"{time.perf_counter() - start:.0f} s")
    return 0 if report.is_right else 1


if __name__ == "__main__":
    sys.exit(main())
