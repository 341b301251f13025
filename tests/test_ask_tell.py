import math
import random
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from searches import branin, branin_space, engine

import shac
from shac.store.journal import read_journal
from shac.store.lock import FolderLock


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


def test_a_round_begins_with_the_settings_of_fit_however_many_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    # As a cascade decides where both ways cost about the same: many samples are worth a region, few are not
    monkeypatch.setattr(
        shac.Cascade, "method_for", lambda self, n, relax=0: "region" if n > 10 and self.num_stages else "plain"
    )
    fitted = engine(save_dir="fit")
    fitted.fit(skip_cv_checks=True)
    search = engine(None, save_dir="told")
    for setting in search.ask(10):
        search.tell(setting, branin(0, setting), skip_cv_checks=True)
    assert len(search.classifiers) == 1
    settings = [list(setting.values()) for setting in search.ask(25)]
    assert settings[:10] == fitted.dataset.X[10:20]
    assert len({tuple(setting) for setting in settings}) == 25


def test_nobody_asks_or_tells_while_another_process_owns_the_folder() -> None:
    search = engine(None, save_dir="run")
    (setting,) = search.ask()
    with FolderLock(Path("run")):
        with pytest.raises(shac.SaveFolderError, match="in use by process"):
            search.ask()
        with pytest.raises(shac.SaveFolderError, match="in use by process"):
            search.tell(setting, 1.0)
    search.tell(setting, 1.0)


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


def test_failed_evaluations_are_told_as_nan_and_a_round_of_them_counts(caplog: pytest.LogCaptureFixture) -> None:
    search = engine(None)
    for number, setting in enumerate(search.ask(10)):
        search.tell(setting, math.inf if number % 2 else branin(0, setting))
    assert sum(math.isnan(score) for score in search.dataset.Y) == 5
    settings = search.ask(10)
    for setting in settings:
        search.tell(setting, math.nan)
    assert "all 10 evaluations of a round failed" in caplog.text
    assert len(search.dataset) == 20
    assert not any(setting in settings for setting in search.ask(10))


