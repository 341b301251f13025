"""What a search says about itself: numbers behind the pictures, the report and ``shac show``."""

from shac.insight.failures import Failure
from shac.insight.history import Round, list_rounds, range_of_better_half, score_unit
from shac.insight.importance import gain_shares
from shac.insight.region import Marginals, stage_marginals
from shac.insight.running import JournalEntry, entries_since, files_state, owner_of
from shac.insight.scale import ABSENT, ColumnScale, value_text
from shac.insight.view import BestConfiguration, SearchView, view_of
from shac.insight.volume import StageVolume, stage_volumes

__all__ = [
    "ABSENT",
    "BestConfiguration",
    "ColumnScale",
    "Failure",
    "JournalEntry",
    "Marginals",
    "Round",
    "SearchView",
    "StageVolume",
    "entries_since",
    "files_state",
    "gain_shares",
    "list_rounds",
    "owner_of",
    "range_of_better_half",
    "score_unit",
    "stage_marginals",
    "stage_volumes",
    "value_text",
    "view_of",
]
