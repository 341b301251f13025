"""Progress for those who wait: a search's rounds and evaluations, and the candidates of a long draw."""

from shac.progress.display import lines_are_wanted, progress_is_wanted
from shac.progress.lines import SearchLines, write_line
from shac.progress.sampling import SamplingState, sampling_progress, watch
from shac.progress.search import SearchProgress

__all__ = [
    "SamplingState",
    "SearchLines",
    "SearchProgress",
    "lines_are_wanted",
    "progress_is_wanted",
    "sampling_progress",
    "watch",
    "write_line",
]
