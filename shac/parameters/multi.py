"""Parameters that take a list of values, all of one prior."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.checks import checked_integer
from shac.parameters.continuous import NormalContinuousHyperParameter, UniformContinuousHyperParameter
from shac.parameters.discrete import DiscreteHyperParameter

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

__all__ = [
    "AbstractMultiContinuousHyperParameter",
    "AbstractMultiHyperParameter",
    "MultiDiscreteHyperParameter",
    "MultiNormalContinuousHyperParameter",
    "MultiUniformContinuousHyperParameter",
]

_MOST = 2**16  # a count from a damaged file must not eat the memory


class AbstractMultiHyperParameter(AbstractHyperParameter):
    """A list of `sample_count` independent values of one scalar parameter, its marginal.

    Its columns are ``name_1`` to ``name_<sample_count>``, and its value in a mapping is a list.

    Parameters
    ----------
    marginal : AbstractHyperParameter
        The scalar parameter, with the name and seed of the whole.
    sample_count : int
        Length of the list.

    Raises
    ------
    ValueError
        If `sample_count` is below 1 or above 65,536.
    """

    def __init__(self, marginal: AbstractHyperParameter, sample_count: int) -> None:
        super().__init__(marginal.name, seed=marginal.seed)
        self.marginal = marginal
        self.sample_count = checked_integer(marginal.name, "sample_count", sample_count)
        if self.sample_count < 1:
            raise ValueError(f"parameter {self.name!r}: sample_count: expected at least 1, got {sample_count!r}")
        if self.sample_count > _MOST:
            raise ValueError(f"parameter {self.name!r}: sample_count: expected at most {_MOST}, got {sample_count!r}")

    @property
    def has_quantile(self) -> bool:
        return self.marginal.has_quantile

    @property
    def columns(self) -> tuple[AbstractHyperParameter, ...]:
        return (self.marginal,) * self.sample_count

    def column_names(self) -> list[str]:
        return [f"{self.name}_{i + 1}" for i in range(self.sample_count)]

    encode_array = AbstractHyperParameter.encode_array
    decode_array = AbstractHyperParameter.decode_array

    def encode(self, value: Any) -> Any:
        if len(value) != self.sample_count:
            raise ValueError(f"parameter {self.name!r}: expected {self.sample_count} values, got {value!r}")
        return self.marginal.encode_array(value).tolist()

    def decode(self, encoded: Any) -> Any:
        if len(encoded) != self.sample_count:
            raise ValueError(f"parameter {self.name!r}: expected {self.sample_count} encoded values, got {encoded!r}")
        return self.marginal.decode_array(np.asarray(encoded, dtype=np.float32)).tolist()

    def sample(self) -> list[Any]:
        """Draw one list from the parameter's own generator, `random`."""
        drawn: list[Any] = self.sample_array(1)[0]
        return drawn

    def sample_array(self, n: int, random: np.random.Generator | None = None) -> list[Any]:
        flat = self.marginal.sample_array(n * self.sample_count, self.random if random is None else random)
        return [flat[i : i + self.sample_count] for i in range(0, len(flat), self.sample_count)]

    def get_config(self) -> dict[str, Any]:
        return {**self.marginal.get_config(), "sample_count": self.sample_count, "seed": self.seed}


class AbstractMultiContinuousHyperParameter(AbstractMultiHyperParameter):
    """Base of lists of floats; see `AbstractMultiHyperParameter`."""


class MultiDiscreteHyperParameter(AbstractMultiHyperParameter):
    """A list of values, each one of `values`.

    Parameters
    ----------
    name, values, seed
        See `DiscreteHyperParameter`.
    sample_count : int
        Length of the list.

    Raises
    ------
    ValueError
        See `DiscreteHyperParameter`, and if `sample_count` is below 1.

    Examples
    --------
    >>> MultiDiscreteHyperParameter("layers", [32, 64], sample_count=3).column_names()
    ['layers_1', 'layers_2', 'layers_3']
    """

    def __init__(self, name: str, values: Sequence[Hashable], sample_count: int = 1, seed: int | None = None) -> None:
        marginal = DiscreteHyperParameter(name, values, seed)
        super().__init__(marginal, sample_count)
        self.values = marginal.values


class MultiUniformContinuousHyperParameter(AbstractMultiContinuousHyperParameter):
    """A list of floats, uniform between two bounds.

    Parameters
    ----------
    name, min_value, max_value, log_encode, seed
        See `UniformContinuousHyperParameter`.
    sample_count : int
        Length of the list.

    Raises
    ------
    ValueError
        See `UniformContinuousHyperParameter`, and if `sample_count` is below 1.

    Examples
    --------
    >>> len(MultiUniformContinuousHyperParameter("x", 0.0, 1.0, sample_count=3).sample())
    3
    """

    def __init__(
        self,
        name: str,
        min_value: float,
        max_value: float,
        log_encode: bool = False,
        sample_count: int = 1,
        seed: int | None = None,
    ) -> None:
        marginal = UniformContinuousHyperParameter(name, min_value, max_value, log_encode, seed)
        super().__init__(marginal, sample_count)
        self.min_value, self.max_value, self.log_encode = marginal.min_value, marginal.max_value, marginal.log_encode


class MultiNormalContinuousHyperParameter(AbstractMultiContinuousHyperParameter):
    """A list of floats of a normal distribution.

    Parameters
    ----------
    name, mean, std, seed
        See `NormalContinuousHyperParameter`.
    sample_count : int
        Length of the list.

    Raises
    ------
    ValueError
        See `NormalContinuousHyperParameter`, and if `sample_count` is below 1.

    Examples
    --------
    >>> len(MultiNormalContinuousHyperParameter("x", 0.0, 1.0, sample_count=3).sample())
    3
    """

    def __init__(self, name: str, mean: float, std: float, sample_count: int = 1, seed: int | None = None) -> None:
        marginal = NormalContinuousHyperParameter(name, mean, std, seed)
        super().__init__(marginal, sample_count)
        self.mean, self.std = marginal.mean, marginal.std
