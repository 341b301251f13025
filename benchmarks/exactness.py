"""Samples of every path against plain filtering of the prior through XGBoost, as statistics.

The reference of a cascade knows nothing of the core: NumPy's generator draws uniforms, the parameters turn them into
values, and XGBoost, asked stage by stage, throws rows away. Each path draws as many samples with a seed
of its own. Compared are, by two-sample tests:

- each continuous column, by Kolmogorov-Smirnov, and by chi-square on ten bins of the reference;
- each discrete column, by chi-square on its values;
- the sum of the stages' margins, by Kolmogorov-Smirnov: it depends on all columns together.

All tests of a run share one family-wise error rate, 0.001, by Bonferroni: a sound program ends one run in a thousand
with exit code 1, were the seeds not fixed. Paths that promise the same samples for the same seed (tables or none, any
number of threads) are compared bit for bit. `--quick` takes smaller samples of shallower cascades.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.stats
import xgboost

import shac

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

FAMILY_WISE_ERROR_RATE = 1e-3
BLOCK = 65_536
MAX_ATTEMPTS = 100


class OnlySampled(shac.AbstractHyperParameter):
    """Has no quantile, so that its cascade runs through Python."""

    def sample(self) -> float:
        return float(self.random.random() ** 2)


def uniforms(width: int) -> list[Any]:
    return [shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(width)]


def mixed(width: int) -> list[Any]:
    """Every kind of prior in turn."""
    kinds: list[Callable[[str], Any]] = [
        lambda name: shac.UniformHP(name, -2.0, 3.0),
        lambda name: shac.DiscreteHP(name, ["a", "b", None, 1]),
        lambda name: shac.NormalHP(name, 1.0, 2.0),
        lambda name: shac.IntegerHP(name, -3, 11),
        lambda name: shac.LogUniformHP(name, 1e-5, 1e-1),
        lambda name: shac.LogIntegerHP(name, 1, 512),
        lambda name: shac.ScipyHyperParameter(name, scipy.stats.beta(2, 5)),
    ]
    return [kinds[i % len(kinds)](f"x{i}") for i in range(width)]


def discrete(width: int) -> list[Any]:
    return [shac.DiscreteHP(f"x{i}", list(range(2 + i))) for i in range(width)]


def sampled(width: int) -> list[Any]:
    return [OnlySampled("x0"), *mixed(width)[1:]]


def conditional(width: int) -> shac.HyperParameterList:
    """Parameters that depend on others, some of them by way of a third, and a constraint."""
    return shac.HyperParameterList(
        [
            shac.UniformHP("x0", 0.0, 1.0),
            shac.DiscreteHP("x1", ["a", "b", "c"]),
            shac.DiscreteHP("x2", ["p", "q"]),
            shac.IntegerHP("x3", 1, 50),
            shac.LogUniformHP("x4", 1e-5, 1e-1),
            shac.IntegerHP("x5", 1, 4),
            shac.UniformHP("x6", 0.0, 1.0),
            *mixed(width)[7:],
        ],
        conditions={
            "x0": {"x1": ["a", "b"]},
            "x2": {"x1": "a"},
            "x3": {"x2": "p", "x5": [1, 2, 3]},
            "x6": {"x5": [2, 4]},
        },
        constraints=["x0 + x6 < 1.2"],
    )


def only_valid(X: Floats) -> Floats:
    """What `conditional` says, by hand: takes away what does not exist, and rows that break the constraint."""
    X = X.copy()
    X[X[:, 1] == 2, 0] = np.nan
    X[X[:, 1] != 0, 2] = np.nan
    X[~(X[:, 2] == 0) | (X[:, 5] == 4), 3] = np.nan
    X[~np.isin(X[:, 5], (2, 4)), 6] = np.nan
    return X[~(X[:, 0] + X[:, 6] >= 1.2)]


@dataclass(frozen=True)
class Case:
    """A cascade that filtering can keep up with."""

    name: str
    parameters: Callable[[int], list[Any] | shac.HyperParameterList]
    width: int
    batch_size: int  # T_c
    num_stages: int
    relax: int = 0
    num_trees: int = 200
    samples: int = 4000


CASES = (
    Case("uniform 2, one stage", uniforms, 2, 10, 1),
    Case("uniform 2, T_c 10", uniforms, 2, 10, 6),
    Case("uniform 2, T_c 100", uniforms, 2, 100, 10),
    Case("uniform 2, 18 stages", uniforms, 2, 40, 18, samples=150),
    Case("mixed 3", mixed, 3, 20, 5),
    Case("mixed 7", mixed, 7, 50, 8),
    Case("mixed 7, relaxed", mixed, 7, 50, 8, relax=2),
    Case("discrete 5", discrete, 5, 40, 4),
    Case("uniform 6", uniforms, 6, 60, 9),
    Case("mixed 20", mixed, 20, 30, 7),
    Case("mixed 40", mixed, 40, 100, 6),
    Case("mixed 40, relaxed", mixed, 40, 100, 6, relax=1),
    Case("conditional 8", conditional, 8, 60, 6),
    Case("conditional 12, relaxed", conditional, 12, 60, 8, relax=1),
    Case("through Python 4", sampled, 4, 40, 4, samples=2000),
)


def train(case: Case, space: shac.HyperParameterList) -> list[xgboost.XGBClassifier]:
    """Each stage on points that those before it accept, as a search does."""
    models: list[xgboost.XGBClassifier] = []
    attempt = 0
    while len(models) < case.num_stages:
        X = draw_batch(case, models, space, attempt)
        ranks = X.argsort(axis=0).argsort(axis=0)
        score = np.abs(ranks - 0.4 * case.batch_size).sum(axis=1) + ranks[:, 0] * ranks[:, -1] / case.batch_size
        labels = (score < np.median(score)).astype(int)
        model = xgboost.XGBClassifier(n_estimators=case.num_trees, n_jobs=1).fit(X, labels)
        attempt += 1
        if len(draw_batch(case, [*models, model], space, attempt)) == case.batch_size:
            models.append(model)
        elif attempt > MAX_ATTEMPTS:
            raise RuntimeError(f"{case.name}: stage {len(models)} leaves too little, whatever it is trained on")
    return models


def draw_batch(case: Case, models: list[xgboost.XGBClassifier], space: shac.HyperParameterList, attempt: int) -> Floats:
    """Points that all stages accept; fewer where that takes more than eight times the expected candidates."""
    limit = 8 * case.batch_size << len(models)
    return shac.Cascade(models, space).sample(case.batch_size, seed=attempt, max_candidates=limit)[0]


def prior_rows(space: shac.HyperParameterList, count: int, random: np.random.Generator) -> Floats:
    columns = []
    for column in space.columns:
        if column.has_quantile:
            values = column.quantile((random.integers(0, 2**52, count) + 0.5) / 2**52)
        else:
            values = column.sample_array(count, random)
        columns.append(column.encode_array(values))
    X = np.stack(columns, axis=1)
    return only_valid(X) if space.conditions else X


def filter_prior(case: Case, models: list[xgboost.XGBClassifier], space: shac.HyperParameterList) -> tuple[Floats, int]:
    """The reference: samples, and how many rows of the prior they took."""
    random = np.random.default_rng(20_18)
    kept: list[Floats] = []
    drawn = 0
    while sum(map(len, kept)) < case.samples:
        X = prior_rows(space, BLOCK, random)
        drawn += len(X)
        failures = np.zeros(len(X), dtype=int)
        for model in models:
            failures += model.get_booster().inplace_predict(X) <= 0.5
            X, failures = X[failures <= case.relax], failures[failures <= case.relax]
            if not len(X):
                break
        kept.append(X)
    return np.concatenate(kept)[: case.samples], drawn


def draw_paths(case: Case, cascade: shac.Cascade) -> Iterator[tuple[str, Floats]]:
    """Samples of each path; raises where paths that promise the same differ."""
    has_quantile = cascade.space.has_quantile
    methods = ("plain", "region") if has_quantile else ("plain",)
    for seed, method in enumerate(methods, start=100):
        draws = [
            cascade.sample(case.samples, seed=seed, threads=threads, relax=case.relax, method=method)  # type: ignore[arg-type]
            for threads in (1, 2, 7)
        ]
        if any(not np.array_equal(X, draws[0][0], equal_nan=True) for X, _ in draws):
            raise AssertionError(f"{case.name}: {method}: the samples depend on the number of threads")
        yield method, draws[0][0]
        if method == "plain" and has_quantile:
            check_without_tables(case, cascade, seed, draws[0][0])
    yield "auto", cascade.sample(case.samples, seed=200, relax=case.relax)[0]


def check_without_tables(case: Case, cascade: shac.Cascade, seed: int, expected: Floats) -> None:
    """The exact forests alone must give the same samples; of few, where they are slow."""
    few = min(case.samples, max(20, 2**22 // 2**case.num_stages))
    bare = shac.Cascade(cascade_models[case.name], cascade.space, max_table_bytes=0)
    if not np.array_equal(
        bare.sample(few, seed=seed, relax=case.relax, method="plain")[0], expected[:few], equal_nan=True
    ):
        raise AssertionError(f"{case.name}: the samples depend on the tables")


cascade_models: dict[str, list[xgboost.XGBClassifier]] = {}


def chi_square(first: NDArray[Any], second: NDArray[Any]) -> float:
    """The p-value of two samples of categories; rare ones are taken together."""
    values, places = np.unique(np.concatenate([first, second]), return_inverse=True)
    counts = np.stack([np.bincount(part, minlength=len(values)) for part in np.split(places.ravel(), [len(first)])])
    order = counts.sum(axis=0).argsort()
    counts = counts[:, order]
    rare = int(np.searchsorted(counts.sum(axis=0).cumsum(), 20))
    if rare:
        counts = np.concatenate([counts[:, : rare + 1].sum(axis=1, keepdims=True), counts[:, rare + 1 :]], axis=1)
    return 1.0 if counts.shape[1] < 2 else float(scipy.stats.chi2_contingency(counts).pvalue)


def compare(space: shac.HyperParameterList, cascade: shac.Cascade, X: Floats, Y: Floats) -> Iterator[tuple[str, float]]:
    for c, column in enumerate(space.columns):
        a, b = X[:, c], Y[:, c]
        if space.conditions:
            yield f"{column.name}: chi-square of what is missing", chi_square(np.isnan(a), np.isnan(b))
            a, b = a[~np.isnan(a)], b[~np.isnan(b)]
        if len(np.unique(a)) < 60:
            yield f"{column.name}: chi-square", chi_square(a, b)
            continue
        inner = np.unique(np.quantile(a, np.linspace(0.1, 0.9, 9)))
        yield f"{column.name}: chi-square", chi_square(np.searchsorted(inner, a), np.searchsorted(inner, b))
        yield f"{column.name}: Kolmogorov-Smirnov", float(scipy.stats.ks_2samp(a, b, method="asymp").pvalue)
    margins = [cascade.margins(rows).sum(axis=1) for rows in (X, Y)]
    yield "margins: Kolmogorov-Smirnov", float(scipy.stats.ks_2samp(*margins, method="asymp").pvalue)


def run_case(case: Case) -> tuple[list[tuple[str, float]], int]:
    made = case.parameters(case.width)
    space = made if isinstance(made, shac.HyperParameterList) else shac.HyperParameterList(made)
    models = cascade_models[case.name] = train(case, space)
    cascade = shac.Cascade(models, space)
    reference, drawn = filter_prior(case, models, space)
    tests = []
    for path, samples in draw_paths(case, cascade):
        tests += [(f"{case.name}: {path}: {what}", p) for what, p in compare(space, cascade, reference, samples)]
    return tests, drawn


def quick(case: Case) -> Case:
    few = min(case.num_stages, 4)
    return Case(case.name, case.parameters, case.width, case.batch_size, few, min(case.relax, 1), 40, 600)


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    tests: list[tuple[str, float]] = []
    rows = 0
    for case in map(quick, CASES) if options.quick else CASES:
        started = time.perf_counter()
        found, drawn = run_case(case)
        tests += found
        rows += drawn
        smallest = min(p for _, p in found)
        print(
            f"{case.name:<26}{case.num_stages:>3} stages, relax {case.relax}: {drawn:>13,} rows filtered, "
            f"{len(found):>4} tests, smallest p {smallest:.2g} ({time.perf_counter() - started:.0f} s)",
            flush=True,
        )
    level = FAMILY_WISE_ERROR_RATE / len(tests)
    wrong = [(name, p) for name, p in tests if p < level]
    for name, p in wrong:
        print(f"DIFFERENT: {name}: p = {p:.2g}")
    print(f"{len(tests)} tests at {level:.2g} each (family-wise {FAMILY_WISE_ERROR_RATE}), {rows:,} rows filtered")
    figures = {
        "cascades": len(CASES),
        "tests": len(tests),
        "rows": rows,
        "different": len(wrong),
        "smallest_p": min(p for _, p in tests),
    }
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
