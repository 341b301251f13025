"""Parameters with the prior of a frozen scipy.stats distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.parameters.base import AbstractHyperParameter

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["ScipyHyperParameter"]


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
        If `distribution` is not a frozen univariate distribution of ``scipy.stats`` with scalar arguments.

    Examples
    --------
    >>> import scipy.stats
    >>> ScipyHyperParameter("x", scipy.stats.expon(scale=2.0)).quantile(np.array([0.5])).round(6).tolist()
    [1.386294]
    """

    def __init__(self, name: str, distribution: Any, seed: int | None = None) -> None:
        super().__init__(name, seed)
        if not all(hasattr(distribution, part) for part in ("ppf", "cdf", "dist", "args", "kwds")):
            raise ValueError(
                f"parameter {name!r}: distribution: expected a frozen scipy.stats distribution, got {distribution!r}"
            )
        self.distribution = distribution
        self._discrete = hasattr(distribution, "pmf") and not hasattr(distribution.dist, "pdf")
        probe = np.asarray(distribution.ppf(np.array([0.25, 0.75])))
        if probe.shape != (2,) or not np.isfinite(probe).all():
            raise ValueError(
                f"parameter {name!r}: distribution: expected scalar arguments that scipy.stats accepts, "
                f"got args {distribution.args!r} and kwds {distribution.kwds!r}"
            )

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        values: NDArray[Any] = np.asarray(self.distribution.ppf(u))
        return values.astype(np.int64) if self._discrete else values

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        thresholds = np.asarray(encoded, dtype=np.float64)
        below: NDArray[np.float64] = self.distribution.cdf(np.ceil(thresholds) - 1 if self._discrete else thresholds)
        return below

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        values = np.asarray(encoded, dtype=np.float64)
        return np.rint(values).astype(np.int64) if self._discrete else values

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


def _to_builtin(value: Any) -> Any:
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value
