"""Parameters of your own: with a quantile function, with nothing but a way to sample, and from scipy.stats.

Run it with ``python examples/custom_parameters.py``.
"""

import argparse
import tempfile

import numpy as np
import scipy.stats

import shac


class Triangular(shac.AbstractHyperParameter):
    """A float in (0, 1) with the density 2x. With a quantile function it runs in the compiled sampler."""

    def quantile(self, u):
        return np.sqrt(u)

    def cdf(self, encoded):
        return np.clip(encoded, 0, 1) ** 2


class Walk(shac.AbstractHyperParameter):
    """Where a random walk of ten steps ends: easy to sample, hard to invert. Runs through Python."""

    def sample(self):
        return int(self.random.choice([-1, 1], size=10).sum())


# A saved search finds the classes by their names.
shac.set_custom_parameter_class(Triangular)
shac.set_custom_parameter_class(Walk)


def loss(worker_id, parameters):
    return abs(parameters["share"] - 0.8) + abs(parameters["walk"] - 2) / 10 + parameters["delay"]


def search_space(with_walk):
    space = [Triangular("share"), shac.ScipyHyperParameter("delay", scipy.stats.expon(scale=0.2))]
    return [*space, Walk("walk")] if with_walk else [*space, shac.IntegerHP("walk", -10, 10)]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--total-budget", type=int, default=120)
    parser.add_argument("--num-batches", type=int, default=6)
    parser.add_argument("--save-dir", default=tempfile.mkdtemp())
    arguments = parser.parse_args()

    for name, with_walk in [("compiled", False), ("through Python", True)]:
        search = shac.SHAC(
            loss,
            search_space(with_walk),
            arguments.total_budget,
            arguments.num_batches,
            objective="min",
            save_dir=f"{arguments.save_dir}/{name.split()[-1].lower()}",
            seed=0,
        )
        search.fit(skip_cv_checks=True)
        best = search.dataset.get_best_parameters()
        print(f"{name}: best loss {min(search.dataset.Y):.3f} at share={best['share']:.2f}, walk={best['walk']}")


if __name__ == "__main__":
    main()
