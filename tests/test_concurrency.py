"""Threads, forks and worker processes that are not the package's own."""

import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import searches
import xgboost

import shac


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> shac.SHAC:
    engine = searches.engine(total_budget=30, num_batches=3, save_dir=tmp_path_factory.mktemp("search"))
    engine.fit(skip_cv_checks=True)
    return engine


def test_two_engines_in_two_threads_search_as_each_would_alone() -> None:
    def search(name: str, seed: int) -> str:
        engine = searches.engine(total_budget=40, num_batches=4, save_dir=name, seed=seed)
        engine.fit(skip_cv_checks=True)
        return engine.dataset.to_csv()

    alone = [search(f"alone{seed}", seed) for seed in (1, 2)]
    together: dict[int, str] = {}
    threads = [
        threading.Thread(target=lambda seed=seed: together.update({seed: search(f"together{seed}", seed)}))
        for seed in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[1], together[2]] == alone


def test_one_cascade_serves_many_threads_at_once(finished: shac.SHAC) -> None:
    cascade = finished.cascade
    expected = [cascade.sample(200, seed=seed, threads=1)[0].tobytes() for seed in range(8)]
    found: dict[int, bytes] = {}
    barrier = threading.Barrier(8)

    def work(seed: int) -> None:
        barrier.wait()
        for method in ("auto", "plain", "region"):
            cascade.sample(50, seed=seed, threads=2, method=method)
        found[seed] = cascade.sample(200, seed=seed, threads=2)[0].tobytes()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[seed] for seed in range(8)] == expected


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_fork_after_the_core_was_used_can_use_it_too(finished: shac.SHAC) -> None:
    script = textwrap.dedent(f"""
        import sys, os; sys.path.insert(0, {str(Path(searches.__file__).parent)!r})
        import searches
        engine = searches.engine(total_budget=30, num_batches=3, save_dir={str(finished.save_dir)!r})
        engine.restore_data()
        for method in ("plain", "region"):
            expected = engine.cascade.sample(500, seed=1, threads=2, method=method)[0].tobytes()
            child = os.fork()
            if child == 0:
                found = engine.cascade.sample(500, seed=1, threads=2, method=method)[0].tobytes()
                os._exit(0 if found == expected else 3)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            assert engine.cascade.sample(500, seed=1, threads=2, method=method)[0].tobytes() == expected
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split() == ["0", "0"], done.stderr


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_workers_of_joblib_restore_and_draw(finished: shac.SHAC, backend: str) -> None:
    expected = [searches.draw_restored(finished.save_dir, seed) for seed in range(3)]
    found = joblib.Parallel(n_jobs=2, backend=backend)(
        joblib.delayed(searches.draw_restored)(finished.save_dir, seed, 2) for seed in range(3)
    )
    assert list(found) == expected


def test_an_engine_travels_to_a_worker_of_joblib(finished: shac.SHAC) -> None:
    [found] = joblib.Parallel(n_jobs=2, backend="loky")([joblib.delayed(finished.predict)(num_samples=5, seed=3)])
    assert found == finished.predict(num_samples=5, seed=3)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_workers_of_a_torch_data_loader_draw(finished: shac.SHAC, num_workers: int) -> None:
    data = pytest.importorskip("torch.utils.data")
    cascade = finished.cascade
    cascade.sample(10, seed=0, threads=2)

    class Settings(data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[Any]:
            info = data.get_worker_info()
            worker = 0 if info is None else info.id
            yield from cascade.sample(8, seed=worker, threads=2)[0]

    loader = data.DataLoader(Settings(), batch_size=8, num_workers=num_workers)
    batches = sorted(batch.numpy().tobytes() for batch in loader)
    workers = range(max(num_workers, 1))
    assert batches == sorted(cascade.sample(8, seed=worker)[0].tobytes() for worker in workers)


def test_results_do_not_depend_on_what_ran_before(finished: shac.SHAC) -> None:
    first = finished.cascade.sample(100, seed=5)[0]
    finished.cascade.sample(1000, seed=6, method="region")
    assert np.array_equal(finished.cascade.sample(100, seed=5)[0], first)


def test_threads_that_compile_one_cascade_at_the_same_time_get_the_same_of_it() -> None:
    space = shac.HyperParameterList([shac.UniformHP(f"x{i}", 0.0, 1.0) for i in range(4)])
    random = np.random.default_rng(0)
    X = random.random((60, 4), dtype=np.float32)
    models = [
        xgboost.XGBClassifier(n_estimators=60, n_jobs=1, random_state=k, min_child_weight=0).fit(
            X, (X @ random.random(4) + 0.1 * random.random(60)) > 1
        )
        for k in range(8)
    ]
    alone = shac.Cascade(models, space)
    expected = alone.sample(200, seed=3)[0].tobytes(), alone.volume()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(25):
            cascade = shac.Cascade(models, space)
            barrier = threading.Barrier(8)
            found: list[bytes] = []

            def work(cascade: shac.Cascade = cascade, barrier: threading.Barrier = barrier) -> None:
                barrier.wait()
                found.append(cascade.sample(200, seed=3)[0].tobytes())  # noqa: B023

            threads = [threading.Thread(target=work) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert found == [expected[0]] * 8
            assert cascade.volume() == expected[1]
    finally:
        sys.setswitchinterval(interval)
