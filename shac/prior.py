"""The prior of a search space: flat rows drawn from the parameters, and how many of them the constraints allow."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.constrained_draws import ExactDraws
from shac.errors import EmptyRegionError
from shac.feasibility import are_contradictory, range_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shac.codec import ColumnCodec
    from shac.constraints import Constraint
    from shac.parameters import AbstractHyperParameter

__all__ = ["Prior"]

_MOST_TRIED = 2**20  # rows of the prior, before constraints are taken for impossible
_PILOT_ROWS = 4096
_PILOT_HITS = 400


class Prior:
    """Draws configurations of parameters that do not change any more.

    Parameters
    ----------
    parameters : sequence of AbstractHyperParameter
    constraints : sequence of Constraint
    codec : ColumnCodec
        Of these parameters and constraints.
    """

    def __init__(
        self, parameters: Sequence[AbstractHyperParameter], constraints: Sequence[Constraint], codec: ColumnCodec
    ) -> None:
        self._parameters = tuple(parameters)
        self._constraints = tuple(constraints)
        self.codec = codec

    def sample(self) -> list[Any]:
        """Draw a flat row from the parameters' own generators.

        Raises
        ------
        EmptyRegionError
            If no row satisfies the constraints, or, where that is not proven, a million in a row do not.
        """
        if self._exact.is_needed:
            random = np.random.default_rng(self._parameters[0].random.integers(2**63))
            for _ in range(_MOST_TRIED // _PILOT_ROWS):
                rows = self.sample_rows(_PILOT_ROWS, random)
                passed = np.flatnonzero(self.codec.satisfied(rows))
                if passed.size:
                    return rows[passed[0]]
            raise self._infeasible(f"got none among {_MOST_TRIED:,} drawn")
        for _ in range(_MOST_TRIED):
            drawn = self.codec.flatten([parameter.sample() for parameter in self._parameters])
            rows = self.codec.mark_missing([drawn])
            if self.codec.satisfied(rows)[0]:
                return rows[0]
        raise self._infeasible(f"got none among {_MOST_TRIED:,} drawn from the prior")

    def sample_rows(self, n: int, random: np.random.Generator) -> list[list[Any]]:
        """Draw flat rows; whether they satisfy the constraints is not looked at.

        Where hardly any row of the prior would, rows are drawn from the prior within the constraints that have an exact
        method; see `shac.constrained_draws`.

        Parameters
        ----------
        n : int
            How many.
        random : numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        list of list, n rows
        """
        drawn = [parameter.sample_array(n, random) for parameter in self._parameters]
        rows = [self.codec.flatten(values) for values in zip(*drawn, strict=True)] if drawn else [[] for _ in range(n)]
        if self._exact.is_needed:
            self._exact.put_into(rows, random)
        return self.codec.mark_missing(rows)

    @property
    def draws_within_constraints(self) -> bool:
        """Whether `sample_rows` draws within some of the constraints, as hardly any row of the prior satisfies them."""
        return bool(self._constraints) and self._exact.is_needed

    @cached_property
    def feasible_share(self) -> float:
        """Share of what `sample_rows` draws that satisfies the constraints, estimated from a fixed sample of it.

        1 without constraints. Where a sample of a million has hardly any, a warning says so.

        Raises
        ------
        EmptyRegionError
            If it is proven that no configuration satisfies them.
        """
        if not self._constraints:
            return 1.0
        if self._is_proven_empty:
            raise self._infeasible("which is proven to be impossible")
        drawn = satisfied = 0
        random = np.random.default_rng(0)
        while satisfied < _PILOT_HITS and drawn < _MOST_TRIED:
            satisfied += int(self.codec.satisfied(self.sample_rows(_PILOT_ROWS, random)).sum())
            drawn += _PILOT_ROWS
        if drawn >= _MOST_TRIED:
            estimate = f"about one of {drawn // satisfied:,}" if satisfied else f"fewer than one of {drawn:,}"
            warnings.warn(
                f"constraints: {estimate} configurations drawn from the prior satisfies {self._listed()}; samples will "
                f"take long",
                stacklevel=2,
            )
        return max(satisfied, 0.5) / drawn

    @cached_property
    def _exact(self) -> ExactDraws:
        return ExactDraws.of(self.codec.inequalities(), self.codec.columns)

    @cached_property
    def _is_proven_empty(self) -> bool:
        ranges = [range_of(column) for column in self.codec.columns]
        return not self.codec.can_satisfy(ranges) or are_contradictory(self.codec.inequalities(), ranges)

    def _infeasible(self, found: str) -> EmptyRegionError:
        return EmptyRegionError(f"constraints: expected configurations that satisfy {self._listed()}, {found}")

    def _listed(self) -> str:
        return f"[{', '.join(str(constraint) for constraint in self._constraints)}]"
