"""What `SHAC.fit` holds while it evaluates: the folder, the journal, the workers and the signals that stop it."""

from __future__ import annotations

import contextlib
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shac.evaluation import EvaluatorPool, StopSignals, TerminatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shac.evaluation.worker import EvaluationFunction
    from shac.store.folder import SearchStore
    from shac.store.journal import Journal

__all__ = ["evaluating"]


@contextmanager
def evaluating(
    function: EvaluationFunction,
    store: SearchStore,
    space: str,
    *,
    begin: Callable[[], object],
    stopped_after: Callable[[], str],
    **pool_settings: Any,
) -> Iterator[tuple[EvaluatorPool, Journal]]:
    """Open what evaluations need within a ``with`` block; whatever ends it, no worker is left.

    Parameters
    ----------
    function : callable
        The evaluation function.
    store : SearchStore
        Owned meanwhile.
    space : str
        Fingerprint of the search space.
    begin : callable
        Saves a search that is new in the folder, so that one that stops within its first batch can be restored.
    stopped_after : callable
        Says how far the search is, when a signal stops it.
    **pool_settings
        Arguments of `EvaluatorPool`.

    Yields
    ------
    pool : EvaluatorPool
    journal : Journal

    Raises
    ------
    KeyboardInterrupt, TerminatedError
        When a signal stopped the search; says how to go on.
    """
    with (
        StopSignals() as signals,
        EvaluatorPool(function, undisturbed=signals.held, **pool_settings) as pool,
        store.opened(),
    ):
        if not store.is_known:
            begin()
        with store.journal(space) as journal:
            try:
                try:
                    yield pool, journal
                finally:
                    pool.stop()  # before the journal is closed: what has ended is not to be lost
            except KeyboardInterrupt as error:
                error.args = error.args or (_how_to_go_on("Ctrl-C", stopped_after(), store),)
                raise
            except TerminatedError:
                # An exit with a code says nothing by itself; where warnings are errors, the code matters more
                with contextlib.suppress(UserWarning):
                    warnings.warn(_how_to_go_on("SIGTERM", stopped_after(), store), stacklevel=5)
                raise


def _how_to_go_on(cause: str, progress: str, store: SearchStore) -> str:
    return (
        f"{cause} stopped the search: {progress} evaluations are done and saved in {store.folder}; "
        "to go on, make the same engine, call restore_data() and then fit()"
    )
