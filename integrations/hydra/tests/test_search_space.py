from typing import Any

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

import shac
from hydra_plugins.hydra_shac_sweeper._search_space import SweepSpace, sweep_space
from hydra_plugins.hydra_shac_sweeper._sweep import num_rounds


def space_of(*overrides: str, **options: Any) -> SweepSpace:
    return sweep_space(OverridesParser.create().parse_overrides(list(overrides)), **options)


@pytest.mark.parametrize(
    "override, parameter",
    [
        ("x=interval(-5, 5)", shac.UniformHP("x", -5.0, 5.0)),
        ("x=int(interval(1, 8))", shac.IntegerHP("x", 1, 8)),
        ("x=tag(int, interval(1, 8))", shac.IntegerHP("x", 1, 8)),
        ("x=tag(log, interval(1e-5, 1e-1))", shac.LogUniformHP("x", 1e-5, 1e-1)),
        ("x=tag(log, int(interval(8, 512)))", shac.LogIntegerHP("x", 8, 512)),
        ("x=int(tag(log, interval(8, 512)))", shac.LogIntegerHP("x", 8, 512)),
        ("x=range(1, 4)", shac.IntegerHP("x", 1, 3)),
        ("x=range(3, 0, -1)", shac.IntegerHP("x", 1, 3)),
        ("x=tag(log, range(1, 129))", shac.LogIntegerHP("x", 1, 128)),
        ("x=range(8, 33, 8)", shac.DiscreteHP("x", [8, 16, 24, 32])),
        ("x=range(0.0, 0.3, 0.1)", shac.DiscreteHP("x", [0.0, 0.1, 0.2])),
        ("x=shuffle(range(0.0, 0.3, 0.1))", shac.DiscreteHP("x", [0.0, 0.1, 0.2])),
        ("x=1,2,5", shac.DiscreteHP("x", [1, 2, 5])),
        ("x=adam,null,true,1,1.0,'1'", shac.DiscreteHP("x", ["adam", None, True, 1, 1.0, "1"])),
        ("x=shuffle(c, a, b)", shac.DiscreteHP("x", ["c", "a", "b"])),
        ("+model.x@pkg=choice([1,2],{a:3})", shac.DiscreteHP("model.x@pkg", ["[1,2]", "{a:3}"])),
    ],
)
def test_a_sweep_is_a_parameter(override: str, parameter: Any) -> None:
    (own,) = space_of(override).space
    assert repr(own) == repr(parameter)


def test_configurations_are_overrides_that_hydra_reads_back() -> None:
    sweep = space_of(
        *("seed=7", "+x=interval(1e-30, 1e-7)", "n=range(1, 9)", "++o='a, b',null,[1,'c d'],{k: 'v'}"),
        "~left.out",
    )
    plain = {"a, b": "a, b", None: None, "[1,'c d']": [1, "c d"], "{k:'v'}": {"k": "v"}}
    for row in sweep.space.sample_rows(40, np.random.default_rng(0)):
        configuration = sweep.space.to_parameters(row)
        overrides = sweep.overrides(configuration)
        assert [text.partition("=")[0] for text in overrides] == ["seed", "+x", "n", "++o", "~left.out"]
        values = [override.value() for override in OverridesParser.create().parse_overrides(overrides)]
        assert values[:4] == [7, configuration["x"], configuration["n"], plain[configuration["o"]]]
        assert sweep.plain(configuration)["o"] == plain[configuration["o"]]


def test_equal_numbers_of_different_types_stay_different() -> None:
    sweep = space_of("x=choice(1, 1.0, true)")
    assert [sweep.overrides({"x": value}) for value in (1, 1.0, True)] == [["x=1"], ["x=1.0"], ["x=True"]]


def test_of_one_key_the_last_override_counts() -> None:
    sweep = space_of("x=interval(0, 1)", "y=1,2", "x=3")
    assert sweep.space.get_parameter_names() == ["y"]
    assert sweep.overrides({"y": 2}) == ["x=3", "y=2"]


def test_what_does_not_exist_in_a_configuration_is_not_overridden() -> None:
    sweep = space_of(
        *("optimizer=sgd,adam", "momentum=interval(0, 1)", "width=range(1, 9)"),
        conditions={"momentum": {"optimizer": "sgd"}},
        constraints=["width <= 4"],
    )
    sweep.space.set_seed(0)
    for _ in range(40):
        configuration = sweep.space.to_parameters(sweep.space.sample())
        texts = sweep.overrides(configuration)
        assert any(text.startswith("momentum=") for text in texts) == (configuration["optimizer"] == "sgd")
        assert configuration["width"] <= 4


@pytest.mark.parametrize(
    "override, message",
    [
        ("x=1", "params: expected at least one parameter to search"),
        ("x=tag(lgo, interval(1, 2))", r"expected the tags log and int, got \['lgo'\]"),
        ("x=tag(log, choice(1, 2))", "expected tags on an interval, or a range of integers"),
        ("x=range(3, 3)", "expected a range with a value in it"),
        ("x=tag(int, interval(0.5, 2))", r"expected whole numbers as ends, got 0\.5"),
    ],
)
def test_a_sweep_without_a_meaning_is_an_error_that_names_it(override: str, message: str) -> None:
    with pytest.raises(HydraException, match=message):
        space_of(override)


def test_rounds_have_one_size() -> None:
    for n_trials in range(1, 300):
        try:
            rounds = num_rounds(n_trials, None)
        except ValueError as error:
            assert f"got {n_trials}" in str(error)  # noqa: PT017
            continue
        assert n_trials % rounds == 0
        assert n_trials < 8 or 4 <= n_trials // rounds <= 20
    assert num_rounds(97, 1) == 1
    with pytest.raises(ValueError, match=r"num_batches: expected a divisor of n_trials, 97, got 10"):
        num_rounds(97, 10)
