"""How much memory an evaluation takes, whether it failed for want of it, and what it need not keep."""

from __future__ import annotations

import contextlib
import gc
import sys

import psutil

from shac.evaluation.descendants import descendants_of

__all__ = ["exceeds_memory", "free_gpu_cache", "ran_out_of_memory"]


def exceeds_memory(pid: int, max_bytes: int) -> int | None:
    """Measure the memory of a process and all that it has started, if it is above a limit.

    Parameters
    ----------
    pid : int
        The process.
    max_bytes : int
        The limit.

    Returns
    -------
    int or None
        Bytes, if above the limit. Memory that processes share, as those of a data loader do, counts once where the
        system tells it apart (Linux).
    """
    try:
        processes = [psutil.Process(pid), *descendants_of(pid)]
    except psutil.Error:
        return None
    # Reading what is shared takes long: it is done where all together would be too much
    if _sum(processes, is_shared_apart=False) <= max_bytes:
        return None
    used = _sum(processes, is_shared_apart=True)
    return used if used > max_bytes else None


def _sum(processes: list[psutil.Process], *, is_shared_apart: bool) -> int:
    total = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):  # it has ended, or the system does not tell
            memory = process.memory_full_info() if is_shared_apart else process.memory_info()
            total += getattr(memory, "pss", memory.rss)
    return total


def ran_out_of_memory(error: str) -> bool:
    """Return whether an evaluation failed since memory was not enough, the machine's or a GPU's.

    Examples
    --------
    >>> ran_out_of_memory("OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    True
    >>> ran_out_of_memory("ValueError: bad depth")
    False
    """
    kind, _, text = error.partition(":")
    is_said = any(words in text for words in ("out of memory", "can't allocate memory", "Cannot allocate memory"))
    return is_said or kind in ("MemoryError", "_ArrayMemoryError", "OutOfMemoryError")


def free_gpu_cache() -> None:
    """Return to the GPU what memory PyTorch keeps for this process, though nothing is stored in it any more.

    Evaluators that share a GPU need it for their next evaluation.
    """
    torch = sys.modules.get("torch")
    with contextlib.suppress(Exception):  # an error in a kernel leaves CUDA unusable in this process
        if torch is not None and torch.cuda.is_initialized():
            gc.collect()  # a model and its optimiser often refer to each other
            torch.cuda.empty_cache()
