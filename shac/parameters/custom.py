"""A base of parameters of users' own that take floats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.checks import checked_number
from shac.parameters.continuous import logarithms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["AbstractContinuousHyperParameter"]


class AbstractContinuousHyperParameter(AbstractHyperParameter):
    """Base of parameters of users' own that take floats and are described by two numbers.

    Parameters
    ----------
    name : str
        Key of the parameter.
    val1, val2 : float
        What the distribution is described by: bounds, or a mean and a deviation.
    log_encode : bool
        Whether the classifiers see the natural logarithm, where a subclass does not override `encode`.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If `val1` or `val2` is no finite number, or `val1` is negative with `log_encode`.
    TypeError
        If it is not of a subclass.

    Examples
    --------
    >>> class Triangular(AbstractContinuousHyperParameter):
    ...     def sample(self):
    ...         return self.random.triangular(self.val1, self.val2, self.val2)
    >>> 0 < Triangular("x", 0.0, 1.0).sample() < 1
    True
    """

    _is_base = True

    def __init__(self, name: str, val1: float, val2: float, log_encode: bool = False, seed: int | None = None) -> None:
        super().__init__(name, seed=seed)
        self.val1 = checked_number(name, "val1", val1)
        self.val2 = checked_number(name, "val2", val2)
        self.log_encode = bool(log_encode)
        if self.log_encode and self.val1 < 0:
            raise ValueError(f"parameter {name!r}: val1: expected no negative number for logarithms, got {val1!r}")

    def real_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        return logarithms(self.name, values) if self.log_encode else super().real_array(values)

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = super().decode_array(encoded)
        if not self.log_encode:
            return numbers
        with np.errstate(over="ignore"):
            values: NDArray[Any] = np.exp(numbers)
            return values

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "val1": self.val1,
            "val2": self.val2,
            "log_encode": self.log_encode,
            "seed": self.seed,
        }
