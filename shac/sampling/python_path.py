"""The sampler for parameters that can only be sampled: candidates from Python, decisions from the core."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shac.sampling.draws import Piece

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.sampling.extension import core
    from shac.space import HyperParameterList

__all__ = ["draw_in_python"]

_BLOCK = 4096  # part of the definition of a seed's candidates: do not change


def draw_in_python(
    cascade: core.Cascade, space: HyperParameterList, request: dict[str, int], limits: dict[str, int], threads: int
) -> Piece:
    """Draw blocks of candidates from the parameters' own `sample`, and keep those that the cascade accepts.

    Parameters
    ----------
    cascade : core.Cascade
        Decides.
    space : HyperParameterList
        Draws; block b of a seed comes from a generator that is seeded with both.
    request : dict
        The count, seed, relax and first_candidate of the call.
    limits : dict
        Its max_candidates and max_gap.
    threads : int
        Threads that decide.

    Returns
    -------
    Piece
    """
    first, wanted = request["first_candidate"], request["count"]
    rejected = np.zeros(cascade.num_stages, dtype=np.int64)
    kept_rows: list[list[Any]] = []
    kept_X: list[NDArray[np.float32]] = [np.empty((0, space.num_columns), dtype=np.float32)]
    drawn = gap = refused = 0
    end: Literal["count", "candidates", "gap"] = "count"
    while len(kept_rows) < wanted:
        if gap >= limits["max_gap"]:
            end = "gap"
            break
        if drawn >= limits["max_candidates"]:
            end = "candidates"
            break
        block, offset = divmod(first + drawn, _BLOCK)
        rows = space.sample_rows(_BLOCK, np.random.default_rng([request["seed"], block]))[offset:]
        rows = rows[: limits["max_candidates"] - drawn]
        X = space.encode_rows(rows)
        dropped = cascade.dropped_at(X, request["relax"], threads)
        accepted = (dropped == -1) & space.satisfied(rows)
        stop = _end_of_block(accepted, wanted - len(kept_rows), gap, limits["max_gap"])
        passed = np.flatnonzero(accepted[:stop])
        refused += int((dropped[:stop] == -1).sum()) - passed.size
        rejected += np.bincount(dropped[:stop][dropped[:stop] >= 0], minlength=cascade.num_stages)
        kept_X.append(X[passed])
        kept_rows.extend(rows[i] for i in passed)
        gap = gap + stop if passed.size == 0 else stop - 1 - int(passed[-1])
        drawn += stop
    return Piece(
        rows=kept_rows,
        X=np.concatenate(kept_X),
        num_drawn=drawn,
        next_candidate=first + drawn,
        rejected_by_stage=rejected,
        end=end,
        num_refused=refused,
    )


def _end_of_block(passed: NDArray[np.bool_], wanted: int, gap: int, max_gap: int) -> int:
    """Rows of a block that count: up to the last sample wanted, or the row that makes the gap too long."""
    hits = np.flatnonzero(passed)[:wanted]
    starts = np.concatenate([[-gap], hits + 1])
    ends = np.concatenate([hits, [len(passed)]])
    too_long = np.flatnonzero(ends - starts >= max_gap)
    if too_long.size:
        return int(starts[too_long[0]] + max_gap)
    return int(hits[-1]) + 1 if hits.size == wanted else len(passed)
