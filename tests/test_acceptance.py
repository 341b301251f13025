"""Whole searches at full size: 18 classifiers, real processes."""

import logging
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import searches

import shac

logger = logging.getLogger(__name__)


@pytest.mark.slow
def test_branin_searches_beat_random_search_and_their_samples_pass_every_classifier() -> None:
    bests, random_bests = [], []
    for seed in range(5):
        engine = searches.engine(total_budget=200, num_batches=20, seed=seed, save_dir=f"run{seed}")
        engine.fit(skip_cv_checks=True)
        assert len(engine.classifiers) == 18
        bests.append(min(engine.dataset.Y))
        X = np.array([[s["x"], s["y"]] for s in engine.predict(num_samples=20)], dtype=np.float32)
        assert all((model.predict(X) == 1).all() for model in engine.classifiers)
        prior = shac.Cascade([], engine.cascade.space).draw(200, seed=seed).rows
        random_bests.append(min(searches.branin(0, engine.dataset.prepare_parameter(row)) for row in prior))
    logger.info("median best: search %.4f, random %.4f", np.median(bests), np.median(random_bests))
    assert np.median(bests) < np.median(random_bests)


def test_one_and_two_evaluator_processes_write_the_same_table() -> None:
    for evaluators in (1, 2):
        engine = searches.engine(total_budget=40, num_batches=4, save_dir=str(evaluators), seed=3)
        engine.parallel_evaluators()
        engine.set_num_parallel_evaluators(evaluators)
        engine.fit()
    assert Path("1/dataset.csv").read_bytes() == Path("2/dataset.csv").read_bytes()


@pytest.mark.slow
def test_a_full_cascade_on_hartmann6_restores_in_a_new_process_and_predicts() -> None:
    engine = searches.engine(searches.hartmann6, searches.hartmann6_space(), total_budget=380, num_batches=19)
    engine.fit(skip_cv_checks=True)
    assert len(engine.classifiers) == 18
    script = textwrap.dedent("""
        import time, shac
        engine = shac.SHAC(lambda worker_id, parameters: 0.0, None, 380, 19, "min")
        started = time.perf_counter()
        engine.restore_data()
        restored = time.perf_counter()
        samples = engine.predict(num_samples=100, seed=1)
        print(f"restored in {restored - started:.2f} s, 100 samples in {time.perf_counter() - restored:.2f} s")
        print(repr([s["x"] for s in samples]))
    """)
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    seconds, samples = output.splitlines()
    logger.info(seconds)
    X = np.array(eval(samples), dtype=np.float32)
    assert X.shape == (100, 6)
    assert all((model.predict(X) == 1).all() for model in engine.classifiers)
