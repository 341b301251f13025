"""What a save folder holds of a search: the one record of its settings, its progress and its evaluations."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from shac.errors import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shac.classifier import Classifier
    from shac.objectives import Objectives
    from shac.space import HyperParameterList
    from shac.store.earlier import EarlierEvaluations

__all__ = ["SearchRecord"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRecord:
    """A search as it is on disk.

    Parameters
    ----------
    engine : str
        Name of the engine's class.
    total_budget, num_batches, total_classifiers, seed : int
        See `SHAC`.
    objective : {'max', 'min'}
        Of a single objective.
    objectives : Objectives or None
        Several objectives, written as the objective.
    overlap : int
        See `SHAC.fit`; not written where it is 0.
    pruning : dict or None
        `Pruning.as_config`; not written where it is None.
    pruned : mapping of int to float
        The evaluations that were pruned, by their numbers, with their last values: the numbers are not written where
        there are none, and the values are in the table.
    cost_aware : bool
        See `SHAC`; not written where it is False.
    seconds : sequence of float
        How long each evaluation took, of a search that is aware of costs; empty for others.
    costs_version : int
        See `Cascade`; not written where it is 1, that of searches that were saved before there was another.
    strategy : dict or None
        `Strategy.as_config`; None for a search that was saved before there was one.
    training_begin : int
        First evaluation that no classifier was trained on.
    last_attempt : int
        Number of evaluations when a classifier was last tried.
    accuracies : sequence of float
        Cross-validation accuracy of each classifier; NaN where it was skipped.
    queue : sequence of (int, list of str)
        Configurations that are evaluated next, as CSV texts, each from an evaluation's number on; not written where
        there are none.
    enqueued : sequence of int
        Numbers of the evaluations that came from the queue; not written where there are none.
    earlier : EarlierEvaluations or None
        What the search began with; not written where it is None.
    space : HyperParameterList
        The search space.
    rows, scores : sequence
        Flat rows of values, and a score for each, or a tuple of them.
    classifiers : sequence of Classifier
        In the order of their training.
    """

    engine: str
    total_budget: int
    num_batches: int
    objective: str
    total_classifiers: int
    seed: int
    strategy: dict[str, Any] | None
    training_begin: int
    last_attempt: int
    accuracies: Sequence[float]
    space: HyperParameterList
    rows: Sequence[Sequence[Any]]
    scores: Sequence[Any]
    classifiers: Sequence[Classifier]
    overlap: int = 0
    pruning: dict[str, Any] | None = None
    pruned: Mapping[int, float] = field(default_factory=dict)
    cost_aware: bool = False
    seconds: Sequence[float] = ()
    costs_version: int = 1
    queue: Sequence[tuple[int, list[str]]] = ()
    enqueued: Sequence[int] = ()
    earlier: EarlierEvaluations | None = None
    objectives: Objectives | None = None

    def settings(self) -> dict[str, Any]:
        """Return what the manifest names the settings of the engine."""
        names = ("engine", "total_budget", "num_batches", "objective", "total_classifiers", "seed", "strategy")
        settings = {name: getattr(self, name) for name in names}
        if self.objectives is not None:
            settings["objective"] = self.objectives.as_config()
        if self.costs_version != 1:
            settings["costs_version"] = self.costs_version
        if self.earlier is not None:
            settings["warm_start"] = self.earlier.settings()
        options = ("overlap", "pruning", "cost_aware")
        return settings | {name: value for name in options if (value := getattr(self, name))}

    def progress(self) -> dict[str, Any]:
        """Return what the manifest names the progress of the search."""
        return {
            "training_begin": self.training_begin,
            "last_attempt": self.last_attempt,
            "accuracies": list(self.accuracies),
            **({"pruned": sorted(self.pruned)} if self.pruned else {}),
            **({"seconds": list(self.seconds)} if self.cost_aware else {}),
            **({"queue": [list(entry) for entry in self.queue]} if self.queue else {}),
            **({"enqueued": list(self.enqueued)} if self.enqueued else {}),
        }

    @classmethod
    def read(
        cls,
        settings: dict[str, Any],
        progress: dict[str, Any],
        *,
        where: str,
        space: HyperParameterList,
        rows: Sequence[Sequence[Any]],
        scores: Sequence[Any],
        last_values: Mapping[int, float],
        classifiers: Sequence[Classifier],
        earlier: EarlierEvaluations | None = None,
        objectives: Objectives | None = None,
    ) -> Self:
        """Make the record of what the manifest says and the other files hold.

        Raises
        ------
        DamagedFileError
            If no search can have come to it.
        """
        num_known = len(rows), len(classifiers), space.num_columns
        if not _is_sound(settings, progress, num_known, last_values):
            raise DamagedFileError(
                f"{where}: expected the settings and the progress of a search of {len(rows)} evaluations and "
                f"{len(classifiers)} classifiers, got {settings} and {progress}"
            )
        return cls(
            engine=settings["engine"],
            total_budget=settings["total_budget"],
            num_batches=settings["num_batches"],
            objective=settings["objective"] if objectives is None else "min",
            objectives=objectives,
            total_classifiers=settings["total_classifiers"],
            seed=settings["seed"],
            strategy=settings.get("strategy"),
            training_begin=progress["training_begin"],
            last_attempt=progress["last_attempt"],
            accuracies=tuple(progress["accuracies"]),
            space=space,
            rows=rows,
            scores=scores,
            classifiers=classifiers,
            overlap=settings.get("overlap", 0),
            pruning=settings.get("pruning"),
            # A search that was saved before tables had the last values does not know them
            pruned={index: last_values.get(index, math.nan) for index in progress.get("pruned", [])},
            cost_aware=settings.get("cost_aware", False),
            seconds=tuple(progress.get("seconds", [])),
            costs_version=settings.get("costs_version", 1),
            queue=[(since, texts) for since, texts in progress.get("queue", [])],
            enqueued=tuple(progress.get("enqueued", [])),
            earlier=earlier,
        )


def _is_sound(
    settings: dict[str, Any],
    progress: dict[str, Any],
    num_known: tuple[int, int, int],
    last_values: Mapping[int, float],
) -> bool:
    """Return whether a search of so many evaluations, classifiers and columns can have come to this."""
    num_rows, num_classifiers, num_columns = num_known
    match settings, progress:
        case (
            {
                "engine": str(),
                "total_budget": int(budget),
                "num_batches": int(batches),
                "objective": "max" | "min" | list(),
                "total_classifiers": int(total_classifiers),
                "seed": int(seed),
            },
            {"training_begin": int(begin), "last_attempt": int(attempt), "accuracies": list(accuracies)},
        ):
            return (
                all(type(number) is int for number in (budget, batches, total_classifiers, seed, begin, attempt))
                and budget >= batches >= 1
                and 0 <= seed < 2**64
                and 0 <= begin <= num_rows
                and 0 <= attempt <= num_rows
                and len(accuracies) == num_classifiers
                and all(type(accuracy) is float for accuracy in accuracies)
                and isinstance(settings.get("strategy"), dict | None)
                and type(settings.get("overlap", 0)) is int
                and 0 <= settings.get("overlap", 0) < -(-budget // batches)
                and isinstance(settings.get("pruning"), dict | None)
                and type(settings.get("cost_aware", False)) is bool
                and _are_durations(progress.get("seconds"), num_rows, settings.get("cost_aware", False))
                and type(settings.get("costs_version", 1)) is int
                and _are_indices(pruned := progress.get("pruned", []), num_rows)
                and (not last_values or sorted(last_values) == pruned)
                and _are_indices(progress.get("enqueued", []), num_rows)
                and _is_queue(progress.get("queue", []), num_columns)
            )
    return False


def _are_indices(numbers: Any, count: int) -> bool:
    return isinstance(numbers, list) and all(type(index) is int and 0 <= index < count for index in numbers)


def _are_durations(seconds: Any, count: int, cost_aware: bool) -> bool:
    if not cost_aware:
        return seconds is None
    return isinstance(seconds, list) and len(seconds) == count and all(type(number) is float for number in seconds)


def _is_queue(entries: Any, width: int) -> bool:
    return isinstance(entries, list) and all(
        isinstance(entry, list)
        and len(entry) == 2
        and type(entry[0]) is int
        and isinstance(entry[1], list)
        and len(entry[1]) == width
        and all(isinstance(text, str) for text in entry[1])
        for entry in entries
    )
