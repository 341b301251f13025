"""The candidates that configurations are chosen from, with what the surrogate says of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.sampling import UniformRows, merit_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from shac.space import HyperParameterList

    Floats = NDArray[np.float64]

__all__ = ["MeritFunction", "RankedCandidates", "keys_of", "values_of"]


@dataclass(frozen=True, slots=True)
class RankedCandidates:
    """Candidates with what the surrogate says of them."""

    rows: Sequence[list[Any]]
    X: NDArray[np.float32]
    points: Floats
    predictions: Floats
    distances: Floats

    def choice(self, place: int) -> list[Any] | Floats:
        """Return a candidate's values, or the uniforms that they can be made of; see `values_of`."""
        return self.rows.uniforms[place] if isinstance(self.rows, UniformRows) else self.rows[place]


class MeritFunction:
    """Predicted loss weighed against distance, both on the scale of one group's candidates; smaller is better."""

    def __init__(self, group: int, predictions: Floats, distances: Floats, weights: tuple[float, ...]) -> None:
        low, high = float(predictions.min()), float(predictions.max())
        self.weight = weights[group % len(weights)] if low < high else 0.0  # or only distance tells candidates apart
        self.scales = self.weight, low, high - low if low < high else 1.0, *_scale(distances)
        self.of_candidates = merit_of(self.scales, predictions, distances)


def keys_of(X: NDArray[np.float32]) -> list[bytes]:
    """Return what is equal for equal encoded rows."""
    data, width = X.tobytes(), X.shape[1] * X.itemsize
    return [data[begin : begin + width] for begin in range(0, len(X) * width, width)] if width else [b""] * len(X)


def values_of(space: HyperParameterList, choices: Sequence[list[Any] | Floats]) -> list[list[Any]]:
    """Return the values of choices, those of uniforms made all at once."""
    uniforms = [choice for choice in choices if isinstance(choice, np.ndarray)]
    made = iter(space.values_from_uniforms(np.stack(uniforms)) if uniforms else ())
    return [next(made) if isinstance(choice, np.ndarray) else choice for choice in choices]


def _scale(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    return low, high - low if high > low else 1.0
