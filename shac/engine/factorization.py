"""The factorization of a surrogate's equations, which grows with its points.

The equations of the first points and of the linear tail are solved as a whole. What those leave of each later point is
a positive definite matrix, whose Cholesky factor gets more rows with more points, in blocks that begin at fixed places:
a factor that has grown is the one that all points together give, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from shac.engine.smoothing import rbf_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from shac.sampling import PointCoordinates

    Floats = NDArray[np.float64]

__all__ = ["FIRST_POINTS", "Factorization", "factorization_of"]

FIRST_POINTS = 256
_BLOCK = 64

_known: WeakKeyDictionary[object, Factorization] = WeakKeyDictionary()


class _Block(NamedTuple):
    """Rows of the factor."""

    cross: Floats  # of the matrix: this block's points by the first points and the tail
    solved: Floats  # the same, by the inverse of what belongs to those
    left: Floats  # of the factor, left of its diagonal block
    inverse: Floats  # of the diagonal block


@dataclass(frozen=True, slots=True, eq=False)
class Factorization:
    """What solves the equations of points; see `shac.engine.smoothing.rbf_matrix`.

    Parameters
    ----------
    points : ndarray of float64, shape (n, num_coordinates)
        More than `FIRST_POINTS`.
    smoothing : float
    first : ndarray of float64
        The matrix of the first points and of the tail.
    blocks : tuple of _Block
        Of the points behind those.
    """

    points: Floats
    smoothing: float
    first: Floats
    blocks: tuple[_Block, ...]

    @classmethod
    def of(
        cls, coordinates: PointCoordinates, points: Floats, smoothing: float, known: Factorization | None = None
    ) -> Factorization:
        """Factorize.

        Parameters
        ----------
        coordinates : PointCoordinates
            Tells distances.
        points : ndarray of float64, shape (n, num_coordinates)
            More than `FIRST_POINTS`.
        smoothing : float
        known : Factorization, optional
            Of other points; what it has of the same ones is taken over.

        Raises
        ------
        numpy.linalg.LinAlgError
            If what is left of the later points is not positive definite by float64.
        """
        blocks: list[_Block] = []
        if known is not None and known.smoothing == smoothing:
            blocks = list(known.blocks[: _num_common_blocks(known.points, points)])
        known = None  # what is not taken over makes room
        first = rbf_matrix(coordinates, points[:FIRST_POINTS], smoothing)
        done = FIRST_POINTS + _BLOCK * len(blocks)
        cubes, terms = coordinates.cubes(points, first=done), coordinates.linear_terms(points[done:])
        for begin in range(done, len(points), _BLOCK):
            rows = slice(begin - done, min(begin + _BLOCK, len(points)) - done)
            cross = np.concatenate([cubes[rows, :FIRST_POINTS], terms[rows]], axis=1)
            blocks.append(_next_block(blocks, first, cross, cubes[rows, FIRST_POINTS : done + rows.stop], smoothing))
        return cls(points, smoothing, first, tuple(blocks))

    def solve(self, losses: Floats) -> Floats:
        """Return the weights of the points, and those of the tail.

        Parameters
        ----------
        losses : ndarray of float64, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n + tails,)
        """
        right = np.zeros(len(self.first))
        right[:FIRST_POINTS] = losses[:FIRST_POINTS]
        solution = np.linalg.solve(self.first, right)
        left = losses[FIRST_POINTS:] - np.concatenate([block.cross @ solution for block in self.blocks])
        _forward(self.blocks, left)
        end = len(left)
        for block in reversed(self.blocks):
            begin = end - len(block.inverse)
            left[begin:end] = block.inverse.T @ left[begin:end]
            left[:begin] -= block.left.T @ left[begin:end]
            solution -= block.solved.T @ left[begin:end]
            end = begin
        return np.concatenate([solution[:FIRST_POINTS], left, solution[FIRST_POINTS:]])


def factorization_of(coordinates: PointCoordinates, points: Floats, smoothing: float) -> Factorization:
    """Return a factorization, grown from the last one of the same space, which is remembered."""
    space = coordinates.codec
    made = _known[space] = Factorization.of(coordinates, points, smoothing, _known.pop(space, None))
    return made


def _num_common_blocks(points: Floats, others: Floats) -> int:
    """Count the whole blocks of points behind the first ones that two sets have in common from the beginning."""
    count = min(len(points), len(others))
    differs = (points[:count] != others[:count]).any(axis=1)
    same = int(np.argmax(differs)) if differs.any() else count
    return max(0, same - FIRST_POINTS) // _BLOCK


def _next_block(blocks: list[_Block], first: Floats, cross: Floats, cubes: Floats, smoothing: float) -> _Block:
    """Return the block of points whose cubes of distances, from all behind the first ones and each other, are given."""
    solved = np.ascontiguousarray(np.linalg.solve(first, cross.T).T)
    size = len(cross)
    left = np.ascontiguousarray(cubes[:, :-size].T)
    if blocks:
        left -= np.concatenate([block.solved for block in blocks]) @ cross.T
    _forward(blocks, left)
    rows = np.ascontiguousarray(left.T)
    diagonal = cubes[:, -size:] - solved @ cross.T
    diagonal.flat[:: size + 1] += smoothing
    lower = np.linalg.cholesky(diagonal - rows @ left)
    return _Block(cross, solved, rows, np.linalg.inv(lower))


def _forward(blocks: Iterable[_Block], right: Floats) -> None:
    """Solve with the factor, in place."""
    begin = 0
    for block in blocks:
        end = begin + len(block.inverse)
        right[begin:end] = block.inverse @ (right[begin:end] - block.left @ right[:begin])
        begin = end
