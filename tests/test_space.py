import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from shac.codec import flatten_parameters
from shac.files import dump_json, parse_json
from shac.parameters import (
    AbstractHyperParameter,
    DiscreteHP,
    IntegerHP,
    LogUniformHP,
    MultiDiscreteHP,
    MultiUniformHP,
    NormalHP,
    ScipyHyperParameter,
    UniformHP,
    registry,
    set_custom_parameter_class,
)
from shac.space import HyperParameterList

SETTING = {"optimiser": None, "layers": [32, "32"], "rate": 0.01, "depth": 3, "dropout": [0.125, 0.25, 0.5]}
ROW = [None, 32, "32", 0.01, 3, 0.125, 0.25, 0.5]
NAMES = ["optimiser", "layers_1", "layers_2", "rate", "depth", "dropout_1", "dropout_2", "dropout_3"]


def mixed_space(seed: int | None = None) -> HyperParameterList:
    return HyperParameterList(
        [
            DiscreteHP("optimiser", ["sgd", True, 1, None]),
            MultiDiscreteHP("layers", [16, 32, "32"], sample_count=2),
            LogUniformHP("rate", 1e-4, 1.0),
            IntegerHP("depth", 1, 9),
            MultiUniformHP("dropout", 0.0, 1.0, sample_count=3),
        ],
        seed=seed,
    )


class OnlySample(AbstractHyperParameter):
    def sample(self) -> Any:
        return self.random.normal()


def test_a_row_has_one_entry_for_each_column() -> None:
    space = mixed_space()
    assert space.get_parameter_names() == NAMES
    assert space.num_columns == len(space.columns) == 8
    assert [column.name for column in space.columns] == [
        "optimiser", "layers", "layers", "rate", "depth", "dropout", "dropout", "dropout",
    ]  # fmt: skip
    assert space.columns[1] is space.columns[2]


def test_a_mapping_and_its_row_turn_into_each_other() -> None:
    space = mixed_space()
    assert space.to_row(SETTING) == ROW
    assert space.to_row(dict(reversed(SETTING.items()))) == ROW
    parameters = space.to_parameters(ROW)
    assert type(parameters) is OrderedDict
    assert list(parameters.items()) == list(SETTING.items())
    assert flatten_parameters(parameters) == ROW


def test_a_multi_parameter_of_one_value_is_a_list_all_the_same() -> None:
    space = HyperParameterList([MultiDiscreteHP("x", [1, 2])])
    assert space.to_parameters([2]) == {"x": [2]}
    assert space.to_row({"x": [2]}) == [2]
    assert space.get_parameter_names() == ["x_1"]


def test_rows_are_encoded_and_decoded_column_by_column() -> None:
    space = mixed_space()
    encoded = space.encode_rows([ROW, ["sgd", 16, 16, 1.0, 9, 0.0, 1.0, 0.0]])
    assert encoded.dtype == np.float32
    assert encoded.shape == (2, 8)
    np.testing.assert_array_equal(encoded[0], np.float32([3, 1, 2, np.log(0.01), 3, 0.125, 0.25, 0.5]))  # type: ignore[arg-type]
    np.testing.assert_array_equal(encoded[0], space.encode(ROW))
    decoded = space.decode_rows(encoded)
    assert decoded[1] == ["sgd", 16, 16, 1.0, 9, 0.0, 1.0, 0.0]
    assert decoded[0] == space.decode(encoded[0])
    assert decoded[0][:3] == ROW[:3]
    assert decoded[0][3] == pytest.approx(0.01, rel=1e-6)


def test_no_rows_give_an_empty_array_of_the_right_width() -> None:
    space = mixed_space()
    assert space.encode_rows([]).shape == (0, 8)
    assert space.decode_rows(np.empty((0, 8))) == []
    assert space.sample_rows(0, np.random.default_rng(0)) == []
    assert space.values_from_uniforms(np.empty((0, 8))) == []


