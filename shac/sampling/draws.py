"""What a draw returns."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from shac.sampling.extension import core
    from shac.space import HyperParameterList

__all__ = ["Draw", "Piece", "Pieces", "SampleReport", "UniformRows", "joined_rows"]


@dataclass(frozen=True, slots=True)
class SampleReport:
    """What a call of `Cascade.sample` did.

    Parameters
    ----------
    candidates : int
        Candidates drawn, up to the one that ended the call. The same for any number of threads.
    rejected_by_stage : tuple of int
        How many of them each stage dropped.
    seconds : float
        Wall-clock time of the call.
    exhausted : bool
        True when `max_candidates` ended the call before all samples were found.
    method : str
        The method that drew them.
    boxes : int
        Boxes that 'region' drew from; 0 for 'plain'.
    accepted_mass, undecided_mass : float
        Mass of the prior in the boxes that all stages are proven to accept, and in the others. Everything outside
        is proven to be rejected. NaN for 'plain'.
    rejected_by_constraints : int
        Candidates that passed every stage and were refused by a constraint of the space.
    """

    candidates: int
    rejected_by_stage: tuple[int, ...]
    seconds: float
    exhausted: bool
    method: str = "plain"
    boxes: int = 0
    accepted_mass: float = math.nan
    undecided_mass: float = math.nan
    rejected_by_constraints: int = 0

    @property
    def draws_per_sample(self) -> float:
        """Candidates drawn for each sample; infinite when there is none."""
        samples = self.candidates - sum(self.rejected_by_stage) - self.rejected_by_constraints
        return self.candidates / samples if samples else math.inf


@dataclass(frozen=True, slots=True)
class Draw:
    """Samples with their values, and where the stream of candidates was left.

    Parameters
    ----------
    rows : list of list
        Values of each sample, a flat row of the space.
    X : ndarray of float32, shape (num_samples, num_columns)
        The same, encoded.
    next_candidate : int
        Number of the first candidate not drawn.
    report : SampleReport
        Counts and time.
    uniforms : ndarray of float64, shape (num_samples, num_columns), or None
        The uniforms of the samples; None where Python drew them.
    """

    rows: list[list[Any]]
    X: NDArray[np.float32]
    next_candidate: int
    report: SampleReport
    uniforms: NDArray[np.float64] | None = None


class UniformRows(Sequence[list[Any]]):
    """Flat rows of values, each made of its uniforms when it is asked for; most candidates never are.

    Parameters
    ----------
    space : HyperParameterList
    uniforms : ndarray of float64, shape (n, num_columns)
        NaN where a value does not exist, or any number.
    X : ndarray of float32, shape (n, num_columns)
        The rows, encoded.
    """

    def __init__(self, space: HyperParameterList, uniforms: NDArray[np.float64], X: NDArray[np.float32]) -> None:
        self._space = space
        self.uniforms = uniforms
        self.X = X

    def __len__(self) -> int:
        return len(self.uniforms)

    @overload
    def __getitem__(self, place: int) -> list[Any]: ...

    @overload
    def __getitem__(self, place: slice) -> list[list[Any]]: ...

    def __getitem__(self, place: int | slice) -> list[Any] | list[list[Any]]:
        if isinstance(place, slice):
            return self._space.values_from_uniforms(self.uniforms[place])
        return self._space.values_from_uniforms(self.uniforms[[place]])[0]

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self[:])


@dataclass(frozen=True, slots=True)
class Piece:
    """Samples of one run of a sampler."""

    rows: list[list[Any]]
    X: NDArray[np.float32]
    num_drawn: int
    next_candidate: int
    rejected_by_stage: NDArray[np.int64]
    end: Literal["count", "candidates", "gap"]
    uniforms: NDArray[np.float64] | None = None
    num_refused: int = 0  # by constraints


def joined_rows(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return the rows of several arrays; those of a single one are not copied."""
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


class Pieces:
    """The pieces that one call was drawn in; nearly always one."""

    def __init__(self, num_stages: int) -> None:
        self._pieces: list[Piece] = []
        self._num_stages = num_stages

    def add(self, piece: Piece) -> None:
        self._pieces.append(piece)

    @property
    def num_samples(self) -> int:
        return sum(len(piece.X) for piece in self._pieces)

    def finish(self, started: float, region: core.Region | None) -> Draw:
        last = self._pieces[-1]
        rejected = sum((p.rejected_by_stage for p in self._pieces), np.zeros(self._num_stages, dtype=np.int64))
        report = SampleReport(
            candidates=sum(piece.num_drawn for piece in self._pieces),
            rejected_by_stage=tuple(rejected.tolist()),
            seconds=time.perf_counter() - started,
            exhausted=last.end == "candidates",
            rejected_by_constraints=sum(piece.num_refused for piece in self._pieces),
        )
        if region is not None:
            report = replace(
                report,
                method="region",
                boxes=len(region.boxes()[1]),
                accepted_mass=region.accepted_mass,
                undecided_mass=region.undecided_mass,
            )
        uniforms = [piece.uniforms for piece in self._pieces if piece.uniforms is not None]
        return Draw(
            uniforms=joined_rows(uniforms) if len(uniforms) == len(self._pieces) else None,
            rows=[row for piece in self._pieces for row in piece.rows],
            X=joined_rows([piece.X for piece in self._pieces]),
            next_candidate=last.next_candidate,
            report=report,
        )
