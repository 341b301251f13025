"""Decisions of the core next to XGBoost's, row by row: at which stage each row is dropped.

Half of the rows are candidates of the prior, whose samples must also be those of plain rejection on tables; the other
half is made of the thresholds of the models, of their neighbours in float32, and of missing values. Ends with exit code
1 at the first difference.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import shac
from shac.export import export_forest

if TYPE_CHECKING:
    import xgboost
    from numpy.typing import NDArray

    from benchmarks.workloads import WORKLOADS, train_cascade

    Floats = NDArray[np.float32]
else:
    from workloads import WORKLOADS, train_cascade

BLOCK = 1 << 17
SHARE_OF_MISSING = 0.01


def dropped_by_xgboost(models: list[xgboost.XGBClassifier], X: Floats) -> NDArray[np.int32]:
    dropped = np.full(len(X), -1, dtype=np.int32)
    left = np.arange(len(X))
    for stage, model in enumerate(models):
        passes = model.get_booster().inplace_predict(X[left]) > 0.5
        dropped[left[~passes]] = stage
        left = left[passes]
        if not len(left):
            break
    return dropped


def thresholds_of(models: list[xgboost.XGBClassifier], width: int) -> list[Floats]:
    """For each column all thresholds with their neighbours."""
    found: list[list[Floats]] = [[] for _ in range(width)]
    for model in models:
        arrays = export_forest(model)
        splits = arrays.left >= 0
        for column in range(width):
            found[column].append(arrays.value[splits & (arrays.feature == column)])
    result = []
    for parts in found:
        values = np.unique(np.concatenate([np.zeros(1, np.float32), *parts]))
        near = [np.nextafter(values, np.float32(side), dtype=np.float32) for side in (-np.inf, np.inf)]
        result.append(np.unique(np.concatenate([values, *near])))
    return result


def edge_rows(thresholds: list[Floats], count: int, random: np.random.Generator) -> Floats:
    rows = np.stack([random.choice(values, count) for values in thresholds], axis=1)
    rows[random.random(rows.shape) < SHARE_OF_MISSING] = np.nan
    return rows


def compare(name: str, rows: int) -> dict[str, float]:
    models, space = train_cascade(WORKLOADS[name], lambda text: print(f"  {text}", flush=True))
    cascade = shac.Cascade(models, space)
    thresholds = thresholds_of(models, space.num_columns)
    random = np.random.default_rng(0)
    compared = accepted = 0
    started = time.perf_counter()
    for block in range(-(-rows // (2 * BLOCK))):
        candidates, _ = cascade.prefix(0).sample(BLOCK, seed=block)
        for X in (candidates, edge_rows(thresholds, BLOCK, random)):
            expected = dropped_by_xgboost(models, X)
            different = np.flatnonzero(cascade.dropped_at(X) != expected)
            if different.size:
                raise SystemExit(f"{name}: {different.size} rows differ, the first of them {X[different[0]].tolist()}")
            compared += len(X)
            accepted += int((expected == -1).sum())
            if X is candidates:
                samples, report = cascade.sample(BLOCK, seed=block, method="plain", max_candidates=BLOCK)
                if not np.array_equal(samples, X[expected == -1]) or report.candidates != BLOCK:
                    raise SystemExit(f"{name}: plain rejection gives other samples than XGBoost for the seed {block}")
    seconds = time.perf_counter() - started
    print(f"{name:<16}{compared:>13,} rows, {accepted:>9,} accepted, 0 different ({seconds:.0f} s)", flush=True)
    return {"rows": compared, "accepted": accepted, "different": 0, "seconds": round(seconds, 1)}


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000_000, help="in all")
    parser.add_argument(
        "--workloads", nargs="+", choices=WORKLOADS, default=["branin-20", "branin-100", "hartmann6-50", "mixed30-40"]
    )
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    figures = {name: compare(name, -(-options.rows // len(options.workloads))) for name in options.workloads}
    print(f"{sum(entry['rows'] for entry in figures.values()):,} rows, 0 different")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