def test_an_empty_space_has_empty_rows() -> None:
    space = HyperParameterList()
    assert (len(space), space.num_columns, space.columns) == (0, 0, ())
    assert space.sample() == []
    assert space.sample_rows(2, np.random.default_rng(0)) == [[], []]
    assert space.values_from_uniforms(np.empty((2, 0))) == [[], []]
    assert space.encode_rows([[], []]).shape == (2, 0)
    assert space.decode_rows(np.empty((2, 0))) == [[], []]
    assert space.to_parameters([]) == {}
    assert space.has_quantile
    assert repr(space) == "HyperParameterList([])"


@given(st.integers(0, 2**64 - 1))
def test_values_from_uniforms_are_those_of_each_column(seed: int) -> None:
    space = mixed_space()
    uniforms = np.random.default_rng(seed).random((5, 8))
    rows = space.values_from_uniforms(uniforms)
    for c, column in enumerate(space.columns):
        assert [row[c] for row in rows] == column.quantile(uniforms[:, c]).tolist()
    assert {type(value) for row in rows for value in row} <= {str, bool, int, float, type(None)}


def test_samples_follow_their_seed_and_hold_values_of_python() -> None:
    first, second = mixed_space(seed=5), mixed_space(seed=5)
    assert [first.sample() for _ in range(3)] == [second.sample() for _ in range(3)]
    rows = first.sample_rows(50, np.random.default_rng(1))
    assert rows == mixed_space().sample_rows(50, np.random.default_rng(1))
    assert {type(value) for row in rows for value in row} <= {str, bool, int, float, type(None)}
    assert all(len(row) == 8 for row in [*rows, first.sample()])


def test_a_multi_parameter_draws_its_values_apart() -> None:
    rows = HyperParameterList([MultiUniformHP("x", 0.0, 1.0, sample_count=4)]).sample_rows(5, np.random.default_rng(0))
    assert len({value for row in rows for value in row}) == 20


def test_a_seed_gives_each_parameter_its_own() -> None:
    seeds = [parameter.seed for parameter in mixed_space(seed=0)]
    assert None not in seeds
    assert len(set(seeds)) == 5
    assert seeds == [parameter.seed for parameter in mixed_space(seed=0)]
    assert seeds != [parameter.seed for parameter in mixed_space(seed=1)]


def test_without_a_seed_the_parameters_keep_theirs() -> None:
    space = HyperParameterList([UniformHP("x", 0.0, 1.0, seed=4), UniformHP("y", 0.0, 1.0)])
    assert [parameter.seed for parameter in space] == [4, None]
    assert space.seed is None
    space.set_seed(None)
    assert space["x"].seed == 4


def test_parameters_that_all_have_a_seed_give_the_whole_one() -> None:
    def space(y: int) -> HyperParameterList:
        return HyperParameterList([UniformHP("x", 0.0, 1.0, seed=4), UniformHP("y", 0.0, 1.0, seed=y)])

    assert space(5).seed == space(5).seed
    assert space(5).seed != space(6).seed
    assert space(5).seed is not None


def test_seeds_do_not_depend_on_what_else_is_in_the_space() -> None:
    space = HyperParameterList([UniformHP("a", 0.0, 1.0), UniformHP("b", 0.0, 1.0)], seed=3)
    kept = space["b"].seed
    space.remove_hyper_parameter("a")
    space.add_hyper_parameter(UniformHP("c", 0.0, 1.0))
    assert space["b"].seed == kept
    assert space["c"].seed not in (None, kept)
    space.set_seed(3)
    assert space["b"].seed == kept
    assert space.seed == 3


@pytest.mark.parametrize("seed", [-1, 0.5, "1", True])
def test_a_bad_seed_is_refused_and_changes_nothing(seed: Any) -> None:
    space = mixed_space(seed=2)
    before = space.get_config()
    with pytest.raises(ValueError, match=r"seed: expected None or an integer of at least 0, got"):
        space.set_seed(seed)
    with pytest.raises(ValueError, match="seed: expected"):
        HyperParameterList(seed=seed)
    assert (space.seed, space.get_config()) == (2, before)


