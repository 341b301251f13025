"""What goes to an evaluator and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Sequence

    from shac.evaluation.curves import CurveLimits

__all__ = ["EvaluationOutcome", "EvaluationSettings", "EvaluationTask", "Reply"]


@dataclass(frozen=True, slots=True)
class EvaluationTask:
    """One configuration to evaluate.

    Parameters
    ----------
    index : int
        The evaluation's number in the search; it only labels the outcome.
    parameters : OrderedDict
        Parameter names and values, as the evaluation function receives them.
    seed : int
        Seed of this evaluation, 0 to 2**63 - 1; see `derive_seed`.
    directory : str, optional
        The evaluation's own folder; see `evaluation_dir`.
    limits : CurveLimits, optional
        Where it is pruned; see `report`.
    """

    index: int
    parameters: OrderedDict[str, Any]
    seed: int
    directory: str | None = None
    limits: CurveLimits | None = None


@dataclass(frozen=True, slots=True)
class EvaluationSettings:
    """What holds for all evaluations of a pool.

    Parameters
    ----------
    seed_torch : bool, default False
        Whether PyTorch is seeded before each.
    gpus_per_evaluation : int, default 1
        GPUs that each one has.
    objectives : tuple of str
        Names of several objectives, a number of each of which an evaluation returns; empty for a single score.
    """

    seed_torch: bool = False
    gpus_per_evaluation: int = 1
    objectives: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EvaluationOutcome:
    """How one evaluation ended.

    Parameters
    ----------
    index, parameters, seed
        Those of the `EvaluationTask`.
    worker_id : int
        The evaluator that ran it.
    score : float or tuple of float
        What the evaluation function returned; NaN when it failed or was pruned. A tuple of several objectives.
    error : str or None
        A short reason such as ``"ValueError: bad depth"`` when it failed, else None.
    traceback : str or None
        The text to show somebody who looks for the reason when it failed, else None.
    started, ended : float
        Seconds since the epoch.
    attempt : int
        1, and one more for each failed attempt before this one.
    curve : sequence of (int, float)
        What it reported: steps and values.
    pruned : bool
        Whether it ended because it was worse than others.
    """

    index: int
    parameters: OrderedDict[str, Any]
    worker_id: int
    seed: int
    score: Any
    error: str | None
    traceback: str | None
    started: float
    ended: float
    attempt: int = 1
    curve: Sequence[tuple[int, float]] = ()
    pruned: bool = False

    @property
    def failed(self) -> bool:
        """Whether the evaluation gave no usable score."""
        return self.error is not None


class Reply(NamedTuple):
    """A worker's answer: only builtins, so that sending it back cannot fail."""

    score: Any
    error: str | None
    traceback: str | None
    started: float
    ended: float
    curve: Sequence[tuple[int, float]] = ()
    pruned: bool = False
