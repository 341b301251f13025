"""Progress of a search: rounds, evaluations that run and are done, the best score, and the sampling between them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.callbacks import Callback
from shac.objectives import have_scores
from shac.progress.display import open_display
from shac.progress.lines import FirstFailures, classifiers_text, tell_warm_start
from shac.progress.sampling import SamplingState, watch
from shac.progress.text import ProgressGrid, duration_text
from shac.replicates import Replicates

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from shac.callbacks import Logs
    from shac.progress.display import Display
    from shac.sampling import Cascade

__all__ = ["SearchProgress"]


class SearchProgress(Callback):
    """Shows a search while it runs; `fit` has one of its own where progress is wanted.

    Parameters
    ----------
    console : rich.console.Console, optional
        Where to; standard error by default, or the cell of a notebook.

    Examples
    --------
    >>> import shac, tempfile
    >>> engine = shac.SHAC(
    ...     lambda worker_id, parameters: parameters["x"],
    ...     [shac.UniformHP("x", 0.0, 1.0)],
    ...     total_budget=4,
    ...     num_batches=2,
    ...     save_dir=tempfile.mkdtemp(),
    ... )
    >>> engine.concurrent_evaluators()
    >>> history = engine.fit(progress=False)  # with True, it is a SearchProgress that shows how far it is
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console
        self._display: Display | None = None
        self._started = 0.0
        self._evaluated_before = 0
        self._round = 0
        self._batch: list[Any] = []
        self._batch_size = 0
        self._ahead: list[Any] = []  # of the next round
        self._pruned = 0  # of the round
        self._best = np.nan
        self._is_noisy = False
        self._sampling: SamplingState | None = None
        self._failures = FirstFailures()

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._failures = FirstFailures()
        self._started = time.monotonic()
        self._evaluated_before = len(self.engine.dataset)
        self._note_dataset(self.engine.dataset)
        tell_warm_start(self.engine)
        self._display = open_display(self.render, self._console)

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._batch, self._batch_size, self._ahead, self._sampling = [], 0, [], None
        if self._display is not None:
            self._display.close()
            self._display = None

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._round = epoch
        self._update()

    def on_evaluation_begin(self, params: Sequence[OrderedDict[str, Any]], logs: Logs | None = None) -> None:  # noqa: ARG002
        self._sampling = None
        self._batch, self._batch_size, self._ahead, self._pruned = self._ahead, len(params), [], 0
        self._update()

    def on_outcome(self, outcome: Any, logs: Logs | None = None) -> None:  # noqa: ARG002
        is_ahead = outcome.index >= len(self.engine.dataset) + self._batch_size > 0
        (self._ahead if is_ahead else self._batch).append(outcome.score)
        self._pruned += outcome.pruned and not is_ahead
        if self._display is not None and (line := self._failures.line_of(outcome)):
            self._display.say(line)
        self._note_scores([outcome.score])
        self._update()

    def on_evaluation_ended(self, evaluations: Sequence[Any], logs: Logs | None = None) -> None:  # noqa: ARG002
        self._batch = list(evaluations)
        self._note_scores(evaluations)
        self._update()

    def on_dataset_changed(self, dataset: Any, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._batch, self._batch_size = [], 0
        self._note_dataset(dataset)
        self._update()

    def watch_sampling(self, cascade: Cascade, n: int) -> Cascade:
        """Return a cascade whose draws are shown.

        Parameters
        ----------
        cascade : Cascade
            What is drawn from.
        n : int
            Samples that will be drawn.

        Returns
        -------
        Cascade
        """
        state = self._sampling = SamplingState(n, cascade.num_stages)

        def on_piece(samples: int, candidates: int) -> None:
            state.add(samples, candidates)
            self._update()

        return watch(cascade, on_piece)

    def render(self, width: int | None = None) -> Table:
        """Draw the present state.

        Parameters
        ----------
        width : int, optional
            Columns that there are.

        Returns
        -------
        rich.table.Table
        """
        engine = self.engine
        done = min(len(engine.dataset) + len(self._batch) + len(self._ahead), engine.total_budget)
        grid = ProgressGrid(width)
        grid.add(
            f"round {self._round}/{engine.num_batches}",
            done,
            engine.total_budget,
            "evaluations",
            ", ".join(self._summary(done)),
        )
        sampling = self._sampling
        if self._batch_size and len(self._batch) < self._batch_size:
            grid.add("  evaluating", len(self._batch), self._batch_size, "done", ", ".join(self._evaluating()))
        elif sampling is not None and sampling.samples < sampling.wanted:
            grid.add("  sampling", sampling.samples, sampling.wanted, "configurations", sampling.text())
        return grid.table

    def _summary(self, done: int) -> list[str]:
        engine = self.engine
        elapsed = time.monotonic() - self._started
        fresh = done - self._evaluated_before
        parts = []
        if fresh > 0 and done < engine.total_budget:
            parts.append(f"{duration_text(elapsed / fresh * (engine.total_budget - done))} to go")
        parts += [f"best {self._best:.5g}"] if np.isfinite(self._best) else []
        return [*parts, classifiers_text(engine), duration_text(elapsed)]

    def _evaluating(self) -> list[str]:
        batch = have_scores(self._batch)
        scores = np.array(self._batch, dtype=np.float64)
        finite = scores[batch]
        running = min(self.engine.num_parallel_evaluators, self._batch_size - len(batch))
        notes = [f"{running} running"]
        if finite.size and self._has_best:
            best = finite.max() if self.engine.objective == "max" else finite.min()
            notes.append(f"best of the round {best:.5g}")
        failed = int((~batch).sum()) - self._pruned
        notes += [f"{count} {what}" for count, what in ((failed, "failed"), (self._pruned, "pruned")) if count > 0]
        return notes

    @property
    def _has_best(self) -> bool:
        return isinstance(self.engine.objective, str)  # of several objectives none has a best score

    def _note_dataset(self, dataset: Any) -> None:
        if not self._has_best:
            return
        known = Replicates.of(dataset.X, dataset.Y, self.engine.objective)
        self._is_noisy = known.is_noisy
        sign = -1.0 if self.engine.objective == "max" else 1.0
        self._best = next((sign * entry.loss for entry in known.ranked()), np.nan)

    def _note_scores(self, scores: Sequence[Any]) -> None:
        """Take scores of the round under way for the best; not where they are noisy, before they are ranked."""
        if not self._has_best or self._is_noisy:
            return
        values = np.array([self._best, *scores], dtype=np.float64)
        finite = values[np.isfinite(values)]
        if finite.size:
            self._best = float(finite.max() if self.engine.objective == "max" else finite.min())

    def _update(self) -> None:
        if self._display is not None:
            self._display.update()
