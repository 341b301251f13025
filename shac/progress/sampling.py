"""How far a draw is: candidates, their rate, the share that is accepted, and the time to go."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from shac.progress.display import open_display, progress_is_wanted
from shac.progress.text import ProgressGrid, count_text, duration_text
from shac.sampling import Draw, SampleReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.console import Console

    from shac.progress.display import Display
    from shac.sampling import Cascade

__all__ = ["SamplingState", "sampling_progress", "watch"]

_SECONDS_OF_A_PIECE = 0.15
_SECONDS_UNSEEN = 0.5
_FIRST_PIECE = 4096
_LARGEST = 2**62


class SamplingState:
    """Numbers of a draw that is under way.

    Parameters
    ----------
    wanted : int
        Samples wanted.
    num_stages : int
        Classifiers that they pass.

    Examples
    --------
    >>> state = SamplingState(10, 18)
    >>> state.add(samples=1, candidates=250_000)
    >>> state.samples, state.acceptance
    (1, 4e-06)
    """

    def __init__(self, wanted: int, num_stages: int) -> None:
        self.wanted = wanted
        self.num_stages = num_stages
        self.samples = 0
        self.candidates = 0
        self.started = time.monotonic()

    def add(self, samples: int, candidates: int) -> None:
        """Count what a piece of the draw gave."""
        self.samples += samples
        self.candidates += candidates

    @property
    def acceptance(self) -> float:
        """Share of the candidates that are samples."""
        return self.samples / self.candidates if self.candidates else float("nan")

    @property
    def rate(self) -> float:
        """Candidates per second."""
        return self.candidates / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Expected time until all samples are found; None while none is."""
        if not self.samples:
            return None
        return (time.monotonic() - self.started) / self.samples * (self.wanted - self.samples)

    def text(self) -> str:
        """Write the numbers in one line."""
        parts = []
        if self.seconds_left is not None and self.samples < self.wanted:
            parts.append(f"{duration_text(self.seconds_left)} to go")
        parts.append(f"1 in {count_text(1 / self.acceptance)} accepted" if self.samples else "none accepted yet")
        parts += [f"{count_text(self.candidates)} candidates", f"{count_text(self.rate)}/s"]
        return ", ".join(parts)


def watch(cascade: Cascade, on_piece: Callable[[int, int], object]) -> Cascade:
    """Return a cascade whose draws tell how far they are; what they draw is the same.

    Parameters
    ----------
    cascade : Cascade
        Draws.
    on_piece : callable
        Called several times a second with the samples and the candidates since the last call.

    Returns
    -------
    Cascade
    """
    return cast("Cascade", _WatchedCascade(cascade, on_piece))


class _WatchedCascade:
    """Draws in pieces: candidate j depends on the seed and j alone, so the pieces are the whole."""

    def __init__(self, cascade: Cascade, on_piece: Callable[[int, int], object]) -> None:
        self._cascade = cascade
        self._on_piece = on_piece

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cascade, name)

    def draw(
        self,
        n: int,
        *,
        first_candidate: int = 0,
        max_candidates: int | None = None,
        max_gap: int | None = None,
        **request: Any,
    ) -> Draw:
        limited = max_candidates is not None or max_gap is not None or first_candidate > 0
        method = request.pop("method", "auto")
        if method == "auto":
            method = "plain" if limited else self._cascade.method_for(n, request.get("relax", 0))
        if method != "plain":  # the region's samples come at once
            whole = self._cascade.draw(n, method=method, **request)
            self._on_piece(len(whole.X), whole.report.candidates)
            return whole
        left = _LARGEST if max_candidates is None else max_candidates
        pieces: list[Draw] = []
        missing, size = n, _FIRST_PIECE if max_gap is None else 1
        while True:
            started = time.perf_counter()
            # A gap ends at a sample, never in the middle: with `max_gap` the pieces are cut by samples.
            piece = self._cascade.draw(
                missing if max_gap is None else min(missing, size),
                first_candidate=first_candidate,
                max_candidates=min(left, size) if max_gap is None else left,
                max_gap=max_gap,
                method="plain",
                **request,
            )
            pieces.append(piece)
            found, drawn = len(piece.X), piece.next_candidate - first_candidate
            self._on_piece(found, drawn)
            missing, left, first_candidate = missing - found, left - drawn, piece.next_candidate
            given_up = max_gap is not None and found < min(missing + found, size)
            if not missing or left <= 0 or given_up:
                return _joined(pieces)
            seconds = max(time.perf_counter() - started, 1e-6)
            size = max(1, int(size * min(4.0, max(0.25, _SECONDS_OF_A_PIECE / seconds))))


def _joined(pieces: list[Draw]) -> Draw:
    reports = [piece.report for piece in pieces]
    uniforms = [piece.uniforms for piece in pieces if piece.uniforms is not None]
    return Draw(
        uniforms=np.concatenate(uniforms) if len(uniforms) == len(pieces) else None,
        rows=[row for piece in pieces for row in piece.rows],
        X=np.concatenate([piece.X for piece in pieces]),
        next_candidate=pieces[-1].next_candidate,
        report=SampleReport(
            candidates=sum(report.candidates for report in reports),
            rejected_by_stage=tuple(
                sum(counts) for counts in zip(*(r.rejected_by_stage for r in reports), strict=True)
            ),
            seconds=sum(report.seconds for report in reports),
            exhausted=reports[-1].exhausted,
            method=reports[-1].method,
        ),
    )


@contextmanager
def sampling_progress(
    cascade: Cascade, n: int, progress: bool | None = None, *, console: Console | None = None
) -> Iterator[Cascade]:
    """Show the progress of the draws within a ``with`` block, where it is wanted and they take long.

    Parameters
    ----------
    cascade : Cascade
        What is drawn from.
    n : int
        Samples that will be drawn.
    progress : bool, optional
        See `progress_is_wanted`.
    console : rich.console.Console, optional
        Where to; standard error by default.

    Yields
    ------
    Cascade
        To draw from within the block.
    """
    if not progress_is_wanted(progress):
        yield cascade
        return
    state = SamplingState(n, cascade.num_stages)

    def render(width: int | None) -> Any:
        grid = ProgressGrid(width)
        grid.add("sampling", state.samples, state.wanted, "configurations", state.text())
        return grid.table

    displays: list[Display] = []

    def on_piece(samples: int, candidates: int) -> None:
        state.add(samples, candidates)
        if not displays and state.samples < n and time.monotonic() - state.started > _SECONDS_UNSEEN:
            displays.append(open_display(render, console))
        for display in displays:
            display.update()

    try:
        yield watch(cascade, on_piece)
    finally:
        for display in displays:
            display.close()
