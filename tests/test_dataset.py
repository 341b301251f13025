import csv
import io
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shac.dataset import Dataset
from shac.errors import DamagedFileError
from shac.labels import label_scores
from shac.parameters import AbstractHyperParameter, DiscreteHP, IntegerHP, MultiDiscreteHP, NormalHP, UniformHP
from shac.space import HyperParameterList

LOOKALIKES = [True, 1, 1.0, "1", None, "None", "", "a,b", 'say "hi"', "two\nlines", "\r", "\r\n", " x ", "é", (1, "y")]
scores = st.floats(allow_nan=True, allow_infinity=True)


def mixed_space() -> HyperParameterList:
    return HyperParameterList(
        [
            DiscreteHP("kind", LOOKALIKES),
            MultiDiscreteHP("layers", [16, 32], 2),
            NormalHP("x", 0, 1),
            IntegerHP("n", 0, 9),
        ]
    )


def drawn_dataset(n: int, seed: int = 0) -> Dataset:
    dataset = Dataset(mixed_space())
    random = np.random.default_rng(seed)
    dataset.set_dataset(mixed_space().sample_rows(n, random), random.normal(size=n))
    return dataset


def line_space() -> HyperParameterList:
    return HyperParameterList([UniformHP("x", 0.0, 10.0)])


def same(first: Any, second: Any) -> bool:
    """Equal in value and type, NaN included."""
    return repr(first) == repr(second)


@pytest.mark.parametrize(
    "values, objective, labels",
    [
        ([1, 2, 3, 4], "max", [0, 0, 1, 1]),
        ([1, 2, 3, 4], "min", [1, 1, 0, 0]),
        ([1, 2, 3], "max", [0, 0, 1]),
        ([1, 2, 3], "min", [1, 0, 0]),
        ([2, 2, 2], "max", [0, 0, 0]),
        ([1, 2, 2, 2, 3], "max", [0, 0, 0, 0, 1]),
        ([1, 2, 2, 2, 3], "min", [1, 0, 0, 0, 0]),
        ([math.nan, 1, 2, math.inf, -math.inf, 3], "max", [0, 0, 0, 0, 0, 1]),
        ([math.nan, 1, 2, math.inf, -math.inf, 3], "min", [0, 1, 0, 0, 0, 0]),
        ([math.nan, math.inf], "max", [0, 0]),
        ([5], "max", [0]),
        ([], "min", []),
        ([1.0, math.nextafter(1.0, 2.0)], "max", [0, 1]),
        ([math.nextafter(1.0, 0.0), 1.0], "min", [1, 0]),
        ([1.7e308, 1.6e308], "max", [1, 0]),
    ],
)
def test_a_score_is_labelled_against_the_median_of_the_finite_ones(
    values: list[float], objective: str, labels: list[float]
) -> None:
    assert label_scores(values, objective).tolist() == labels


