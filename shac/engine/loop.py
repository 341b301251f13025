"""The loop of a search: round after round a batch, a classifier, a save."""

from __future__ import annotations

import logging
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from shac.engine.learning import train_when_due
from shac.reals import median

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shac.callbacks import CallbackList
    from shac.engine.shac import SHAC

__all__ = ["Batch", "BatchSource", "complete_round", "run_rounds"]

_logger = logging.getLogger("shac")


@dataclass(frozen=True, slots=True)
class Batch:
    """Settings of one round and their scores.

    Parameters
    ----------
    rows : sequence of rows
        Flat rows of values.
    scores : sequence of float
        A score for each; NaN for a failed evaluation.
    seconds : dict
        Time spent, by kind of work.
    """

    rows: Sequence[Sequence[Any]]
    scores: Sequence[float]
    seconds: dict[str, float]


class BatchSource(Protocol):
    """Where batches come from: evaluations, or a table."""

    def next_batch(self, round_index: int, size: int, callbacks: CallbackList) -> Batch:
        """Give the batch of a round."""


def run_rounds(
    engine: SHAC, source: BatchSource, *, skip_cv_checks: bool, early_stop: bool, callbacks: CallbackList
) -> None:
    """Run the rounds that the engine's budget still holds; whatever ends them, what is evaluated is saved.

    Parameters
    ----------
    engine : SHAC
        Its dataset, classifiers and progress grow.
    source : BatchSource
        Where batches come from.
    skip_cv_checks, early_stop
        As of `SHAC.fit`.
    callbacks : CallbackList
        Told of every step.
    """
    callbacks.set_engine(engine)
    callbacks.on_train_begin()
    try:
        while len(engine.dataset) < engine.total_budget:
            round_index = len(engine.dataset) // engine.num_workers
            callbacks.on_epoch_begin(round_index + 1)
            size = min(engine.num_workers, engine.total_budget - len(engine.dataset))
            batch = source.next_batch(round_index, size, callbacks)
            failed_training = complete_round(engine, batch, skip_cv_checks=skip_cv_checks, callbacks=callbacks)
            if early_stop and failed_training:
                _logger.info("early_stop: round %d gave no classifier; the search is saved", round_index + 1)
                return
    finally:
        callbacks.on_train_end()


def complete_round(engine: SHAC, batch: Batch, *, skip_cv_checks: bool, callbacks: CallbackList) -> bool:
    """Take in a round's batch, train when it is time, and save.

    Parameters
    ----------
    engine : SHAC
        Its dataset, classifiers and progress grow.
    batch : Batch
        The round's settings and scores.
    skip_cv_checks : bool
        As of `SHAC.fit`.
    callbacks : CallbackList
        Told of the new points and of the end of the round.

    Returns
    -------
    bool
        Whether a classifier was due and none came of it.
    """
    round_index = len(engine.dataset) // engine.num_workers
    with _unless_stopped(engine):
        for row, score in zip(batch.rows, batch.scores, strict=True):
            engine.dataset.add_sample(row, score)
        callbacks.on_dataset_changed(engine.dataset)
        started = time.perf_counter()
        failed_training = train_when_due(engine, skip_cv_checks=skip_cv_checks)
    seconds = {**batch.seconds, "training": time.perf_counter() - started}
    engine.save_data()
    callbacks.on_epoch_end(round_index + 1, _logs(engine, batch, seconds))
    return failed_training


@contextmanager
def _unless_stopped(engine: SHAC) -> Iterator[None]:
    """Put the engine back to where the round began if it is stopped before its classifier is there.

    The batch is where it came from, the journal or a table: the next call takes it from there, and trains.
    """
    num_points, num_classifiers = len(engine.dataset), len(engine.classifiers)
    progress = replace(engine.progress, accuracies=list(engine.progress.accuracies))
    try:
        yield
    except BaseException:
        del engine.dataset.X[num_points:], engine.dataset.Y[num_points:]
        del engine.classifiers[num_classifiers:]
        engine.progress = progress
        raise


def _logs(engine: SHAC, batch: Batch, seconds: dict[str, float]) -> dict[str, Any]:
    scores = np.array(batch.scores, dtype=np.float64)
    finite = scores[np.isfinite(scores)]
    everything = np.array(engine.dataset.Y, dtype=np.float64)
    everything = everything[np.isfinite(everything)]
    best = np.max if engine.objective == "max" else np.min
    volume = _volume(engine)
    return {
        "evaluations": len(engine.dataset),
        "failed": len(scores) - len(finite),
        "best": float(best(everything)) if everything.size else np.nan,
        "batch_best": float(best(finite)) if finite.size else np.nan,
        "batch_median": median(finite) if finite.size else np.nan,
        "classifiers": len(engine.classifiers),
        "volume_lower": volume[0],
        "volume_upper": volume[1],
        "sampling_seconds": seconds.get("sampling", 0.0),
        "evaluating_seconds": seconds.get("evaluating", 0.0),
        "training_seconds": seconds["training"],
    }


def _volume(engine: SHAC) -> tuple[float, float]:
    """Bounds of the share of the prior that passes the classifiers, by an index that is kept from round to round."""
    try:
        return engine.cascade.grown_volume()
    except ValueError:  # a parameter without a quantile function
        return np.nan, np.nan
