"""Which GPU belongs to which evaluator."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

__all__ = ["gpu_of_worker", "torch_device", "visible_gpus"]


def torch_device(worker_id: int) -> torch.device:
    """Return the PyTorch device of an evaluator.

    Worker ids of evaluations that run at the same time differ, so with as many evaluators as GPUs each
    evaluation has a GPU to itself.

    Parameters
    ----------
    worker_id : int
        The evaluation function's first argument.

    Returns
    -------
    torch.device
        ``cuda:i`` with i = `worker_id` modulo the number of visible GPUs, or ``cpu`` without CUDA.

    Raises
    ------
    ValueError
        If `worker_id` is not an integer of 0 or more.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> torch_device(3).type in ("cuda", "cpu")
    True
    """
    try:
        number = -1 if isinstance(worker_id, bool) else operator.index(worker_id)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"worker_id must be an integer of 0 or more, got {worker_id!r}")

    import torch

    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", number % torch.cuda.device_count())


def visible_gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """List the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them.

    Parameters
    ----------
    environment : mapping, optional
        The environment to look at; by default that of this process.

    Returns
    -------
    list of str
        Numbers or UUIDs. What stands in ``CUDA_VISIBLE_DEVICES`` counts up to the first empty or
        negative entry, as in CUDA itself; without that variable PyTorch is asked for the number of GPUs.

    Raises
    ------
    ImportError
        If the variable is not set and PyTorch is not installed.

    Examples
    --------
    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "2,GPU-8932f937,-1,3"})
    ['2', 'GPU-8932f937']
    """
    variable = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if variable is None:
        import torch

        return [str(number) for number in range(torch.cuda.device_count())]
    gpus: list[str] = []
    for entry in map(str.strip, variable.split(",")):
        if not entry or entry.startswith("-"):
            break
        gpus.append(entry)
    return gpus


def gpu_of_worker(worker_id: int, gpus: Sequence[str]) -> str | None:
    """Return the one GPU that a pinned evaluator sees.

    Parameters
    ----------
    worker_id : int
        The evaluator's id.
    gpus : sequence of str
        The GPUs to share out in turn; see `visible_gpus`.

    Returns
    -------
    str or None
        None when there is no GPU.

    Examples
    --------
    >>> [gpu_of_worker(worker_id, ["0", "5"]) for worker_id in range(3)]
    ['0', '5', '0']
    """
    return gpus[worker_id % len(gpus)] if gpus else None
