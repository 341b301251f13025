"""Callbacks: what a search tells those who watch it.

An epoch is a round of the search: one batch of evaluations and the classifier that is trained on it.
"""

from shac.callbacks.base import Callback, Logs
from shac.callbacks.callback_list import CallbackList
from shac.callbacks.csv_logger import CSVLogger
from shac.callbacks.history import History
from shac.callbacks.later import Later, can_wait

__all__ = ["CSVLogger", "Callback", "CallbackList", "History", "Later", "Logs", "can_wait"]
