"""What a contender is given, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.quality.problems import Problem

__all__ = ["Task", "best_so_far"]


@dataclass(frozen=True)
class Task:
    """One run: a problem with its function made, a budget, its batches, a seed."""

    problem: Problem
    function: Callable[[dict[str, Any]], float]
    budget: int
    num_batches: int
    seed: int

    @property
    def batch_size(self) -> int:
        return self.budget // self.num_batches


def best_so_far(values: Sequence[float], batch_size: int) -> list[float]:
    """Return the lowest value after each batch."""
    return np.minimum.accumulate(values)[batch_size - 1 :: batch_size].tolist()
