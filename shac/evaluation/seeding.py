"""Seeds of evaluations: a seed belongs to an evaluation, never to the worker that happens to run it."""

from __future__ import annotations

import hashlib
import operator
import os
import random
import threading
from typing import SupportsIndex

__all__ = ["derive_seed", "seed_generators"]


def derive_seed(engine_seed: SupportsIndex, evaluation_index: SupportsIndex, *, purpose: str = "evaluation") -> int:
    """Return the seed of one evaluation of a search, or of another step of it.

    A hash rather than a generator: the answer is the same on every platform and with every version of
    NumPy, and an evaluation's seed does not depend on those before it.

    Parameters
    ----------
    engine_seed : int
        The search's seed, of any size and sign.
    evaluation_index : int
        The evaluation's number in the search, from 0.
    purpose : str, default 'evaluation'
        The kind of step; each kind has its own seeds.

    Returns
    -------
    int
        0 to 2**63 - 1.

    Raises
    ------
    TypeError
        If an argument is not an integer.
    ValueError
        If `evaluation_index` is negative.

    Examples
    --------
    >>> derive_seed(0, 0)
    2577681936289198552
    """
    seed, index = operator.index(engine_seed), operator.index(evaluation_index)
    if index < 0:
        raise ValueError(f"evaluation_index must be 0 or more, got {index}")
    digest = hashlib.blake2b(f"shac {purpose} {seed} {index}".encode("ascii"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


# PyTorch seeds its devices under locks. A process that a data loader in another thread forks meanwhile would have them
# locked for ever, and wait for them when it seeds itself: forks wait until the seeding is done.
_seeding = threading.RLock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_seeding.acquire, after_in_parent=_seeding.release, after_in_child=_seeding.release)


def seed_generators(seed: int, *, torch: bool) -> None:
    """Seed the global generators of this process.

    Parameters
    ----------
    seed : int
        0 to 2**63 - 1. `numpy.random` takes 32 bits and gets ``seed % 2**32``.
    torch : bool
        Whether to seed PyTorch too: its CPU generator and those of all CUDA devices.

    Raises
    ------
    ImportError
        If `torch` is asked for and not installed.

    Examples
    --------
    >>> seed_generators(7, torch=False)
    >>> first = random.random()
    >>> seed_generators(7, torch=False)
    >>> random.random() == first
    True
    """
    import numpy as np

    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the evaluation function may draw from the global generator
    if torch:
        import torch as torch_package

        with _seeding:
            torch_package.manual_seed(seed)  # seeds the CUDA devices too, as soon as CUDA is in use