@given(st.lists(scores, max_size=30))
def test_at_most_half_are_better_and_only_finite_ones_above_the_median(values: list[float]) -> None:
    finite = sorted(value for value in values if math.isfinite(value))
    labels = label_scores(values, "max")
    assert labels.sum() <= len(finite) / 2
    assert np.array_equal(labels, label_scores([-value for value in values], "min"))
    if len(set(finite)) == len(finite):
        assert labels.sum() == len(finite) // 2
    for value, label in zip(values, labels, strict=True):
        below = sum(other < value for other in finite)
        assert label == (math.isfinite(value) and below >= len(finite) / 2 and value > finite[(len(finite) - 1) // 2])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.data())
def test_failed_evaluations_do_not_change_the_labels_of_the_others(values: list[float], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(values)))
    failed = [*values[:place], math.nan, math.inf, *values[place:]]
    labels = label_scores(failed, "max").tolist()
    assert [*labels[:place], *labels[place + 2 :]] == label_scores(values, "max").tolist()
    assert labels[place : place + 2] == [0.0, 0.0]


@pytest.mark.parametrize("objective", ["maximize", "MAX", "", 1])
def test_an_objective_that_is_neither_is_named(objective: Any) -> None:
    dataset = Dataset(line_space())
    for call in (
        lambda: label_scores([1.0], objective),
        lambda: dataset.encode_dataset(objective=objective),
        lambda: dataset.get_best_parameters(objective),
    ):
        with pytest.raises(ValueError, match=r"objective: expected 'max' or 'min', got"):
            call()


def test_samples_are_added_as_rows_or_mappings() -> None:
    dataset = Dataset(mixed_space())
    dataset.add_sample(["1", 16, 32, 0.5, 3], 1)
    dataset.add_sample({"n": 4, "x": 0.25, "layers": [32, 32], "kind": None}, np.float64(2.5))
    assert dataset.X == [["1", 16, 32, 0.5, 3], [None, 32, 32, 0.25, 4]]
    assert same(dataset.Y, [1.0, 2.5])
    assert len(dataset) == 2
    dataset.clear()
    assert (len(dataset), dataset.X, dataset.Y) == (0, [], [])


def test_values_of_numpy_are_kept_as_those_of_python() -> None:
    dataset = Dataset(mixed_space())
    dataset.add_sample(np.array(["1", 16, 32, np.float64(0.5), np.int64(3)], dtype=object), np.float64(1.0))  # type: ignore[arg-type]
    dataset.set_dataset([[*dataset.X[0][:3], np.float32(0.5), np.int8(3)]], np.array([1.0]))
    assert same(dataset.X, [["1", 16, 32, 0.5, 3]])
    assert same(Dataset.from_csv(dataset.to_csv(), mixed_space()).X, dataset.X)


@pytest.mark.parametrize(
    "row, value, message",
    [
        (["1", 16, 32, 0.5], 1.0, "row: expected 5 values"),
        ({"kind": "1"}, 1.0, r"missing \['layers', 'x', 'n'\]"),
        (["adam", 16, 32, 0.5, 3], 1.0, "parameter 'kind': expected one of"),
        (["1", 16, 32, None, 3], 1.0, "parameter 'x': expected numbers, got None"),
        (["1", 16, 32, 0.5, 3], None, "score: expected a number, got None"),
        (["1", 16, 32, 0.5, 3], "good", "score: expected a number, got 'good'"),
    ],
)
def test_a_sample_that_does_not_fit_changes_nothing(row: Any, value: Any, message: str) -> None:
    dataset = drawn_dataset(2)
    X, Y = list(dataset.X), list(dataset.Y)
    with pytest.raises(ValueError, match=message):
        dataset.add_sample(row, value)
    if isinstance(row, list):
        with pytest.raises(ValueError, match=message):
            dataset.set_dataset([row], [value])
    assert dataset.X == X
    assert dataset.Y == Y


def test_rows_and_scores_of_different_number_are_refused() -> None:
    dataset = drawn_dataset(2)
    with pytest.raises(ValueError, match="Y: expected 1 scores, one for each row of X, got 2"):
        dataset.set_dataset(dataset.X[:1], dataset.Y)
    with pytest.raises(ValueError, match="Y: expected 2 scores, one for each row of X, got 1"):
        dataset.encode_dataset(dataset.X, [1.0])
    assert len(dataset) == 2


def test_a_row_that_is_changed_later_does_not_change_the_dataset() -> None:
    dataset, row = Dataset(line_space()), [1.0]
    dataset.add_sample(row, 0.0)
    row[0] = 2.0
    assert dataset.X == [[1.0]]


def test_the_dataset_is_encoded_with_its_labels() -> None:
    dataset = Dataset(line_space())
    dataset.set_dataset([[1.0], [0.1], [3.0], [4.0]], [1.0, 4.0, math.nan, 2.0])
    X, y = dataset.encode_dataset()
    assert X.dtype == np.float32
    assert y.dtype == np.float64
    assert X.tolist() == [[1.0], [float(np.float32(0.1))], [3.0], [4.0]]
    assert y.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert dataset.encode_dataset(objective="min")[1].tolist() == [1.0, 0.0, 0.0, 0.0]
    X, y = dataset.encode_dataset([[5.0], [6.0]], [1.0, 2.0])
    assert (X.tolist(), y.tolist()) == ([[5.0], [6.0]], [0.0, 1.0])


def test_the_dataset_is_decoded_into_an_array_of_values() -> None:
    dataset = drawn_dataset(6)
    decoded = dataset.decode_dataset()
    assert decoded.dtype == object
    assert decoded.shape == (6, 5)
    assert same([row[:3] for row in decoded.tolist()], [row[:3] for row in dataset.X])
    assert same(decoded.tolist(), dataset.decode_dataset(dataset.encode_dataset()[0]).tolist())


def test_tuples_stay_values_in_the_arrays() -> None:
    dataset = Dataset([DiscreteHP("kernel", [(1, 2), (3, 4)])])
    dataset.set_dataset([[(1, 2)], [(3, 4)]], [0.0, 1.0])
    X, Y = dataset.get_dataset()
    assert (X.shape, X[0, 0], Y.tolist()) == ((2, 1), (1, 2), [0.0, 1.0])
    assert dataset.decode_dataset()[1, 0] == (3, 4)


def test_an_empty_dataset_gives_empty_arrays_of_the_right_width() -> None:
    dataset = Dataset(mixed_space())
    X, Y = dataset.get_dataset()
    encoded, labels = dataset.encode_dataset()
    assert [array.shape for array in (X, Y, encoded, labels, dataset.decode_dataset())] == [
        (0, 5), (0,), (0, 5), (0,), (0, 5),
    ]  # fmt: skip


def test_the_best_setting_is_the_first_of_equals_and_never_a_failed_one() -> None:
    dataset = Dataset(line_space())
    dataset.set_dataset([[float(i)] for i in range(7)], [math.nan, math.inf, 2.0, 3.0, 3.0, -math.inf, 2.0])
    assert dataset.get_best_parameters() == OrderedDict(x=3.0)
    assert dataset.get_best_parameters("min") == OrderedDict(x=2.0)
    assert dataset.prepare_parameter([5.0]) == OrderedDict(x=5.0)


@pytest.mark.parametrize("values", [[], [math.nan], [math.inf, -math.inf]])
def test_without_a_finite_score_there_is_no_best_setting(values: list[float]) -> None:
    dataset = Dataset(line_space())
    dataset.set_dataset([[1.0]] * len(values), values)
    with pytest.raises(ValueError, match=f"expected at least one finite score, got none among {len(values)}"):
        dataset.get_best_parameters()


def test_without_a_space_the_error_says_so() -> None:
    dataset = Dataset()
    assert dataset.parameters is None
    with pytest.raises(ValueError, match=r"parameters: expected a search space, got none"):
        dataset.add_sample([1.0], 1.0)
    dataset.parameters = [UniformHP("x", 0.0, 1.0)]
    dataset.add_sample([1.0], 1.0)
    assert dataset.parameters == HyperParameterList([UniformHP("x", 0.0, 1.0)])


def test_the_table_has_the_form_of_the_ancestor() -> None:
    dataset = Dataset([DiscreteHP("act", ["relu", None]), MultiDiscreteHP("n", [1, 2], 2), UniformHP("x", 0.0, 1.0)])
    dataset.set_dataset([["relu", 1, 2, 0.1], [None, 2, 2, 1e-300]], [0.30000000000000004, math.nan])
    assert dataset.to_csv() == ("id,act,n_1,n_2,x,scores\n0,relu,1,2,0.1,0.30000000000000004\n1,None,2,2,1e-300,nan\n")


@given(st.integers(0, 2**32), st.lists(scores, max_size=12))
def test_the_table_gives_everything_back_to_the_last_bit(seed: int, values: list[float]) -> None:
    dataset = Dataset(mixed_space())
    dataset.set_dataset(mixed_space().sample_rows(len(values), np.random.default_rng(seed)), values)
    table = dataset.to_csv()
    for form in (table, table.encode(), table.encode("utf-8-sig")):
        again = Dataset.from_csv(form, mixed_space())
        assert same(again.X, dataset.X)
        assert same(again.Y, dataset.Y)
    assert again.to_csv() == table


@pytest.mark.parametrize("value", LOOKALIKES)
def test_every_lookalike_comes_back_as_itself_under_any_reader_of_csv(value: Any) -> None:
    dataset = Dataset([DiscreteHP("kind,\n", LOOKALIKES)])
    dataset.add_sample([value], 1.0)
    table = dataset.to_csv()
    assert same(Dataset.from_csv(table, dataset.parameters or []).X, [[value]])
    assert [len(fields) for fields in csv.reader(io.StringIO(table, newline=""))] == [3, 3]


def test_a_longer_table_begins_with_the_shorter_one() -> None:
    dataset = drawn_dataset(9)
    table = dataset.to_csv()
    dataset.add_sample(dataset.X[0], 1.0)
    assert dataset.to_csv().startswith(table)


def test_a_table_with_line_ends_of_another_platform_is_read() -> None:
    assert Dataset.from_csv("id,x,scores\r\n0,0.5,1.0\r\n", line_space()).X == [[0.5]]


@pytest.mark.parametrize(
    "table, message",
    [
        ("", r"line 1: expected the header \['id', 'kind', 'n', 'scores'\], got \[\]"),
        ("id,kind,scores\n", r"line 1: expected the header .* got \['id', 'kind', 'scores'\]"),
        ("id,n,kind,scores\n", "line 1: expected the header"),
        ("id,kind,n,scores\n0,a,1\n", "line 2: expected 4 fields, got 3"),
        ("id,kind,n,scores\n0,a,1,0.5\n1,a,1,0.5,9\n", "line 3: expected 4 fields, got 5"),
        ("id,kind,n,scores\n0,a,1,0.5\n\n", "line 3: expected 4 fields, got 0"),
        ("id,kind,n,scores\n1,a,1,0.5\n", "line 2, column 'id': expected 0, got '1'"),
        ("id,kind,n,scores\n0,a,1,0.5\n0,a,1,0.5\n", "line 3, column 'id': expected 1, got '0'"),
        ('id,kind,n,scores\n0,"b\nc",1,0.5\n1,d,1,0.5\n', "line 4, column 'kind': .*expected one of .* got 'd'"),
        ("id,kind,n,scores\n0,a,1.5,0.5\n", "line 2, column 'n': invalid literal .* '1.5'"),
        ("id,kind,n,scores\n0,a,,0.5\n", "line 2, column 'n': invalid literal .* ''"),
        ("id,kind,n,scores\n0,a,1,high\n", "line 2, column 'scores': could not convert .* 'high'"),
        ('id,kind,n,scores\n0,"a"x,1,0.5\n', "line 2: expected a table in CSV: "),
        ('id,kind,n,scores\n0,"a,1,0.5\n', "line 2: expected a table in CSV: "),
        (b"id,kind,n,scores\n0,\xff,1,0.5\n", "line 2: expected a table in CSV: .*can't decode"),
    ],
)
def test_a_damaged_table_is_named_with_line_and_column(table: str | bytes, message: str) -> None:
    space = [DiscreteHP("kind", ["a", "b\nc"]), IntegerHP("n", 0, 9)]
    with pytest.raises(DamagedFileError, match=rf"(?s)my\.csv, {message}"):
        Dataset.from_csv(table, space, where="my.csv")


def test_a_custom_parameter_is_written_and_read_by_its_own_hooks() -> None:
    class Complex(AbstractHyperParameter):
        def sample(self) -> Any:
            return complex(self.random.random(), 1)

        def encode_array(self, values: Any) -> Any:
            return np.abs(values).astype(np.float32)

        def to_text(self, value: Any) -> str:
            return f"{value.real!r};{value.imag!r}"

        def from_text(self, text: str) -> Any:
            parts = text.split(";")
            return complex(float(parts[0]), float(parts[1]))

    dataset = Dataset([Complex("z")])
    dataset.add_sample([3 + 4j], 1.0)
    assert dataset.encode_dataset()[0].tolist() == [[5.0]]
    assert Dataset.from_csv(dataset.to_csv(), [Complex("z")]).X == [[3 + 4j]]
    with pytest.raises(DamagedFileError, match="line 2, column 'z': list index out of range"):
        Dataset.from_csv("id,z,scores\n0,3.0,1.0\n", [Complex("z")])


def test_a_saved_dataset_is_loaded_with_its_space() -> None:
    dataset = drawn_dataset(20)
    dataset.save_dataset()
    again = Dataset.load_from_directory()
    assert again.parameters == dataset.parameters
    assert same((again.X, again.Y), (dataset.X, dataset.Y))
    assert sorted(path.name for path in Path("shac_run").iterdir()) == ["dataset.csv", "parameters.json"]
    again.add_sample(again.X[0], 1.0)
    again.save_dataset()
    assert len(Dataset.load_from_directory("shac_run")) == 21


def test_a_dataset_is_saved_where_it_is_told() -> None:
    dataset = Dataset(line_space(), save_dir="one/two")
    dataset.save_dataset()
    dataset.save_dataset(Path("other"))
    assert Path("one/two/dataset.csv").read_bytes() == Path("other/dataset.csv").read_bytes()
    assert Dataset.load_from_directory("other").save_dir == Path("other")


def test_values_that_cannot_be_saved_are_named_before_anything_is_written() -> None:
    dataset = Dataset([DiscreteHP("layer", [1, frozenset()])])
    with pytest.raises(ValueError, match=r"parameters\['layer'\].*\['values'\]\[1\]: .* got frozenset\(\) of type"):
        dataset.save_dataset()
    assert not Path("shac_run").exists()


def test_a_folder_without_the_files_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        Dataset.load_from_directory()
    drawn_dataset(1).save_dataset()
    Path("shac_run/dataset.csv").unlink()
    with pytest.raises(FileNotFoundError):
        Dataset.load_from_directory()


@pytest.mark.parametrize("text", ["", "[]", '{"x": ["Unheard", {"name": "x"}]}', '{"x": ["UniformHP", {"name": "x"}]}'])
def test_damaged_parameters_are_named_with_their_file(text: str) -> None:
    drawn_dataset(1).save_dataset()
    Path("shac_run/parameters.json").write_text(text)
    with pytest.raises(DamagedFileError, match=r"shac_run.parameters\.json"):
        Dataset.load_from_directory()


def test_a_data_frame_has_values_of_their_types() -> None:
    pandas = pytest.importorskip("pandas")
    space = [
        UniformHP("x", 0.0, 1.0),
        IntegerHP("n", 1, 9),
        DiscreteHP("kind", [None, 3, "a", True]),
        MultiDiscreteHP("many", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6], sample_count=2),
    ]
    dataset = Dataset(space)
    rows: list[list[Any]] = [[0.5, 3, None, 0.1, 0.2], [0.25, 4, 3, 0.3, 0.4], [0.75, 5, True, 0.5, 0.6]]
    dataset.set_dataset(rows, [1.0, float("nan"), 3.0])
    frame = dataset.to_pandas()
    assert frame.columns.tolist() == ["x", "n", "kind", "many_1", "many_2", "scores"]
    assert frame["kind"].tolist() == [None, 3, True]
    assert [type(value) for value in frame["kind"]] == [type(None), int, bool]
    assert pandas.api.types.is_integer_dtype(frame["n"])
    assert frame.drop(columns="scores").to_numpy().tolist() == rows
    assert frame["scores"].isna().tolist() == [False, True, False]
    assert Dataset(space).to_pandas().empty
