"""One call that draws: what is asked for, checked, and the loop that draws until it is there."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, get_args

from shac.sampling.arguments import LARGEST_COUNT, LARGEST_SEED, checked_integer, thread_count
from shac.sampling.compiled import CompiledCascade, Method
from shac.sampling.draws import Draw, Pieces
from shac.sampling.python_path import draw_in_python
from shac.sampling.refining import RefiningSampler

if TYPE_CHECKING:
    from shac.sampling.extension import core

__all__ = ["DrawRequest", "draw_samples", "method_of"]


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """Checked arguments of `Cascade.draw`.

    Parameters
    ----------
    count, seed, relax, first_candidate, block_size, max_candidates, max_gap, threads : int
    method : {'auto', 'plain', 'region'}
    is_limited : bool
        Whether the call may end before all samples are found, or begins within the stream.
    """

    count: int
    seed: int
    relax: int
    first_candidate: int
    block_size: int
    max_candidates: int
    max_gap: int
    threads: int
    method: Method
    is_limited: bool

    @classmethod
    def checked(
        cls,
        n: int,
        *,
        seed: int | None,
        threads: int | None,
        relax: int,
        max_candidates: int | None,
        method: Method,
        first_candidate: int,
        max_gap: int | None,
        block_size: int,
    ) -> Self:
        """Check the arguments of `Cascade.draw`.

        Raises
        ------
        ValueError
            If one is out of its range.
        """
        if method not in get_args(Method):
            raise ValueError(f"method: expected one of {get_args(Method)}, got {method!r}")
        return cls(
            count=checked_integer("n", n, 0, LARGEST_COUNT),
            seed=secrets.randbits(64) if seed is None else checked_integer("seed", seed, 0, LARGEST_SEED),
            relax=checked_integer("relax", relax, 0, LARGEST_COUNT),
            first_candidate=checked_integer("first_candidate", first_candidate, 0, LARGEST_COUNT),
            block_size=checked_integer("block_size", block_size, 0, 1 << 20),
            max_candidates=_checked_limit("max_candidates", max_candidates),
            max_gap=_checked_limit("max_gap", max_gap),
            threads=thread_count(threads),
            method=method,
            is_limited=max_candidates is not None or max_gap is not None or first_candidate > 0,
        )


def draw_samples(compiled: CompiledCascade, request: DrawRequest, *, values: bool) -> Draw:
    """Draw until all samples are found, or a limit ends the call.

    Parameters
    ----------
    compiled : CompiledCascade
    request : DrawRequest
    values : bool
        Whether the rows of values are wanted.

    Returns
    -------
    Draw

    Raises
    ------
    ValueError, EmptyRegionError
        See `Cascade.sample`.
    """
    started = time.perf_counter()
    of_call = {
        "count": request.count,
        "seed": request.seed,
        "relax": request.relax,
        "first_candidate": request.first_candidate,
        "block_size": request.block_size,
    }
    limits = {"max_candidates": request.max_candidates, "max_gap": request.max_gap}
    pieces = Pieces(len(compiled.forests))
    sampler = compiled.choose_sampler(request.method, of_call, limited=request.is_limited)
    while True:
        if sampler is None:
            piece = draw_in_python(compiled.decisions, compiled.space, of_call, limits, request.threads)
        else:
            piece = compiled.draw(sampler, of_call, limits, request.threads, values=values)
        pieces.add(piece)
        if piece.end != "count" or pieces.num_samples == request.count:
            break
        # A constraint, or the exact forest, refused some: the next candidates take their places.
        of_call["count"] = request.count - pieces.num_samples
        of_call["first_candidate"] = piece.next_candidate
        limits["max_candidates"] -= piece.num_drawn
    return pieces.finish(started, _region_of(sampler))


def method_of(compiled: CompiledCascade, n: int, relax: int) -> Literal["plain", "region"]:
    """Return 'plain' or 'region': which of them 'auto' takes for `n` samples.

    Raises
    ------
    ValueError, EmptyRegionError
        See `Cascade.method_for`.
    """
    request = {
        "count": checked_integer("n", n, 0, LARGEST_COUNT),
        "relax": checked_integer("relax", relax, 0, LARGEST_COUNT),
    }
    return "plain" if _region_of(compiled.choose_sampler("auto", request, limited=False)) is None else "region"


def _region_of(sampler: core.PlainSampler | RefiningSampler | None) -> core.Region | None:
    return sampler.region if isinstance(sampler, RefiningSampler) else None


def _checked_limit(name: str, value: int | None) -> int:
    return LARGEST_COUNT if value is None else checked_integer(name, value, 0, LARGEST_COUNT)
