"""What a search looks for: one score, or several objectives at once, with their names and directions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

__all__ = ["Objectives", "Score", "have_scores"]

Score: TypeAlias = float | tuple[float, ...]  # of an evaluation: a number, or one of each objective

_RESERVED = ("id", "scores", "source")  # columns of a search's table that are no objective


@dataclass(frozen=True, slots=True)
class Objectives:
    """Two or more objectives.

    Parameters
    ----------
    names : tuple of str
        Of the scores' columns.
    directions : tuple of {'max', 'min'}
        Whether larger or smaller scores are better, for each.

    Examples
    --------
    >>> Objectives.of(("max", "min"))
    Objectives(names=('score_0', 'score_1'), directions=('max', 'min'))
    >>> Objectives.of({"accuracy": "max", "seconds": "min"}).names
    ('accuracy', 'seconds')
    >>> Objectives.of("max") is None
    True
    """

    names: tuple[str, ...]
    directions: tuple[str, ...]

    @classmethod
    def of(cls, objective: Any) -> Self | None:
        """Return what an engine is given; None for the direction of a single score.

        Parameters
        ----------
        objective : {'max', 'min'}, or two or more of them in a tuple or a mapping from names

        Raises
        ------
        ValueError
            If it is neither, or a name is none of a column.
        """
        if isinstance(objective, str) and objective in ("max", "min"):
            return None
        if isinstance(objective, Mapping):
            names, directions = tuple(objective), tuple(objective.values())
        elif isinstance(objective, (tuple, list)):
            names, directions = _default_names(len(objective)), tuple(objective)
        else:
            raise ValueError(f"objective: expected 'max' or 'min', got {objective!r}")
        if len(directions) < 2 or not all(isinstance(one, str) and one in ("max", "min") for one in directions):
            raise ValueError(f"objective: expected 'max' or 'min', or two or more of them, got {objective!r}")
        for name in names:
            if not isinstance(name, str) or not name.strip() or name in _RESERVED:
                raise ValueError(f"objective: expected names of columns but {_RESERVED}, got {name!r}")
        return cls(names, directions)

    def __len__(self) -> int:
        """Count the objectives."""
        return len(self.names)

    @property
    def as_given(self) -> tuple[str, ...] | dict[str, str]:
        """The directions; by their names where these are not those that objectives without a name have."""
        if self.names == _default_names(len(self)):
            return self.directions
        return dict(zip(self.names, self.directions, strict=True))

    @property
    def failed(self) -> tuple[float, ...]:
        """The scores of an evaluation that failed."""
        return (math.nan,) * len(self)

    def check_names(self, others: Iterable[str]) -> None:
        """Raise ValueError if a name is that of a column of the search space."""
        taken = sorted({*self.names} & {*others})
        if taken:
            raise ValueError(f"objective: expected names that no parameter has, got {taken}")

    def losses(self, scores: Any) -> NDArray[np.float64]:
        """Return scores as losses, of which the smaller are better.

        Parameters
        ----------
        scores : array_like of float, shape (n, m)
            Of m objectives.

        Returns
        -------
        ndarray of float64, shape (n, m)
        """
        signs = np.array([-1.0 if direction == "max" else 1.0 for direction in self.directions])
        result: NDArray[np.float64] = signs * np.asarray(scores, dtype=np.float64).reshape(-1, len(self))
        return result

    def as_config(self) -> list[list[str]]:
        """Return names and directions in types that JSON has."""
        return [list(pair) for pair in zip(self.names, self.directions, strict=True)]

    @classmethod
    def from_config(cls, config: Any) -> Self | None:
        """Return what `as_config` returned, or what a single objective is written as.

        Raises
        ------
        ValueError
            If it is neither.
        """
        if not isinstance(config, list):
            return cls.of(config)
        if not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in config):
            raise ValueError(f"objective: expected pairs of a name and 'max' or 'min', got {config!r}")
        pairs = dict(config)
        if len(pairs) != len(config):
            raise ValueError(f"objective: expected names that differ, got {config!r}")
        return cls.of(pairs)


def have_scores(scores: Sequence[Any]) -> NDArray[np.bool_]:
    """Return which scores are finite, in all objectives.

    Parameters
    ----------
    scores : sequence of float, or of tuples of float

    Examples
    --------
    >>> have_scores([(1.0, 2.0), (math.nan, 1.0)]).tolist(), have_scores([1.0, math.nan]).tolist()
    ([True, False], [True, False])
    """
    values = np.array(scores, dtype=np.float64)
    finite = np.isfinite(values.reshape(len(values), -1 if len(values) else 1))
    return np.asarray(finite.all(axis=1), dtype=np.bool_)


def _default_names(count: int) -> tuple[str, ...]:
    return tuple(f"score_{number}" for number in range(count))
