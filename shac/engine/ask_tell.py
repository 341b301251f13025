"""Rounds whose evaluations somebody else runs: settings are asked for, and scores told."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from shac.callbacks import CallbackList
from shac.engine.loop import Batch, complete_round
from shac.errors import EvaluationError
from shac.evaluation import derive_seed

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Sequence

    from shac.engine.shac import SHAC

__all__ = ["AskTell"]


@dataclass(frozen=True, slots=True, eq=False)
class _Handed:
    """A setting that somebody evaluates: the round it was drawn in, by its first evaluation, and its place there."""

    first: int
    place: int
    row: list[Any]


class AskTell:
    """The open round of an engine.

    A round's settings are the stream of samples that `fit` would draw for it; `fit` takes the first W of them. A
    setting is in one of three states: handed out, told, or part of the dataset. The W settings that are told first
    close the round, and enter the dataset in the order in which they were handed out, so that a search whose rounds
    are asked for as a whole is the search of `fit`, whatever the order of the tellings.

    Parameters
    ----------
    engine : SHAC
        Whose dataset and classifiers grow.
    """

    def __init__(self, engine: SHAC) -> None:
        self._engine = engine
        self._first = -1
        self._relax_checks = False
        self._stream: list[list[Any]] = []
        self._given: set[int] = set()  # places of the stream
        self._handed_out: list[_Handed] = []
        self._told: list[tuple[_Handed, float]] = []

    def check_idle(self) -> None:
        """Raise unless no score of an open round would be lost by another way to go on.

        Raises
        ------
        ValueError
            If scores of an unfinished round are told.
        """
        if self._told:
            raise ValueError(
                f"tell: expected the round to be finished before fit goes on, got {len(self._told)} of "
                f"{self._round_size()} scores; ask and tell can finish it"
            )

    def ask(self, n: int, *, relax_checks: bool) -> list[OrderedDict[str, Any]]:
        """Hand out the next settings; see `SHAC.ask`."""
        engine = self._engine
        self._open()
        self._relax_checks = relax_checks
        left = engine.total_budget - len(engine.dataset) - len(self._told) - len(self._handed_out)
        handed = [self._hand_out(self._next_place()) for _ in range(min(n, left))]
        return [engine.dataset.prepare_parameter(entry.row) for entry in handed]

    def tell(self, parameters: Mapping[str, Any] | Sequence[Any], score: float, *, skip_cv_checks: bool) -> None:
        """Take a score; see `SHAC.tell`."""
        self._open()
        space = self._engine.dataset.parameters
        assert space is not None
        row = space.to_row(parameters) if isinstance(parameters, Mapping) else list(parameters)
        value = _checked_score(score)
        handed = self._find(row)
        self._handed_out.remove(handed)
        self._told.append((handed, value))
        if len(self._told) == self._round_size():
            self._close(skip_cv_checks=skip_cv_checks)

    def _open(self) -> None:
        """Begin a round where the dataset has grown since the last one began."""
        engine = self._engine
        if self._first != len(engine.dataset):
            self._first = len(engine.dataset)
            self._stream, self._given = [], set()

    def _round_size(self) -> int:
        return min(self._engine.num_workers, self._engine.total_budget - self._first)

    def _next_place(self) -> int:
        place = next(i for i in itertools.count() if i not in self._given)
        self._draw_up_to(place + 1)
        return place

    def _hand_out(self, place: int) -> _Handed:
        self._given.add(place)
        handed = _Handed(self._first, place, self._stream[place])
        self._handed_out.append(handed)
        return handed

    def _draw_up_to(self, count: int) -> None:
        """Draw the stream again from its begin when more is wanted: twice as much, so that it costs little."""
        engine = self._engine
        if count > len(self._stream):
            self._stream = engine.draw_rows(
                max(count, self._round_size(), 2 * len(self._stream)),
                seed=derive_seed(engine.seed, self._first, purpose="batch"),
                threads=engine.num_parallel_generators,
                relax_checks=self._relax_checks,
            )

    def _find(self, row: list[Any]) -> _Handed:
        """Find a setting among those handed out, in this process or by one that was stopped within the round."""
        wanted = repr(row)  # tells 1 from True and from 1.0
        for handed in self._handed_out:
            if repr(handed.row) == wanted:
                return handed
        size = self._round_size()
        self._draw_up_to(size)
        for place in range(size):
            if place not in self._given and repr(self._stream[place]) == wanted:
                return self._hand_out(place)
        raise ValueError(
            f"parameters: expected a setting that ask() gave and whose score is not told yet, got {row!r}; "
            "fit_dataset takes evaluations that come from elsewhere"
        )

    def _close(self, *, skip_cv_checks: bool) -> None:
        engine = self._engine
        told = sorted(self._told, key=lambda entry: (entry[0].first, entry[0].place))
        self._told = []
        scores = [score for _, score in told]
        if all(math.isnan(score) for score in scores):
            self._first = -1
            raise EvaluationError(
                f"tell: all {len(told)} evaluations of round {len(engine.dataset) // engine.num_workers + 1} failed; "
                f"the {len(engine.dataset)} before them are saved in {engine.save_dir}"
            )
        callbacks = CallbackList()
        callbacks.set_engine(engine)
        batch = Batch([handed.row for handed, _ in told], scores, {})
        complete_round(engine, batch, skip_cv_checks=skip_cv_checks, callbacks=callbacks)


def _checked_score(score: Any) -> float:
    try:
        if not isinstance(score, (str, bytes)):
            number = float(score)
            return number if math.isfinite(number) else math.nan
    except (TypeError, ValueError):
        pass
    raise ValueError(f"score: expected a number, NaN for a failed evaluation, got {score!r}")
