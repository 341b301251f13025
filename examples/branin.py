"""Minimise Branin's function of two floats, and draw configurations that pass all classifiers.

Run it with ``python examples/branin.py``.
"""

import argparse
import math
import tempfile

import shac


def branin(worker_id, parameters):
    x, y = parameters["x"], parameters["y"]
    valley = (y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6) ** 2
    return valley + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total-budget", type=int, default=200)
    parser.add_argument("--num-batches", type=int, default=20)
    parser.add_argument("--save-dir", default=tempfile.mkdtemp())
    arguments = parser.parse_args()

    space = [shac.UniformHP("x", -5.0, 10.0), shac.UniformHP("y", 0.0, 15.0)]
    search = shac.SHAC(
        branin,
        space,
        arguments.total_budget,
        arguments.num_batches,
        objective="min",
        save_dir=arguments.save_dir,
        seed=0,
    )
    search.fit(skip_cv_checks=True)
    print(f"best of {len(search.dataset)} evaluations: {min(search.dataset.Y):.4f} (the minimum is 0.3979)")

    samples = search.predict(num_samples=10)
    scores = sorted(branin(0, parameters) for parameters in samples)
    print(f"10 configurations that pass {len(search.classifiers)} classifiers: {scores[0]:.3f} to {scores[-1]:.3f}")


if __name__ == "__main__":
    main()
