"""Train the classifiers on a table of configurations that were evaluated before, then draw better ones.

Run it with ``python examples/fit_dataset.py``.
"""

import argparse
import csv
import random
import tempfile
from pathlib import Path

import shac


def score(parameters):
    """Stand in for results from an earlier project; larger is better."""
    return -((parameters["x"] - 0.7) ** 2) - (0.1 if parameters["kind"] == "slow" else 0.0)


def write_table(path, num_rows):
    """Write a table as any other program would: a header, a row for each configuration, its score."""
    numbers = random.Random(0)
    with path.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["x", "kind", "scores"])
        for _ in range(num_rows):
            configuration = {"x": numbers.random(), "kind": numbers.choice(["slow", "fast"])}
            table.writerow([*configuration.values(), score(configuration)])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total-budget", type=int, default=200)
    parser.add_argument("--num-batches", type=int, default=5)
    parser.add_argument("--save-dir", default=tempfile.mkdtemp())
    arguments = parser.parse_args()

    table = Path(tempfile.mkdtemp()) / "results.csv"
    write_table(table, arguments.total_budget)
    search = shac.SHAC(
        lambda worker_id, parameters: score(parameters),
        [shac.UniformHP("x", 0.0, 1.0), shac.DiscreteHP("kind", ["slow", "fast"])],
        arguments.total_budget,
        arguments.num_batches,
        save_dir=arguments.save_dir,
        seed=0,
    )
    search.fit_dataset(table)
    samples = search.predict(num_samples=100)
    before = sum(search.dataset.Y) / len(search.dataset)
    after = sum(score(parameters) for parameters in samples) / len(samples)
    print(f"{len(search.classifiers)} classifiers trained on {len(search.dataset)} rows of {table.name}")
    print(f"mean score of the table: {before:.4f}, of 100 configurations that pass: {after:.4f}")


if __name__ == "__main__":
    main()
