"""A training with PyTorch Lightning, for one setting."""

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, TensorDataset


class Regression(pl.LightningModule):
    def __init__(self, width, lr):
        super().__init__()
        self.lr = lr
        self.layers = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))

    def training_step(self, batch, index):
        x, y = batch
        return torch.nn.functional.mse_loss(self.layers(x), y)

    def validation_step(self, batch, index):
        x, y = batch
        self.log("val_loss", torch.nn.functional.mse_loss(self.layers(x), y))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)


def train(lr, width):
    x = torch.rand(192, 2, generator=torch.Generator().manual_seed(0))
    data = TensorDataset(x, (x[:, :1] * x[:, 1:]).sin())
    trainer = pl.Trainer(
        accelerator="cpu", max_epochs=2, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(Regression(width, lr), DataLoader(data, batch_size=64), DataLoader(data, batch_size=192))
    return trainer.callback_metrics["val_loss"].item()


if __name__ == "__main__":
    print(train(lr=1e-3, width=16))
