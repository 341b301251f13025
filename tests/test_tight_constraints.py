"""Constraints that hardly any configuration satisfies: exact draws where there is a method, proofs, and warnings."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import shac
from shac.constrained_draws import ExactDraws, ascending_chains, bounded_sums
from shac.constraints import Constraint
from shac.expressions import parse
from shac.feasibility import can_hold
from shac.linear import linear_inequalities

NAMES = [f"w{i}" for i in range(10)]


def uniforms(count: int, low: float = 0.0, high: float = 1.0) -> list[shac.UniformHP]:
    return [shac.UniformHP(name, low, high) for name in NAMES[:count]]


def rows_of(space: shac.HyperParameterList, n: int, **arguments: Any) -> list[list[Any]]:
    return shac.Cascade([], space).draw(n, seed=0, **arguments).rows


def within(space: shac.HyperParameterList, n: int) -> np.ndarray:
    """Draw by the exact method alone, whether or not it is needed; rows that break a constraint are left out."""
    random = np.random.default_rng(1)
    exact = ExactDraws.of(space.codec.inequalities(), space.columns)
    rows = [parameter.sample_array(n, random) for parameter in space]
    flat = [list(values) for values in zip(*rows, strict=True)]
    exact.put_into(flat, random)
    assert exact.mass < 1
    return np.array(flat, dtype=np.float64)[space.satisfied(flat)]


def by_rejection(space: shac.HyperParameterList, n: int) -> np.ndarray:
    plain = shac.HyperParameterList(list(space))
    rows = plain.sample_rows(n, np.random.default_rng(2))
    return np.array([row for row, good in zip(rows, space.satisfied(rows), strict=True) if good], dtype=np.float64)


SPACES: dict[str, tuple[list[Any], list[str]]] = {
    "simplex": (uniforms(4), ["w0 + w1 + w2 + w3 <= 1"]),
    "simplex beyond a bound": (uniforms(3), ["w0 + w1 + w2 < 1.3"]),
    "slab": (uniforms(4), ["0.7 <= w0 + w1 + w2 + w3 <= 0.8"]),
    "slab in the middle": (uniforms(3), ["1.4 < w0 + w1 + w2", "w0 + w1 + w2 < 1.5"]),
    "upper corner": (uniforms(3, -1, 2), ["w0 + w1 + w2 >= 5"]),
    "weights": (uniforms(3), ["2 * w0 + w1 / 2 - w2 < -0.4"]),
    "differences": (uniforms(4), ["w0 - w1 > 0.7 + w2"]),
    "order": (uniforms(4), ["w0 < w2 < w1"]),
    "order in a simplex": (uniforms(4), ["w0 + w1 + w2 + w3 <= 1", "w0 < w1", "w1 < w2"]),
    "order of integers": ([shac.IntegerHP(name, 0, 9) for name in NAMES[:3]], ["w0 < w1 < w2"]),
    "order of choices": ([shac.DiscreteHP(name, [1, 4, 2, 8]) for name in NAMES[:3]], ["w0 > w1 > w2"]),
    "order of logarithms": ([shac.LogUniformHP(name, 0.1, 10) for name in NAMES[:3]], ["w0 >= w1", "w1 >= w2"]),
    "order and more": (uniforms(3), ["w0 < w1", "w1 < w2", "w0 * w2 > 0.1"]),
}


@pytest.mark.parametrize("name", SPACES)
def test_exact_draws_have_the_distribution_of_rejection_from_the_prior(name: str) -> None:
    # A Kolmogorov-Smirnov test for each column and each sum of two, at most 10 a space: one false alarm in 1,000 runs
    parameters, constraints = SPACES[name]
    space = shac.HyperParameterList(parameters, constraints=constraints)
    exact, rejected = within(space, 20_000), by_rejection(space, 200_000)
    assert min(len(exact), len(rejected)) > 900
    directions = [*np.eye(exact.shape[1]), *np.eye(exact.shape[1])[1:] + np.eye(exact.shape[1])[:-1]]
    for direction in directions:
        p = stats.ks_2samp(exact @ direction, rejected @ direction).pvalue
        assert p > 1e-3 / len(SPACES) / len(directions), direction


def test_ten_weights_of_a_simplex_and_nine_values_in_order_come_at_once() -> None:
    simplex = shac.HyperParameterList(uniforms(10), constraints=["+".join(NAMES) + " <= 1"])
    ordered = shac.HyperParameterList(uniforms(9), constraints=["<".join(NAMES[:9])])
    drawn = np.array(rows_of(simplex, 2000))
    assert (drawn.sum(axis=1) <= 1).all()
    # The largest of ten spacings of the unit interval, and the sum, which is beta distributed
    assert stats.kstest(drawn.sum(axis=1), stats.beta(10, 1).cdf).pvalue > 1e-4
    assert stats.kstest(drawn[:, 3], stats.beta(1, 10).cdf).pvalue > 1e-4
    for c, column in enumerate(np.array(rows_of(ordered, 2000)).T):
        assert stats.kstest(column, stats.beta(c + 1, 9 - c).cdf).pvalue > 1e-4


def test_samples_are_the_same_from_anywhere_in_the_stream_and_for_any_number_of_threads() -> None:
    space = shac.HyperParameterList(uniforms(10), constraints=["+".join(NAMES) + " <= 1"])
    whole = rows_of(space, 5000, threads=1)
    assert whole == rows_of(space, 5000, threads=3) == rows_of(space, 5000, method="plain")
    assert rows_of(space, 100, first_candidate=4500) == whole[-500:-400]


def test_the_default_search_learns_within_a_simplex_and_goes_on_when_it_is_taken_up_again() -> None:
    def loss(worker_id: int, parameters: Any) -> float:
        return sum((float(value) - 0.02 * i) ** 2 for i, value in enumerate(parameters.values()))

    def search(rounds: int, folder: str) -> shac.SHAC:
        made = shac.SHAC(loss, uniforms_in_a_simplex(), 60, 6, "min", save_dir=folder, seed=0)
        made.concurrent_evaluators()
        if rounds:
            made.restore_data()
        return made

    def uniforms_in_a_simplex() -> shac.HyperParameterList:
        return shac.HyperParameterList(uniforms(10), constraints=["+".join(NAMES) + " <= 1"])

    whole = search(0, "whole")
    whole.fit()
    assert all(sum(row) <= 1 for row in whole.dataset.X)
    assert min(whole.dataset.Y) < np.median(whole.dataset.Y[:10])
    assert len(whole.classifiers) == 5
    again = search(0, "again")
    for _ in range(3):
        for configuration in again.ask(10):
            again.tell(configuration, loss(0, configuration))
    search(3, "again").fit()
    assert (whole.save_dir / "dataset.csv").read_bytes() == (again.save_dir / "dataset.csv").read_bytes()


@pytest.mark.parametrize(
    "constraints",
    [
        ["w0 + w1 > 3"],
        ["w0 > 2 and w1 > 0"],
        ["w0 > 2 or w1 < -1"],
        ["w0 < w1", "w1 < w0 - 0.1"],
        ["w0 + w1 + w2 < 0.5", "w0 > 0.6"],
        ["w0 * w1 > 1.5"],
        ["max(w0, w1) > 1.5"],
        ["w0 == 3"],
    ],
)
def test_constraints_that_nothing_satisfies_are_proven_to_be_impossible(constraints: list[str]) -> None:
    space = shac.HyperParameterList(uniforms(3), constraints=constraints)
    with pytest.raises(shac.EmptyRegionError, match="which is proven to be impossible"):
        shac.Cascade([], space).sample(1, seed=0, max_candidates=2**26)


def test_what_is_rare_and_has_no_method_is_told_of_and_found() -> None:
    space = shac.HyperParameterList(uniforms(2), constraints=["(w0 - 0.5) * (w0 - 0.5) + w1 * w1 < 0.00002"])
    with pytest.warns(UserWarning, match=r"about one of [23]\d,\d{3} configurations drawn from the prior satisfies"):
        [row] = rows_of(space, 1)
    assert math.hypot(row[0] - 0.5, row[1]) < math.sqrt(0.00002)
    never = shac.HyperParameterList(uniforms(2), constraints=["sqrt(w0) + w1 * w1 > 2.0000001"])
    with pytest.warns(UserWarning, match="fewer than one of 1,048,576 configurations"):
        X, report = shac.Cascade([], never).sample(1, seed=0, max_candidates=2**17)
    assert (len(X), report.candidates) == (0, 2**17)


def test_a_conditional_parameter_makes_no_constraint_impossible() -> None:
    space = shac.HyperParameterList(
        [shac.DiscreteHP("kind", ["a", "b"]), *uniforms(2)],
        conditions={"w1": {"kind": "a"}},
        constraints=["w0 + w1 > 3"],
    )
    assert {row[0] for row in rows_of(space, 20)} == {"b"}


def test_no_chain_is_made_of_columns_that_are_not_alike() -> None:
    mixed = [shac.UniformHP("a", 0, 1), shac.UniformHP("b", 0, 2), shac.LogUniformHP("c", 0.1, 1)]
    space = shac.HyperParameterList(mixed, constraints=["a < b < c"])
    assert ascending_chains(space.codec.inequalities(), space.columns) == []
    tied = shac.HyperParameterList([shac.IntegerHP(name, 0, 3) for name in "abc"], constraints=["a <= b <= c"])
    assert ascending_chains(tied.codec.inequalities(), tied.columns) == []
    branching = shac.HyperParameterList(uniforms(4), constraints=["w0 < w1", "w0 < w2", "w3 < w2"])
    assert ascending_chains(branching.codec.inequalities(), branching.columns) == []


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("a + 2 * b - 3 <= 4 - a", [({0: 2.0, 1: 2.0}, 7.0)]),
        ("1 < a", [({0: -1.0}, -1.0)]),
        ("-(a - b) / 2 >= 0 and sum(x) < 1", [({0: 0.5, 1: -0.5}, 0.0), ({2: 1.0, 3: 1.0}, 1.0)]),
        ("x[0] < x[1] < 1", [({2: 1.0, 3: -1.0}, 0.0), ({3: 1.0}, 1.0)]),
        ("a * b < 1 or a < b", []),
        ("a != b", []),
    ],
)
def test_linear_inequalities_are_found_in_expressions(expression: str, expected: list[Any]) -> None:
    columns = {"a": slice(0, 1), "b": slice(1, 2), "x": slice(2, 4)}
    found = linear_inequalities(parse(expression), columns, {"x"})
    assert [(one.coefficients, one.bound) for one in found] == expected


@given(
    st.sampled_from(["a + b * 2 - c", "a * b + c", "max(a, b) - min(c, 1)", "-a / (b + 10)", "a - -c"]),
    st.sampled_from(["<", "<=", ">", ">=", "=="]),
    st.floats(-5, 5),
    st.lists(st.tuples(st.floats(-4, 4), st.floats(-4, 4)).map(sorted), min_size=3, max_size=3),
    st.integers(0, 2**31),
)
@settings(max_examples=200, deadline=None)
def test_what_is_said_to_be_impossible_never_holds(
    left: str, operator: str, bound: float, ranges: list[list[float]], seed: int
) -> None:
    constraint = Constraint(f"{left} {operator} {bound!r}")
    assert constraint.tree is not None
    names = dict(zip("abc", [[(low, high)] for low, high in ranges], strict=True))
    if can_hold(constraint.tree, names):
        return
    random = np.random.default_rng(seed)
    values = {
        name: random.choice([low, high, *random.uniform(low, high, 5)], 50) for name, [(low, high)] in names.items()
    }
    assert not constraint.holds({name: values[name] for name in constraint.names}).any()


def test_the_mass_of_a_simplex_is_its_volume() -> None:
    space = shac.HyperParameterList(uniforms(10), constraints=["+".join(NAMES) + " <= 1"])
    [whole] = bounded_sums(space.codec.inequalities(), space.columns)
    assert whole.mass() == pytest.approx(1 / math.factorial(10))
