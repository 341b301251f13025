"""Exceptions of the package: each is a `ShacError` and also the builtin error of its kind."""

__all__ = [
    "DamagedFileError",
    "EmptyRegionError",
    "EvaluationError",
    "InvalidModelError",
    "SaveFolderError",
    "ShacError",
    "UnsupportedModelError",
]


class ShacError(Exception):
    """Base class of every error that the package raises on purpose."""


class UnsupportedModelError(ShacError, ValueError):
    """A model is sound but of a kind that the cascade cannot run (multi-class, dart, categorical splits)."""


class InvalidModelError(ShacError, ValueError):
    """A model's arrays contradict each other (a child out of range, a cycle, a threshold that is NaN)."""


class EmptyRegionError(ShacError, RuntimeError):
    """No configuration of the search space can pass the cascade."""


class EvaluationError(ShacError, RuntimeError):
    """Rounds in a row gave no score, or the first one none for an error of programming; says the first failure."""


class DamagedFileError(ShacError, ValueError):
    """A file of a save folder is missing, damaged or of an unknown format version."""


class SaveFolderError(ShacError, FileExistsError):
    """A save folder cannot be used: it is a Python package, or holds another search."""
