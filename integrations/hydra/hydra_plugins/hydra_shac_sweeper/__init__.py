"""``hydra/sweeper=shac``: a Hydra application's parameters searched by Successive Halving and Classification."""
