"""UBJSON as XGBoost writes its models, and nothing else: every count is checked before anything is made of it.

XGBoost's own reader believes what a file claims. This one stands before it: a document that ends early, claims more
than it holds, nests without end, repeats a key or has bytes behind its end is refused, in memory and time that the
length of the document bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shac.errors import InvalidModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["parse_ubjson"]

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
_MOST_CONTAINERS = 1_000_000  # two bytes of a file can claim one


def parse_ubjson(data: bytes) -> Any:
    r"""Read a document.

    Parameters
    ----------
    data : bytes
        What ``Booster.save_raw(raw_format="ubj")`` gives.

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
    reader = _Reader(data)
    value = reader.read(reader.marker(), 0)
    if reader.place != len(data):
        raise reader.error(f"expected the end, got {len(data) - reader.place} bytes more")
    return value


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
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
        # A list grows as its values are found, whatever length it claims.
        return [self.read(self.marker(), depth) for _ in range(self._length())]

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
