"""Stop a search, take it up again in another engine, and get what an undisturbed search gives.

Run it with ``python examples/restore.py``.
"""

import argparse
import tempfile

import shac


def loss(worker_id, parameters):
    return (parameters["x"] - 0.3) ** 2 + (parameters["n"] - 5) ** 2


def new_search(arguments, folder):
    return shac.SHAC(
        loss,
        [shac.UniformHP("x", 0.0, 1.0), shac.IntegerHP("n", 1, 20)],
        arguments.total_budget,
        arguments.num_batches,
        objective="min",
        save_dir=f"{arguments.save_dir}/{folder}",
        seed=0,
    )


class StopAfterTwoRounds(shac.Callback):
    """Stands in for Ctrl-C, a crash or a power cut."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total-budget", type=int, default=80)
    parser.add_argument("--num-batches", type=int, default=8)
    parser.add_argument("--save-dir", default=tempfile.mkdtemp())
    arguments = parser.parse_args()

    try:
        new_search(arguments, "stopped").fit(callbacks=[StopAfterTwoRounds()])
    except KeyboardInterrupt:
        print("stopped")
    search = new_search(arguments, "stopped")
    search.restore_data()
    print(f"restored {len(search.dataset)} evaluations and {len(search.classifiers)} classifiers")
    search.fit()

    undisturbed = new_search(arguments, "undisturbed")
    undisturbed.fit()
    print("the same as an undisturbed search:", search.dataset.to_csv() == undisturbed.dataset.to_csv())


if __name__ == "__main__":
    main()
