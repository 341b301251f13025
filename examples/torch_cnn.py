"""Search the hyper-parameters of a small convolutional network on scikit-learn's digits, on GPUs or on the CPU.

Run it with ``python examples/torch_cnn.py --gpu-evaluators 2``, or without GPUs ``python examples/torch_cnn.py``.
"""

import argparse
import tempfile

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

import shac

NUM_TRAINING = 1200


def load_images(device):
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    images = torch.tensor(images[order] / 16, dtype=torch.float32, device=device).reshape(-1, 1, 8, 8)
    return images, torch.tensor(labels[order], device=device)


def train(worker_id, parameters):
    device = shac.torch_device(worker_id)  # this evaluation's slot; several slots may share a GPU
    images, labels = load_images(device)
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
    for _ in range(parameters["epochs"]):
        for batch in torch.randperm(NUM_TRAINING, device=device).split(64):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        hits = model(images[NUM_TRAINING:]).argmax(dim=1) == labels[NUM_TRAINING:]
    return hits.float().mean().item()


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
