import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from typing import Any

import cascades
import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st

import shac
from shac.sampling.extension import core


def assert_same_answers(model: Any, X: cascades.Floats) -> None:
    cascade = shac.Cascade([model], cascades.unit_space(X.shape[1]))
    expected = cascades.predict_margins(model, X)
    assert cascade.margins(X)[:, 0].tobytes() == expected.tobytes()
    probabilities = model.get_booster().inplace_predict(X)
    assert np.array_equal(cascade.accepts(X), probabilities > 0.5)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_margins_and_decisions_are_those_of_xgboost(data: st.DataObject) -> None:
    rows = data.draw(st.sampled_from([10, 33, 100, 500, 2000]), "rows")
    width = data.draw(st.sampled_from([1, 2, 7, 20, 60]), "width")
    random = np.random.default_rng(data.draw(st.integers(0, 2**32), "seed"))
    X = (random.random((rows, width)) * 10.0 ** random.integers(-3, 4, width)).astype(np.float32)
    if data.draw(st.booleans(), "missing"):
        X[random.random(X.shape) < 0.2] = np.nan
    score = np.nan_to_num(X[:, 0]) + random.random(rows) * np.nan_to_num(X).mean()
    labels = (score > np.median(score)).astype(int)
    model = xgboost.XGBClassifier(
        n_estimators=data.draw(st.sampled_from([1, 3, 50, 300]), "trees"),
        max_depth=data.draw(st.integers(1, 8), "depth"),
        gamma=data.draw(st.sampled_from([0.0, 0.5, 5.0]), "gamma"),
        tree_method=data.draw(st.sampled_from(["exact", "hist", "approx"]), "method"),
        min_child_weight=data.draw(st.sampled_from([0.0, 1.0]), "min_child_weight"),
        subsample=data.draw(st.sampled_from([0.5, 1.0]), "subsample"),
        n_jobs=1,
    ).fit(X, labels)
    forest = core_forest(model)
    probes = random.choice(X, 300)
    for feature in random.choice(width, min(width, 5), replace=False):
        thresholds = forest.thresholds(int(feature))
        if thresholds.size:
            near = cascades.neighbours_of_thresholds(thresholds)
            probes[:, feature] = random.choice(near, 300)
    probes[random.random(probes.shape) < 0.05] = np.nan
    assert_same_answers(model, np.concatenate([X, probes]))


def core_forest(model: Any) -> core.Forest:
    return shac.Cascade([model], cascades.unit_space(model.n_features_in_))._compiled.forests[0]


def test_rows_on_every_threshold_and_one_float_to_either_side_get_xgboosts_answers() -> None:
    model = cascades.train_cascade(cascades.bowl, 2, 1, 500)[0]
    forest = core_forest(model)
    x, y = (cascades.neighbours_of_thresholds(forest.thresholds(f)) for f in (0, 1))
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    assert len(grid) > 5000
    assert_same_answers(model, grid)


def test_infinities_are_compared_as_numbers_as_predict_does() -> None:
    model = cascades.train_cascade(cascades.bowl, 3, 1, 100)[0]
    rows = np.array(np.meshgrid([-np.inf, 0.4, np.inf, np.nan], [-np.inf, np.inf], [0.1, np.inf]), dtype=np.float32)
    assert_same_answers(model, np.ascontiguousarray(rows.reshape(3, -1).T))


def test_the_decision_rule_is_xgboosts_for_margins_around_zero() -> None:
    X = np.ones((4, 1), dtype=np.float32)
    booster = xgboost.train(
        {"objective": "binary:logistic", "base_score": 0.5}, xgboost.DMatrix(X, label=[0, 1, 0, 1]), 1
    )
    bits = np.arange(np.float32(1e-8).view(np.int32), np.float32(5e-7).view(np.int32), 997, dtype=np.int32)
    threshold = np.float32(core.decision_threshold())
    margins = np.concatenate([bits.view(np.float32), cascades.neighbours_of_thresholds(np.array([threshold]))])
    margins = np.concatenate([margins, -margins, [0.0]]).astype(np.float32)
    data = xgboost.DMatrix(np.ones((len(margins), 1), dtype=np.float32))
    data.set_base_margin(margins)
    assert np.array_equal(booster.predict(data, output_margin=True), margins)
    assert np.array_equal(booster.predict(data) > 0.5, margins >= threshold)


