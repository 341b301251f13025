import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import shac

pytest.importorskip("pytorch_lightning")

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback, ModelCheckpoint

from shac.integrations.lightning import PruningCallback


class Constant(pl.LightningModule):  # type: ignore[misc]  # a class without types here
    """Learns nothing, and logs as its loss what it is given."""

    def __init__(self, loss: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(loss))
        self.loss = loss

    def training_step(self, batch: Any, index: int) -> Any:
        return self.weight * 0.0

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("val_loss", self.loss)

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.0)


def fit(loss: float, *callbacks: Any, epochs: int = 3, **options: Any) -> None:
    loader = torch.utils.data.DataLoader(torch.zeros(2, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice about data loaders
        trainer = pl.Trainer(
            accelerator="cpu",
            max_epochs=epochs,
            callbacks=list(callbacks),
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        )
        trainer.fit(Constant(loss), loader, loader, **options)


def test_trainings_that_are_worse_than_others_were_end() -> None:
    started: list[float] = []
    finished: list[float] = []

    def train(worker_id: int, parameters: Any) -> float:
        loss = float(len(started))  # the later the worse
        started.append(loss)
        fit(loss, PruningCallback("val_loss"))
        finished.append(loss)
        return loss

    search = shac.SHAC(train, [shac.UniformHP("x", 0.0, 1.0)], 8, 2, "min", save_dir="run", seed=2, pruning="median")
    search.concurrent_evaluators()
    search.set_num_parallel_evaluators(1)
    history = search.fit()
    assert finished == [0.0, 1.0, 2.0, 3.0]
    assert history.history["pruned"] == [0, 4]


def test_a_training_that_goes_on_from_its_checkpoint_reports_from_its_epoch_on() -> None:
    class Fails(Callback):  # type: ignore[misc]
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 2 and not Path("failed").exists():
                Path("failed").touch()
                raise ArithmeticError("the node went away")

    steps: list[list[int]] = []

    class Noting(PruningCallback):
        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            steps[-1].append(trainer.current_epoch)
            super().on_train_epoch_end(trainer, pl_module)

    def train(worker_id: int, parameters: Any) -> float:
        steps.append([])
        folder = shac.evaluation_dir()
        last = folder / "last.ckpt"
        checkpoint = ModelCheckpoint(folder, save_last=True)
        fit(0.5, Noting("val_loss"), Fails(), checkpoint, epochs=4, ckpt_path=last if last.exists() else None)
        return 0.5

    search = shac.SHAC(train, [shac.UniformHP("x", 0.0, 1.0)], 1, 1, "min", save_dir="run", seed=0)
    search.max_retries = 1
    search.concurrent_evaluators()
    search.fit()
    assert steps == [[0, 1], [2, 3]]
    assert search.best_score == 0.5


def test_a_metric_that_was_not_logged_is_an_error_after_the_first_validation() -> None:
    trainer = SimpleNamespace(callback_metrics={"loss": torch.tensor(1.0)}, current_epoch=0, check_val_every_n_epoch=2)
    PruningCallback("val_los").on_train_epoch_end(trainer, None)
    trainer.current_epoch = 1
    with pytest.raises(
        ValueError, match=r"monitor: expected a metric that was logged, one of \['loss'\], got 'val_los'"
    ):
        PruningCallback("val_los").on_train_epoch_end(trainer, None)
