"""Parameters that take floats."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.checks import checked_number, checked_numbers, checked_range
from shac.parameters.rounding import rounding_boundary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["LogUniformHyperParameter", "NormalContinuousHyperParameter", "UniformContinuousHyperParameter"]


_SMALLEST = 2.0**-1074  # of the positive float64


def logarithms(owner: str, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
    """Natural logarithms of positive numbers."""
    checked = checked_numbers(owner, values)
    if (checked <= 0).any():
        raise ValueError(f"parameter {owner!r}: expected positive numbers, got {checked[checked <= 0][0]!s}")
    logarithm: NDArray[np.float64] = np.log(checked)
    return logarithm


def clip_rounding(
    parameter: AbstractHyperParameter, bounds: tuple[float, float], encoded: NDArray[np.float64], values: NDArray[Any]
) -> NDArray[Any]:
    """Put decoded values that only the rounding to float32 took past a bound back on it."""
    low, high = parameter.encode_array(bounds)
    return np.where((encoded >= low) & (encoded <= high), np.clip(values, *bounds), values)


class UniformContinuousHyperParameter(AbstractHyperParameter):
    """A float, uniform between two bounds.

    Parameters
    ----------
    name : str
        Key of the parameter.
    min_value, max_value : float
        Bounds.
    log_encode : bool
        Whether the classifiers see the natural logarithm; values stay uniform. They see 0 as the smallest number above
        it, where `min_value` is 0.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If a bound is not finite, `min_value` is not below `max_value`, or is negative with `log_encode`, or
        `log_encode` is no bool.

    Examples
    --------
    >>> UniformContinuousHyperParameter("dropout", 0.0, 0.5).quantile(np.array([0.5])).tolist()
    [0.25]
    """

    def __init__(
        self, name: str, min_value: float, max_value: float, log_encode: bool = False, seed: int | None = None
    ) -> None:
        super().__init__(name, seed=seed)
        self.min_value = checked_number(name, "min_value", min_value)
        self.max_value = checked_number(name, "max_value", max_value)
        if not isinstance(log_encode, (bool, np.bool_)):
            raise ValueError(f"parameter {name!r}: log_encode: expected True or False, got {log_encode!r}")
        self.log_encode = bool(log_encode)
        checked_range(name, self.min_value, self.max_value, positive=self.log_encode and self.min_value != 0)

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        values = self.min_value + np.asarray(u) * (self.max_value - self.min_value)
        return np.clip(values, self.min_value, self.max_value)

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        return self.mass_below(rounding_boundary(encoded))

    def mass_below(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            below = np.exp(numbers) if self.log_encode else numbers
            return np.clip((below - self.min_value) / (self.max_value - self.min_value), 0.0, 1.0)

    def real_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        if not self.log_encode:
            return super().real_array(values)
        if self.min_value == 0:
            numbers = checked_numbers(self.name, values)
            values = np.where(numbers == 0, _SMALLEST, numbers)
        return logarithms(self.name, values)

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(encoded, dtype=np.float64)
        with np.errstate(over="ignore"):
            values = np.exp(numbers) if self.log_encode else numbers
        return clip_rounding(self, (self.min_value, self.max_value), numbers, values)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "min_value": self.min_value,
            "max_value": self.max_value,
            "log_encode": self.log_encode,
            "seed": self.seed,
        }


class LogUniformHyperParameter(AbstractHyperParameter):
    """A float whose logarithm is uniform between those of two bounds; the classifiers see the logarithm.

    Parameters
    ----------
    name : str
        Key of the parameter.
    min_value, max_value : float
        Bounds, positive.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If a bound is not finite or not positive, or `min_value` is not below `max_value`.

    Examples
    --------
    >>> LogUniformHyperParameter("lr", 1e-4, 1e-2).quantile(np.array([0.5])).round(12).tolist()
    [0.001]
    """

    def __init__(self, name: str, min_value: float, max_value: float, seed: int | None = None) -> None:
        super().__init__(name, seed=seed)
        self.min_value = checked_number(name, "min_value", min_value)
        self.max_value = checked_number(name, "max_value", max_value)
        checked_range(name, self.min_value, self.max_value, positive=True)
        self._log_min, self._log_max = math.log(self.min_value), math.log(self.max_value)

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        values = np.exp(self._log_min + np.asarray(u) * (self._log_max - self._log_min))
        return np.clip(values, self.min_value, self.max_value)

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        width = self._log_max - self._log_min
        if width == 0:  # the logarithms of neighbours among float64 are one number
            only = self.encode_array(self.quantile(np.array([0.5])))
            return (only < np.asarray(encoded)).astype(np.float64)
        return self.mass_below(rounding_boundary(encoded))

    def mass_below(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(over="ignore"):
            return np.clip((numbers - self._log_min) / (self._log_max - self._log_min), 0.0, 1.0)

    def real_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        return logarithms(self.name, values)

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(encoded, dtype=np.float64)
        with np.errstate(over="ignore"):
            values = np.exp(numbers)
        return clip_rounding(self, (self.min_value, self.max_value), numbers, values)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "min_value": self.min_value,
            "max_value": self.max_value,
            "seed": self.seed,
        }


class NormalContinuousHyperParameter(AbstractHyperParameter):
    """A float of a normal distribution.

    Parameters
    ----------
    name : str
        Key of the parameter.
    mean, std : float
        Mean and standard deviation.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If `mean` or `std` is not finite, `std` is not positive, or ten of them from the mean are not finite.

    Examples
    --------
    >>> NormalContinuousHyperParameter("x", 3.0, 2.0).quantile(np.array([0.5])).tolist()
    [3.0]
    """

    def __init__(self, name: str, mean: float, std: float, seed: int | None = None) -> None:
        super().__init__(name, seed=seed)
        self.mean = checked_number(name, "mean", mean)
        self.std = checked_number(name, "std", std)
        if self.std <= 0:
            raise ValueError(f"parameter {name!r}: std: expected a positive number, got {std!r}")
        if not math.isfinite(abs(self.mean) + 10 * self.std):
            raise ValueError(f"parameter {name!r}: expected mean + 10 * std to be finite, got {mean!r} and {std!r}")

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        from scipy.special import ndtri

        values: NDArray[np.float64] = self.mean + self.std * ndtri(u)
        return values

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        return self.mass_below(rounding_boundary(encoded))

    def mass_below(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        from scipy.special import ndtr

        with np.errstate(over="ignore"):
            below: NDArray[np.float64] = ndtr((numbers - self.mean) / self.std)
        return below

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "mean": self.mean, "std": self.std, "seed": self.seed}
