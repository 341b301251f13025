"""The search engines."""

from shac.engine.shac import SHAC
from shac.engine.torch import TorchSHAC

__all__ = ["SHAC", "TorchSHAC"]
