"""The search engines."""

from shac.engine.prediction import Prediction
from shac.engine.pruning import Pruning
from shac.engine.recommending import Recommendation
from shac.engine.shac import SHAC
from shac.engine.strategy import Strategy
from shac.engine.torch import TorchSHAC
from shac.engine.warm_start import WarmStart
from shac.training import TreeSettings

__all__ = ["SHAC", "Prediction", "Pruning", "Recommendation", "Strategy", "TorchSHAC", "TreeSettings", "WarmStart"]
