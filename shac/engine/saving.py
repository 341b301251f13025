"""An engine to and from its save folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from shac.engine.strategy import STRATEGIES, Strategy
from shac.errors import DamagedFileError
from shac.storage import SavedSearch, load_search, save_search

if TYPE_CHECKING:
    import xgboost

    from shac.dataset import Dataset
    from shac.engine.stored import StoredEngine

__all__ = ["Progress", "RestoredEngine", "read_engine", "write_engine"]


@dataclass(slots=True)
class Progress:
    """Where the loop stands.

    Parameters
    ----------
    training_begin : int
        First evaluation that no classifier was trained on.
    last_attempt : int
        Number of evaluations when a classifier was last tried.
    accuracies : list of float
        Cross-validation accuracy of each classifier; NaN where it was skipped.
    """

    training_begin: int = 0
    last_attempt: int = 0
    accuracies: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class RestoredEngine:
    """What an engine takes over from its save folder."""

    dataset: Dataset
    classifiers: list[xgboost.XGBClassifier]
    progress: Progress
    seed: int
    strategy: Strategy


def write_engine(engine: StoredEngine) -> None:
    """Write an engine to its `save_dir`; see `shac.storage.save_search` for the errors."""
    settings = {
        "engine": type(engine).__name__,
        "total_budget": engine.total_budget,
        "num_batches": engine.num_batches,
        "objective": engine.objective,
        "total_classifiers": engine.total_classifiers,
        "seed": engine.seed,
        "strategy": engine.strategy.as_config(),
    }
    save_search(engine.save_dir, SavedSearch(engine.dataset, engine.classifiers, settings, asdict(engine.progress)))


def read_engine(engine: StoredEngine) -> RestoredEngine:
    """Read what `write_engine` wrote for an engine of the same space and objective, and change nothing.

    Raises
    ------
    DamagedFileError
        If a file is damaged.
    ValueError
        If the search has another space or objective than the engine.
    """
    saved = load_search(engine.save_dir)
    match saved:
        case SavedSearch(
            settings={"objective": str(objective), "seed": int(seed)},
            progress={"training_begin": int(begin), "last_attempt": int(attempt), "accuracies": list(accuracies)},
        ):
            pass
        case _:
            raise DamagedFileError(f"{engine.save_dir}: expected the settings of an engine, got {saved.settings}")
    _check_progress(saved, seed, Progress(begin, attempt, accuracies), engine)
    if objective != engine.objective:
        raise ValueError(f"objective: expected {objective!r}, that of {engine.save_dir}, got {engine.objective!r}")
    space = saved.dataset.parameters
    if engine.parameters is not None and space is not None:
        if engine.parameters.fingerprint() != space.fingerprint():
            raise ValueError(
                f"hyperparameter_list: expected the search space of {engine.save_dir}:\n{space!r}\n"
                f"got:\n{engine.parameters!r}"
            )
        saved.dataset.parameters = engine.parameters
    return RestoredEngine(
        saved.dataset,
        list(saved.classifiers),
        Progress(begin, attempt, accuracies),
        seed,
        _read_strategy(saved.settings, engine),
    )


def _read_strategy(settings: dict[str, Any], engine: StoredEngine) -> Strategy:
    """Read a search's strategy; searches that were saved before there was one followed the paper."""
    match settings.get("strategy"):
        case None:
            return STRATEGIES["paper"]
        case dict(config):
            try:
                return Strategy.from_config(config)
            except ValueError as error:
                raise DamagedFileError(f"{engine.save_dir}: strategy: {error}") from error
        case other:
            raise DamagedFileError(f"{engine.save_dir}: expected a strategy's settings, got {other!r}")


def _check_progress(saved: SavedSearch, seed: int, progress: Progress, engine: StoredEngine) -> None:
    """Refuse what no search can have come to."""
    evaluations = len(saved.dataset)
    numbers = (seed, progress.training_begin, progress.last_attempt)
    sound = (
        saved.settings["objective"] in ("max", "min")
        and all(type(number) is int for number in numbers)
        and 0 <= seed < 2**64
        and 0 <= progress.training_begin <= evaluations
        and 0 <= progress.last_attempt <= evaluations
        and len(progress.accuracies) == len(saved.classifiers)
        and all(type(accuracy) is float for accuracy in progress.accuracies)
    )
    if not sound:
        raise DamagedFileError(
            f"{engine.save_dir}: expected a search of {evaluations} evaluations and {len(saved.classifiers)} "
            f"classifiers, got {progress} and the settings {saved.settings}"
        )
