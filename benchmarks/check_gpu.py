"""What this package does on a GPU, in at most five minutes: the tests marked gpu, and a search of small networks.

``python benchmarks/check_gpu.py`` runs both on the first GPU: 40 small convolutional networks, 4 at a time, with data
loaders that have workers, some of which run out of the GPU's memory. It prints evaluations, failures by reason, the
device's memory before and after, and whether samples equal those that a machine without a GPU draws, and ends with exit
code 1 if something is not as it must be. Without a GPU, ``--cpu`` runs the search, to check this program.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import shac

# Of the encoded samples of `samples`, drawn on a machine without a GPU
DIGEST_OF_SAMPLES = "bb161932071c204e"
TOO_MUCH = 2**50  # bytes; more than any device has
EVALUATORS = 4


def train(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
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
    loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=64, shuffle=True, num_workers=2)
    for images_of_batch, labels_of_batch in loader:
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(images_of_batch.to(device)), labels_of_batch.to(device))
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        hits = model(x[1200:].to(device)).argmax(dim=1).cpu() == y[1200:]
    return float(hits.float().mean())


def search(folder: Path, evaluations: int, gpu_evaluators: int) -> shac.TorchSHAC:
    space = [shac.LogUniformHP("learning_rate", 1e-5, 1e-1), shac.IntegerHP("width", 2, 64)]
    return shac.TorchSHAC(
        train, space, evaluations, 4, gpu_evaluators, max_cpu_evaluators=2, save_dir=folder / "search", seed=0
    )


def samples() -> str:
    """Return the digest of samples that depend on no machine: a cascade trained on a table, by one thread."""
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
    return hashlib.sha256(drawn.tobytes()).hexdigest()[:16]


def device_memory() -> int | None:
    """Return the bytes in use on the first GPU, by whatever process; None without one."""
    import torch

    if not torch.cuda.is_available():
        return None
    free, total = torch.cuda.mem_get_info(0)
    return int(total - free)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--evaluations", type=int, default=40)
    parser.add_argument("--cpu", action="store_true", help="run the search on the CPU, without the tests")
    arguments = parser.parse_args()
    import torch

    if not arguments.cpu and not torch.cuda.is_available():
        parser.error("PyTorch sees no GPU; --cpu checks this program without one")
    began, is_right = time.perf_counter(), True

    def report(title: str, value: object, right: bool = True) -> None:
        nonlocal is_right
        is_right &= right
        print(f"{'ok  ' if right else 'FAIL'} {title:<60} {value}", flush=True)

    if not arguments.cpu:
        print(f"{torch.cuda.get_device_name(0)}, PyTorch {torch.__version__}, CUDA {torch.version.cuda}")
        tests = Path(__file__).parent.parent / "tests"
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", str(tests)],
            capture_output=True,
            text=True,
            check=False,
        )
        last = done.stdout.strip().splitlines()[-1:] or [done.stderr[-200:]]
        report("tests marked gpu", last[0], done.returncode == 0)
    before = device_memory()
    with tempfile.TemporaryDirectory() as folder:
        engine = search(Path(folder), arguments.evaluations, 0 if arguments.cpu else EVALUATORS)
        failures = engine.fit(progress=False).failures
        reasons = Counter(str(failure["error"]) for failure in failures)
        widths = [row[1] for row in engine.dataset.X]
        report("evaluations", len(engine.dataset), len(engine.dataset) == arguments.evaluations)
        report("best validation accuracy", f"{max(engine.dataset.Y):.3f}", max(engine.dataset.Y) > 0.3)
        report("evaluations that asked for too much memory", sum(width > 60 for width in widths))
        report("evaluations that failed", len(failures), len(failures) == sum(width > 60 for width in widths))
        for reason, count in reasons.items():
            report(f"... {count} times", reason[:100], "memory" in reason)
    after = device_memory()
    if before is not None and after is not None:
        report("MiB of the device in use before, after", f"{before >> 20}, {after >> 20}", after <= before + 2**28)
    digest = samples()
    report("samples equal those drawn without a GPU", digest, digest == DIGEST_OF_SAMPLES)
    print(f"{time.perf_counter() - began:.0f} s")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
