"""The simulated cluster of the benchmark of pruning: its clock, what it ends, and that searches are those of fit."""

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _find_benchmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def simulation() -> Any:
    return importlib.import_module("simulation")


@pytest.fixture
def bench() -> Any:
    return importlib.import_module("bench_pruning")


class Listed:
    """Asks for what is listed; may end trainings, and may wait until all that are under way are told."""

    def __init__(
        self, seconds: list[float], ends: Callable[[int, int], bool] = lambda asked, step: False, batch: int = 99
    ) -> None:
        self.waiting = list(enumerate(seconds))
        self.ends, self.batch = ends, batch
        self.told: list[tuple[int, float | None]] = []
        self.seconds: list[float] = []
        self.reported: list[tuple[int, int]] = []

    def ask(self) -> tuple[int, Mapping[str, Any]] | None:
        if not self.waiting or self.waiting[0][0] >= self.batch + len(self.told) // self.batch * self.batch:
            return None
        number, seconds = self.waiting.pop(0)
        return number, {"seconds": seconds, "loss": float(number)}

    def report(self, asked: int, step: int, loss: float) -> bool:
        self.reported.append((asked, step))
        return self.ends(asked, step)

    def tell(self, asked: int, loss: float | None, seconds: float) -> None:
        self.told.append((asked, loss))
        self.seconds.append(seconds)


def problem_of(simulation: Any, num_steps: int = 1) -> Any:
    def train(setting: Mapping[str, Any]) -> Any:
        return simulation.Training(
            [setting["loss"] + 10.0 * left for left in range(num_steps)][::-1], setting["seconds"]
        )

    return simulation.Problem((), train, 0.0, has_curves=num_steps > 1)


def test_whoever_is_free_takes_what_is_asked_next(simulation: Any) -> None:
    search = Listed([4.0, 1.0, 2.0, 5.0])
    done = simulation.run(search, problem_of(simulation), 2)
    assert search.told == [(1, 1.0), (2, 2.0), (0, 0.0), (3, 3.0)]
    assert done.ends == [1.0, 3.0, 4.0, 8.0]
    assert done.losses == [1.0, 2.0, 0.0, 3.0]
    assert done.seconds == 12.0
    assert search.reported == []


def test_workers_wait_where_the_search_has_nothing_for_them(simulation: Any) -> None:
    done = simulation.run(Listed([4.0, 1.0, 2.0, 5.0], batch=2), problem_of(simulation), 2)
    assert done.ends == [1.0, 4.0, 6.0, 9.0]


def test_a_training_that_is_ended_frees_its_worker_at_that_step(simulation: Any) -> None:
    search = Listed([1.0, 2.0, 3.0], ends=lambda asked, step: (asked, step) == (0, 2))
    done = simulation.run(search, problem_of(simulation, num_steps=3), 1)
    assert search.told == [(0, None), (1, 1.0), (2, 2.0)]
    assert done.ends == [2.0, 8.0, 17.0]
    assert done.losses == [np.inf, 1.0, 2.0]
    assert done.num_steps == [2, 3, 3]
    assert search.seconds == [2.0, 6.0, 9.0]
    assert search.reported == [(0, 1), (0, 2), (1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]


def test_reports_come_in_the_order_of_the_clock(simulation: Any) -> None:
    search = Listed([2.0, 1.0])
    simulation.run(search, problem_of(simulation, num_steps=2), 2)
    assert search.reported == [(1, 1), (0, 1), (1, 2), (0, 2)]


@pytest.mark.parametrize(("pruning", "overlap"), [(None, 5), ("median", 5), ("halving", 0)])
def test_a_simulated_search_is_the_one_that_fit_makes(bench: Any, pruning: str | None, overlap: int) -> None:
    assert bench.is_the_search_of_fit("digits-mlp", pruning, overlap)


def test_a_simulated_search_that_is_not_the_one_that_fit_makes_ends_the_benchmark(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    monkeypatch.setattr(bench.SHACSearch, "report", lambda self, asked, step, loss: False)
    assert bench.main(["--problems", "digits-mlp"]) == 1
    assert "pruning=median, overlap=5: not the search that fit() makes" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_table_of_a_problem_has_times_as_shares_of_random_search_s(
    bench: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "problem_of", lambda name: problem_of(importlib.import_module("simulation")))
    record = {"steps": 200, "busy": 0.5, "end": 100.0}
    runs = {
        "random": [{**record, "improved": [[10.0, 9.0], [80.0, 4.0]]}] * 3,
        "SHAC": [{**record, "improved": [[10.0, 4.0], [20.0, 1.0]]}] * 2 + [{**record, "improved": [[30.0, 2.0]]}],
        "TPE": [{**record, "improved": [[40.0, 1.0]]}] * 3,
    }
    bench.print_problem("a table", runs)
    lines = {line[:30].strip(): line[30:].split() for line in capsys.readouterr().out.splitlines()[3:]}
    assert lines["SHAC"][:5] == ["100%", "50%", "1.00", "0.100", "(3)"]
    assert lines["SHAC"][5:11] == ["3:0", "p=0.250", "0.200", "(2)", "2:1", "p=1.000"]
    assert lines["SHAC"][11:] == ["0.250", "0:1", "p=1.000"]
    assert lines["random"][3:5] == ["0.800", "(3)"]
    assert lines["random"][7:9] == ["inf", "(0)"]


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn"])
def test_the_stored_curves_are_those_of_the_grid(name: str) -> None:
    curves_of = importlib.import_module("quality.curves")
    curves, levels = curves_of.read_curves(name), curves_of.NETWORKS[name]
    shape = tuple(map(len, levels.values()))
    assert curves.errors.shape == (*shape, curves_of.NUM_EPOCHS)
    assert curves.seconds.shape == shape
    assert ((curves.errors >= 0) & (curves.errors <= 1)).all()
    assert (curves.seconds > 0).all()
    setting = {
        axis.name: axis.values[-1] if hasattr(axis, "values") else axis.high for axis in curves_of.curve_axes(name)
    }
    assert curves_of.place_of(name, setting) == tuple(size - 1 for size in shape)
