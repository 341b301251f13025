"""A common scale for all kinds of parameters: how much of the prior lies below a value."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.insight.names import endings
from shac.parameters import MISSING, IntegerHyperParameter
from shac.parameters.conditional import ConditionalColumn

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from shac.parameters import AbstractHyperParameter

__all__ = ["ABSENT", "ColumnScale", "value_text"]

ABSENT = -0.1  # where a picture draws a value that does not exist

_NUM_QUANTILES = 4000
_NUM_BINS = 40
_FEW_INTEGERS = 4


def value_text(value: Any) -> str:
    """Write a value for people to read.

    Examples
    --------
    >>> value_text(0.000123456), value_text(16), value_text(None), value_text(MISSING)
    ('0.000123', '16', 'None', '-')
    """
    if value is MISSING:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


class ColumnScale:
    """Positions of a column's values in [0, 1]: the prior mass below them, so that the prior is flat on any scale.

    A value with a mass of its own (of a discrete parameter, an integer) has the middle of that mass as its position.
    Everything is read off an even grid of the prior's quantiles, so positions are good to 1 in 4,000.

    Parameters
    ----------
    name : str
        Name of the column.
    column : AbstractHyperParameter
        Its scalar parameter.

    Attributes
    ----------
    edges : ndarray of float64, shape (num_bins + 1,)
        Positions where bins meet, from 0 to 1.
    has_atoms : bool
        Whether each bin is one value; else bins have equal mass.
    has_range : bool
        Whether its values are numbers of which a range says more than a list.

    Examples
    --------
    >>> import shac
    >>> scale = ColumnScale("layers", shac.DiscreteHP("layers", [1, 2, 4, 8]))
    >>> scale.edges.tolist(), scale.positions([3.0]).tolist(), scale.bin_labels()
    ([0.0, 0.25, 0.5, 0.75, 1.0], [0.875], ['1', '2', '4', '8'])
    """

    def __init__(self, name: str, column: AbstractHyperParameter) -> None:
        self.name = name
        self._column = column
        if column.has_quantile:
            uniforms = (np.arange(_NUM_QUANTILES) + 0.5) / _NUM_QUANTILES
            grid = column.encode_array(column.quantile(uniforms))
        else:
            grid = np.sort(column.encode_array(column.sample_array(_NUM_QUANTILES, np.random.default_rng(0))))
        self._grid: NDArray[np.float32] = grid
        self._atoms, counts = np.unique(grid, return_counts=True)
        self.has_atoms = len(self._atoms) <= _NUM_BINS
        self._own = column.column if isinstance(column, ConditionalColumn) else column
        self.has_range = not self.has_atoms or (
            isinstance(self._own, IntegerHyperParameter) and len(self._atoms) > _FEW_INTEGERS
        )
        inner = np.cumsum(counts) / len(grid) if self.has_atoms else np.arange(1, _NUM_BINS + 1) / _NUM_BINS
        self.edges: NDArray[np.float64] = np.concatenate([[0.0], inner])

    @property
    def num_bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    def positions(self, encoded: ArrayLike) -> NDArray[np.float64]:
        """Return the positions of encoded values.

        Parameters
        ----------
        encoded : array_like of float32, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n,)
            NaN for values that are missing.
        """
        values = np.asarray(encoded, dtype=np.float32)
        below = np.searchsorted(self._grid, values, side="left")
        up_to = np.searchsorted(self._grid, values, side="right")
        places: NDArray[np.float64] = np.where(np.isnan(values), np.nan, (below + up_to) / (2 * len(self._grid)))
        return places

    def bins(self, encoded: ArrayLike) -> NDArray[np.int64]:
        """Return the bin of each encoded value; none may be missing."""
        places = np.searchsorted(self.edges, self.positions(encoded), side="right") - 1
        return np.clip(places, 0, self.num_bins - 1)

    def value_at(self, position: float) -> Any:
        """Return the value at a position."""
        place = min(int(position * len(self._grid)), len(self._grid) - 1)
        return self._column.decode(float(self._grid[place]))

    def text_at(self, position: float) -> str:
        """Write the value at a position; at the ends, the bounds where there are any."""
        bound = {0.0: "min_value", 1.0: "max_value"}.get(position)
        if bound is not None and hasattr(self._own, bound):
            return value_text(getattr(self._own, bound))
        return value_text(self.value_at(position))

    def bin_labels(self) -> list[str]:
        """Write each bin: its value, or its range."""
        if self.has_atoms:
            middles = (self.edges[:-1] + self.edges[1:]) / 2
            return [self.text_at(middle) for middle in middles]
        texts = [self.text_at(edge) for edge in self.edges]
        return [f"{low} to {high}" for low, high in itertools.pairwise(texts)]

    def short_bin_labels(self) -> list[str]:
        """Write each bin without a long beginning that all values share."""
        return endings(self.bin_labels()) if self.has_atoms else self.bin_labels()