@pytest.fixture(scope="module")
def models() -> list[xgboost.XGBClassifier]:
    return cascades.train_cascade(cascades.bowl, 3, 6, 60)


@pytest.fixture(scope="module")
def cascade(models: list[xgboost.XGBClassifier]) -> shac.Cascade:
    return shac.Cascade(models, cascades.unit_space(3))


def test_rows_that_fail_more_stages_than_relaxed_are_refused(
    models: list[xgboost.XGBClassifier], cascade: shac.Cascade
) -> None:
    X = np.random.default_rng(0).random((20_000, 3), dtype=np.float32)
    failures = sum((model.predict(X) == 0).astype(int) for model in models)
    for relax in range(7):
        assert np.array_equal(cascade.accepts(X, relax), failures <= relax)
        assert np.array_equal(cascade.accepts(X, relax, threads=3), failures <= relax)


def test_each_row_is_dropped_where_its_failures_exceed_the_relaxation(
    models: list[xgboost.XGBClassifier], cascade: shac.Cascade
) -> None:
    X = np.random.default_rng(1).random((5000, 3), dtype=np.float32)
    failed = np.stack([model.predict(X) == 0 for model in models], axis=1).cumsum(axis=1)
    for relax in (0, 2):
        over = failed > relax
        expected = np.where(over.any(axis=1), over.argmax(axis=1), -1)
        assert np.array_equal(cascade.dropped_at(X, relax), expected)


def test_float64_rows_are_cast_as_xgboost_casts(cascade: shac.Cascade) -> None:
    X = np.random.default_rng(2).random((1000, 3))
    assert np.array_equal(cascade.margins(X), cascade.margins(X.astype(np.float32)))
    assert np.array_equal(cascade.margins(np.full((1, 3), 1e300)), cascade.margins(np.full((1, 3), np.inf)))


def test_rows_of_any_memory_layout_give_the_same(cascade: shac.Cascade) -> None:
    X = np.random.default_rng(3).random((1000, 6), dtype=np.float32)
    expected = cascade.margins(np.ascontiguousarray(X[:, ::2]))
    assert np.array_equal(cascade.margins(X[:, ::2]), expected)
    assert np.array_equal(cascade.margins(np.asfortranarray(X[:, ::2])), expected)
    assert np.array_equal(cascade.margins(X[:, ::2].tolist()), expected)


@pytest.mark.parametrize("X", [np.zeros((2, 4)), np.zeros(3), np.zeros((1, 2, 3)), [[0.0, 1.0]]])
def test_rows_of_a_wrong_shape_are_refused(cascade: shac.Cascade, X: Any) -> None:
    for call in (cascade.accepts, cascade.margins, cascade.dropped_at):
        with pytest.raises(ValueError, match=r"X: expected an array of shape \(rows, 3\), got shape"):
            call(X)


def test_no_rows_at_all_are_fine(cascade: shac.Cascade) -> None:
    assert cascade.accepts(np.zeros((0, 3))).shape == (0,)
    assert cascade.margins(np.zeros((0, 3))).shape == (0, 6)