def test_parameters_can_be_added_removed_and_looked_up() -> None:
    space = HyperParameterList()
    first, second = UniformHP("x", 0.0, 1.0), MultiDiscreteHP("y", [1, 2], sample_count=2)
    space.add_hyper_parameter(first)
    space.add_hyper_parameter(second)
    assert list(space) == [first, second]
    assert "x" in space
    assert "z" not in space
    assert space["y"] is second
    space.remove_hyper_parameter(first)
    assert space.get_parameter_names() == ["y_1", "y_2"]
    assert space.num_columns == 2
    space.remove_hyper_parameter("y")
    assert len(space) == 0
    space.add_hyper_parameter(first)
    assert list(space) == [first]


@pytest.mark.parametrize("wanted", ["z", UniformHP("z", 0.0, 1.0)])
def test_removing_what_is_not_there_is_a_key_error(wanted: Any) -> None:
    with pytest.raises(KeyError, match="expected one of"):
        mixed_space().remove_hyper_parameter(wanted)


@pytest.mark.parametrize(
    "parameters, name",
    [
        (lambda: [UniformHP("x", 0.0, 1.0), DiscreteHP("x", [1])], "x"),
        (lambda: [MultiDiscreteHP("x", [1], 2), UniformHP("x_2", 0.0, 1.0)], "x_2"),
        (lambda: [UniformHP("x_1", 0.0, 1.0), MultiDiscreteHP("x", [1], 2)], "x_1"),
        (lambda: [MultiDiscreteHP("x_1", [1], 1), MultiDiscreteHP("x", [1], 1)], "x_1"),
        (lambda: [UniformHP("x", 0.0, 1.0), MultiDiscreteHP("x", [1], 1)], "x"),
    ],
)
def test_names_that_are_taken_are_refused(parameters: Callable[[], Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"expected names that are not taken, got '{name}' twice"):
        HyperParameterList(parameters())


def test_a_refused_parameter_leaves_the_space_and_its_own_seed_alone() -> None:
    space = mixed_space(seed=1)
    before, refused = space.get_config(), UniformHP("layers_2", 0.0, 1.0, seed=8)
    with pytest.raises(ValueError, match="layers_2"):
        space.add_hyper_parameter(refused)
    assert space.get_config() == before
    assert refused.seed == 8


@pytest.mark.parametrize("entry", ["x", None, 3, UniformHP, {"x": 1}])
def test_what_is_no_parameter_is_refused(entry: Any) -> None:
    with pytest.raises(ValueError, match="parameter: expected a hyper-parameter, got"):
        HyperParameterList([entry])


def test_a_mapping_in_the_place_of_the_list_is_told_what_a_space_is() -> None:
    space: Any = {"x": UniformHP("x", 0.0, 1.0)}
    with pytest.raises(ValueError, match="got 'x'; a space is a list of parameters, each with its name"):
        HyperParameterList(space)


@pytest.mark.parametrize("given", [UniformHP("x", 0.0, 1.0), 3])
def test_what_is_no_list_of_parameters_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match=r"hyper_parameter_list: expected a list of parameters, got"):
        HyperParameterList(given)


@pytest.mark.parametrize("width", [0, 7, 9])
def test_a_row_of_another_width_is_named(width: int) -> None:
    space = mixed_space()
    for call in (
        lambda: space.encode([0] * width),
        lambda: space.encode_rows([ROW, [0] * width]),
        lambda: space.decode([0] * width),
        lambda: space.decode_rows(np.zeros((2, width))),
        lambda: space.to_parameters([0] * width),
        lambda: space.values_from_uniforms(np.full((2, width), 0.5)),
    ):
        with pytest.raises(ValueError, match=rf"row: expected 8 values, one for each of .*'depth'.*, got {width}"):
            call()


