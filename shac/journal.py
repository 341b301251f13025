"""The journal's reader under the name that version 0.1 documented; see `shac.store.journal`."""

from shac.store.journal import JournalEntry, read_journal

__all__ = ["JournalEntry", "read_journal"]
