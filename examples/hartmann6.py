"""Minimise Hartmann's function of six floats, with one multi-parameter of six columns.

Run it with ``python examples/hartmann6.py``.
"""

import argparse
import tempfile

import numpy as np

import shac

HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
WIDTHS = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
CENTRES = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)


def hartmann6(worker_id, parameters):
    distances = (WIDTHS * (np.array(parameters["x"]) - CENTRES) ** 2).sum(axis=1)
    return -float(HEIGHTS @ np.exp(-distances))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total-budget", type=int, default=400)
    parser.add_argument("--num-batches", type=int, default=20)
    parser.add_argument("--save-dir", default=tempfile.mkdtemp())
    arguments = parser.parse_args()

    search = shac.SHAC(
        hartmann6,
        [shac.MultiUniformHP("x", 0.0, 1.0, sample_count=6)],
        arguments.total_budget,
        arguments.num_batches,
        objective="min",
        save_dir=arguments.save_dir,
        seed=0,
    )
    search.fit(skip_cv_checks=True)
    best = search.dataset.get_best_parameters()
    print(f"best of {len(search.dataset)} evaluations: {min(search.dataset.Y):.3f} (the minimum is -3.322)")
    print("at", np.round(shac.flatten_parameters(best), 3))
    print(f"one more, from {len(search.classifiers)} classifiers:", search.predict(num_samples=1)[0]["x"])


if __name__ == "__main__":
    main()