def test_encoded_rows_need_two_dimensions() -> None:
    with pytest.raises(ValueError, match=r"X: expected 2 dimensions, got shape \(8,\)"):
        mixed_space().decode_rows(np.zeros(8))


def test_names_that_are_missing_or_unknown_are_named() -> None:
    setting = {**SETTING, "extra": 1}
    del setting["rate"]
    with pytest.raises(ValueError, match=r"missing \['rate'\], unknown \['extra'\]"):
        mixed_space().to_row(setting)
    with pytest.raises(ValueError, match=r"missing \[\], unknown \['extra'\]"):
        mixed_space().to_row({**SETTING, "extra": 1})


def test_tuples_of_different_lengths_are_values_of_a_multi_parameter() -> None:
    space = HyperParameterList([MultiDiscreteHP("x", [(1,), (1, 2)], sample_count=2)])
    assert space.to_row({"x": [(1,), (1, 2)]}) == [(1,), (1, 2)]
    assert space.to_row({"x": ((1, 2), (1, 2))}) == [(1, 2), (1, 2)]
    assert len(space.sample()) == 2
    assert flatten_parameters(space.to_parameters([(1,), (1, 2)])) == [(1,), (1, 2)]


@pytest.mark.parametrize("layers", [[16], [16, 32, 16], 16, "ab", None, {16, 32}, {16: 1, 32: 2}, np.array(3)])
def test_a_list_of_another_length_is_named(layers: Any) -> None:
    with pytest.raises(ValueError, match=r"parameter 'layers': expected a list of 2 values, got"):
        mixed_space().to_row({**SETTING, "layers": layers})


def test_a_value_that_is_not_of_its_parameter_is_named() -> None:
    with pytest.raises(ValueError, match=r"parameter 'optimiser': expected one of .*, got 'adam'"):
        mixed_space().encode(["adam", *ROW[1:]])
    with pytest.raises(ValueError, match=r"parameter 'depth': expected numbers, got None"):
        mixed_space().encode([*ROW[:4], None, *ROW[5:]])


def test_one_column_without_a_quantile_is_enough() -> None:
    space = HyperParameterList([UniformHP("x", 0.0, 1.0), OnlySample("y")])
    assert not space.has_quantile
    assert space.sample_rows(3, np.random.default_rng(2)) == space.sample_rows(3, np.random.default_rng(2))
    space.remove_hyper_parameter("y")
    assert space.has_quantile


def test_a_config_has_the_form_of_parameters_json() -> None:
    config = HyperParameterList([DiscreteHP("x", [1, None]), MultiUniformHP("y", 0, 1, sample_count=2)]).get_config()
    assert json.loads(json.dumps(config)) == {
        "x": ["DiscreteHyperParameter", {"name": "x", "values": [1, None], "seed": None}],
        "y": [
            "MultiUniformContinuousHyperParameter",
            {"name": "y", "min_value": 0.0, "max_value": 1.0, "log_encode": False, "sample_count": 2, "seed": None},
        ],
    }


