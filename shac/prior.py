"""The prior of a search space: flat rows drawn from the parameters, and how many of them the constraints allow."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.errors import EmptyRegionError

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
            If constraints refuse a million rows in a row.
        """
        for _ in range(_MOST_TRIED):
            drawn = self.codec.flatten([parameter.sample() for parameter in self._parameters])
            rows = self.codec.mark_missing([drawn])
            if self.codec.satisfied(rows)[0]:
                return rows[0]
        raise self._infeasible(_MOST_TRIED)

    def sample_rows(self, n: int, random: np.random.Generator) -> list[list[Any]]:
        """Draw flat rows; constraints are not looked at.

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
        return self.codec.mark_missing(rows)

    @cached_property
    def feasible_share(self) -> float:
        """Share of the prior that satisfies the constraints, estimated from a fixed sample of it; 1 without any.

        Raises
        ------
        EmptyRegionError
            If nothing of the sample does.
        """
        drawn = satisfied = 0
        random = np.random.default_rng(0)
        while self._constraints and satisfied < _PILOT_HITS and drawn < _MOST_TRIED:
            satisfied += int(self.codec.satisfied(self.sample_rows(_PILOT_ROWS, random)).sum())
            drawn += _PILOT_ROWS
        if drawn and not satisfied:
            raise self._infeasible(drawn)
        return satisfied / drawn if drawn else 1.0

    def _infeasible(self, tried: int) -> EmptyRegionError:
        listed = [str(constraint) for constraint in self._constraints]
        return EmptyRegionError(
            f"constraints: expected configurations that satisfy {listed}, got none among {tried:,} drawn from the prior"
        )
