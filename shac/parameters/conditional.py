"""Columns of parameters that do not exist in every configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from shac.parameters.base import AbstractHyperParameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["MISSING", "ConditionalColumn", "is_missing"]


@final
class _Missing:
    """What a flat row holds in place of a value that does not exist; there is one of it."""

    def __repr__(self) -> str:
        return "MISSING"

    def __reduce__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""What a flat row holds in place of a value that does not exist."""


def is_missing(values: Sequence[Any] | NDArray[Any]) -> NDArray[np.bool_]:
    """Return which values of a column are `MISSING`.

    Examples
    --------
    >>> is_missing([0.5, MISSING]).tolist()
    [False, True]
    """
    if isinstance(values, np.ndarray) and values.dtype != object:
        return np.zeros(len(values), dtype=np.bool_)
    return np.array([value is MISSING for value in values], dtype=np.bool_)


class ConditionalColumn(AbstractHyperParameter):
    """A column that may be missing: NaN for the classifiers and among uniforms, an empty field in tables.

    Parameters
    ----------
    column : AbstractHyperParameter
        The scalar parameter where it exists.

    Examples
    --------
    >>> from shac import UniformHP
    >>> column = ConditionalColumn(UniformHP("momentum", 0.0, 1.0))
    >>> column.encode_array([0.5, MISSING]).tolist(), column.decode_array([0.5, np.nan]).tolist()
    ([0.5, nan], [0.5, MISSING])
    """

    def __init__(self, column: AbstractHyperParameter) -> None:
        super().__init__(column.name, seed=column.seed)
        self.column = column

    @property
    def has_quantile(self) -> bool:
        return self.column.has_quantile

    @property
    def has_cdf(self) -> bool:
        return self.column.has_cdf

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        return _where_there(np.isnan(u), u, self.column.quantile)

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        return self.column.cdf(encoded)

    def sample_array(self, n: int, random: np.random.Generator | None = None) -> list[Any]:
        return self.column.sample_array(n, random)

    def encode_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:
        missing = is_missing(values)
        if not missing.any():
            return self.column.encode_array(values)
        encoded = np.full(len(values), np.nan, dtype=np.float32)
        encoded[~missing] = self.column.encode_array([value for value in values if value is not MISSING])
        return encoded

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(encoded)
        return _where_there(np.isnan(numbers), numbers, self.column.decode_array)

    def to_text(self, value: Any) -> str:
        if value is MISSING:
            return ""
        text = self.column.to_text(value)
        if not text:
            raise ValueError(
                f"parameter {self.name!r}: expected values whose text is not empty, as the parameter depends on "
                f"others and the empty text says that it does not exist, got {value!r}"
            )
        return text

    def from_text(self, text: str) -> Any:
        return self.column.from_text(text) if text else MISSING

    def get_config(self) -> dict[str, Any]:
        return self.column.get_config()

    def __repr__(self) -> str:
        return repr(self.column)


def _where_there(missing: NDArray[np.bool_], numbers: NDArray[Any], function: Any) -> NDArray[Any]:
    """Apply a function to the numbers that are there."""
    if not missing.any():
        values: NDArray[Any] = function(numbers)
        return values
    result = np.empty(len(numbers), dtype=object)
    there = np.flatnonzero(~missing)
    for place, value in zip(there.tolist(), function(numbers[~missing]).tolist(), strict=True):
        result[place] = value
    result[missing] = MISSING
    return result
