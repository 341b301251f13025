"""Checks of what users give to an engine."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shac.reals import as_real

if TYPE_CHECKING:
    from shac.objectives import Objectives, Score

__all__ = [
    "checked_backend",
    "checked_count",
    "checked_duration",
    "checked_overlap",
    "checked_score",
    "checked_seconds",
    "checked_seed",
    "chosen_stages",
    "count_or_none",
]


def checked_backend(name: str, value: Any, *more: str) -> str:
    """Return the name of a back end that joblib knows, or one of some more.

    Raises
    ------
    ValueError
        If it is neither.
    """
    from joblib import parallel

    known = {"loky", "multiprocessing", "threading", *parallel.BACKENDS, *getattr(parallel, "EXTERNAL_BACKENDS", ())}
    if not isinstance(value, str) or value not in known | {*more}:
        raise ValueError(f"{name}: expected one of {sorted(known | {*more})}, got {value!r}")
    return value


def checked_count(name: str, value: Any, *, lowest: int = 1) -> int:
    """Return an integer that is at least `lowest`.

    Raises
    ------
    ValueError
        If it is no integer, or smaller.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < lowest:
        raise ValueError(f"{name}: expected an integer of at least {lowest}, got {value!r}")
    return operator.index(value)


def count_or_none(name: str, value: Any) -> int | None:
    """Return an integer above 0, or None; see `checked_count`."""
    return None if value is None else checked_count(name, value)


def checked_overlap(value: Any, batch_size: int) -> int:
    """Return how many configurations of a round are drawn with the round before.

    Raises
    ------
    ValueError
        Unless it is an integer from 0 to one less than a round has.
    """
    overlap = checked_count("overlap", value, lowest=0)
    if overlap >= batch_size:
        raise ValueError(f"overlap: expected less than the {batch_size} evaluations of a round, got {overlap}")
    return overlap


def checked_seed(value: Any) -> int:
    """Return a seed in [0, 2**64).

    Raises
    ------
    ValueError
        If it is no such integer.
    """
    seed = checked_count("seed", value, lowest=0)
    if seed >= 2**64:
        raise ValueError(f"seed: expected an integer below 2**64, got {value!r}")
    return seed


def checked_seconds(name: str, value: Any) -> float | None:
    """Return a number of seconds above 0, or None for no limit.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if value is None:
        return None
    if not 0 < as_real(value) < math.inf:
        raise ValueError(f"{name}: expected a finite number of seconds above 0, or None, got {value!r}")
    return float(value)


def checked_duration(value: Any) -> float | None:
    """Return how many seconds something took, or None where that is not known.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if value is None:
        return None
    if not 0 <= as_real(value) < math.inf:
        raise ValueError(f"seconds: expected a finite number, not below 0, or None, got {value!r}")
    return float(value)


def chosen_stages(num_trained: int, max_classfiers: Any, max_classifiers: Any) -> int:
    """Return how many classifiers to use, given in either spelling; all that are trained where neither is given.

    Raises
    ------
    ValueError
        If the spellings differ, or more are asked for than are trained.
    """
    if None not in (max_classfiers, max_classifiers) and max_classfiers != max_classifiers:
        raise ValueError(
            f"max_classifiers: expected one number, got {max_classifiers} and max_classfiers={max_classfiers}"
        )
    wanted = max_classifiers if max_classfiers is None else max_classfiers
    num_stages = num_trained if wanted is None else checked_count("max_classifiers", wanted, lowest=0)
    if num_stages > num_trained:
        raise ValueError(f"max_classifiers: expected at most {num_trained}, the classifiers trained, got {num_stages}")
    return num_stages


def checked_score(score: Any, objectives: Objectives | None = None) -> Score:
    """Return a score that is told; NaN for one that is not finite, in any objective.

    Raises
    ------
    ValueError
        If it is no number, or not one of each objective.
    """
    if objectives is not None and not (isinstance(score, float) and math.isnan(score)):
        names = objectives.names
        found = [score.get(name) for name in names] if isinstance(score, Mapping) else score
        if isinstance(found, (str, bytes)) or not hasattr(found, "__len__") or len(found) != len(names):
            raise ValueError(
                f"score: expected {len(names)} numbers ({', '.join(names)}), or NaN for a failed evaluation, "
                f"got {score!r}"
            )
        numbers = tuple(_checked_number(number) for number in found)
        return numbers if all(map(math.isfinite, numbers)) else math.nan
    return _checked_number(score)


def _checked_number(score: Any) -> float:
    try:
        if not isinstance(score, (str, bytes)):
            number = float(score)
            return number if math.isfinite(number) else math.nan
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"score: expected a number, NaN for a failed evaluation, got {score!r}")