def test_a_model_of_another_width_is_refused(models: list[xgboost.XGBClassifier]) -> None:
    with pytest.raises(ValueError, match=r"models: expected 2 features .* got 3 in the model of stage 0"):
        shac.Cascade(models, cascades.unit_space(2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"relax": -1}, "relax: expected an integer from 0"),
        ({"relax": 1.5}, "relax: expected an integer, got 1.5"),
        ({"threads": 0}, "threads: expected an integer from 1"),
        ({"seed": -1}, "seed: expected an integer from 0"),
        ({"seed": 2**64}, "seed: expected an integer from 0"),
        ({"n": -1}, "n: expected an integer from 0"),
        ({"n": "many"}, "n: expected an integer, got 'many'"),
        ({"max_candidates": -1}, "max_candidates: expected an integer from 0"),
        ({"method": "magic"}, "method: expected one of"),
    ],
)
def test_bad_arguments_of_sample_are_named(cascade: shac.Cascade, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cascade.sample(**{"n": 1, **arguments})


def test_a_prefix_and_an_extension_answer_as_a_new_cascade_would(models: list[xgboost.XGBClassifier]) -> None:
    space = cascades.unit_space(3)
    X = np.random.default_rng(4).random((2000, 3), dtype=np.float32)
    short = shac.Cascade(models[:4], space)
    grown = shac.Cascade(models[:3], space).extended(models[3])
    cut = shac.Cascade(models, space).prefix(4)
    for other in (grown, cut):
        assert other.num_stages == 4
        assert np.array_equal(other.margins(X), short.margins(X))
        assert np.array_equal(other.sample(50, seed=5)[0], short.sample(50, seed=5)[0])
    with pytest.raises(ValueError, match="num_stages: expected an integer from 0 to 4, got 5"):
        short.prefix(5)


def broken_arrays(**changes: Any) -> dict[str, Any]:
    arrays: dict[str, Any] = {
        "tree_begin": np.array([0, 3], dtype=np.int64),
        "left": np.array([1, -1, -1], dtype=np.int32),
        "right": np.array([2, -1, -1], dtype=np.int32),
        "feature": np.array([0, 0, 0], dtype=np.int32),
        "value": np.array([0.5, -1.0, 1.0], dtype=np.float32),
        "default_left": np.array([0, 0, 0], dtype=np.uint8),
        "base_score": 0.5,
        "num_features": 1,
    }
    return {**arrays, **changes}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"left": np.array([1, -1], dtype=np.int32)}, "same length"),
        ({"tree_begin": np.array([0, 2], dtype=np.int64)}, "tree_begin"),
        ({"right": np.array([0, -1, -1], dtype=np.int32)}, "reached twice"),
        ({"right": np.array([9, -1, -1], dtype=np.int32)}, "right child 9"),
        ({"feature": np.array([1, 0, 0], dtype=np.int32)}, "feature 1 is not below the width 1"),
        ({"value": np.array([np.nan, 0, 0], dtype=np.float32)}, "threshold must be finite"),
        ({"value": np.array([[0.5, -1.0, 1.0]], dtype=np.float32)}, "value: expected 1 dimension, got 2"),
        ({"base_score": 1.5}, "base_score"),
    ],
)
def test_broken_arrays_are_refused_by_the_core(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        core.Forest(**broken_arrays(**changes))


def test_arrays_of_another_dtype_are_refused_by_the_core() -> None:
    with pytest.raises(TypeError):
        core.Forest(**broken_arrays(value=np.array([0.5, -1.0, 1.0])))


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT to a process")
@pytest.mark.parametrize(
    "call",
    [
        "cascade.sample(1, threads=1, method='plain')",
        "cascade.sample(1, threads=2, method='plain')",
        "cascade.margins(X)",
    ],
)
def test_ctrl_c_ends_a_running_call_at_once_and_leaves_python_usable(call: str) -> None:
    script = textwrap.dedent(f"""
        import numpy as np, shac, sys, time, xgboost
        space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
        X = np.linspace(0, 1, 2000, dtype=np.float32)[:, None]
        low = xgboost.XGBClassifier(n_estimators=300, n_jobs=1).fit(X, X[:, 0] < 0.4)
        high = xgboost.XGBClassifier(n_estimators=300, n_jobs=1).fit(X, X[:, 0] > 0.6)
        cascade = shac.Cascade([low, high] * 9, space)
        assert not cascade.accepts(X).any()
        X = np.zeros((5_000_000, 1), dtype=np.float32)
        print("ready", flush=True)
        try:
            {call}
        except KeyboardInterrupt:
            interrupted = time.monotonic()
        assert cascade.sample(1, max_candidates=10)[1].exhausted
        print(interrupted, flush=True)
    """)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        interrupted = float(process.stdout.readline())
    assert process.returncode == 0
    assert interrupted - sent < 0.2 + 0.3  # the promise, and what a loaded machine adds


def with_missing(X: cascades.Floats, seed: int) -> cascades.Floats:
    missing = np.random.default_rng(seed).random(X.shape) < 0.2
    return np.where(missing, np.float32(np.nan), X)


def pickled_and_back(cascade: shac.Cascade) -> Any:
    return pickle.loads(pickle.dumps(cascade))  # noqa: S301  # our own bytes


def test_a_cascade_that_was_pickled_decides_and_draws_as_before() -> None:
    models = cascades.train_cascade(cascades.bowl, 3, 4, 60)
    X = with_missing(np.random.default_rng(0).random((2000, 3), dtype=np.float32), 1)
    models.append(cascades.train_stage(X, cascades.bowl(np.nan_to_num(X)), base_score=0.3))
    cascade = shac.Cascade(models, cascades.unit_space(3), max_table_bytes=1 << 12)
    volume, samples = cascade.grown_volume(), cascade.sample(100, seed=5)[0]
    for again in (pickled_and_back(cascade), copy.deepcopy(cascade), copy.copy(cascade)):
        assert again.margins(X).tobytes() == cascade.margins(X).tobytes()
        assert np.array_equal(again.dropped_at(X), cascade.dropped_at(X))
        assert again.sample(100, seed=5)[0].tobytes() == samples.tobytes()
        assert again.grown_volume() == volume
        assert again.prefix(2).margins(X).tobytes() == cascade.prefix(2).margins(X).tobytes()
    assert pickled_and_back(shac.Cascade([], cascades.unit_space(2))).num_stages == 0


def state_of_a_forest(**changed: Any) -> tuple[Any, ...]:
    state = {
        "tree_begin": np.array([0, 3]),
        "left": np.array([1, -1, -1], np.int32),
        "right": np.array([2, -1, -1], np.int32),
        "feature": np.zeros(3, np.int32),
        "value": np.array([0.5, -1.0, 1.0], np.float32),
        "default_left": np.zeros(3, np.uint8),
        "base_score": 0.5,
        "num_features": 1,
    }
    return tuple((state | changed).values())


@pytest.mark.parametrize(
    "state",
    [
        (),
        state_of_a_forest(left=np.array([0, -1, -1], np.int32)),
        state_of_a_forest(left=np.array([7, -1, -1], np.int32)),
        state_of_a_forest(feature=np.ones(3, np.int32)),
        state_of_a_forest(value=np.full(3, np.nan, np.float32)),
        state_of_a_forest(tree_begin=np.array([0, 4])),
        state_of_a_forest(tree_begin=np.array([[0, 3]])),
        state_of_a_forest(left="left"),
        state_of_a_forest(num_features=-1),
        state_of_a_forest(base_score=None),
    ],
)
def test_a_state_that_is_no_forest_is_refused(state: tuple[Any, ...]) -> None:
    core.Forest.__new__(core.Forest).__setstate__(state_of_a_forest())
    with pytest.raises((ValueError, TypeError, RuntimeError)):
        core.Forest.__new__(core.Forest).__setstate__(state)


def test_the_sampler_of_a_longer_cascade_takes_over_the_pilot_of_the_shorter_one() -> None:
    models = cascades.train_cascade(cascades.bowl, 3, 5, 60)
    grown = shac.Cascade(models[:1], cascades.unit_space(3))
    for model in models[1:]:
        grown.draw(5, seed=0, method="plain")
        grown = grown.extended(model)
    stages = grown.compiled_stages
    fresh = core.PlainSampler(stages, 3)
    taken_over = grown._compiled.plain_sampler()
    assert (taken_over.order, taken_over.candidate_cost) == (fresh.order, fresh.candidate_cost)
    # whatever the other one begins with
    other = core.PlainSampler(stages[::-1], 3, shorter=core.PlainSampler((stages[-1], *stages[:2]), 3))
    assert other.candidate_cost == core.PlainSampler(stages[::-1], 3).candidate_cost
