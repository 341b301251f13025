"""Exact draws where constraints leave hardly anything: weights whose sum is bounded, and values in order.

Rejection from the prior finds one of 10! configurations whose ten weights add up to at most 1, or that are in order.
Both have exact methods. Uniforms within a simplex are exponentials divided by their sum (Devroye 1986, "Non-Uniform
Random Variate Generation", chapter XI.2), with the sum's own distribution where it is bounded from both sides; and
values of one prior in ascending order are draws from it, sorted. What else constrains the configurations is left to
rejection.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.feasibility import range_of
from shac.parameters import (
    LogUniformHyperParameter,
    NormalContinuousHyperParameter,
    UniformContinuousHyperParameter,
)
from shac.parameters.conditional import ConditionalColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shac.linear import LinearInequality
    from shac.parameters import AbstractHyperParameter

__all__ = ["BoundedSum", "ExactDraws", "ascending_chains", "bounded_sums"]

_WITHOUT_TIES = (LogUniformHyperParameter, NormalContinuousHyperParameter, UniformContinuousHyperParameter)
_PILOT_DRAWS = 4096
_LEAST_ACCEPTED = 2.0**-7  # of draws in the simplex, within the parameters' bounds
_MOST_BLOCKS = 10_000
_LEAST_MASS = 2.0**-6  # of the prior within constraints, for rejection from it


@dataclass(frozen=True, slots=True)
class BoundedSum:
    """Columns of uniforms whose weighted sum is bounded: ``lower <= sum(weights * x) <= upper``.

    Parameters
    ----------
    columns : tuple of int
    weights : ndarray of float64
        Not zero.
    lows, highs : ndarray of float64
        Bounds of each column.
    lower, upper : float
        Bounds of the sum; may be infinite.
    """

    columns: tuple[int, ...]
    weights: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]
    lower: float
    upper: float

    def mass(self) -> float:
        """Estimate the prior probability of the bounds by drawing within the simplex; 1 where that does not pay.

        Returns
        -------
        float
            0 if the sum never is within its bounds.
        """
        _, widths, first, last = self._simplex()
        if last < 0 or first > last:
            return 0.0
        accepted = float((self._tried(_PILOT_DRAWS, np.random.default_rng(0)) <= widths).all(axis=1).mean())
        if accepted < _LEAST_ACCEPTED:
            return 1.0
        n = len(widths)
        volume = math.exp(n * math.log(last) - math.lgamma(n + 1) - float(np.log(widths).sum())) if last > 0 else 0.0
        return min(1.0, volume * (1 - (first / last) ** n if last > 0 else 0.0) * accepted)

    def draw(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw from the uniform distribution within all bounds.

        Parameters
        ----------
        n : int
        random : numpy.random.Generator

        Returns
        -------
        ndarray of float64, shape (n, len(columns))
        """
        is_flipped, widths, _, _ = self._simplex()
        found: list[NDArray[np.float64]] = []
        num_found = 0
        for _ in range(_MOST_BLOCKS):
            tried = self._tried(max(n, 64), random)
            inside = tried[(tried <= widths).all(axis=1)]
            found.append(inside)
            num_found += len(inside)
            if num_found >= n:
                break
        above = np.concatenate(found)[:n]
        if is_flipped:
            above = widths - above
        x = np.where(self.weights > 0, self.lows + above / self.weights, self.highs + above / self.weights)
        inside_bounds: NDArray[np.float64] = np.clip(x, self.lows, self.highs)
        return inside_bounds

    def _simplex(self) -> tuple[bool, NDArray[np.float64], float, float]:
        """Describe the sum from the corner of the bounds that is nearer to it: distances there are in a simplex.

        Returns
        -------
        is_flipped : bool
            Whether that is the corner of the largest sum.
        widths : ndarray of float64
            The largest distance of each column.
        first, last : float
            Bounds of the distances' sum.
        """
        widths = np.abs(self.weights) * (self.highs - self.lows)
        smallest = float(np.where(self.weights > 0, self.weights * self.lows, self.weights * self.highs).sum())
        total = float(widths.sum())
        first, last = max(self.lower - smallest, 0.0), min(self.upper - smallest, total)
        if total - first < last:
            return True, widths, total - last, total - first
        return False, widths, first, last

    def _tried(self, n: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Draw distances whose sum is within its bounds, uniformly."""
        _, widths, first, last = self._simplex()
        k = len(widths)
        lowest = (first / last) ** k if last > 0 else 0.0
        sums = last * (lowest + random.random(n) * (1 - lowest)) ** (1 / k)
        parts = random.standard_exponential((n, k))
        distances: NDArray[np.float64] = sums[:, np.newaxis] * parts / parts.sum(axis=1, keepdims=True)
        return distances

    def is_symmetric_in(self, columns: Sequence[int]) -> bool:
        """Return whether exchanging the values of these columns changes nothing."""
        if not set(columns) <= set(self.columns):
            return False
        own = [self.columns.index(c) for c in columns]
        return all(len(np.unique(values[own])) == 1 for values in (self.weights, self.lows, self.highs))


def bounded_sums(
    inequalities: Sequence[LinearInequality], columns: Sequence[AbstractHyperParameter]
) -> list[BoundedSum]:
    """List the sums of two or more uniform columns that inequalities bound.

    Parameters
    ----------
    inequalities : sequence of LinearInequality
    columns : sequence of AbstractHyperParameter
        The columns of the space.

    Examples
    --------
    >>> from shac import UniformHP
    >>> from shac.linear import LinearInequality
    >>> columns = [UniformHP(name, 0.0, 1.0) for name in "abc"]
    >>> [whole] = bounded_sums([LinearInequality({0: 1.0, 1: 1.0, 2: 1.0}, 1.0)], columns)
    >>> round(whole.mass(), 2)
    0.17
    >>> bool((whole.draw(1000, np.random.default_rng(0)).sum(axis=1) <= 1.0 + 1e-12).all())
    True
    """
    bounds: dict[tuple[tuple[int, float], ...], tuple[float, float]] = {}
    for inequality in inequalities:
        own = [columns[c] for c in inequality.coefficients]
        if len(own) < 2 or any(type(c) is not UniformContinuousHyperParameter for c in own):
            continue
        # The same sum may be bounded from both sides, in any multiple
        scale = inequality.coefficients[min(inequality.coefficients)]
        key = tuple(sorted((c, a / scale) for c, a in inequality.coefficients.items()))
        lower, upper = bounds.get(key, (-math.inf, math.inf))
        bound = inequality.bound / scale
        bounds[key] = (lower, min(upper, bound)) if scale > 0 else (max(lower, bound), upper)
    made = []
    for key, (lower, upper) in bounds.items():
        uniforms: list[Any] = [columns[c] for c, _ in key]
        made.append(
            BoundedSum(
                columns=tuple(c for c, _ in key),
                weights=np.array([a for _, a in key]),
                lows=np.array([uniform.min_value for uniform in uniforms]),
                highs=np.array([uniform.max_value for uniform in uniforms]),
                lower=lower,
                upper=upper,
            )
        )
    return made


def ascending_chains(
    inequalities: Sequence[LinearInequality], columns: Sequence[AbstractHyperParameter]
) -> list[tuple[int, ...]]:
    """List columns of one prior that must be in ascending order: ``a < b < c``.

    Parameters
    ----------
    inequalities : sequence of LinearInequality
    columns : sequence of AbstractHyperParameter
        The columns of the space.

    Returns
    -------
    list of tuple of int
        Without a column in common; of each chain the column of the smallest value comes first.

    Examples
    --------
    >>> from shac import UniformHP
    >>> from shac.linear import LinearInequality
    >>> columns = [UniformHP(name, 0.0, 1.0) for name in "abc"]
    >>> ascending_chains([LinearInequality({0: 1.0, 2: -1.0}, 0.0), LinearInequality({2: 1.0, 1: -1.0}, 0.0)], columns)
    [(0, 2, 1)]
    """
    following: dict[int, set[int]] = {}
    for inequality in inequalities:
        if inequality.bound != 0 or len(inequality.coefficients) != 2:
            continue
        (first, a), (second, b) = inequality.coefficients.items()
        # Sorting draws that may be equal would favour those that are not
        is_exact = inequality.is_strict or isinstance(columns[first], _WITHOUT_TIES)
        if a == -b and is_exact and _have_one_prior(columns[first], columns[second]):
            smaller, larger = (first, second) if a > 0 else (second, first)
            following.setdefault(smaller, set()).add(larger)
    # A total order alone has a distribution that sorting gives: a column with one successor, which has no other
    successors = {column: next(iter(larger)) for column, larger in following.items() if len(larger) == 1}
    counts = [larger for _, larger in successors.items()]
    successors = {
        column: larger
        for column, larger in successors.items()
        if counts.count(larger) == 1 and not any(larger in others and len(others) > 1 for others in following.values())
    }
    chains = []
    for start in sorted(set(successors) - set(successors.values())):
        chain = [start]
        while chain[-1] in successors:
            chain.append(successors[chain[-1]])
        chains.append(tuple(chain))
    return chains


def _have_one_prior(first: AbstractHyperParameter, second: AbstractHyperParameter) -> bool:
    ignored = {"name": None, "seed": None}
    is_known = type(first) is type(second) and not isinstance(first, ConditionalColumn) and range_of(first) is not None
    return is_known and repr({**first.get_config(), **ignored}) == repr({**second.get_config(), **ignored})


@dataclass(frozen=True, slots=True)
class ExactDraws:
    """What of a space's constraints is drawn instead of being tested.

    Parameters
    ----------
    sums : tuple of BoundedSum
        Without a column in common.
    chains : tuple of tuple of int
        Likewise; see `ascending_chains`. One within a sum exchanges nothing but equals.
    mass : float
        The prior probability of all of them, estimated.
    """

    sums: tuple[BoundedSum, ...] = ()
    chains: tuple[tuple[int, ...], ...] = ()
    mass: float = 1.0

    @classmethod
    def of(cls, inequalities: Sequence[LinearInequality], columns: Sequence[AbstractHyperParameter]) -> Self:
        """Choose what is drawn: the least probable first, and nothing that disturbs it.

        Parameters
        ----------
        inequalities : sequence of LinearInequality
            That hold in every configuration.
        columns : sequence of AbstractHyperParameter
            The columns of the space.
        """
        chosen: list[tuple[float, BoundedSum | tuple[int, ...]]] = []
        candidates: list[tuple[float, BoundedSum | tuple[int, ...]]] = [
            *((bounded.mass(), bounded) for bounded in bounded_sums(inequalities, columns)),
            *((1 / math.factorial(len(chain)), chain) for chain in ascending_chains(inequalities, columns)),
        ]
        for mass, candidate in sorted(candidates, key=lambda pair: pair[0]):
            if 0 < mass < 1 and all(_agree(candidate, other) for _, other in chosen):
                chosen.append((mass, candidate))
        sums = tuple(candidate for _, candidate in chosen if isinstance(candidate, BoundedSum))
        chains = tuple(candidate for _, candidate in chosen if isinstance(candidate, tuple))
        return cls(sums, chains, math.prod(mass for mass, _ in chosen))

    @property
    def is_needed(self) -> bool:
        """Whether rejection from the prior would find hardly anything."""
        return self.mass < _LEAST_MASS

    def put_into(self, rows: list[list[Any]], random: np.random.Generator) -> None:
        """Replace values of rows that are drawn from the prior.

        Parameters
        ----------
        rows : list of list
            Flat rows, changed in place.
        random : numpy.random.Generator
        """
        for bounded in self.sums:
            for row, values in zip(rows, bounded.draw(len(rows), random).tolist(), strict=True):
                for column, value in zip(bounded.columns, values, strict=True):
                    row[column] = value
        for chain in self.chains:
            for row in rows:
                for column, value in zip(chain, sorted(row[c] for c in chain), strict=True):
                    row[column] = value


def _agree(first: BoundedSum | tuple[int, ...], second: BoundedSum | tuple[int, ...]) -> bool:
    """Return whether both can be drawn: without a column in common, or a chain of columns that are alike in a sum."""
    of_first = first.columns if isinstance(first, BoundedSum) else first
    of_second = second.columns if isinstance(second, BoundedSum) else second
    if not set(of_first) & set(of_second):
        return True
    if isinstance(first, BoundedSum):
        return isinstance(second, tuple) and first.is_symmetric_in(second)
    return isinstance(second, BoundedSum) and second.is_symmetric_in(first)
