"""Seconds that Optuna's Gaussian process takes to choose one setting, by the number of evaluations that there are.

The problem is a sphere in 10 dimensions whose evaluations are settings drawn at random; they cost nothing. Run it with
`OMP_NUM_THREADS=1` for the seconds of one thread.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
import optuna

NUM_COLUMNS = 10


def seconds_to_ask(num_evaluations: int, repeats: int) -> list[float]:
    """Time `repeats` settings, one after the other, with none of their values told."""
    distributions = {f"x{column}": optuna.distributions.FloatDistribution(-5, 5) for column in range(NUM_COLUMNS)}
    study = optuna.create_study(sampler=optuna.samplers.GPSampler(seed=1))
    for point in np.random.default_rng(0).uniform(-5, 5, (num_evaluations, NUM_COLUMNS)).tolist():
        setting = dict(zip(distributions, point, strict=True))
        value = sum(x * x for x in point)
        study.add_trial(optuna.trial.create_trial(params=setting, distributions=dict(distributions), value=value))
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        study.ask(dict(distributions))
        seconds.append(time.perf_counter() - started)
    return seconds


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", nargs="+", type=int, default=[200, 400, 800, 1200, 1800], metavar="N")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")  # experimental samplers say so
    print("evaluations  median seconds  lowest  highest")
    for num_evaluations in arguments.evaluations:
        seconds = seconds_to_ask(num_evaluations, arguments.repeats)
        print(f"{num_evaluations:11}  {np.median(seconds):14.2f}  {min(seconds):6.2f}  {max(seconds):7.2f}", flush=True)


if __name__ == "__main__":
    main()
