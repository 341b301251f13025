"""Tables that lost their end or had bytes changed: an error, or exactly what the bytes say."""

import math
from typing import Any

import numpy as np
import pytest

from shac.dataset import Dataset
from shac.errors import DamagedFileError
from shac.parameters import DiscreteHP, IntegerHP, MultiNormalHP, UniformHP
from shac.space import HyperParameterList

VALUES = ["a,b", 'q"x', "n\nl", "r\rr", "", None, "None", True, "True", 1, "1", "é\0", "\ud800", "x" * 2000]


def small_space() -> HyperParameterList:
    parameters = [UniformHP("u", 0.0, 1.0), DiscreteHP("d", VALUES), IntegerHP("i", -5, 500)]
    return HyperParameterList([*parameters, MultiNormalHP("m", 0.0, 1.0, sample_count=2)])


def small_dataset() -> Dataset:
    dataset = Dataset(small_space())
    rows = small_space().sample_rows(len(VALUES) - 1, np.random.default_rng(0))
    for i, row in enumerate(rows):
        row[1] = VALUES[i]
    dataset.set_dataset(rows, [[1.25, math.nan, -0.1, math.inf][i % 4] for i in range(len(rows))])
    return dataset


def contents(dataset: Dataset) -> str:
    return repr((dataset.X, dataset.Y))


def test_a_table_cut_at_any_byte_is_damaged_or_ends_with_a_whole_row() -> None:
    whole = small_dataset()
    table = whole.to_csv().encode()
    shorter = 0
    for end in range(len(table)):
        try:
            dataset = Dataset.from_csv(table[:end], small_space())
        except DamagedFileError:
            continue
        n = len(dataset)
        assert table[:end].endswith(b"\n")
        assert contents(dataset) == repr((whole.X[:n], whole.Y[:n]))
        shorter += 1
    assert shorter == len(whole)  # the header alone, and every number of rows but the last


def test_a_table_with_changed_bytes_is_damaged_or_says_what_was_read() -> None:
    table = small_dataset().to_csv().encode()
    random = np.random.default_rng(1)
    read = 0
    for _ in range(3000):
        changed = bytearray(table)
        for place in random.integers(len(table), size=random.integers(1, 3)):
            changed[place] = random.integers(256)
        try:
            dataset = Dataset.from_csv(bytes(changed), small_space())
        except DamagedFileError:
            continue
        read += 1
        # The end of a line may become that of another platform, which changes no value.
        assert dataset.to_csv().encode().replace(b"\r", b"\n") == bytes(changed).replace(b"\r", b"\n")
    assert 0 < read < 1500


def test_a_score_that_lost_its_last_digit_is_not_taken_for_another() -> None:
    with pytest.raises(DamagedFileError, match=r"dataset\.csv, line 2: expected an end of the line, got the end of"):
        Dataset.from_csv("id,x,scores\n0,0.5,1.2", [UniformHP("x", 0.0, 1.0)])


@pytest.mark.parametrize("text", ["1_0", " 1 ", "\u0661", "\uff11", "+1", "01", "-0"])
def test_integers_that_python_reads_but_nobody_wrote_are_damage(text: str) -> None:
    with pytest.raises(DamagedFileError, match=r"line 2, column 'i': expected '-?\d+', which stands for -?\d+, got"):
        Dataset.from_csv(f"id,i,scores\n0,{text},1.0\n", [IntegerHP("i", -50, 50)])


@pytest.mark.parametrize(
    "text", ["1_0.0", " 1.0 ", "\u0661.0", "+1.0", "1", "1.00", "1e0", "1E5", ".5", "Infinity", "NaN", "-nan"]
)
def test_floats_that_python_reads_but_nobody_wrote_are_damage(text: str) -> None:
    for line, column in ((f"0,{text},1.0", "x"), (f"0,1.0,{text}", "scores")):
        with pytest.raises(DamagedFileError, match=f"line 2, column '{column}': expected '.*', which stands for"):
            Dataset.from_csv(f"id,x,scores\n{line}\n", [UniformHP("x", -50.0, 50.0)])


@pytest.mark.parametrize("row", [5, None, "ab", b"ab"])
def test_a_row_that_is_no_sequence_of_values_is_named(row: Any) -> None:
    dataset = Dataset([DiscreteHP("x", ["a"]), DiscreteHP("y", ["b"])])
    with pytest.raises(ValueError, match="row: expected a sequence of values, got"):
        dataset.add_sample(row, 1.0)
    with pytest.raises(ValueError, match="row: expected a sequence of values, got"):
        dataset.set_dataset([row], [1.0])
    assert (dataset.X, dataset.Y) == ([], [])


@pytest.mark.parametrize("score", [None, "1.5", b"1", 1j, [1.0], 10**400])
def test_a_score_that_is_no_number_is_named(score: Any) -> None:
    dataset = Dataset([UniformHP("x", 0.0, 1.0)])
    with pytest.raises(ValueError, match="score: expected a number, got"):
        dataset.add_sample([0.5], score)
    assert (dataset.X, dataset.Y) == ([], [])


@pytest.mark.parametrize(
    "space", [None, 5, [UniformHP("x", 0.0, 1.0), UniformHP("y", 0.0, 1.0)], [DiscreteHP("x", ["a"])]]
)
def test_a_space_that_does_not_fit_the_settings_is_refused(space: Any) -> None:
    dataset = Dataset([UniformHP("x", 0.0, 1.0)])
    dataset.add_sample([0.5], 1.0)
    table = dataset.to_csv()
    with pytest.raises(ValueError, match=r"expected"):
        dataset.parameters = space
    assert dataset.to_csv() == table


def test_long_values_and_half_surrogates_are_saved_and_come_back() -> None:
    values = ["x" * 200_000, "x" * 200_000 + "y", "\ud800", "\udfff", "y"]
    dataset = Dataset([DiscreteHP("d", values)])
    dataset.set_dataset([[value] for value in values], [1.0] * 5)
    dataset.save_dataset("saved")
    assert Dataset.load_from_directory("saved").X == dataset.X
