"""A candidate made better within the region: short steps down the surface that ranks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.sampling import uniforms_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from shac.sampling import Cascade

    Floats = NDArray[np.float64]

__all__ = ["Climber"]

_STEPS = 12
_TRIES = 24  # of a step
_FIRST_STEP = 0.5  # of the candidates' spread
_EDGE = 2.0**-40


class Climber:
    """Climbs within the region that a cascade accepts.

    A step tries places around the present one and goes to the best of those that the cascade accepts, if it is better
    than the present; else the next step is half as long. Climb j is a function of the seed and j alone.

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

    def climb(
        self, number: int, row: list[Any], among: NDArray[np.float32], loss: Callable[[NDArray[np.float32]], Floats]
    ) -> list[Any]:
        """Climb from a row.

        Parameters
        ----------
        number : int
            Of the climb.
        row : list
            Values of a row that the cascade accepts.
        among : ndarray of float32, shape (n, num_columns)
            Encoded candidates, which tell the length of the first step in each column.
        loss : callable
            Gives the loss of encoded rows.

        Returns
        -------
        list
            Values of a row that the cascade accepts; the same row where nothing better is found.
        """
        random = np.random.default_rng([self._seed, number, 1])
        present = self._space.encode_rows([row])
        place, lowest = uniforms_of(self._space, present)[0], loss(present)[0]
        step = _FIRST_STEP * uniforms_of(self._space, among).std(axis=0)
        has_moved = False
        for _ in range(_STEPS):
            moves = random.normal(size=(_TRIES, place.size)) * (random.random((_TRIES, place.size)) < 0.5)
            tries = np.clip(place + step * moves, _EDGE, 1 - _EDGE)
            X = self._space.encode_uniforms(tries)
            losses = loss(X)
            better = np.flatnonzero(losses < lowest)  # few: the trees need not be asked of the others
            accepted = better[self._cascade.accepts(X[better], threads=self._threads)]
            if accepted.size:
                best = accepted[np.argmin(losses[accepted])]
                place, lowest, has_moved = tries[best], losses[best], True
            else:
                step = 0.5 * step
        return self._space.values_from_uniforms(place[None])[0] if has_moved else row