@pytest.mark.parametrize(
    ("parameters", "score", "message"),
    [
        ({"x": 0.0, "y": 0.0}, 1.0, "expected a configuration that ask"),
        ({"x": 0.0}, 1.0, "missing"),
        (5, 1.0, "parameters: expected a configuration that ask"),
        (None, "good", "score: expected a number"),
        (None, 10**400, "score: expected a number"),
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


def restored(folder: str) -> shac.SHAC:
    search = engine(None, save_dir=folder)
    search.restore_data()
    return search


@pytest.mark.parametrize("rounds", [0, 2])
@pytest.mark.parametrize("num_told", [1, 6, 9])
def test_scores_told_before_a_stop_are_not_lost(rounds: int, num_told: int) -> None:
    engine(save_dir="fit").fit()
    search = engine(None, save_dir="told")
    for _ in range(rounds):
        for setting in search.ask(10):
            search.tell(setting, branin(0, setting))
    for setting in random.Random(1).sample(search.ask(10), num_told):
        search.tell(setting, branin(0, setting))
    again = restored("told")
    settings = again.ask(10 - num_told)
    assert len(settings) == 10 - num_told
    for setting in settings:
        again.tell(setting, branin(0, setting))
    assert len(again.dataset) == 10 * rounds + 10
    told(again, 5)
    assert files("told") == files("fit")


def test_fit_goes_on_from_scores_that_were_told() -> None:
    engine(save_dir="fit").fit()
    search = engine(None, save_dir="told")
    told_settings = search.ask(7)
    for setting in told_settings:
        search.tell(setting, branin(0, setting))
    evaluated = []

    def counted(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        evaluated.append(dict(parameters))
        return branin(worker_id, parameters)

    again = engine(counted, save_dir="told")
    again.evaluator_backend = "threading"
    again.restore_data()
    again.fit()
    assert len(evaluated) == 53
    assert not [setting for setting in told_settings if dict(setting) in evaluated]
    assert files("told") == files("fit")


def test_scores_of_settings_beyond_the_round_are_not_lost_either() -> None:
    search = engine(None, save_dir="told")
    settings = search.ask(25)
    for setting in settings[17:23]:
        search.tell(setting, branin(0, setting))
    search.tell(settings[0], branin(0, settings[0]))
    again = restored("told")
    told(again, 3)
    assert len(again.dataset) == 60
    first_round = [dict(again.dataset.prepare_parameter(row)) for row in again.dataset.X[:10]]
    assert all(dict(setting) in first_round for setting in [settings[0], *settings[17:23]])


def test_equal_settings_are_as_many_evaluations_after_a_stop_too() -> None:
    def small(folder: str = "small") -> shac.SHAC:
        return shac.SHAC(None, [shac.DiscreteHP("k", [1, 2, 3])], 20, 2, save_dir=folder, seed=0)

    for count in range(20):
        search = small()
        if count:
            search.restore_data()
        search.tell(search.ask(1)[0], float(count))
    search = small()
    search.restore_data()
    assert sorted(search.dataset.Y) == [float(count) for count in range(20)]
    undisturbed = small("undisturbed")
    for count in range(20):
        undisturbed.tell(undisturbed.ask(1)[0], float(count))
    assert search.dataset.to_csv() == undisturbed.dataset.to_csv()


def test_scores_of_a_round_that_was_stopped_twice_stay_with_their_settings() -> None:
    search = shac.SHAC(None, [shac.DiscreteHP("k", [1, 2, 3])], 20, 2, save_dir="small", seed=0)
    given: list[tuple[int, float]] = []
    for num_told in (5, 3, 2):
        for setting in search.ask(10)[:num_told]:
            given.append((setting["k"], float(len(given))))
            search.tell(setting, given[-1][1])
        search = shac.SHAC(None, [shac.DiscreteHP("k", [1, 2, 3])], 20, 2, save_dir="small", seed=0)
        search.restore_data()
    kept = [(row[0], score) for row, score in zip(search.dataset.X, search.dataset.Y, strict=True)]
    assert sorted(kept) == sorted(given)


def test_a_setting_beyond_the_round_that_is_told_is_not_handed_out_again() -> None:
    search = engine(None, save_dir="told")
    asked = search.ask(14)
    search.tell(asked[12], 1.0)
    again = restored("told").ask(14)
    assert [dict(setting) for setting in again] == [
        dict(setting) for place, setting in enumerate([*asked, *search.ask(1)]) if place != 12
    ]


def test_a_setting_that_went_through_numpy_is_still_the_same() -> None:
    search = engine(None)
    asked = search.ask()[0]
    search.tell({name: np.float64(value) for name, value in asked.items()}, 1.0)
    with pytest.raises(ValueError, match="whose score is not told yet"):
        search.tell(asked, 1.0)


def test_a_failure_that_was_told_is_in_the_journal_with_the_scores() -> None:
    search = engine(None, save_dir="told")
    first, second = search.ask(2)
    search.tell(first, math.nan)
    search.tell(second, 3.0)
    entries = read_journal(Path("told") / "journal.jsonl")
    assert [(entry.index, entry.score, entry.error) for entry in entries] == [
        (0, None, "told as failed"),
        (1, 3.0, None),
    ]


def test_a_round_whose_last_score_was_told_but_not_taken_in_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(save_dir="fit").fit()
    search = engine(None, save_dir="told")
    settings = search.ask(10)
    for setting in settings[:-1]:
        search.tell(setting, branin(0, setting))
    with monkeypatch.context() as patch:
        patch.setattr("shac.engine.search.complete_round", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            search.tell(settings[-1], branin(0, settings[-1]))
    told(restored("told"), 10)
    assert files("told") == files("fit")


def test_rounds_that_follow_each_other_do_not_read_the_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: Any) -> Any:
        raise AssertionError("it grows with the search")

    monkeypatch.setattr("shac.engine.trials.stopped_batch", read)
    assert len(told(engine(None), 10).dataset) == 60


def test_a_round_reads_the_journal_that_another_process_has_written_to() -> None:
    first = engine(None)
    settings = first.ask(10)
    for setting in settings:
        first.tell(setting, branin(0, setting))
    other = engine(None, seed=None)
    other.restore_data()
    ahead = other.ask(2)
    for setting in ahead:
        other.tell(setting, branin(0, setting))
    asked = first.ask(8)
    assert not any(setting in asked for setting in ahead)
    for setting in asked:
        first.tell(setting, branin(0, setting))
    told(first, 10)
    whole = told(engine(None, save_dir="whole"), 10)
    assert first.dataset.X == whole.dataset.X
    assert len(read_journal(Path("shac_run/journal.jsonl"))) == 60


@pytest.mark.parametrize(
    ("seconds", "since_asked", "telling", "num_waits"),
    [
        (None, 0.0, 0.0, 1),
        (None, 0.1, 0.0, 8),
        (None, 0.1, 0.08, 1),
        (None, 2.1, 2.08, 8),
        (0.01, 100.0, 0.0, 1),
        (100.0, 0.0, 99.99, 8),
    ],
)
def test_short_evaluations_told_together_share_a_wait_for_the_disk_and_long_ones_do_not(
    seconds: float | None, since_asked: float, telling: float, num_waits: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = engine(None)
    settings = asked.ask(10)
    asked.tell(settings[0], 0.0)  # saves the search
    asked._seconds_telling = telling
    waits: list[int] = []
    now = time.time()
    monkeypatch.setattr("shac.store.journal.time.monotonic", lambda: 1e9)
    monkeypatch.setattr("shac.engine.trials.time.time", lambda: now + since_asked)
    monkeypatch.setattr("shac.store.journal.os.fsync", waits.append)
    for trial in asked._search._asked.handed_out:  # type: ignore[union-attr]
        object.__setattr__(trial, "asked", now)
    for setting in settings[1:9]:
        asked.tell(setting, 0.0, seconds=seconds)
    assert len(waits) == num_waits
    assert len(read_journal(Path("shac_run/journal.jsonl"))) == 9
