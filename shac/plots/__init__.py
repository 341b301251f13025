"""Pictures of a search, drawn with matplotlib (``pip install 'shac[plot]'``).

Every function draws on the axes it is given, or on new ones, and returns them. None changes matplotlib's settings.
"""

from shac.plots.dataset import plot_dataset
from shac.plots.history import plot_history
from shac.plots.importance import plot_importance
from shac.plots.parallel import plot_parallel
from shac.plots.region import plot_region
from shac.plots.volume import plot_volume

__all__ = ["plot_dataset", "plot_history", "plot_importance", "plot_parallel", "plot_region", "plot_volume"]
