"""`predict` of searches against plain filtering of the prior through XGBoost, as statistics.

For three strategies and four spaces a search is made, and `predict` draws by its first classifier and by all of them.
The reference knows nothing of the core: NumPy's uniforms through the parameters' quantiles, and XGBoost throws rows
away. The tests are those of `exactness.py`: each continuous column by Kolmogorov-Smirnov and chi-square, each discrete
one by chi-square, and the sum of the margins. All tests of a run share one family-wise error rate, 0.001, by
Bonferroni. Exit code 1 where one fails, or where `predict` says that it did not draw exactly.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any

import numpy as np

import shac

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from benchmarks.exactness import (
        BLOCK,
        FAMILY_WISE_ERROR_RATE,
        compare,
        conditional,
        discrete,
        mixed,
        prior_rows,
        uniforms,
    )

    Floats = NDArray[np.float32]
else:
    from exactness import BLOCK, FAMILY_WISE_ERROR_RATE, compare, conditional, discrete, mixed, prior_rows, uniforms

STRATEGIES = ("guided", "pooled", "paper")
SPACES: dict[str, tuple[Callable[[int], Any], int]] = {
    "uniform 4": (uniforms, 4),
    "mixed 7": (mixed, 7),
    "discrete 5": (discrete, 5),
    "conditional 8": (conditional, 8),
}


def search_of(space: shac.HyperParameterList, strategy: str, budget: int, num_batches: int) -> shac.SHAC:
    """A search for what is near the lower third of every column."""

    def distance(worker_id: int, parameters: Any) -> float:
        encoded = space.encode(space.to_row(parameters))
        there = ~np.isnan(encoded)
        ranks = np.array([column.cdf(encoded[[c]])[0] for c, column in enumerate(space.columns) if there[c]])
        return float(np.abs(ranks - 0.33).sum() + (~there).sum() * 0.2)

    folder = tempfile.mkdtemp(prefix="exactness-predict-")
    made = shac.SHAC(distance, space, budget, num_batches, "min", save_dir=folder, seed=0, strategy=strategy)
    made.concurrent_evaluators()
    made.fit(skip_cv_checks=True, progress=False)
    return made


def filtered(search: shac.SHAC, num_stages: int, count: int) -> Floats:
    """The reference."""
    space = search.cascade.space
    random = np.random.default_rng(20_18)
    kept: list[Floats] = []
    while sum(map(len, kept)) < count:
        X = prior_rows(space, BLOCK, random)
        for model in search.classifiers[:num_stages]:
            if len(X):
                X = X[model.get_booster().inplace_predict(X) > 0.5]
        kept.append(X)
    return np.concatenate(kept)[:count]


def tests_of(strategy: str, name: str, budget: int, num_batches: int, count: int) -> Iterator[tuple[str, float]]:
    build, width = SPACES[name]
    made = build(width)
    space = made if isinstance(made, shac.HyperParameterList) else shac.HyperParameterList(made)
    search = search_of(space, strategy, budget, num_batches)
    for num_stages in sorted({1, len(search.classifiers)}):
        predicted = search.predict(num_samples=count, max_classifiers=num_stages, seed=11)
        if not predicted.is_exact:
            raise AssertionError(f"{strategy}, {name}: predict did not draw exactly")
        drawn = space.encode_rows([space.to_row(configuration) for configuration in predicted])
        cascade = search.cascade.prefix(num_stages)
        for what, p in compare(space, cascade, filtered(search, num_stages, count), drawn):
            yield f"{strategy}: {name}: {num_stages} classifiers: {what}", p


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller samples of shorter searches")
    options = parser.parse_args()
    budget, num_batches, count = (40, 4, 500) if options.quick else (80, 8, 4000)
    tests: list[tuple[str, float]] = []
    for strategy in STRATEGIES:
        for name in SPACES:
            started = time.perf_counter()
            found = [*tests_of(strategy, name, budget, num_batches, count)]
            tests += found
            smallest, seconds = min(p for _, p in found), time.perf_counter() - started
            print(
                f"{strategy}, {name}: {len(found)} tests, smallest p {smallest:.2g} ({seconds:.0f} s)",
                flush=True,
            )
    level = FAMILY_WISE_ERROR_RATE / len(tests)
    wrong = [(what, p) for what, p in tests if p < level]
    for what, p in wrong:
        print(f"DIFFERENT: {what}: p = {p:.2g}")
    print(f"{len(tests)} tests at {level:.2g} each (family-wise {FAMILY_WISE_ERROR_RATE})")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
