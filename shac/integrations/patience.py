"""When a bridge lets classifiers be failed: users of other libraries wait for a trial, and never for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shac.sampling import Cascade

__all__ = ["is_within_reach", "most_candidates"]

# A region of 2**-k of the prior is missed by so many candidates with a probability below 1e-27
_TIMES_EXPECTED = 64


def most_candidates(cascade: Cascade) -> int:
    """Give the number of candidates after which a sample of the cascade is no longer waited for."""
    return _TIMES_EXPECTED << cascade.num_stages


def is_within_reach(cascade: Cascade, seed: int) -> bool:
    """Tell whether a sample of the cascade turns up among so many candidates.

    Parameters
    ----------
    cascade : Cascade
        All stages.
    seed : int
        In [0, 2**64).

    Returns
    -------
    bool

    Examples
    --------
    >>> import shac
    >>> is_within_reach(shac.Cascade([], shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])), seed=0)
    True
    """
    samples, _ = cascade.sample(1, seed=seed, max_candidates=most_candidates(cascade))
    return len(samples) > 0
