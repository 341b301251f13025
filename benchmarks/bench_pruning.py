"""What pruning saves: training steps and the final accuracy, on small networks over scikit-learn's digits.

Searches of 60 evaluations in 6 rounds, each of up to 12 epochs, without pruning, with the median rule and with the
rungs of successive halving; next to Optuna's TPE without pruner, with its MedianPruner and with its
SuccessiveHalvingPruner, where Optuna is installed. The final accuracy is that of the best configuration, trained to
its end. All searches train on one thread, and all networks of a search with its seed. Exit code 1 where a training that
is ended has another beginning than one that is not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

import shac
from shac.demo import _digits, _network, _optimiser, digits_space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NUM_EPOCHS, NUM_TRAINING, NUM_VALIDATION = 12, 400, 500
BUDGET, NUM_BATCHES = 60, 6


def epochs_of(parameters: Mapping[str, Any], seed: int) -> Iterator[float]:
    """The accuracy on validation images after each epoch of a training."""
    import torch

    torch.manual_seed(seed)
    torch.set_num_threads(1)
    images, labels = _digits()
    model = _network(parameters)
    optimiser = _optimiser(model, parameters)
    loss_function = torch.nn.CrossEntropyLoss()
    judged = slice(NUM_TRAINING, NUM_TRAINING + NUM_VALIDATION)
    for _ in range(NUM_EPOCHS):
        model.train()
        for batch in torch.randperm(NUM_TRAINING).split(parameters["batch_size"]):
            optimiser.zero_grad()
            loss_function(model(images[batch]), labels[batch]).backward()
            optimiser.step()
        model.eval()
        with torch.no_grad():
            yield float((model(images[judged]).argmax(dim=1) == labels[judged]).float().mean())


class Trainings:
    """Trains, and counts the epochs."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.num_epochs = 0
        self.best = 0.0

    def train(self, parameters: Mapping[str, Any], ends: Any) -> float | None:
        """The last accuracy, or None where `ends`, asked after each epoch, has ended the training."""
        accuracy = 0.0
        for epoch, value in enumerate(epochs_of(parameters, self.seed), start=1):
            self.num_epochs += 1
            accuracy = value
            if ends(epoch, accuracy):
                return None
        self.best = max(self.best, accuracy)
        return accuracy


def with_shac(pruning: str | None, seed: int) -> Trainings:
    """A search by `SHAC`."""
    trainings = Trainings(seed)
    with tempfile.TemporaryDirectory() as folder:
        search = shac.SHAC(None, digits_space(), BUDGET, NUM_BATCHES, save_dir=folder, seed=seed, pruning=pruning)
        while configurations := search.ask(BUDGET // NUM_BATCHES):
            for configuration in configurations:

                def ends(epoch: int, accuracy: float, configuration: Any = configuration) -> bool:
                    return search.report(configuration, epoch, accuracy)

                search.tell(configuration, trainings.train(configuration, ends))
    return trainings


def with_optuna(pruner: str | None, seed: int) -> Trainings:
    """A study by TPE."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    pruners = {
        None: optuna.pruners.NopPruner(),
        "median": optuna.pruners.MedianPruner(n_startup_trials=10),
        "halving": optuna.pruners.SuccessiveHalvingPruner(),
    }
    trainings = Trainings(seed)

    def objective(trial: optuna.Trial) -> float:
        parameters = {
            "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1.0, log=True),
            "weight_decay": trial.suggest_float("weight_decay", 1e-6, 1e-1, log=True),
            "width": trial.suggest_int("width", 8, 256, log=True),
            "depth": trial.suggest_int("depth", 1, 4),
            "dropout": trial.suggest_float("dropout", 0.0, 0.7),
            "activation": trial.suggest_categorical("activation", ["relu", "gelu", "tanh", "sigmoid"]),
            "optimiser": trial.suggest_categorical("optimiser", ["sgd", "adam", "rmsprop"]),
            "batch_size": trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
        }

        def ends(epoch: int, accuracy: float) -> bool:
            trial.report(accuracy, epoch)
            return trial.should_prune()

        accuracy = trainings.train(parameters, ends)
        if accuracy is None:
            raise optuna.TrialPruned
        return accuracy

    sampler = optuna.samplers.TPESampler(seed=seed)
    optuna.create_study(direction="maximize", sampler=sampler, pruner=pruners[pruner]).optimize(objective, BUDGET)
    return trainings


def curves_are_the_same() -> bool:
    """Whether a training that is ended has the beginning of one that is not."""
    space = digits_space()
    (row,) = space.sample_rows(1, np.random.default_rng(3))
    parameters = space.to_parameters(row)
    whole = list(epochs_of(parameters, 0))
    begin = [accuracy for accuracy, _ in zip(epochs_of(parameters, 0), range(3), strict=False)]
    return whole[:3] == begin


def main(arguments: list[str] | None = None) -> int:
    """Check, run, report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--without-optuna", action="store_true")
    options = parser.parse_args(arguments)
    if not curves_are_the_same():
        print("a training that is ended has another beginning", file=sys.stderr)
        return 1
    kinds: dict[str, Any] = {"shac": with_shac}
    if not options.without_optuna:
        kinds["TPE"] = with_optuna
    print(f"{BUDGET} evaluations of at most {NUM_EPOCHS} epochs; medians of {options.seeds} seeds")
    for kind, run in kinds.items():
        for pruning in (None, "median", "halving"):
            made = [run(pruning, seed) for seed in range(options.seeds)]
            share = np.array([one.num_epochs for one in made]) / (BUDGET * NUM_EPOCHS)
            best = np.array([one.best for one in made])
            print(
                f"{kind:<5} {pruning or 'none':<8} epochs {np.median(share):.0%} "
                f"({share.min():.0%} to {share.max():.0%})  accuracy {np.median(best):.4f} "
                f"({best.min():.4f} to {best.max():.4f})",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
