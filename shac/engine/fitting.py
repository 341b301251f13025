"""What `SHAC.fit` holds while it evaluates: the folder, the journal, the workers and the signals that stop it."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING

from shac.engine.loop import run_rounds
from shac.engine.samples import EvaluatedSamples
from shac.evaluation import EvaluatorPool, StopSignals, TerminatedError
from shac.journal import JOURNAL_FILE, Journal

if TYPE_CHECKING:
    from shac.callbacks import CallbackList
    from shac.engine.shac import SHAC
    from shac.space import HyperParameterList

__all__ = ["evaluate_rounds"]


def evaluate_rounds(
    engine: SHAC,
    space: HyperParameterList,
    *,
    skip_cv_checks: bool,
    early_stop: bool,
    relax_checks: bool,
    callbacks: CallbackList,
) -> None:
    """Run the rounds that are left; see `SHAC.fit` for the arguments and the errors."""
    assert engine.evaluation_function is not None, "checked by `fit`"
    with (
        StopSignals() as signals,
        EvaluatorPool(
            engine.evaluation_function,
            num_evaluators=engine.num_parallel_evaluators,
            backend=engine.evaluator_backend,
            cluster=engine.evaluator_cluster,
            threads_per_evaluator=engine.threads_per_evaluator,
            evaluation_timeout=engine.evaluation_timeout,
            max_retries=engine.max_retries,
            undisturbed=signals.held,
            **engine.evaluator_settings(),
        ) as pool,
        engine.ownership.owned(engine.save_dir),
    ):
        if engine.ownership.known is None:
            engine.save_data()  # so that a search that stops within its first batch can be restored
        with Journal(engine.save_dir / JOURNAL_FILE, space.fingerprint()) as journal:
            source = EvaluatedSamples(engine, pool, journal, relax_checks=relax_checks)
            try:
                run_rounds(engine, source, skip_cv_checks=skip_cv_checks, early_stop=early_stop, callbacks=callbacks)
            except KeyboardInterrupt as error:
                error.args = error.args or (_how_to_go_on(engine, source, "Ctrl-C"),)
                raise
            except TerminatedError:
                # An exit with a code says nothing by itself; where warnings are errors, the code matters more
                with contextlib.suppress(UserWarning):
                    warnings.warn(_how_to_go_on(engine, source, "SIGTERM"), stacklevel=3)
                raise


def _how_to_go_on(engine: SHAC, source: EvaluatedSamples, cause: str) -> str:
    return (
        f"{cause} stopped the search: {source.num_ended} of {engine.total_budget} evaluations are done and saved in "
        f"{engine.save_dir}; to go on, make the same engine, call restore_data() and then fit()"
    )
