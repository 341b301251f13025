"""Search the hyper-parameters of a small convolutional network on scikit-learn's digits, on GPUs or on the CPU.

Run it with ``python examples/torch_cnn.py --gpu-evaluators 2``, or without GPUs ``python examples/torch_cnn.py``. The
images come from data loaders with worker processes of their own, as in most training scripts.
"""

import argparse
import tempfile

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

import shac

NUM_TRAINING = 1200
NUM_LOADERS = 2  # worker processes of each data loader


def load_images():
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images = torch.tensor(images[order] / 16, dtype=torch.float32).reshape(-1, 1, 8, 8)
    everything = TensorDataset(images, torch.tensor(labels[order]))
    return Subset(everything, range(NUM_TRAINING)), Subset(everything, range(NUM_TRAINING, len(labels)))


def train(worker_id, parameters):
    device = shac.torch_device(worker_id)  # this evaluation's slot; several slots may share a GPU
    training, validation = load_images()
    settings = {"batch_size": 64, "num_workers": NUM_LOADERS, "persistent_workers": NUM_LOADERS > 0}
    channels = parameters["channels"]
    model = nn.Sequential(
        nn.Conv2d(1, channels, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(channels, 2 * channels, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2) if parameters["pooling"] == "max" else nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(parameters["dropout"]),
        nn.Linear(2 * channels * 16, 10),
    ).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=parameters["learning_rate"])
    batches = DataLoader(training, shuffle=True, **settings)
    for _ in range(parameters["epochs"]):
        for images, labels in batches:
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images.to(device)), labels.to(device)).backward()
            optimiser.step()
    model.eval()
    hits = 0
    with torch.no_grad():
        for images, labels in DataLoader(validation, batch_size=1024):
            hits += (model(images.to(device)).argmax(dim=1) == labels.to(device)).sum().item()
    return hits / len(validation)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total-budget", type=int, default=60)
    parser.add_argument("--num-batches", type=int, default=10)
    parser.add_argument("--gpu-evaluators", type=int, default=torch.cuda.device_count())
    parser.add_argument("--save-dir", default=tempfile.mkdtemp())
    arguments = parser.parse_args()

    space = [
        shac.LogUniformHP("learning_rate", 1e-5, 1e-1),
        shac.LogIntegerHP("channels", 2, 16),
        shac.UniformHP("dropout", 0.0, 0.8),
        shac.DiscreteHP("pooling", ["max", "average"]),
        shac.IntegerHP("epochs", 1, 4),
    ]
    search = shac.TorchSHAC(
        train,
        space,
        arguments.total_budget,
        arguments.num_batches,
        max_gpu_evaluators=arguments.gpu_evaluators,
        max_cpu_evaluators=-1,
        save_dir=arguments.save_dir,
        seed=0,
    )
    search.fit(skip_cv_checks=True)
    print(f"best validation accuracy of {len(search.dataset)} networks: {max(search.dataset.Y):.3f}")
    print(dict(search.dataset.get_best_parameters()))


if __name__ == "__main__":
    main()
