"""The tables of whole searches are, byte for byte, those that are stored; tests/pinned.py makes them."""

import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import pinned
import pytest

pytestmark = pytest.mark.skipif(
    pinned.RUNS_WITH["xgboost"] != pinned.MADE_WITH["xgboost"],
    reason=f"the tables were made with {pinned.MADE_WITH}, and this is {pinned.RUNS_WITH}",
)

TABLES = [(strategy, name) for name in pinned.SEARCHES for strategy in pinned.STRATEGIES]
CLIMBING = {("guided", "real"), ("guided", "mixed")}

proposals: Any = importlib.import_module("shac.engine.proposals")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> "Counter[str]":
    """Counts draws by walking, and climbs that led to another place."""
    counts: Counter[str] = Counter()
    walk, climb = proposals.slice_sample, proposals.LocalSearch.find_better

    def counted_walk(*arguments: Any, **settings: Any) -> Any:
        counts["walks"] += 1
        return walk(*arguments, **settings)

    def counted_climb(*arguments: Any) -> Any:
        better = climb(*arguments)
        counts["climbs"] += better is not None
        return better

    monkeypatch.setattr(proposals, "slice_sample", counted_walk)
    monkeypatch.setattr(proposals.LocalSearch, "find_better", counted_climb)
    return counts


def stored(strategy: str, name: str) -> bytes:
    return (pinned.TABLES / f"{strategy}-{name}.csv").read_bytes()


@pytest.mark.parametrize(("strategy", "name"), TABLES)
def test_fitting_gives_the_stored_table(strategy: str, name: str, calls: "Counter[str]") -> None:
    pinned.fitted(name, strategy, "fit", threads=1)
    assert Path("fit/dataset.csv").read_bytes() == stored(strategy, name)
    # What users run by default is in it: the region of the last rounds is rare, and climbs begin.
    assert calls["walks"] >= 3 if strategy != "paper" else not calls["walks"]
    assert calls["climbs"] >= 10 if (strategy, name) in CLIMBING else not calls["climbs"]


@pytest.mark.parametrize(("strategy", "name"), TABLES)
def test_asking_and_telling_on_five_threads_gives_the_stored_table(strategy: str, name: str) -> None:
    pinned.asked_and_told(name, strategy, "told", threads=5)
    assert Path("told/dataset.csv").read_bytes() == stored(strategy, name)


@pytest.mark.parametrize("strategy", pinned.STRATEGIES)
@pytest.mark.parametrize("name", ["real", "conditional"])
def test_the_stored_tables_hold_failed_evaluations(strategy: str, name: str) -> None:
    assert stored(strategy, name).count(b",nan\n") >= 2
