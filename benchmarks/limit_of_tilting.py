"""How much a tilted proposal could lift the acceptance of a full cascade, at the very best.

A proposal tilted by the stages' margins draws x with the density p(x) exp(sum of w_s m_s(x)) and weights w_s >= 0, and
keeps an accepted x with the probability exp(-sum of w_s m_s(x)), so that samples keep their distribution. It lifts the
share of draws that give a sample by 1 / E[exp(sum of w_s m_s)], the mean under the prior. No proposal by upper bounds
of the margins (which is what could be drawn column by column) can do better, as bounds only raise that mean. The table
gives the best factor over all weights, from exact margins of candidates of the prior: what is 1.1 there cannot be worth
the work of drawing it.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from scipy.optimize import minimize
from workloads import WORKLOADS, train_cascade

import shac


def best_tilt(margins: Any) -> float:
    """Give the largest factor that a tilt by the margins can lift the acceptance by."""

    def log_mean(weights: Any) -> tuple[float, Any]:
        exponents = margins @ weights
        largest = exponents.max()
        tilted = np.exp(exponents - largest)
        return float(largest + np.log(tilted.mean())), tilted @ margins / tilted.sum()

    num_stages = margins.shape[1]
    result = minimize(log_mean, np.full(num_stages, 0.05), jac=True, bounds=[(0, None)] * num_stages)
    return float(np.exp(-result.fun))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=[name for name in WORKLOADS if not name.startswith("branin")])
    parser.add_argument("--rows", type=int, default=200_000, help="candidates of the prior")
    arguments = parser.parse_args()
    print("workload        columns  best factor  plain draws per sample, about")
    for name in arguments.workloads:
        models, space = train_cascade(WORKLOADS[name])
        X, _ = shac.Cascade([], space).sample(arguments.rows, seed=1)
        factor = best_tilt(shac.Cascade(models, space).margins(X).astype(np.float64))
        print(f"{name:<15} {space.num_columns:>7}  {factor:>11.2f}  2^{len(models)}", flush=True)


if __name__ == "__main__":
    main()
