"""Problems of choices alone: a rugged landscape, a binary sequence and a chain of decisions.

No value is between two others there, and a choice's worth depends on others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.quality.axes import Choice
else:
    from quality.axes import Choice

__all__ = ["BEST_SEQUENCE", "PESTICIDES", "choices", "landscape", "pest_control", "sequence_energy"]

PESTICIDES = ("none", "first", "second", "third", "fourth")
# A sequence of 27 signs with the lowest energy, 37, by the lengths of its runs (Mertens 1996).
BEST_SEQUENCE = tuple(
    value
    for run, length in enumerate((3, 4, 3, 1, 3, 1, 3, 1, 2, 1, 1, 2, 1, 1))
    for value in ("+" if run % 2 == 0 else "-",) * length
)


def choices(count: int, values: tuple[Any, ...]) -> tuple[Choice, ...]:
    return tuple(Choice(f"c{i}", values) for i in range(count))


def landscape(num_choices: int, num_others: int, num_values: int) -> Callable[[dict[str, Any]], float]:
    """Kauffman's NK landscape: what a choice adds depends on itself and some others, at random."""
    random = np.random.default_rng(1000 * num_choices + 10 * num_others + num_values)
    others = [random.permutation(np.delete(np.arange(num_choices), i))[:num_others] for i in range(num_choices)]
    worth = random.random((num_choices, *(num_values,) * (num_others + 1)))

    def function(setting: dict[str, Any]) -> float:
        chosen = np.array(list(setting.values()))
        return -float(np.mean([worth[(i, chosen[i], *chosen[others[i]])] for i in range(num_choices)]))

    return function


def sequence_energy(setting: dict[str, Any]) -> float:
    """The sum of squared autocorrelations of a sequence of signs (LABS)."""
    signs = np.array([1 if value == "+" else -1 for value in setting.values()])
    products = np.correlate(signs, signs, mode="full")[len(signs) :]
    return float((products**2).sum())


def pest_control(setting: dict[str, Any]) -> float:
    """What pests and pesticides cost at a chain of stages (Oh et al., COMBO, 2019), the same chance for all settings.

    Each pesticide gets weaker the more it was used, and cheaper the more of it is bought.
    """
    chosen = [PESTICIDES.index(value) for value in setting.values()]
    num_stages = len(chosen)
    random = np.random.default_rng(0)
    price, discount = (0.0, 1.0, 0.8, 0.7, 0.5), (0.0, 0.2, 0.3, 0.3, 0.0)
    weakness, tolerance = [0.0, 2 / 7, 3 / 7, 3 / 7, 5 / 7], (0.0, 1 / 7, 2.5 / 7, 2 / 7, 0.5 / 7)
    pests = random.beta(1, 30, size=100)
    cost = 0.0
    for kind in chosen:
        spread, killed = random.beta(1, 17 / 3, size=100), random.random(100)
        if kind:
            # a draw of beta(1, b) by its quantile, so that settings differ by their choices alone
            pests = pests * (1 - killed) ** (1 / weakness[kind])
            weakness[kind] += tolerance[kind] / num_stages
            cost += price[kind] * (1 - discount[kind] / num_stages * chosen.count(kind))
        else:
            pests = pests + spread * (1 - pests)
        cost += float(np.mean(pests > 0.1))
    return cost