def test_a_config_survives_json_and_builds_the_same_space(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_custom_classes", {})
    set_custom_parameter_class(OnlySample)
    space = mixed_space(seed=9)
    space.add_hyper_parameter(OnlySample("own"))
    space.add_hyper_parameter(ScipyHyperParameter("gamma", scipy.stats.gamma(2.0)))
    space.add_hyper_parameter(DiscreteHP("odd", [float("nan"), float("-inf"), (1, (True, "x")), -0.0]))
    again = HyperParameterList.load_from_config(parse_json(dump_json(space.get_config(), "space"), "text"))
    assert again == space
    assert repr(again) == repr(space)
    assert hash(again) == hash(space)
    assert [repr(again.sample()) for _ in range(3)] == [repr(space.sample()) for _ in range(3)]
    assert list(again.get_config()) == list(space.get_config())


@pytest.mark.parametrize(
    "config, message",
    [
        ([], "expected a mapping from names"),
        (None, "expected a mapping from names"),
        ({"x": {}}, "for 'x', got"),
        ({"x": ["UniformHP"]}, "for 'x', got"),
        ({"x": ["UniformHP", []]}, "for 'x', got"),
        ({"x": [3, {"name": "x"}]}, "for 'x', got"),
        ({"x": ["UniformHP", {"name": "y", "min_value": 0.0, "max_value": 1.0}]}, "with name 'x' for 'x', got"),
        ({"x": ["UniformHP", {"name": "x"}]}, "config: 'x': expected arguments of UniformHP: .*missing 2 required"),
        (
            {"x": ["UniformHP", {"name": "x", "min_value": 0, "max_value": 1, "z": 2}]},
            "unexpected keyword argument 'z'",
        ),
        (
            {"x": ["UniformHP", {"name": "x", "min_value": 1, "max_value": 1}]},
            "parameter 'x': expected min_value < max",
        ),
        ({"x": ["DiscreteHP", {"name": "x", "values": None}]}, "parameter 'x': values: expected a sequence"),
        ({"x": ["ScipyHyperParameter", {"name": "x"}]}, "config: 'x': expected arguments of ScipyHyperParameter"),
        ({"x": ["ScipyHyperParameter", {"name": "x", "distribution": 3}]}, "expected arguments of ScipyHyperParameter"),
        ({"x": ["Unheard", {"name": "x"}]}, "got 'Unheard'; make a class of your own known"),
    ],
)
def test_a_config_of_another_form_is_named(config: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HyperParameterList.load_from_config(config)


def test_the_fingerprint_follows_the_parameters_and_not_the_seeds() -> None:
    fingerprint = mixed_space().fingerprint()
    assert len(fingerprint) == 64
    assert fingerprint == mixed_space(seed=3).fingerprint()
    reordered = HyperParameterList(reversed(list(mixed_space())))
    others = [
        HyperParameterList([DiscreteHP("x", values)]).fingerprint()
        for values in ([1, 2], [2, 1], [1.0, 2], [True, 2], ["1", 2], [(1,), 2], [float("nan"), 2])
    ]
    assert len({fingerprint, reordered.fingerprint(), *others}) == 9


def test_a_fingerprint_needs_values_that_can_be_saved() -> None:
    with pytest.raises(ValueError, match=r"space.*'?x'?.*got .* of type frozenset"):
        HyperParameterList([DiscreteHP("x", [frozenset()])]).fingerprint()


def test_spaces_are_equal_when_their_parameters_are_in_order() -> None:
    assert mixed_space() == mixed_space()
    assert mixed_space() != mixed_space(seed=1)
    assert mixed_space() != HyperParameterList(reversed(list(mixed_space())))
    assert mixed_space() != list(mixed_space())
    assert "NormalContinuousHyperParameter(name='n', mean=0.0, std=1.0)" in repr(
        HyperParameterList([NormalHP("n", 0, 1)])
    )


def test_flattening_spreads_lists_and_nothing_else() -> None:
    settings: list[dict[str, Any]] = [{"x": [1, 2], "y": (3, 4), "z": "ab"}, {"x": [], "y": None, "z": 0.5}]
    assert flatten_parameters(settings) == [[1, 2, (3, 4), "ab"], [None, 0.5]]
    assert flatten_parameters(settings[0]) == [1, 2, (3, 4), "ab"]
    assert flatten_parameters([]) == []


@pytest.mark.parametrize("parameters", ["ab", 3, None, [1.0], ["ab"]])
def test_flattening_needs_mappings(parameters: Any) -> None:
    with pytest.raises(ValueError, match=r"parameters: expected .*mapping.*, got"):
        flatten_parameters(parameters)
