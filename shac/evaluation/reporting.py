"""Learning curves: what an evaluation reports on its way, and the end of one that is worse than others were there."""

from __future__ import annotations

from shac.evaluation.curves import checked_point
from shac.evaluation.running import running_evaluation

__all__ = ["Pruned", "report"]


class Pruned(Exception):  # noqa: N818 - what happens to an evaluation, and no error of anybody
    """Ends an evaluation that is worse than others were at the same step; raised by `report`.

    An evaluation that has files to close may catch it, and has to raise it again. It may also be raised by hand.

    Examples
    --------
    >>> import shac
    >>> issubclass(shac.Pruned, Exception)
    True
    """


def report(step: int, value: float) -> None:
    """Report how good the evaluation that runs in this thread is by now.

    Where the search prunes (see `SHAC`, `pruning`), an evaluation that is worse than most of those of the rounds before
    were at the same step ends here. Elsewhere the values are kept for the pictures of the report alone.

    Parameters
    ----------
    step : int
        Epochs, batches or examples: 0 or more, and more each time.
    value : float
        On the scale of the score that the evaluation returns at its end.

    Raises
    ------
    Pruned
        Not to be caught, or to be raised again.
    LookupError
        If no evaluation is running in this thread.
    TypeError, ValueError
        If `step` is no such integer, or `value` no finite real number.

    Examples
    --------
    >>> import shac, tempfile
    >>> def train(worker_id, parameters):
    ...     for epoch in range(10):
    ...         loss = parameters["x"] + 1 / (epoch + 1)
    ...         shac.report(epoch, loss)
    ...     return loss
    >>> space = [shac.UniformHP("x", 0.0, 1.0)]
    >>> engine = shac.SHAC(train, space, 20, 2, "min", save_dir=tempfile.mkdtemp(), seed=1, pruning="median")
    >>> engine.concurrent_evaluators()
    >>> history = engine.fit()
    >>> history.history["pruned"][0], len(history.history["pruned"])  # of the first round none
    (0, 2)
    """
    running = running_evaluation("report")
    curve = running.curve
    curve.append(checked_point(step, value, curve))
    if running.limits is not None and running.limits.is_worse(curve):
        raise Pruned(f"worse than others were at step {step}")
