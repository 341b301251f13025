"""The compiled core, or an error that says how to get it."""

try:
    from shac import _core as core
except ImportError as error:
    raise ImportError(
        f"shac was built without its compiled core, or is imported from its source folder ({error}): run "
        "`pip install .` in that folder, and start Python elsewhere"
    ) from error

__all__ = ["core"]
