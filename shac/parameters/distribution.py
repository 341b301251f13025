"""Parameters with the prior of a frozen scipy.stats distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.parameters.base import AbstractHyperParameter
from shac.parameters.checks import checked_integers, checked_whole
from shac.parameters.integer import round_to_integers
from shac.parameters.rounding import last_integer_below, rounding_boundary

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["ScipyHyperParameter"]

# The smallest and the largest uniform that candidates are made of, and some between.
_PROBES = np.array([2.0**-53, 0.25, 0.5, 0.75, 1 - 2.0**-53])


class ScipyHyperParameter(AbstractHyperParameter):
    """A value of a frozen ``scipy.stats`` distribution: floats, or ints where it is discrete.

    Parameters
    ----------
    name : str
        Key of the parameter.
    distribution : frozen scipy.stats distribution
        Such as ``scipy.stats.loguniform(1e-4, 1e-1)`` or ``scipy.stats.poisson(3)``.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If `distribution` is not a frozen univariate distribution that ``scipy.stats`` has by name, with numbers as
        arguments and a finite quantile function; a discrete one must give integers below 2**53 in magnitude.

    Examples
    --------
    >>> import scipy.stats
    >>> ScipyHyperParameter("x", scipy.stats.expon(scale=2.0)).quantile(np.array([0.5])).round(6).tolist()
    [1.386294]
    """

    def __init__(self, name: str, distribution: Any, seed: int | None = None) -> None:
        super().__init__(name, seed=seed)
        from scipy import stats

        if not all(hasattr(distribution, part) for part in ("ppf", "cdf", "dist", "args", "kwds")):
            raise ValueError(
                f"parameter {name!r}: distribution: expected a frozen scipy.stats distribution, got {distribution!r}"
            )
        family = distribution.dist
        # Only what can be found again by its name can be saved, and every search is saved.
        if type(getattr(stats, str(family.name), None)) is not type(family):
            raise ValueError(
                f"parameter {name!r}: distribution: expected one that scipy.stats has by name, "
                f"got {type(family).__name__} named {family.name!r}"
            )
        self.distribution = distribution
        self._discrete = isinstance(family, stats.rv_discrete)
        if any(np.ndim(value) or isinstance(value, str) for value in (*distribution.args, *distribution.kwds.values())):
            raise self._bad_arguments("expected numbers as arguments")
        try:
            quantiles = np.asarray(distribution.ppf(_PROBES))
        except OverflowError as error:
            raise self._bad_arguments(f"expected numbers of float64: {error}") from error
        if not np.isfinite(quantiles).all():
            raise self._bad_arguments(f"expected a finite quantile function, got {quantiles.tolist()} at its probes")
        if self._discrete and not ((quantiles == np.rint(quantiles)) & (np.abs(quantiles) < 2**53)).all():
            raise self._bad_arguments(f"expected integers below 2**53 in magnitude, got {quantiles.tolist()}")

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(self.distribution.ppf(u))
        return values.astype(np.int64) if self._discrete else values

    @property
    def is_integer(self) -> bool:
        return self._discrete

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        return self.mass_below(last_integer_below(encoded) if self._discrete else rounding_boundary(encoded))

    def mass_below(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        below: NDArray[np.float64] = np.asarray(self.distribution.cdf(numbers))
        return below

    def real_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        return checked_integers(self.name, values) if self._discrete else super().real_array(values)

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        values = np.asarray(encoded, dtype=np.float64)
        return round_to_integers(self.name, values) if self._discrete else values

    def to_text(self, value: Any) -> str:
        return str(checked_whole(self.name, value)) if self._discrete else super().to_text(value)

    def from_text(self, text: str) -> Any:
        return int(text) if self._discrete else float(text)

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "distribution": {
                "name": self.distribution.dist.name,
                "args": [_to_builtin(value) for value in self.distribution.args],
                "kwds": {key: _to_builtin(value) for key, value in self.distribution.kwds.items()},
            },
            "seed": self.seed,
        }

    @classmethod
    def load_from_config(cls, config: dict[str, Any]) -> Self:
        from scipy import stats

        frozen = config["distribution"]
        family = getattr(stats, str(frozen["name"]), None)
        if not isinstance(family, (stats.rv_continuous, stats.rv_discrete)):
            raise ValueError(
                f"parameter {config['name']!r}: distribution: expected a name of scipy.stats, got {frozen['name']!r}"
            )
        return cls(config["name"], family(*frozen["args"], **frozen["kwds"]), config.get("seed"))

    def _bad_arguments(self, reason: str) -> ValueError:
        arguments = f"args {self.distribution.args!r} and kwds {self.distribution.kwds!r}"
        return ValueError(f"parameter {self.name!r}: distribution: {reason}; its arguments are {arguments}")


def _to_builtin(value: Any) -> Any:
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value
