import math
import random
from pathlib import Path
from typing import Any

import pytest
from searches import branin, branin_space, engine

import shac


def told(engine: shac.SHAC, at_once: int, order: random.Random | None = None) -> shac.SHAC:
    while settings := engine.ask(at_once):
        if order is not None:
            order.shuffle(settings)
        for setting in settings:
            engine.tell(setting, branin(0, setting))
    return engine


def files(folder: str) -> dict[str, bytes]:
    """All but the journal and the lock of evaluations that the engine runs itself."""
    paths = (p for p in sorted(Path(folder).rglob("*")) if p.is_file() and p.name not in {".lock", "journal.jsonl"})
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


@pytest.mark.parametrize("at_once", [1, 10])
def test_asking_and_telling_is_the_search_of_fit(at_once: int) -> None:
    engine(save_dir="fit").fit()
    told(engine(None, save_dir="told"), at_once)
    assert files("told") == files("fit")


def test_the_order_of_the_tellings_does_not_matter() -> None:
    engine(save_dir="fit").fit()
    told(engine(None, save_dir="told"), 10, random.Random(0))
    assert files("told") == files("fit")


def test_fit_and_asking_take_turns() -> None:
    engine(save_dir="fit").fit()
    mixed = engine(save_dir="mixed")
    for setting in mixed.ask(10):
        mixed.tell(setting, branin(0, setting))
    assert len(mixed.dataset) == 10
    mixed.fit()
    assert mixed.ask(3) == []
    assert files("mixed") == files("fit")


def test_a_round_that_is_under_way_is_not_lost_to_fit() -> None:
    search = engine()
    search.tell(search.ask()[0], 1.0)
    with pytest.raises(ValueError, match="got 1 of 10 scores"):
        search.fit()
    with pytest.raises(ValueError, match="got 1 of 10 scores"):
        search.fit_dataset("nowhere")


def test_more_settings_than_a_round_has_are_given_and_none_twice() -> None:
    search = engine(None)
    settings = search.ask(25)
    assert len({tuple(setting.items()) for setting in settings}) == 25
    for setting in settings[20:]:
        search.tell(setting, branin(0, setting))
    assert len(search.dataset) == 0
    for setting in settings[:5]:
        search.tell(setting, branin(0, setting))
    assert [list(setting.values()) for setting in settings[:5] + settings[20:]] == search.dataset.X


def test_settings_of_an_earlier_round_count_when_they_are_told() -> None:
    search = engine(None)
    slow, *rest = search.ask(11)
    for setting in rest:
        search.tell(setting, branin(0, setting))
    assert len(search.dataset) == 10
    search.tell(slow, 0.5)
    told(search, 4)
    assert len(search.dataset) == 60
    assert 0.5 in search.dataset.Y[10:20]


def test_no_more_is_handed_out_than_the_budget_holds() -> None:
    search = engine(None)
    assert len(search.ask(1000)) == 60
    assert search.ask(1) == []


def test_settings_that_were_handed_out_before_a_restart_are_known() -> None:
    first = engine(None, seed=3)
    for setting in first.ask(10):
        first.tell(setting, branin(0, setting))
    handed = first.ask(4)
    again = engine(None, seed=3)
    again.restore_data()
    again.tell(handed[2], 7.0)
    rest = again.ask(9)
    assert handed[2] not in rest
    assert handed[0] in rest
    assert len(rest) == 9
    for setting in rest:
        again.tell(setting, branin(0, setting))
    assert again.dataset.Y[12] == 7.0


def test_failed_evaluations_are_told_as_nan_and_a_round_of_them_is_an_error() -> None:
    search = engine(None)
    for number, setting in enumerate(search.ask(10)):
        search.tell(setting, math.inf if number % 2 else branin(0, setting))
    assert sum(math.isnan(score) for score in search.dataset.Y) == 5
    settings = search.ask(10)
    for setting in settings[:-1]:
        search.tell(setting, math.nan)
    with pytest.raises(shac.EvaluationError, match="all 10 evaluations of round 2 failed"):
        search.tell(settings[-1], math.nan)
    assert len(search.dataset) == 10
    assert search.ask(10) == settings


@pytest.mark.parametrize(
    ("parameters", "score", "message"),
    [
        ({"x": 0.0, "y": 0.0}, 1.0, "expected a setting that ask"),
        ({"x": 0.0}, 1.0, "missing"),
        (None, "good", "score: expected a number"),
        (None, None, "score: expected a number"),
    ],
)
def test_what_was_not_asked_for_is_refused(parameters: Any, score: Any, message: str) -> None:
    search = engine(None)
    asked = search.ask()[0]
    with pytest.raises(ValueError, match=message):
        search.tell(asked if parameters is None else parameters, score)
    search.tell(asked, 1.0)
    with pytest.raises(ValueError, match="whose score is not told yet"):
        search.tell(asked, 1.0)


def test_an_engine_without_a_function_cannot_fit() -> None:
    with pytest.raises(ValueError, match="evaluation_function: expected a callable to fit with"):
        engine(None).fit()
    with pytest.raises(ValueError, match="n: expected an integer of at least 1"):
        engine(None).ask(0)


def test_equal_settings_of_a_small_space_are_told_one_by_one() -> None:
    search = shac.SHAC(None, [shac.DiscreteHP("x", ["only"])], 4, 2, seed=0)
    for setting in search.ask(2):
        search.tell(setting, 1.0)
    assert len(search.dataset) == 2


def test_another_search_in_the_folder_is_not_overwritten() -> None:
    engine(save_dir="run").fit()
    with pytest.raises(shac.SaveFolderError):
        shac.SHAC(None, branin_space(), 60, 6, save_dir="run").ask()
