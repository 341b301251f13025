"""What a callback may listen to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shac.callbacks.later import can_wait

if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Sequence

__all__ = ["Callback", "Logs"]

Logs = dict[str, Any]


class Callback:
    """Base class of callbacks; each method does nothing and may be overridden.

    Attributes
    ----------
    engine : SHAC or None
        The engine whose search is watched; set before the search starts.

    Examples
    --------
    >>> class Stopwatch(Callback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print("round", epoch, "is over")
    >>> Stopwatch().on_epoch_end(0)
    round 0 is over
    """

    # On the class too: a subclass may forget to call __init__
    engine: Any = None

    def __init__(self) -> None:
        self.engine = None

    def set_engine(self, engine: Any) -> None:
        """Remember the engine.

        Parameters
        ----------
        engine : SHAC
            The engine whose search is watched.
        """
        self.engine = engine

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Announce the start of `fit` or `fit_dataset`.

        Parameters
        ----------
        logs : dict, optional
            Quantities of this moment.
        """

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Announce the end of `fit` or `fit_dataset`.

        Parameters
        ----------
        logs : dict, optional
            Quantities of this moment.
        """

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Announce the start of a round.

        Parameters
        ----------
        epoch : int
            The round's number.
        logs : dict, optional
            Quantities of this moment.
        """

    @can_wait
    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Announce the end of a round.

        Parameters
        ----------
        epoch : int
            The round's number.
        logs : dict, optional
            Quantities of this round.
        """

    def on_evaluation_begin(self, params: Sequence[OrderedDict[str, Any]], logs: Logs | None = None) -> None:
        """Announce configurations that are about to be evaluated.

        Parameters
        ----------
        params : sequence of OrderedDict
            The configurations of the batch.
        logs : dict, optional
            Quantities of this moment.
        """

    def on_evaluation_ended(self, evaluations: Sequence[Any], logs: Logs | None = None) -> None:
        """Announce the scores of a batch.

        Parameters
        ----------
        evaluations : sequence of float, or of tuples of float
            The scores, in the order of the configurations; NaN where an evaluation failed or was pruned.
        logs : dict, optional
            ``failures``: a mapping for each evaluation that failed, as `History.failures` keeps them.
        """

    def on_outcome(self, outcome: Any, logs: Logs | None = None) -> None:
        """Announce one evaluation of a batch that has ended, as soon as it has.

        Parameters
        ----------
        outcome : EvaluationOutcome
            Its index, parameters, score and, where it failed, the reason.
        logs : dict, optional
            Quantities of this moment.
        """

    def on_dataset_changed(self, dataset: Any, logs: Logs | None = None) -> None:
        """Announce evaluated configurations that the dataset has gained.

        Parameters
        ----------
        dataset : Dataset
            The engine's dataset.
        logs : dict, optional
            Quantities of this moment.
        """
