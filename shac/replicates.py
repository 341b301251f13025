"""Configurations that were evaluated more than once: how noisy their scores are, and which of all is the best.

The best of many noisy scores is the luckiest. A configuration counts as its mean score, two standard errors to the
worse, where evaluations of the same configuration tell what the standard error is; where none do, or all agree, it is
the score that counts. Where the best of several are equal, as accuracies on few test rows are, the one counts that lies
among the best: the five configurations nearest to it have the best mean.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["RankedEvaluation", "Replicates", "squares_exponent"]

_STANDARD_ERRORS = 2.0
_LARGEST_EXPONENT = 500  # of two, whose square is a float64
_NUM_NEIGHBOURS = 5
_MOST_TIED = 256  # more take turns


def squares_exponent(values: NDArray[np.float64]) -> int:
    """Return the exponent of two by which to divide values so that float64 holds their squares; nearly always 0.

    Examples
    --------
    >>> squares_exponent(np.array([1.0, -3.0])), squares_exponent(np.array([2.0**1023, 1.0]))
    (0, 1024)
    """
    exponent = int(np.frexp(np.abs(values).max(initial=0.0))[1])
    return exponent if abs(exponent) > _LARGEST_EXPONENT else 0


class RankedEvaluation(NamedTuple):
    """An evaluation that stands for its configuration.

    Parameters
    ----------
    number : int
        Of the evaluation.
    loss : float
        The mean of the configuration's losses.
    bound : float
        What it is ranked by: the mean, two standard errors to the worse.
    num_evaluations : int
        Evaluations of the configuration that the mean is of; 1 where scores are not noisy.
    """

    number: int
    loss: float
    bound: float
    num_evaluations: int


@dataclass(frozen=True, slots=True)
class Replicates:
    """The evaluations of a search that have a finite score, by their configurations.

    Parameters
    ----------
    indices : ndarray of int, shape (n,)
        Numbers of the evaluations.
    losses : ndarray of float64, shape (n,)
        Their scores, or the negative of what is to be large, in units of 2**exponent.
    groups : ndarray of int, shape (n,)
        Number of each one's configuration; configurations are numbered in the order of their first evaluations.
    rows : tuple of rows
        The configurations, in the order of their numbers.
    exponent : int
        0 but for scores whose squares float64 does not hold.
    """

    indices: NDArray[np.intp]
    losses: NDArray[np.float64]
    groups: NDArray[np.intp]
    rows: tuple[Sequence[Any], ...]
    exponent: int = 0

    @classmethod
    def of(
        cls,
        rows: Sequence[Sequence[Any]],
        scores: Sequence[float],
        objective: str,
        *,
        keys: Sequence[Hashable] | None = None,
    ) -> Replicates:
        """Put evaluations of the same configuration together.

        Parameters
        ----------
        rows : sequence of rows
            Values of the parameters.
        scores : sequence of float
            As many; what is not finite does not count.
        objective : {'max', 'min'}
        keys : sequence, optional
            As many, the same for equal rows: rows with a key of their own are not compared, which takes longer.

        Returns
        -------
        Replicates
        """
        indices = [i for i, score in enumerate(scores) if math.isfinite(score)]
        sign = -1.0 if objective == "max" else 1.0
        places: dict[Hashable, int] = {}
        names: Iterable[Hashable] = (repr(list(rows[i])) for i in indices)
        if keys is not None:
            counts = Counter(keys[i] for i in indices)
            names = (keys[i] if counts[keys[i]] == 1 else repr(list(rows[i])) for i in indices)
        groups = [places.setdefault(name, len(places)) for name in names]
        distinct = dict(zip(reversed(groups), (rows[i] for i in reversed(indices)), strict=True))
        losses = np.array([sign * scores[i] for i in indices], dtype=np.float64)
        exponent = squares_exponent(losses)
        return cls(
            np.array(indices, dtype=np.intp),
            np.ldexp(losses, -exponent),
            np.array(groups, dtype=np.intp),
            tuple(distinct[group] for group in range(len(places))),
            exponent,
        )

    @property
    def firsts(self) -> NDArray[np.intp]:
        """Number of the first evaluation of each configuration."""
        result: NDArray[np.intp] = self.indices[np.unique(self.groups, return_index=True)[1]]
        return result

    @property
    def counts(self) -> NDArray[np.float64]:
        """How often each configuration was evaluated."""
        return np.bincount(self.groups).astype(np.float64)

    @property
    def means(self) -> NDArray[np.float64]:
        """The mean loss of each configuration, that of equal losses to the last bit; in units of 2**exponent."""
        low = np.full(len(self.counts), np.inf)
        np.minimum.at(low, self.groups, self.losses)
        result: NDArray[np.float64] = low + np.bincount(self.groups, self.losses - low[self.groups]) / self.counts
        return result

    @property
    def noise(self) -> float | None:
        """Standard deviation of the losses of one configuration; None where none was evaluated twice."""
        freedom = len(self.losses) - len(self.counts)
        if not freedom:
            return None
        deviations = self.losses - self.means[self.groups]
        return float(np.sqrt(np.square(deviations).sum() / freedom))

    @property
    def is_noisy(self) -> bool:
        """Whether evaluations of the same configuration have different scores."""
        return bool(self.noise)

    def ranked(self) -> list[RankedEvaluation]:
        """Return the best configurations first, of equal ones the first evaluated first.

        Only of several that are the best the one comes first that lies among the best configurations: the mean loss of
        the five that are nearest to it is the lowest. Where scores are noisy, each configuration is there once, by its
        first evaluation; else with every evaluation.

        Returns
        -------
        list of RankedEvaluation

        Examples
        --------
        >>> rows, scores = [[0.1], [0.2], [0.3], [0.2], [0.2]], [1.0, 1.3, 1.35, 1.2, 1.4]
        >>> ranked = Replicates.of(rows, scores, "max").ranked()
        >>> [(entry.number, round(entry.loss, 2), entry.num_evaluations) for entry in ranked]
        [(1, -1.3, 3), (2, -1.35, 1), (0, -1.0, 1)]
        """
        if not self.noise:
            indices, groups, losses, bounds = self.indices, self.groups, self.losses, self.losses
            counts = np.ones(len(losses))
        else:
            indices, groups, losses, counts = self.firsts, np.arange(len(self.rows)), self.means, self.counts
            bounds = losses + _STANDARD_ERRORS * self.noise / np.sqrt(counts)
        order = np.argsort(bounds, kind="stable")
        tied = np.unique(groups[bounds == bounds.min(initial=np.inf)])
        if len(tied) > 1:
            first = int(np.flatnonzero(groups == self._among_the_best(tied))[0])
            order = np.concatenate([[first], order[order != first]])
        with np.errstate(over="ignore"):  # of a bound
            losses, bounds = np.ldexp(losses, self.exponent), np.ldexp(bounds, self.exponent)
        return [RankedEvaluation(int(indices[i]), float(losses[i]), float(bounds[i]), int(counts[i])) for i in order]

    def best_losses(self) -> NDArray[np.float64]:
        """Return the mean loss of what is ranked first among the evaluations up to each.

        Returns
        -------
        ndarray of float64, shape (n,)
            It becomes larger where a lucky score is found out.

        Examples
        --------
        >>> Replicates.of([[0.1], [0.2], [0.2]], [1.0, 0.5, 1.3], "min").best_losses().tolist()
        [1.0, 0.5, 0.9]
        """
        if not self.noise:
            result: NDArray[np.float64] = np.ldexp(np.minimum.accumulate(self.losses), self.exponent)
            return result
        counts, means = np.zeros(len(self.counts)), np.zeros(len(self.counts))
        squares, seen, best = 0.0, 0, np.empty(len(self.losses))
        for i, (group, loss) in enumerate(zip(self.groups, self.losses, strict=True)):
            seen = max(seen, group + 1)
            counts[group] += 1
            deviation = loss - means[group]
            means[group] += deviation / counts[group]
            squares += deviation * (loss - means[group])
            noise = math.sqrt(squares / (i + 1 - seen)) if i >= seen else 0.0
            best[i] = means[np.argmin(means[:seen] + _STANDARD_ERRORS * noise / np.sqrt(counts[:seen]))]
        return np.asarray(np.ldexp(best, self.exponent))

    def _among_the_best(self, tied: NDArray[np.intp]) -> int:
        """Return which of equally good configurations has the best ones around it, the first of equals there, too."""
        columns = [_ordered_levels(column) for column in zip(*self.rows, strict=True)]
        means = self.means
        chosen, least = int(tied[0]), np.inf
        for group in tied[:: math.ceil(len(tied) / _MOST_TIED)].tolist():
            distances = np.zeros(len(means))
            for levels, has_order in columns:
                distances += np.square(levels - levels[group]) if has_order else levels != levels[group]
            distances[group] = np.inf
            farthest = np.partition(distances, min(_NUM_NEIGHBOURS, len(means)) - 1)[:_NUM_NEIGHBOURS].max()
            nearest = np.flatnonzero(distances <= farthest)
            nearest = nearest[np.argsort(distances[nearest], kind="stable")][:_NUM_NEIGHBOURS]
            if (mean := float(means[nearest[nearest != group]].mean())) < least:
                chosen, least = group, mean
        return chosen


def _ordered_levels(column: Sequence[Any]) -> tuple[NDArray[np.float64], bool]:
    """Return the values of a parameter as levels between 0 and 1 in their order, or as numbers that have none."""
    if all(isinstance(value, Real) and not isinstance(value, bool) for value in column):
        values, levels = np.unique(np.array(column), return_inverse=True)
        return levels / max(len(values) - 1, 1), True
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(repr(value), len(numbers)) for value in column], dtype=np.float64), False
