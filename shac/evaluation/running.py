"""What an evaluation function can ask of the evaluation that runs it."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shac.evaluation.curves import CurveLimits

__all__ = [
    "RUNNING",
    "RunningEvaluation",
    "evaluation_dir",
    "evaluation_seed",
    "is_within_evaluation",
    "running_evaluation",
]


@dataclass(frozen=True, slots=True)
class RunningEvaluation:
    """The evaluation that runs in this thread.

    Parameters
    ----------
    seed : int
        See `EvaluationTask`.
    directory : str or None
        See `EvaluationTask`.
    gpus_per_evaluation : int
        See `EvaluationSettings`.
    limits : CurveLimits or None
        See `EvaluationTask`.
    curve : list of (int, float)
        What it has reported: steps and values.
    """

    seed: int
    directory: str | None = None
    gpus_per_evaluation: int = 1
    limits: CurveLimits | None = None
    curve: list[tuple[int, float]] = field(default_factory=list)


RUNNING: ContextVar[RunningEvaluation] = ContextVar("shac_running_evaluation")


def evaluation_seed() -> int:
    """Return the seed of the evaluation that is running in this thread.

    Evaluations on threads share the global generators of the process, so that what one of them draws
    depends on the others. An evaluation that has to be repeatable there makes a generator of its own:
    ``numpy.random.default_rng(evaluation_seed())``.

    Returns
    -------
    int
        The `EvaluationTask`'s seed.

    Raises
    ------
    LookupError
        If no evaluation is running in this thread.

    Examples
    --------
    >>> evaluation_seed()
    Traceback (most recent call last):
        ...
    LookupError: evaluation_seed() was called outside of an evaluation function
    """
    return running_evaluation("evaluation_seed").seed


def evaluation_dir() -> Path:
    """Return a folder for the files of the evaluation that is running in this thread; made when it is not there.

    It is the same for each attempt of an evaluation, and after the search has been killed and taken up again: a
    training that saves checkpoints there goes on from the last one. It lies in the search's `save_dir`, as
    ``evaluations/00042-1f3a9c02`` for its number, its configuration and its seed, and stays until somebody deletes it.
    On a node of a cluster it is the folder of that path there: the same one where the file system is shared.

    Returns
    -------
    pathlib.Path
        Absolute.

    Raises
    ------
    LookupError
        If no evaluation of a search is running in this thread.

    Examples
    --------
    >>> import shac, tempfile
    >>> def train(worker_id, parameters):
    ...     checkpoint = shac.evaluation_dir() / "checkpoint.txt"
    ...     checkpoint.write_text("epoch 1")
    ...     return parameters["x"]
    >>> engine = shac.SHAC(train, [shac.UniformHP("x", 0.0, 1.0)], 20, 2, save_dir=tempfile.mkdtemp(), seed=1)
    >>> engine.concurrent_evaluators()
    >>> history = engine.fit()
    >>> len(list(engine.save_dir.glob("evaluations/*/checkpoint.txt")))
    20
    """
    directory = running_evaluation("evaluation_dir").directory
    if directory is None:
        raise LookupError("evaluation_dir() was called in an evaluation that belongs to no search")
    path = Path(directory)
    path.mkdir(parents=True, exist_ok=True)
    return path


def is_within_evaluation() -> bool:
    """Return whether an evaluation runs in this thread."""
    return RUNNING.get(None) is not None


def running_evaluation(name: str) -> RunningEvaluation:
    """Return the evaluation that runs in this thread.

    Raises
    ------
    LookupError
        If there is none; `name` is the function that was called.
    """
    try:
        return RUNNING.get()
    except LookupError:
        raise LookupError(f"{name}() was called outside of an evaluation function") from None
