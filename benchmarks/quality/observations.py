"""Noisy functions as a search sees them."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Observations"]


class Observations:
    """A noisy function as a search sees it, and what its incumbents are worth.

    The noise of evaluation i is a function of the run's seed and i alone.
    """

    def __init__(self, function: Any, seed: int) -> None:
        self._function = function
        self._random = np.random.default_rng([seed, 7])
        self._seen: list[float] = []
        self._true: list[float] = []
        self._incumbents: list[int] | None = None

    def __call__(self, setting: dict[str, Any]) -> float:
        self._true.append(self._function(setting))
        self._seen.append(self._function.observe(setting, self._random))
        return self._seen[-1]

    def name_incumbents(self, places: list[int]) -> None:
        """Take other settings than those of the lowest observations for the incumbents after each batch."""
        self._incumbents = places

    def true_values_of_incumbents(self, num_batches: int) -> list[float]:
        """Return the true value of the setting with the lowest observation, or of the named one, after each batch."""
        if self._incumbents is not None:
            return [self._true[place] for place in self._incumbents]
        size = len(self._seen) // num_batches
        return [self._true[int(np.argmin(self._seen[: size * (batch + 1)]))] for batch in range(num_batches)]
