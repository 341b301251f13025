"""What a search says where nothing can be drawn: a line a round, and the first failure of each kind."""

from __future__ import annotations

import contextlib
import logging
import math
import sys
import time
from typing import TYPE_CHECKING, Any

from shac.callbacks import Callback, can_wait
from shac.progress.text import duration_text

if TYPE_CHECKING:
    from shac.callbacks import Logs

__all__ = ["FirstFailures", "SearchLines", "classifiers_text", "tell_warm_start", "write_line"]


class FirstFailures:
    """Knows of which kinds evaluations have failed, so that the first of each is told."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()

    def line_of(self, outcome: Any) -> str | None:
        """Return what to say of an evaluation that ended; None where that was said before, or a log says it."""
        if outcome.error is None or _is_logged():
            return None
        kind = outcome.error.partition(":")[0]
        if kind in self._kinds:
            return None
        self._kinds.add(kind)
        reason = " ".join(outcome.error.split())
        return f"evaluation {outcome.index} failed: {reason} (more of this kind are only counted)"


def _is_logged() -> bool:
    """Whether somebody reads the log, in which every failure has its traceback."""
    own = logging.getLogger("shac")
    if not own.isEnabledFor(logging.WARNING):
        return True  # it was turned off
    logger: logging.Logger | None = own
    while logger is not None:
        if any(not isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return True
        logger = logger.parent if logger.propagate else None
    return False


class SearchLines(Callback):
    """Writes plain lines to standard error: one a round, and one for the first failure of each kind.

    `fit` has one of its own where standard error is a file or a pipe, as in the log of a batch job.

    Examples
    --------
    >>> import shac, tempfile
    >>> space = [shac.UniformHP("x", 0.0, 1.0)]
    >>> engine = shac.SHAC(lambda worker_id, p: p["x"], space, 4, 2, save_dir=tempfile.mkdtemp())
    >>> engine.concurrent_evaluators()
    >>> history = engine.fit(progress=False, callbacks=[SearchLines()])  # round 1 of 2: 2 of 4 evaluations, best ...
    """

    def __init__(self) -> None:
        super().__init__()
        self._started = time.monotonic()
        self._failures = FirstFailures()

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._started = time.monotonic()
        self._failures = FirstFailures()
        tell_warm_start(self.engine)

    def on_outcome(self, outcome: Any, logs: Logs | None = None) -> None:  # noqa: ARG002
        if line := self._failures.line_of(outcome):
            write_line(line)

    @can_wait
    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        told, engine = logs or {}, self.engine
        ended = [f"{told[what]} {what}" for what in ("failed", "pruned") if told.get(what)]
        parts = [
            f"{told['evaluations']} of {engine.total_budget} evaluations" + (f" ({', '.join(ended)})" if ended else ""),
            *([f"best {told['best']:.6g}"] if math.isfinite(told["best"]) else []),
            *([f"Pareto front of {told['front']}"] if "front" in told else []),
            classifiers_text(engine),
            duration_text(time.monotonic() - self._started),
        ]
        write_line(f"round {epoch} of {engine.num_batches}: {', '.join(parts)}")


def classifiers_text(engine: Any) -> str:
    """Say how many classifiers there are, and how many there will be at most."""
    total = engine.total_classifiers + engine.state.num_initial_classifiers
    return f"{len(engine.state.classifiers)} of {total} classifiers"


def tell_warm_start(engine: Any) -> None:
    """Say what a search begins with, where it begins."""
    if not len(engine.dataset) and engine.state.earlier is not None:
        write_line(f"warm start: {engine.state.earlier.evaluations.describe()}")


def write_line(line: str) -> None:
    """Write a line to standard error; where that is gone, or the disk behind it full, a search goes on without."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()
