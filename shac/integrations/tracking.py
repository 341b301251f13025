"""What trackers of experiments are told of a search: one run an evaluation, and one of the whole.

Runs are made in the process of the search, from what evaluations return: evaluations that run side by side, and workers
that are kept for the next one, cannot mix them, and an evaluation function needs no tracker.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shac.callbacks import Callback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shac.callbacks import Logs
    from shac.evaluation import EvaluationOutcome

    Value = bool | int | float | str

__all__ = ["TrackedEvaluation", "TrackedSearch", "TrackingCallback", "score_names"]


@dataclass(frozen=True, slots=True)
class TrackedEvaluation:
    """An evaluation as a tracker shows it.

    Parameters
    ----------
    number : int
        Its number in the search, from 0; row `number` of the table.
    parameters : dict
        Its parameters by their names, the values of a list as ``name.0``, ``name.1``; None as the text ``"None"``.
    metrics : dict
        ``score``, where there is one, and ``seconds``.
    curve : sequence of (int, float)
        What it reported: steps and values.
    details : dict
        Texts: ``status`` (``"finished"``, ``"failed"`` or ``"pruned"``), ``seed``, ``attempt`` and, where it failed,
        ``error``.
    started, ended : float
        Seconds since the epoch.
    """

    number: int
    parameters: dict[str, Value]
    metrics: dict[str, float]
    curve: Sequence[tuple[int, float]]
    details: dict[str, str]
    started: float
    ended: float

    @classmethod
    def of(cls, outcome: EvaluationOutcome, objectives: Sequence[str] = ("score",)) -> TrackedEvaluation:
        """Describe how an evaluation ended; of several objectives each score has the objective's name."""
        status = "failed" if outcome.failed else "pruned" if outcome.pruned else "finished"
        numbers = outcome.score if isinstance(outcome.score, tuple) else (float(outcome.score),)
        score = dict(zip(objectives, numbers, strict=True)) if status == "finished" else {}
        details = {"status": status, "seed": str(outcome.seed), "attempt": str(outcome.attempt)}
        return cls(
            number=outcome.index,
            parameters=dict(_spread(outcome.parameters)),
            metrics={**score, "seconds": outcome.ended - outcome.started},
            curve=tuple(outcome.curve),
            details=details if outcome.error is None else {**details, "error": outcome.error},
            started=outcome.started,
            ended=outcome.ended,
        )

    @property
    def name(self) -> str:
        """Its name, in the order of numbers."""
        return f"evaluation {self.number:05d}"

    @property
    def status(self) -> str:
        """How it ended: ``"finished"``, ``"failed"`` or ``"pruned"``."""
        return self.details["status"]


def _spread(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    for name, value in parameters.items():
        if isinstance(value, list):
            yield from ((f"{name}.{k}", _shown(item)) for k, item in enumerate(value))
        else:
            yield name, _shown(value)


def _shown(value: Any) -> Value:
    return value if isinstance(value, bool | int | float | str) else str(value)


@dataclass(frozen=True, slots=True)
class TrackedSearch:
    """A search as a tracker shows it.

    Parameters
    ----------
    folder : Path
        Where it is saved.
    settings : dict
        Its budget, rounds, objective and seed.
    goes_on : bool
        Whether evaluations of it were made by an earlier call, or another process.
    """

    folder: Path
    settings: dict[str, Value]
    goes_on: bool

    @classmethod
    def of(cls, engine: Any) -> TrackedSearch:
        """Describe the search of an engine whose `fit` begins."""
        folder = Path(engine.save_dir)
        journal = folder / "journal.jsonl"
        return cls(
            folder=folder,
            settings={
                "total_budget": int(engine.total_budget),
                "num_batches": int(engine.num_batches),
                "objective": str(engine.objective),
                "seed": str(engine.seed),  # may be above what trackers take for an integer
            },
            goes_on=len(engine.dataset) > 0 or (journal.is_file() and journal.stat().st_size > 0),
        )

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.folder.name

    @property
    def identity(self) -> str:
        """What tells it from other searches."""
        return f"{self.folder} {self.settings['seed']}"


def score_names(engine: Any) -> tuple[str, ...]:
    """Return what the numbers are called that an evaluation of a search gives."""
    objectives = engine.plan.objectives
    return ("score",) if objectives is None else objectives.names


class TrackingCallback(Callback):
    """Base class of callbacks that write a search into a tracker; they raise where the tracker does."""

    @abstractmethod
    def begin_search(self, search: TrackedSearch) -> None:
        """Open the run of the search, or the one that it has already."""

    @abstractmethod
    def track_evaluation(self, evaluation: TrackedEvaluation) -> None:
        """Write the run of an evaluation."""

    @abstractmethod
    def track_round(self, number: int, metrics: dict[str, float]) -> None:
        """Write the numbers of a round into the run of the search."""

    @abstractmethod
    def end_search(self) -> None:
        """Close the run of the search."""

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.begin_search(TrackedSearch.of(self.engine))

    def on_outcome(self, outcome: Any, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.track_evaluation(TrackedEvaluation.of(outcome, score_names(self.engine)))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        numbers = {name: float(value) for name, value in (logs or {}).items() if isinstance(value, bool | int | float)}
        self.track_round(epoch, {name: value for name, value in numbers.items() if not math.isnan(value)})

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.end_search()
