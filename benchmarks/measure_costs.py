"""Measure the seconds that shac/sampling/costs.py counts with, on one core of this machine.

Only their ratios matter, and they are the same on every machine: a choice by them is a function of the cascade and the
request. So this tells whether they are still right, it does not set them. The costs of the kernels, by which the core
chooses among its own ways, stand in cpp/support/costs.hpp and are measured by ``profile_kernels``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from workloads import WORKLOADS, train_cascade

import shac
from shac.sampling.costs import NEWEST_COSTS
from shac.sampling.extension import core

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NAMES = ("branin-100", "hartmann6-20", "hartmann6-50", "mixed30-20")
BUDGET = 2048
CANDIDATES = 1 << 20
DRAWS = 1 << 17


def seconds(call: Callable[[], Any], repeats: int) -> float:
    """Give the shortest of some runs: what else the machine does only adds."""
    runs = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        runs.append(time.perf_counter() - started)
    return min(runs)


def measure_draws(cascade: shac.Cascade, repeats: int) -> dict[str, float]:
    """Give the seconds of each cost of drawing, for one cascade, by its name."""
    stages, width = cascade.compiled_stages, cascade.space.num_columns
    plain = core.PlainSampler(stages, width)
    exact = core.PlainSampler(stages, width, use_tables=False)
    divided = core.Region(stages, width, 0).refined(BUDGET)
    free, tested = core.RegionSampler(core.Region([], width, 0)), core.RegionSampler(divided)
    undecided = divided.undecided_mass / (divided.accepted_mass + divided.undecided_mass)

    def draw(sampler: core.PlainSampler | core.RegionSampler, draws: int, relax: int = 0) -> float:
        request = {"seed": 1, "count": draws, "max_candidates": draws, "relax": relax}
        return seconds(lambda: sampler.sample(**request), repeats) / draws

    return {
        "instruction": draw(plain, CANDIDATES) / plain.candidate_cost,
        "exact_stage": draw(exact, DRAWS // 16, len(stages)) / len(stages),
        "draw": draw(free, DRAWS),
        "tested_draw": (draw(tested, DRAWS) - NEWEST_COSTS.draw) / undecided if undecided > 0.1 else float("nan"),
    }


def measure_dividing(cascade: shac.Cascade, repeats: int) -> tuple[float, float]:
    """Give the seconds that the divisions of a region are counted with, and those that they take."""
    whole = core.Region(cascade.compiled_stages, cascade.space.num_columns, 0)
    taken = seconds(lambda: whole.refined(BUDGET), repeats)
    return NEWEST_COSTS.of_dividing(whole.refined(BUDGET)) - NEWEST_COSTS.of_dividing(whole), taken


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=f"all of {', '.join(NAMES)} by default")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    print(f"shac {shac.__version__}, {core.simd_levels()[-1]}, {os.cpu_count()} cores; nanoseconds")
    names = options.workloads or NAMES
    cascades = [shac.Cascade(*train_cascade(WORKLOADS[name])) for name in names]
    draws = [measure_draws(cascade, options.repeats) for cascade in cascades]
    print(f"{'':<28}{'counted':>10}" + "".join(f"{name:>14}" for name in names))
    for cost in draws[0]:
        measured = "".join(f"{each[cost] * 1e9:>14.2f}" for each in draws)
        print(f"{cost:<28}{getattr(NEWEST_COSTS, cost) * 1e9:>10.2f}{measured}")
    dividing = [measure_dividing(cascade, options.repeats) for cascade in cascades]
    print(f"{f'{BUDGET} boxes, counted (ms)':<38}" + "".join(f"{counted * 1e3:>14.1f}" for counted, _ in dividing))
    print(f"{f'{BUDGET} boxes, measured (ms)':<38}" + "".join(f"{taken * 1e3:>14.1f}" for _, taken in dividing))
    return 0


if __name__ == "__main__":
    sys.exit(main())
