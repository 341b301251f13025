"""Parameters that take integers between two bounds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.checks import checked_integer, checked_integers, checked_whole
from shac.parameters.continuous import clip_rounding, logarithms
from shac.parameters.rounding import last_integer_below, rounding_boundary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["IntegerHyperParameter", "LogIntegerHyperParameter"]

_LARGEST = 2**53  # beyond it float64 skips integers


def round_to_integers(owner: str, numbers: NDArray[np.float64]) -> NDArray[np.int64]:
    """Round to int64; what does not fit is refused instead of wrapping around."""
    wrong = ~(np.abs(numbers) < 2.0**63)
    if wrong.any():
        raise ValueError(f"parameter {owner!r}: expected encoded integers, got {numbers[wrong][0]!s}")
    return np.rint(numbers).astype(np.int64)


class IntegerHyperParameter(AbstractHyperParameter):
    """An integer, uniform between two bounds that both count.

    Parameters
    ----------
    name : str
        Key of the parameter.
    min_value, max_value : int
        Smallest and largest value, up to 2**53 in magnitude.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If a bound is not an integer or out of range, or `min_value` is above `max_value`.

    Examples
    --------
    >>> IntegerHyperParameter("depth", 1, 4).quantile(np.array([0.1, 0.6, 0.9])).tolist()
    [1, 3, 4]
    """

    def __init__(self, name: str, min_value: int, max_value: int, seed: int | None = None) -> None:
        super().__init__(name, seed=seed)
        self.min_value = checked_integer(name, "min_value", min_value)
        self.max_value = checked_integer(name, "max_value", max_value)
        if not self.min_value <= self.max_value:
            raise ValueError(
                f"parameter {name!r}: expected min_value <= max_value, got min_value={min_value!r}, "
                f"max_value={max_value!r}"
            )
        if self.min_value < -_LARGEST or self.max_value > _LARGEST or self.max_value - self.min_value >= _LARGEST:
            raise ValueError(
                f"parameter {name!r}: expected bounds and a range within 2**53, got {min_value!r} to {max_value!r}"
            )

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        count = self.max_value - self.min_value + 1
        return self.min_value + np.minimum((np.asarray(u) * count).astype(np.int64), count - 1)

    @property
    def is_integer(self) -> bool:
        return True

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        return self.mass_below(last_integer_below(encoded))

    def mass_below(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.clip((numbers - self.min_value + 1) / (self.max_value - self.min_value + 1), 0.0, 1.0)

    def real_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        return checked_integers(self.name, values)

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(encoded, dtype=np.float64)
        integers = round_to_integers(self.name, numbers)
        return clip_rounding(self, (self.min_value, self.max_value), numbers, integers)

    def to_text(self, value: Any) -> str:
        return str(checked_whole(self.name, value))

    def from_text(self, text: str) -> Any:
        return int(text)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "min_value": self.min_value,
            "max_value": self.max_value,
            "seed": self.seed,
        }


class LogIntegerHyperParameter(IntegerHyperParameter):
    """An integer whose logarithm is spread evenly; the classifiers see the logarithm.

    The value is a log-uniform number between ``min_value - 1/2`` and ``max_value + 1/2``, rounded.

    Parameters
    ----------
    name : str
        Key of the parameter.
    min_value, max_value : int
        Smallest (at least 1) and largest value.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If a bound is not an integer or out of range, or `min_value` is above `max_value` or below 1.

    Examples
    --------
    >>> LogIntegerHyperParameter("width", 1, 100).quantile(np.array([0.0, 0.5, 1.0])).tolist()
    [1, 7, 100]
    """

    def __init__(self, name: str, min_value: int, max_value: int, seed: int | None = None) -> None:
        super().__init__(name, min_value, max_value, seed)
        if self.min_value < 1:
            raise ValueError(
                f"parameter {name!r}: min_value: expected at least 1 for logarithms, got {self.min_value!r}"
            )
        self._log_min, self._log_max = math.log(self.min_value - 0.5), math.log(self.max_value + 0.5)

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        values = np.exp(self._log_min + np.asarray(u) * (self._log_max - self._log_min))
        return np.clip(np.floor(values + 0.5), self.min_value, self.max_value).astype(np.int64)

    @property
    def is_integer(self) -> bool:
        return False  # their logarithms are what is encoded

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        return self._mass_up_to(self._last_below(np.asarray(encoded, dtype=np.float64)))

    def mass_below(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            return self._mass_up_to(np.clip(np.floor(np.exp(numbers)), self.min_value - 1, self.max_value))

    def _mass_up_to(self, last: NDArray[np.float64]) -> NDArray[np.float64]:
        width = self._log_max - self._log_min
        if width == 0:  # near 2**53 float64 cannot tell the logarithms of neighbours apart
            return (last >= self.max_value).astype(np.float64)
        return np.clip((np.log(last + 0.5) - self._log_min) / width, 0.0, 1.0)

    def _last_below(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the largest integer of the range that is encoded below each threshold, or the one before the range."""
        with np.errstate(over="ignore"):
            guess = np.floor(np.exp(rounding_boundary(thresholds)))
        last = np.clip(guess, self.min_value - 1, self.max_value)
        # The exponential function rounds, too, and can end on the integer that is encoded as the threshold.
        reaches = (last >= self.min_value) & (self._encoded_whole(last) >= thresholds)
        return np.where(reaches, last - 1, last)

    def _encoded_whole(self, integers: NDArray[np.float64]) -> NDArray[np.float32]:
        flat = self.encode_array(np.maximum(integers, self.min_value).ravel())
        return flat.reshape(integers.shape)

    def real_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        return logarithms(self.name, checked_integers(self.name, values))

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(encoded, dtype=np.float64)
        with np.errstate(over="ignore"):
            integers = round_to_integers(self.name, np.exp(numbers))
        return clip_rounding(self, (self.min_value, self.max_value), numbers, integers)
