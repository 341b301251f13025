"""One look at a search, whether it runs in this process or lies in its folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from shac.dataset import Dataset
from shac.insight.curves import Curve, list_curves
from shac.insight.failures import Failure, list_failures
from shac.insight.scale import ColumnScale
from shac.insight.volume import StageDraws
from shac.nondominated import pareto_ranks
from shac.replicates import Replicates
from shac.sampling import Cascade
from shac.store.manifest import holds_search, load_search

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xgboost
    from numpy.typing import NDArray

    from shac.objectives import Objectives
    from shac.space import HyperParameterList
    from shac.store.earlier import EarlierEvaluations

__all__ = ["BestConfiguration", "SearchView", "view_of"]


class BestConfiguration(NamedTuple):
    """A configuration that is among the best.

    Parameters
    ----------
    number : int
        Of its first evaluation.
    score : float
        The mean score of its evaluations.
    num_evaluations : int
        Of how many that is.
    """

    number: int
    score: float
    num_evaluations: int


@dataclass(frozen=True)
class SearchView:
    """What there is to know of a search at one moment.

    Parameters
    ----------
    dataset : Dataset
        Configurations and scores.
    classifiers : sequence of xgboost.XGBClassifier
        In the order of their training.
    accuracies : sequence of float
        Cross-validation accuracy of each; NaN where it was skipped.
    engine : str
        Name of the engine's class.
    objective : {'max', 'min'}
        Of `scores`.
    total_budget, num_batches, total_classifiers, seed : int
        See `SHAC`.
    folder : Path
        Where its files are.
    pruned : mapping of int to float
        The evaluations that were pruned, by their numbers, with their last values.
    enqueued : frozenset of int
        Numbers of the evaluations that somebody asked for.
    earlier : EarlierEvaluations or None
        What the search began with.
    """

    dataset: Dataset
    classifiers: Sequence[xgboost.XGBClassifier]
    accuracies: Sequence[float]
    engine: str
    objective: str
    total_budget: int
    num_batches: int
    total_classifiers: int
    seed: int
    folder: Path
    pruned: Mapping[int, float] = field(default_factory=dict)
    enqueued: frozenset[int] = frozenset()
    earlier: EarlierEvaluations | None = None

    @property
    def space(self) -> HyperParameterList:
        """The search space."""
        assert self.dataset.parameters is not None
        return self.dataset.parameters

    @property
    def num_workers(self) -> int:
        """Evaluations of a round."""
        return -(-self.total_budget // self.num_batches)  # the last round may be smaller

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """Scores of all evaluations; with several objectives their ranks (see `shac.nondominated.pareto_ranks`)."""
        if self.objectives is not None:
            return pareto_ranks(self.objectives.losses(self.dataset.Y))
        return np.array(self.dataset.Y, dtype=np.float64)

    @cached_property
    def objectives(self) -> Objectives | None:
        """Several objectives; None where there is one."""
        return self.dataset.objectives

    @property
    def objective_text(self) -> str:
        """What is wanted of the scores."""
        if self.objectives is None:
            return f"{self.objective}imise"
        return ", ".join(f"{one}imise {name}" for name, one in self.objectives.as_config())

    @property
    def score_names(self) -> tuple[str, ...]:
        """What the numbers are called that an evaluation gives."""
        return ("score",) if self.objectives is None else self.objectives.names

    def score_numbers(self, index: int) -> tuple[float, ...]:
        """Return the numbers that an evaluation gave; NaN where it failed."""
        return (float(self.scores[index]),) if self.objectives is None else tuple(self.dataset.Y[index])

    @cached_property
    def encoded(self) -> NDArray[np.float32]:
        """Configurations of all evaluations, as the classifiers see them."""
        return self.space.encode_rows(self.dataset.X)

    @cached_property
    def cascade(self) -> Cascade:
        """The classifiers, compiled."""
        return Cascade(self.classifiers, self.space)

    @cached_property
    def scales(self) -> list[ColumnScale]:
        """A scale for each column."""
        names = self.space.get_parameter_names()
        return [ColumnScale(name, column) for name, column in zip(names, self.space.columns, strict=True)]

    @cached_property
    def stage_draws(self) -> StageDraws:
        """Samples of the region after each stage."""
        return StageDraws(self.cascade)

    @cached_property
    def failures(self) -> list[Failure]:
        """Evaluations without a usable score."""
        return [failure for failure in list_failures(self.dataset, self.folder) if failure.index not in self.pruned]

    @cached_property
    def curves(self) -> list[Curve]:
        """What evaluations reported."""
        return list_curves(self.folder)

    @cached_property
    def replicates(self) -> Replicates:
        """The evaluations with a score, by their configurations; of several objectives each stands for itself."""
        scores = self.scores.tolist()
        rows = self.dataset.X if self.objectives is None else [[i] for i in range(len(scores))]
        return Replicates.of(rows, scores, self.objective)

    def best(self, count: int) -> list[BestConfiguration]:
        """Return the best configurations, the best one first; see `Replicates.ranked`, and `scores`."""
        if self.objectives is not None:
            order = [i for i in np.argsort(self.scores, kind="stable").tolist() if np.isfinite(self.scores[i])]
            return [BestConfiguration(i, float(self.scores[i]), 1) for i in order[:count]]
        sign = -1.0 if self.objective == "max" else 1.0
        return [
            BestConfiguration(entry.number, sign * entry.loss, entry.num_evaluations)
            for entry in self.replicates.ranked()[:count]
        ]

    def best_so_far(self) -> NDArray[np.float64]:
        """Return, after each evaluation, the score of the best configuration of those until then.

        Returns
        -------
        ndarray of float64, shape (n,)
            The last is that of `best`; NaN before the first finite score. Where scores are noisy, it is a mean, and
            becomes worse where a lucky score is found out.
        """
        known = self.replicates
        result = np.full(len(self.scores), np.nan)
        if len(known.indices):
            places = np.searchsorted(known.indices, np.arange(len(result)), side="right") - 1
            best = known.best_losses()[np.maximum(places, 0)] * (-1.0 if self.objective == "max" else 1.0)
            result = np.where(places >= 0, best, np.nan)
        return result


def view_of(source: Any) -> SearchView:
    """Look at a search.

    Parameters
    ----------
    source : SHAC, path-like or SearchView
        An engine, or the save folder of a search.

    Returns
    -------
    SearchView

    Raises
    ------
    FileNotFoundError
        If the folder holds no search.
    DamagedFileError
        If a file of the folder is damaged.
    ValueError
        If `source` is something else, or an engine without a search space.
    """
    if isinstance(source, SearchView):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _view_of_folder(Path(source))
    if not all(hasattr(source, part) for part in ("dataset", "classifiers", "state", "plan")):
        raise ValueError(f"search: expected an engine or the folder of a search, got {source!r}")
    if source.parameters is None:
        raise ValueError("search: expected an engine with a search space, got one without; call restore_data() first")
    return SearchView(
        dataset=source.dataset,
        classifiers=tuple(source.classifiers),
        accuracies=source.state.accuracies,
        engine=type(source).__name__,
        objective=source.plan.objective,
        total_budget=source.total_budget,
        num_batches=source.num_batches,
        total_classifiers=source.total_classifiers + source.state.num_initial_classifiers,
        seed=source.seed,
        folder=source.save_dir,
        pruned=source.state.pruned,
        enqueued=source.state.enqueued,
        earlier=None if source.state.earlier is None else source.state.earlier.evaluations,
    )


def _view_of_folder(folder: Path) -> SearchView:
    if not holds_search(folder):
        what = "has no manifest.json" if folder.is_dir() else "is no folder"
        raise FileNotFoundError(f"{folder}: expected the folder of a search, but it {what}")
    saved = load_search(folder)
    dataset = Dataset(saved.space, save_dir=folder)
    dataset.objective = saved.objective if saved.objectives is None else saved.objectives.as_given
    dataset.set_dataset(saved.rows, saved.scores)
    dataset.pruned = dict(saved.pruned)
    return SearchView(
        dataset=dataset,
        classifiers=tuple(classifier.model for classifier in saved.classifiers),
        accuracies=tuple(saved.accuracies),
        engine=saved.engine,
        objective=saved.objective,
        total_budget=saved.total_budget,
        num_batches=saved.num_batches,
        total_classifiers=saved.total_classifiers + (saved.earlier.num_classifiers if saved.earlier else 0),
        seed=saved.seed,
        folder=folder,
        pruned=saved.pruned,
        enqueued=frozenset(saved.enqueued),
        earlier=saved.earlier,
    )
