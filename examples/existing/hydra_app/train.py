"""An application of Hydra, which needs no change."""

import hydra


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def train(config):
    bonus = {"relu": 0.02, "gelu": 0.03}[config.activation]
    return 0.95 - 0.02 * abs(config.layers - 3) - 0.4 * abs(config.optimizer.lr - 0.01) ** 0.5 + bonus


if __name__ == "__main__":
    train()
