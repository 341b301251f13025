"""How many threads each evaluator may use, so that evaluators side by side do not fight for the cores."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from shac.cores import num_cores

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["THREAD_VARIABLES", "limit_loaded_pools", "share_of_cores", "thread_environment"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    # joblib inside of an evaluation (scikit-learn's n_jobs=-1) counts the cores through this one
    "LOKY_MAX_CPU_COUNT",
)


def share_of_cores(num_evaluators: int) -> int:
    """Return the threads of one evaluator when the cores are divided evenly.

    Parameters
    ----------
    num_evaluators : int
        Evaluators that run at once, 1 or more.

    Returns
    -------
    int
        1 or more. The cores are those that this process may use (affinity and container limits count).

    Examples
    --------
    >>> share_of_cores(10_000)
    1
    """
    return max(1, num_cores() // num_evaluators)


def thread_environment(threads: int, *, explicit: bool, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment variables that limit the usual thread pools.

    Parameters
    ----------
    threads : int
        Threads of one evaluator.
    explicit : bool
        Whether the user asked for this number. If not, a lower number that stands in the environment
        already is the user's wish and is kept.
    environment : mapping, optional
        The environment to look at; by default that of this process.

    Returns
    -------
    dict
        Every name of `THREAD_VARIABLES` with its value.

    Examples
    --------
    >>> thread_environment(4, explicit=False, environment={"OMP_NUM_THREADS": "2"})["OMP_NUM_THREADS"]
    '2'
    >>> thread_environment(4, explicit=True, environment={"OMP_NUM_THREADS": "2"})["OMP_NUM_THREADS"]
    '4'
    """
    current = os.environ if environment is None else environment

    def limit(name: str) -> str:
        set_by_user = current.get(name, "")
        if not explicit and set_by_user.isdecimal() and 0 < int(set_by_user) < threads:
            return set_by_user
        return str(threads)

    return {name: limit(name) for name in THREAD_VARIABLES}


def limit_loaded_pools(threads: int, *, torch: bool) -> None:
    """Limit the thread pools of libraries that were loaded before the environment could tell them.

    Parameters
    ----------
    threads : int
        Threads that a pool may use.
    torch : bool
        Whether to load PyTorch for this. Where it is loaded already it is limited in any case.

    Raises
    ------
    ImportError
        If `torch` is asked for and not installed.
    """
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads)
    if torch or "torch" in sys.modules:
        import torch as torch_package

        torch_package.set_num_threads(threads)
