"""Rows that are given to a cascade: tables first and exact trees over bins, next to XGBoost."""

import os
import subprocess
import sys
import textwrap

import cascades
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

import shac
from shac.sampling.extension import core


def mixed_space(width: int) -> shac.HyperParameterList:
    """Return a space whose columns have edges of every kind: discrete ones share an edge between thresholds."""
    parameters: list[shac.AbstractHyperParameter] = [shac.DiscreteHP("choice", [0, 1, 2])]
    parameters += [shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(1, width - 1)]
    return shac.HyperParameterList([*parameters, shac.NormalHP("normal", 0.5, 0.2)])


def rows_around(models: list[xgboost.XGBClassifier], width: int, count: int, seed: int) -> cascades.Floats:
    """Draw rows inside and outside of the prior, on thresholds, beside them, and missing."""
    random = np.random.default_rng(seed)
    rows = random.normal(0.5, 1.0, (count, width)).astype(np.float32)
    for column in range(width):
        known = np.concatenate([core_forest(model, width).thresholds(column) for model in models])
        if known.size:
            on = random.random(count) < 0.6
            rows[on, column] = random.choice(cascades.neighbours_of_thresholds(known), int(on.sum()))
    rows[random.random(rows.shape) < 0.03] = np.nan
    rows[random.random(rows.shape) < 0.01] = np.inf
    return rows


def core_forest(model: xgboost.XGBClassifier, width: int) -> core.Forest:
    arrays = shac.export.export_forest(model)
    return core.Forest(**{name: getattr(arrays, name) for name in arrays.__slots__})


@pytest.fixture(scope="module")
def models() -> list[xgboost.XGBClassifier]:
    space = mixed_space(5)
    trained: list[xgboost.XGBClassifier] = []
    for stage in range(4):
        X, _ = shac.Cascade(trained, space).sample(60, seed=stage)
        trained.append(cascades.train_stage(X, cascades.bowl(X), n_estimators=60))
    return trained


@given(seed=st.integers(0, 2**32), count=st.sampled_from([1, 3, 50, 64, 1000, 1500, 20_000]), relax=st.integers(0, 2))
@settings(max_examples=25, deadline=None)
def test_tables_before_trees_answer_as_trees_alone_do(
    models: list[xgboost.XGBClassifier], seed: int, count: int, relax: int
) -> None:
    rows = rows_around(models, 5, count, seed)
    trees = shac.Cascade(models, mixed_space(5))
    tables = shac.Cascade(models, mixed_space(5))
    assert len(tables.compiled_stages) == 4  # compiled, so that they are asked
    dropped = trees.dropped_at(rows, relax, threads=1)
    for order in (rows, np.asfortranarray(rows)):
        for threads in (1, 3):
            assert np.array_equal(tables.dropped_at(order, relax, threads=threads), dropped)
            assert np.array_equal(tables.accepts(order, relax, threads=threads), dropped == -1)
    accepted = np.stack([model.predict(rows) == 1 for model in models])
    assert np.array_equal(dropped == -1, (~accepted).sum(axis=0) <= relax)


@pytest.mark.parametrize("depth", [1, 3, 6, 7, 12])
def test_margins_are_those_of_xgboost_at_any_depth_and_order_of_rows(depth: int) -> None:
    random = np.random.default_rng(depth)
    X = random.random((3000, 4), dtype=np.float32)
    X[random.random(X.shape) < 0.1] = np.nan
    noise = random.random(3000) < 0.3
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=depth, min_child_weight=0, n_jobs=1)
    model.fit(X, noise ^ (np.nan_to_num(X[:, 0]) > 0.5))
    cascade = shac.Cascade([model], cascades.unit_space(4))
    expected = cascades.predict_margins(model, X)
    for order in (X, np.asfortranarray(X)):
        for threads in (1, 2):
            assert cascade.margins(order, threads=threads)[:, 0].tobytes() == expected.tobytes()


@pytest.mark.parametrize("level", core.simd_levels())
def test_every_level_of_vector_instructions_gives_the_same_margins(level: str) -> None:
    code = """
        import hashlib, numpy as np, xgboost, shac
        X = np.random.default_rng(0).random((2000, 3), dtype=np.float32)
        model = xgboost.XGBClassifier(n_estimators=50, n_jobs=1).fit(X, X.sum(axis=1) > 1.5)
        space = shac.HyperParameterList([shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(3)])
        margins = shac.Cascade([model], space).margins(X)[:, 0]
        assert margins.tobytes() == model.get_booster().inplace_predict(X, predict_type="margin").tobytes()
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], env={**os.environ, "SHAC_SIMD": level}, check=True, timeout=120
    )


def test_column_major_rows_are_not_copied() -> None:
    rows = np.asfortranarray(np.zeros((10, 3), dtype=np.float32))
    assert shac.sampling.arguments.checked_rows(rows, 3) is rows


def test_the_core_refuses_rows_with_gaps(models: list[xgboost.XGBClassifier]) -> None:
    cascade = core.Cascade([core_forest(models[0], 5)], 5)
    with pytest.raises(ValueError, match="x: expected rows or columns without gaps"):
        cascade.margins(np.zeros((10, 10), dtype=np.float32)[::2, ::2], 1)
