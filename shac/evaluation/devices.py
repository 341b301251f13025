"""Which GPUs belong to which evaluator."""

from __future__ import annotations

import logging
import operator
import os
from typing import TYPE_CHECKING

from shac.evaluation.running import RUNNING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch

__all__ = ["checked_gpus", "gpus_of_worker", "torch_device", "torch_devices", "visible_gpus"]

_logger = logging.getLogger("shac")

# What schedulers and containers write where there is no GPU
_NO_GPU = {"", "nodevfiles", "none", "void"}


def torch_device(worker_id: int) -> torch.device:
    """Return the PyTorch device of an evaluator, the first of `torch_devices`.

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
        If `worker_id` is not an integer of 0 or more, or fewer GPUs are visible than an evaluation has.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> torch_device(3).type in ("cuda", "cpu")
    True
    """
    return torch_devices(worker_id)[0]


def torch_devices(worker_id: int) -> list[torch.device]:
    """List the PyTorch devices of an evaluator: as many as ``TorchSHAC(..., gpus_per_evaluation=...)`` asks for.

    Evaluator 0 has the first of the visible GPUs, evaluator 1 those behind them, and so on; where no whole share is
    left, the shares are dealt out again, and evaluations share GPUs.

    Parameters
    ----------
    worker_id : int
        The evaluation function's first argument.

    Returns
    -------
    list of torch.device
        ``cuda:i``, ``cuda:i+1``, ... without gaps, or ``cpu`` alone without CUDA. One outside of an evaluation.

    Raises
    ------
    ValueError
        If `worker_id` is not an integer of 0 or more, or fewer GPUs are visible than an evaluation has.
    ImportError
        If PyTorch is not installed.

    Examples
    --------
    >>> len(torch_devices(0))
    1
    """
    try:
        number = -1 if isinstance(worker_id, bool) else operator.index(worker_id)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"worker_id must be an integer of 0 or more, got {worker_id!r}")

    import torch

    if not torch.cuda.is_available():
        return [torch.device("cpu")]
    running = RUNNING.get(None)
    gpus = [str(i) for i in range(torch.cuda.device_count())]
    share = gpus_of_worker(number, gpus, 1 if running is None else running.gpus_per_evaluation)
    return [torch.device("cuda", int(gpu)) for gpu in share]


def visible_gpus(environment: Mapping[str, str] | None = None) -> list[str]:
    """List the GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them.

    Parameters
    ----------
    environment : mapping, optional
        The environment to look at; by default that of this process.

    Returns
    -------
    list of str
        Numbers, or names of GPUs (``GPU-...``) or of slices of one (``MIG-...``). What stands in
        ``CUDA_VISIBLE_DEVICES`` counts up to the first entry that is none of these, as in CUDA itself, with a warning
        in the log unless it says that there is no GPU: ``-1``, ``NoDevFiles``, ``none``, ``void``, or nothing.
        Without that variable PyTorch is asked for the number of GPUs.

    Raises
    ------
    ValueError
        If a GPU is named twice: CUDA sees none at all then.
    ImportError
        If the variable is not set and PyTorch is not installed.

    Examples
    --------
    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "2,GPU-8932f937,-1,3"})
    ['2', 'GPU-8932f937']
    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "NoDevFiles"})
    []
    """
    variable = (os.environ if environment is None else environment).get("CUDA_VISIBLE_DEVICES")
    if variable is None:
        import torch

        return [str(number) for number in range(torch.cuda.device_count())]
    gpus: list[str] = []
    for entry in map(str.strip, variable.split(",")):
        if not entry.isdecimal() and not entry.startswith(("GPU-", "MIG-")):
            if not entry.startswith("-") and entry.lower() not in _NO_GPU:
                _logger.warning(
                    "CUDA_VISIBLE_DEVICES: expected numbers or names of GPUs, got %r; GPUs from there on do not count",
                    entry,
                )
            break
        if entry in gpus:
            raise ValueError(f"CUDA_VISIBLE_DEVICES must name each GPU once, got {variable!r}; CUDA sees no GPU then")
        gpus.append(entry)
    return gpus


def checked_gpus(gpus: Sequence[str], gpus_per_evaluation: int) -> None:
    """Refuse to pin evaluators to GPUs that are not there.

    Parameters
    ----------
    gpus : sequence of str
        See `visible_gpus`.
    gpus_per_evaluation : int
        GPUs that each evaluation has.

    Raises
    ------
    ValueError
        If there are GPUs, but not enough for one evaluation, or they are slices of GPUs, of which CUDA shows a process
        no more than one.
    """
    if gpus_per_evaluation == 1 or not gpus:
        return
    if gpus[0].startswith("MIG-"):
        raise ValueError(
            f"gpus_per_evaluation must be 1 where CUDA_VISIBLE_DEVICES names slices of a GPU, of which CUDA shows a "
            f"process one, got {gpus_per_evaluation}"
        )
    gpus_of_worker(0, gpus, gpus_per_evaluation)


def gpus_of_worker(worker_id: int, gpus: Sequence[str], gpus_per_evaluation: int = 1) -> list[str]:
    """List the GPUs of an evaluator.

    Parameters
    ----------
    worker_id : int
        The evaluator's id.
    gpus : sequence of str
        The GPUs to share out in turn; see `visible_gpus`.
    gpus_per_evaluation : int, default 1
        How many each evaluator has.

    Returns
    -------
    list of str
        Empty when there is no GPU.

    Raises
    ------
    ValueError
        If there are fewer GPUs than an evaluation has.

    Examples
    --------
    >>> [gpus_of_worker(worker_id, ["0", "5", "7"]) for worker_id in range(4)]
    [['0'], ['5'], ['7'], ['0']]
    >>> [gpus_of_worker(worker_id, ["0", "1", "2", "3"], 2) for worker_id in range(3)]
    [['0', '1'], ['2', '3'], ['0', '1']]
    """
    if not gpus:
        return []
    num_shares = len(gpus) // gpus_per_evaluation
    if num_shares == 0:
        raise ValueError(
            f"gpus_per_evaluation must be at most the number of visible GPUs, {len(gpus)}, got {gpus_per_evaluation}"
        )
    first = worker_id % num_shares * gpus_per_evaluation
    return list(gpus[first : first + gpus_per_evaluation])
