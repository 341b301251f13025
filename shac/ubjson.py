"""UBJSON as XGBoost writes its models, and nothing else: every count is checked before anything is made of it.

XGBoost's own reader believes what a file claims. This one stands before it: a document that ends early, claims more
than it holds, nests without end, repeats a key or has bytes behind its end is refused, in memory and time that the
length of the document bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from shac.errors import InvalidModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    ReadTrees: TypeAlias = Callable[[bytes, int], tuple[Any, int]]

__all__ = ["FlatTrees", "parse_ubjson"]

_NUMBERS: dict[str, np.dtype[Any]] = {
    "i": np.dtype(">i1"),
    "U": np.dtype(">u1"),
    "I": np.dtype(">i2"),
    "l": np.dtype(">i4"),
    "L": np.dtype(">i8"),
    "d": np.dtype(">f4"),
    "D": np.dtype(">f8"),
}
_CONSTANTS = {"Z": None, "T": True, "F": False}
_DEEPEST = 32  # a tree's fields lie 6 deep
_LONGEST_RUN = 256  # of numbers looked at together: a list of many kinds costs no more than its length
_MOST_CONTAINERS = 1_000_000  # two bytes of a file can claim one


@dataclass(frozen=True, slots=True)
class FlatTrees:
    """The trees of a model, read into the arrays of `shac.export.ForestArrays`.

    Parameters
    ----------
    tree_begin, left, right, feature, value, default_left : ndarray
        See there.
    vector_tree, categorical_tree : int
        The first tree with vectors for leaves, or with a categorical split; -1 without one.
    """

    tree_begin: NDArray[np.int64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    value: NDArray[np.float32]
    default_left: NDArray[np.uint8]
    vector_tree: int
    categorical_tree: int

    def first(self, num_trees: int) -> tuple[Any, Any, Any, Any, Any, Any]:
        """Return the arrays of the first trees."""
        begin = self.tree_begin[: num_trees + 1]
        end = begin[-1]
        return (
            begin,
            self.left[:end],
            self.right[:end],
            self.feature[:end],
            self.value[:end],
            self.default_left[:end],
        )


def parse_ubjson(data: bytes, read_trees: ReadTrees | None = None) -> Any:
    r"""Read a document.

    Parameters
    ----------
    data : bytes
        What ``Booster.save_raw(raw_format="ubj")`` gives.
    read_trees : callable, optional
        Reads the list named ``trees``: is given `data` and the place of the list, and returns what stands for it and
        the place behind it.

    Returns
    -------
    object
        Mappings, lists, strings, numbers, and an ndarray for each array of numbers of one type.

    Raises
    ------
    InvalidModelError
        If it is none as XGBoost writes it; names the byte.

    Examples
    --------
    >>> parse_ubjson(b"{L" + bytes(7) + b"\x01a[$U#L" + bytes(7) + b"\x02\x03\x04}")
    {'a': array([3, 4], dtype=uint8)}
    """
    reader = _Reader(data, read_trees)
    value = reader.read(reader.marker(), 0)
    if reader.place != len(data):
        raise reader.error(f"expected the end, got {len(data) - reader.place} bytes more")
    return value


class _Reader:
    def __init__(self, data: bytes, read_trees: ReadTrees | None) -> None:
        self._data = data
        self._read_trees = read_trees
        self.place = 0
        self._containers = 0

    def error(self, what: str) -> InvalidModelError:
        return InvalidModelError(f"model, byte {self.place}: {what}")

    def marker(self) -> str:
        return self._take(1).decode("latin-1")

    def read(self, marker: str, depth: int) -> Any:
        if marker in _NUMBERS:
            return self._numbers(marker, 1)[0].item()
        if marker == "S":
            return self._string()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker not in ("{", "["):
            raise self.error(f"expected a value, got the marker {marker!r}")
        self._containers += 1
        if depth == _DEEPEST or self._containers > _MOST_CONTAINERS:
            raise self.error(f"expected at most {_DEEPEST} levels and {_MOST_CONTAINERS} containers, got more")
        return self._object(depth + 1) if marker == "{" else self._array(depth + 1)

    def _object(self, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while self._data[self.place : self.place + 1] != b"}":
            key = self._string()
            if key in entries:
                raise self.error(f"expected each name once, got {key!r} twice")
            if key == "trees" and self._read_trees is not None:
                entries[key], self.place = self._read_trees(self._data, self.place)
            else:
                entries[key] = self.read(self.marker(), depth)
        self.place += 1
        return entries

    def _array(self, depth: int) -> list[Any] | NDArray[Any]:
        marker = self.marker()
        if marker == "$":
            kind = self.marker()
            self._expect("#")
            if kind not in _NUMBERS:
                raise self.error(f"expected an array of numbers, got one of {kind!r}")
            numbers = self._numbers(kind, self._length())
            return numbers.astype(numbers.dtype.newbyteorder("="))
        if marker != "#":
            raise self.error(f"expected an array with its length, got {marker!r}")
        length = self._length()
        values: list[Any] = []  # grows as values are found, whatever length is claimed
        while len(values) < length:
            values += self._run(length - len(values)) or [self.read(self.marker(), depth)]
        return values

    def _run(self, most: int) -> list[Any]:
        """Read numbers that follow each other with the same marker, if the next value is one."""
        dtype = _NUMBERS.get(self._data[self.place : self.place + 1].decode("latin-1"))
        if dtype is None:
            return []
        pairs = np.dtype([("marker", "u1"), ("number", dtype)])
        count = min(most, _LONGEST_RUN, (len(self._data) - self.place) // pairs.itemsize)
        run = np.frombuffer(self._data, pairs, count, self.place) if count else np.empty(0, pairs)
        others = np.flatnonzero(run["marker"] != self._data[self.place])
        numbers: list[Any] = run["number"][: others[0] if others.size else count].tolist()
        self.place += len(numbers) * pairs.itemsize
        return numbers

    def _string(self) -> str:
        try:
            return self._take(self._length()).decode()
        except UnicodeDecodeError as error:
            raise self.error(f"expected UTF-8: {error}") from error

    def _length(self) -> int:
        head = self._take(9)
        if head[:1] != b"L":
            raise self.error(f"expected a length, got {head[:1]!r}")
        length = int.from_bytes(head[1:], "big", signed=True)
        if not 0 <= length <= len(self._data) - self.place:
            raise self.error(f"expected a length within the document, got {length}")
        return length

    def _numbers(self, kind: str, count: int) -> NDArray[Any]:
        dtype = _NUMBERS[kind]
        numbers: NDArray[Any] = np.frombuffer(self._take(count * dtype.itemsize), dtype)
        return numbers

    def _expect(self, marker: str) -> None:
        if (found := self.marker()) != marker:
            raise self.error(f"expected {marker!r}, got {found!r}")

    def _take(self, count: int) -> bytes:
        taken = self._data[self.place : self.place + count]
        if len(taken) < count:
            raise self.error(f"expected {count} bytes more, got the end after {len(taken)}")
        self.place += count
        return taken
