"""The few colours that all pictures share; they can be told apart without colour vision."""

__all__ = ["ACCENT", "BAD", "FAINT", "INK", "MUTED", "SCALE", "SECOND"]

INK = "#1f2933"
MUTED = "#7b8794"
FAINT = "#e4e7eb"
ACCENT = "#2f6fde"
SECOND = "#e07a1f"
BAD = "#c0392b"
# From nothing to a lot: light to dark, so that it also reads in print
SCALE = ("#f7f9fc", "#cfe0f8", "#8db8ef", "#4a8be0", "#1f5fc4", "#123a80")
