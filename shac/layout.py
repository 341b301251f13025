"""The columns of a search space: which parameter stands where, and which rows are whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.constraints import Constraints
from shac.parameters import AbstractMultiHyperParameter
from shac.parameters.conditional import MISSING, ConditionalColumn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from shac.conditions import Conditions
    from shac.constraints import Constraint
    from shac.parameters import AbstractHyperParameter

__all__ = ["Layout"]


class Layout:
    """Columns of parameters in order.

    Parameters
    ----------
    parameters : mapping of str to AbstractHyperParameter
    conditions : Conditions
        Which of them exist only where others take certain values.
    constraints : sequence of Constraint

    Attributes
    ----------
    columns : tuple of AbstractHyperParameter
        The scalar parameter of each column.
    places : dict
        The columns of each parameter.
    constraints : Constraints
    feasible_share : float or None
        Kept here for the space, as it is known for these parameters and constraints alone.
    """

    def __init__(
        self,
        parameters: Mapping[str, AbstractHyperParameter],
        conditions: Conditions,
        constraints: Sequence[Constraint],
    ) -> None:
        self._conditions = conditions
        columns: list[AbstractHyperParameter] = []
        self.places: dict[str, slice] = {}
        for name, parameter in parameters.items():
            own: tuple[AbstractHyperParameter, ...] = parameter.columns
            if name in conditions:
                # Columns of one multi-parameter stay one object, as they share a marginal.
                wrapped = {id(column): ConditionalColumn(column) for column in own}
                own = tuple(wrapped[id(column)] for column in own)
            self.places[name] = slice(len(columns), len(columns) + len(own))
            columns += own
        self.columns = tuple(columns)
        multiple = {name for name, p in parameters.items() if isinstance(p, AbstractMultiHyperParameter)}
        self.constraints = Constraints(constraints, self.places, multiple)
        self.feasible_share: float | None = None

    def mark_missing(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Put MISSING into flat rows in place of values that do not exist, and return them."""
        if not self._conditions or not rows:
            return rows
        names = {parent for name in self._conditions.order for parent in self._conditions.parents(name)}
        places = {self.places[name].start for name in names}
        encoded = {c: self.columns[c].encode_array([row[c] for row in rows]) for c in places}
        for name, missing in self._missing(encoded).items():
            place = self.places[name]
            for i in np.flatnonzero(missing).tolist():
                rows[i][place] = [MISSING] * (place.stop - place.start)
        return rows

    def mark_missing_encoded(self, encoded: NDArray[np.float32]) -> None:
        """Put NaN into encoded rows in place of values that do not exist."""
        for name, missing in self._missing(dict(enumerate(encoded.T))).items():
            encoded[missing, self.places[name]] = np.nan

    def check_missing(self, encoded: NDArray[np.float32]) -> None:
        """Require encoded rows to have just the parameters that exist in them.

        Raises
        ------
        ValueError
            If one has too much, or too little.
        """
        for name, missing in self._missing(dict(enumerate(encoded.T))).items():
            wrong = np.flatnonzero((np.isnan(encoded[:, self.places[name]]) != missing[:, np.newaxis]).any(axis=1))
            if wrong.size:
                expected, got = ("none", "one") if missing[wrong[0]] else ("one", "none")
                raise ValueError(
                    f"parameter {name!r}: expected {expected}, as it exists where {self._conditions.describe(name)}, "
                    f"got {got} in row {wrong[0]}"
                )

    def _missing(self, encoded: Mapping[int, NDArray[np.float32]]) -> dict[str, NDArray[np.bool_]]:
        """Tell for each conditional parameter in which rows it does not exist, by the columns of its parents."""
        result: dict[str, NDArray[np.bool_]] = {}
        for name in self._conditions.order:
            fails = [
                ~np.isin(encoded[self.places[parent].start], values) | result.get(parent, np.False_)
                for parent, values in self._conditions.parents(name).items()
            ]
            result[name] = np.logical_or.reduce(fails)
        return result
