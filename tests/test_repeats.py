"""Configurations that were evaluated are not evaluated again while there are others."""

from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shac
from shac.engine import Strategy
from shac.engine.proposals import surrogate_of

LEVELS = 6


def grid() -> list[shac.IntegerHP]:
    return [shac.IntegerHP(name, 0, LEVELS - 1) for name in "abc"]


def distance(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    return float(sum((value - 4) ** 2 for value in parameters.values()))


def evaluated(engine: shac.SHAC) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in engine.dataset.X]


def search(tmp_path: Path, budget: int, num_batches: int, strategy: str | Strategy = "guided") -> shac.SHAC:
    return shac.SHAC(distance, grid(), budget, num_batches, "min", save_dir=tmp_path / "s", seed=3, strategy=strategy)


@pytest.mark.parametrize("seed", range(3))
def test_no_configuration_of_a_small_space_is_evaluated_twice_but_the_best(tmp_path: Path, seed: int) -> None:
    engine = shac.SHAC(distance, grid(), 120, 12, "min", save_dir=tmp_path / "search", seed=seed)
    engine.concurrent_evaluators()
    engine.fit(progress=False)
    of_noise = 80  # the first of a round after six tenths of the budget: it tells whether scores are noisy
    assert evaluated(engine)[of_noise] == evaluated(engine)[int(np.argmin(engine.dataset.Y[:of_noise]))]
    after_the_first_round = [row for number, row in enumerate(evaluated(engine)) if number >= 10 and number != of_noise]
    assert len({*after_the_first_round}) == 109
    assert not {*after_the_first_round} & {*evaluated(engine)[:10]}


def test_a_search_that_repeats_itself_does_so_because_it_was_told_to(tmp_path: Path) -> None:
    engine = search(
        tmp_path, 120, 12, Strategy(training_points="all", cross_validation=False, candidates_per_sample=64)
    )
    engine.concurrent_evaluators()
    engine.fit(progress=False)
    assert len({*evaluated(engine)}) < 100


def test_a_search_that_has_evaluated_everything_goes_on_to_its_end(tmp_path: Path) -> None:
    engine = shac.SHAC(distance, [shac.DiscreteHP("d", [3, 4, 5])], 12, 4, "min", save_dir=tmp_path / "search", seed=0)
    engine.concurrent_evaluators()
    engine.fit(progress=False)
    assert len(engine.dataset) == 12
    assert {row[0] for row in engine.dataset.X} == {3, 4, 5}


def test_what_is_asked_for_in_parts_of_a_round_is_not_repeated(tmp_path: Path) -> None:
    engine = search(tmp_path, 100, 10)
    asked = []
    while batch := engine.ask(5):
        asked += [tuple(setting.values()) for setting in batch]
        for setting in batch:
            engine.tell(setting, distance(0, setting))
    assert len({*asked[10:]}) == 90


def test_the_last_region_of_a_small_space_has_room_for_its_last_rounds(tmp_path: Path) -> None:
    engine = search(tmp_path, 100, 10)
    first, last = engine.strategy.kept_share or (0.0, 0.0)
    kept = np.prod([first + (last - first) * stage / 8 for stage in range(9)])
    assert kept * LEVELS**3 == pytest.approx(100, rel=0.3)
    assert 0 < first < 1
    assert 0 < last < first


def test_a_space_with_a_real_number_keeps_its_shares(tmp_path: Path) -> None:
    space = [*grid(), shac.UniformHP("x", 0.0, 1.0)]
    engine = shac.SHAC(distance, space, 100, 10, "min", save_dir=tmp_path / "search", seed=0)
    assert engine.strategy.kept_share == (0.75, 0.4)


def test_all_who_ask_for_the_surrogate_of_a_state_get_the_same(tmp_path: Path) -> None:
    engine = search(tmp_path, 40, 4)
    for configuration in engine.ask(10):
        engine.tell(configuration, distance(0, configuration))
    plan, state = engine.plan, engine._search.state
    assert surrogate_of(plan, state) is surrogate_of(plan, state)
    through_all_points = replace(plan, strategy=replace(plan.strategy, estimate_noise=False))
    assert surrogate_of(through_all_points, state) is not surrogate_of(plan, state)
