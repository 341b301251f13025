"""A candidate made better within the region: short steps that lower the merit function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.sampling import Merit, uniforms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shac.sampling import Cascade

    Floats = NDArray[np.float64]

__all__ = ["LocalSearch"]

_STEPS = 12
_PROPOSALS = 24  # of a step
_FIRST_STEP = 0.5  # of the candidates' spread
_EDGE = 2.0**-40


class LocalSearch:
    """Searches within the region that a cascade accepts.

    A step makes proposals around the incumbent and goes to the best of those that the cascade accepts, if it is better
    than the incumbent; else the next step is half as long. Search j is a function of the seed and j alone.

    Parameters
    ----------
    cascade : Cascade
        Decides. All parameters of its space have a quantile function and exist always.
    seed : int
        Not negative.
    threads : int
        Threads that decide; does not change the result.
    """

    def __init__(self, cascade: Cascade, *, seed: int, threads: int) -> None:
        self._cascade = cascade.newest_first()
        self._space = cascade.space
        self._seed = seed
        self._threads = threads

    def improve(
        self, number: int, row: list[Any], reference: NDArray[np.float32], loss: Callable[[NDArray[np.float32]], Floats]
    ) -> list[Any]:
        """Search from a row.

        Parameters
        ----------
        number : int
            Of the search.
        row : list
            Values of a row that the cascade accepts.
        reference : ndarray of float32, shape (n, num_columns)
            Encoded candidates, whose spread is the scale of the first step in each column.
        loss : callable
            Returns the loss of encoded rows.

        Returns
        -------
        list
            Values of a row that the cascade accepts; the same row where nothing better is found.
        """
        end = self.find_better(number, self._space.encode_rows([row])[0], reference, loss)
        return row if end is None else self._space.values_from_uniforms(end[None])[0]

    def find_better(
        self,
        number: int,
        start: NDArray[np.float32],
        reference: NDArray[np.float32],
        loss: Callable[[NDArray[np.float32]], Floats],
    ) -> Floats | None:
        """Search from an encoded row; see `improve`.

        Returns
        -------
        ndarray of float64, shape (num_columns,), or None
            Uniforms of a row that the cascade accepts; None where nothing better is found.
        """
        random = np.random.default_rng([self._seed, number, 1])
        if isinstance(loss, Merit) and loss.is_compiled:
            return self._find_compiled(random, start, reference, loss)
        encoded = start[None]
        incumbent, lowest = uniforms_of(self._space, encoded)[0], loss(encoded)[0]
        step = _FIRST_STEP * uniforms_of(self._space, reference).std(axis=0)
        has_moved = False
        for _ in range(_STEPS):
            moves = random.normal(size=(_PROPOSALS, incumbent.size)) * (
                random.random((_PROPOSALS, incumbent.size)) < 0.5
            )
            proposals = np.clip(incumbent + step * moves, _EDGE, 1 - _EDGE)
            X = self._space.encode_uniforms(proposals)
            losses = loss(X)
            # The incumbent's encoding has its loss, but for the last bits, which depend on the row that it is in
            moved = (encoded != X).any(axis=1)
            better = np.flatnonzero((losses < lowest) & moved)  # few: the trees need not be asked of the others
            accepted = better[self._cascade.accepts(X[better], threads=self._threads)]
            if accepted.size:
                best = accepted[np.argmin(losses[accepted])]
                incumbent, encoded, lowest, has_moved = proposals[best], X[[best]], losses[best], True
            else:
                step = 0.5 * step
        return incumbent if has_moved else None

    def _find_compiled(
        self, random: np.random.Generator, start: NDArray[np.float32], reference: NDArray[np.float32], merit: Merit
    ) -> Floats | None:
        """Search by the core, with the same random numbers."""
        moves = np.empty((_STEPS, _PROPOSALS, self._space.num_columns))
        for step in moves:
            step[:] = random.normal(size=step.shape) * (random.random(step.shape) < 0.5)
        first_step = _FIRST_STEP * uniforms_of(self._space, reference).std(axis=0)
        end = merit.search(self._cascade, start, first_step, moves)
        return end if len(end) else None
