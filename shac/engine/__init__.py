"""The search engines."""

from shac.engine.settings import end_within_round
from shac.engine.shac import SHAC
from shac.engine.strategy import Strategy
from shac.engine.torch import TorchSHAC
from shac.training import TreeSettings

__all__ = ["SHAC", "Strategy", "TorchSHAC", "TreeSettings", "end_within_round"]
