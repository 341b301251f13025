"""Search spaces that every contender can be told of, in its own words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import shac

if TYPE_CHECKING:
    import numpy as np
    import optuna

    from shac.parameters import AbstractHyperParameter

__all__ = ["Axis", "Choice", "Number", "draw"]


@dataclass(frozen=True)
class Number:
    """A float or an integer between two ends, both included, uniform or log-uniform."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False

    def draw(self, random: np.random.Generator) -> float | int:
        if self.integer and not self.log:
            return int(random.integers(int(self.low), int(self.high), endpoint=True))
        if self.integer:
            low, high = math.log(self.low - 0.5), math.log(self.high + 0.5)
            return min(max(round(math.exp(random.uniform(low, high))), int(self.low)), int(self.high))
        if self.log:
            return math.exp(random.uniform(math.log(self.low), math.log(self.high)))
        return float(random.uniform(self.low, self.high))

    def for_shac(self) -> AbstractHyperParameter:
        if self.integer:
            kind = shac.LogIntegerHP if self.log else shac.IntegerHP
            return kind(self.name, int(self.low), int(self.high))
        return (shac.LogUniformHP if self.log else shac.UniformHP)(self.name, self.low, self.high)

    def for_optuna(self) -> optuna.distributions.BaseDistribution:
        import optuna

        if self.integer:
            return optuna.distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return optuna.distributions.FloatDistribution(self.low, self.high, log=self.log)

    def suggest(self, trial: optuna.Trial) -> float | int:
        if self.integer:
            return trial.suggest_int(self.name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(self.name, self.low, self.high, log=self.log)

    def for_nevergrad(self) -> Any:
        import nevergrad

        if self.log:
            scale = nevergrad.p.Log(lower=self.low, upper=self.high)
        else:
            scale = nevergrad.p.Scalar(lower=self.low, upper=self.high)
        return scale.set_integer_casting() if self.integer else scale


@dataclass(frozen=True)
class Choice:
    """One of some values without an order."""

    name: str
    values: tuple[Any, ...]

    def draw(self, random: np.random.Generator) -> Any:
        return self.values[int(random.integers(len(self.values)))]

    def for_shac(self) -> AbstractHyperParameter:
        return shac.DiscreteHP(self.name, list(self.values))

    def for_optuna(self) -> optuna.distributions.BaseDistribution:
        import optuna

        return optuna.distributions.CategoricalDistribution(self.values)

    def suggest(self, trial: optuna.Trial) -> Any:
        return trial.suggest_categorical(self.name, self.values)

    def for_nevergrad(self) -> Any:
        import nevergrad

        return nevergrad.p.Choice(list(self.values))


Axis = Number | Choice


def draw(axes: tuple[Axis, ...], random: np.random.Generator) -> dict[str, Any]:
    """Draw a setting from the prior."""
    return {axis.name: axis.draw(random) for axis in axes}
