"""How many cores this process may use."""

from __future__ import annotations

import os

__all__ = ["num_cores"]


def num_cores() -> int:
    """Return the cores that this process may use, as joblib counts them: affinity, cgroups, ``LOKY_MAX_CPU_COUNT``.

    Raises
    ------
    ValueError
        If ``LOKY_MAX_CPU_COUNT`` is set, and no integer.

    Examples
    --------
    >>> num_cores() >= 1
    True
    """
    import joblib

    try:
        return int(joblib.cpu_count())
    except ValueError:
        value = os.environ.get("LOKY_MAX_CPU_COUNT")
        if value is None:
            raise
        raise ValueError(f"LOKY_MAX_CPU_COUNT: expected an integer, or no such variable, got {value!r}") from None
