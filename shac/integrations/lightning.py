"""Learning curves of PyTorch Lightning, for searches that prune."""

from __future__ import annotations

from typing import Any

from shac.evaluation import report

try:
    from lightning.pytorch.callbacks import Callback
except ImportError:  # the same classes in the smaller of the two packages
    from pytorch_lightning.callbacks import Callback

__all__ = ["PruningCallback"]


class PruningCallback(Callback):  # type: ignore[misc]  # the class is known only where Lightning is installed
    """Report a metric after each epoch, and end a training that is worse than others were there; see `shac.report`.

    It belongs to an evaluation whose training runs in one process. A training that is ended raises `shac.Pruned` out of
    ``Trainer.fit``, which the evaluation function lets through. One that goes on from a checkpoint reports from the
    epoch on at which it was.

    Parameters
    ----------
    monitor : str
        Name under which the module logs the metric, on the scale of the score that the evaluation returns.

    Raises
    ------
    ValueError
        In ``Trainer.fit``, if the metric is none that was logged, after the first epoch that has a validation.

    Examples
    --------
    >>> callback = PruningCallback("val_loss")
    >>> callback.monitor  # Trainer(callbacks=[callback])
    'val_loss'
    """

    def __init__(self, monitor: str) -> None:
        super().__init__()
        self.monitor = monitor

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Report the metric as it is after the epoch's validation."""
        metrics = trainer.callback_metrics
        if self.monitor in metrics:
            report(trainer.current_epoch, float(metrics[self.monitor]))
        elif trainer.current_epoch + 1 >= (trainer.check_val_every_n_epoch or 1):
            raise ValueError(f"monitor: expected a metric that was logged, one of {[*metrics]}, got {self.monitor!r}")
