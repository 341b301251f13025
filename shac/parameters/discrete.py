"""Parameters that take one of a list of values."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.parameters.base import AbstractHyperParameter, to_builtin
from shac.parameters.checks import is_writable

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["DiscreteHyperParameter"]

_LONGEST = 1000
_OWN_IDENTITY = frozenset({str, int, bool})  # with their types, see `_identity`


class DiscreteHyperParameter(AbstractHyperParameter):
    """One of a list of values, all equally likely; encoded as the value's place in the list.

    Values keep their types: True, 1, 1.0 and '1' are four different ones. NumPy scalars become the Python values that
    they hold.

    Parameters
    ----------
    name : str
        Key of the parameter.
    values : sequence of hashable
        None, strings, bools, numbers and tuples of these can be saved; others only live in memory.
    seed : int, optional
        Seed of the parameter's own generator.

    Raises
    ------
    ValueError
        If `values` is empty or has no order, holds a value twice, or one that is not hashable.

    Examples
    --------
    >>> parameter = DiscreteHyperParameter("optimiser", ["sgd", "adam", None])
    >>> parameter.encode("adam"), parameter.decode(2.0)
    (1, None)
    """

    def __init__(self, name: str, values: Sequence[Hashable], seed: int | None = None) -> None:
        super().__init__(name, seed=seed)
        # The order of a set changes from run to run, and with it the encoding.
        if isinstance(values, (str, bytes, AbstractSet, Mapping)) or not _is_iterable(values):
            raise ValueError(f"parameter {name!r}: values: expected a sequence of values, got {values!r}")
        self.values: list[Any] = [to_builtin(value) for value in values]
        if not self.values:
            raise ValueError(f"parameter {name!r}: values: expected at least one value, got an empty sequence")
        self._index: dict[Any, int] = {}
        for index, value in enumerate(self.values):
            try:
                first = self._index.setdefault(_identity(value), index)
            except TypeError:
                raise ValueError(f"parameter {name!r}: values: expected hashable values, got {value!r}") from None
            if first != index:
                raise ValueError(f"parameter {name!r}: values: expected different values, got {value!r} twice")
        self._objects = np.empty(len(self.values), dtype=object)
        self._objects[:] = self.values
        try:
            self._texts = _distinct_texts(self.values)
        except ValueError as error:  # Python writes integers of more than some thousand digits as no text
            raise ValueError(f"parameter {name!r}: values: expected values that can be written: {error}") from error
        self._from_text = {text: index for index, text in enumerate(self._texts)}

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        result: NDArray[Any] = self._objects[self.index_quantile(u)]
        return result

    def index_quantile(self, u: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the places of the values that `quantile` returns: `encode_array` of them without a look at each."""
        places = (np.asarray(u) * len(self.values)).astype(np.int64)
        return np.minimum(places, len(self.values) - 1)

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        below = np.ceil(np.asarray(encoded, dtype=np.float64))
        result: NDArray[np.float64] = np.clip(below / len(self.values), 0.0, 1.0)
        return result

    def encode_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:
        # Values that `quantile` gave are the very objects of the list: telling those apart takes no hash.
        place_of = {id(value): index for index, value in enumerate(self._objects)}.get
        return np.array(
            [self.index_of(value) if (place := place_of(id(value))) is None else place for value in values],
            dtype=np.float32,
        )

    def encode(self, value: Any) -> int:
        return self.index_of(value)

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        numbers = np.asarray(encoded, dtype=np.float64)
        places = np.where((numbers >= 0) & (numbers < len(self.values)), numbers, -1).astype(np.int64)
        wrong = (places < 0) | (places != numbers)
        if wrong.any():
            raise ValueError(
                f"parameter {self.name!r}: expected whole numbers from 0 to {len(self.values) - 1}, "
                f"got {numbers[wrong][0]!s}"
            )
        result: NDArray[Any] = self._objects[places]
        return result

    def index_of(self, value: Any) -> int:
        """Return the place of a value.

        Raises
        ------
        ValueError
            If it is not one of the parameter's values.
        """
        kind = type(value)
        try:
            return self._index[(kind, value) if kind in _OWN_IDENTITY else _identity(to_builtin(value))]
        except (KeyError, TypeError):
            raise ValueError(f"parameter {self.name!r}: expected one of {self.values!r}, got {value!r}") from None

    def to_text(self, value: Any) -> str:
        return self._texts[self.index_of(value)]

    def from_text(self, text: str) -> Any:
        try:
            return self.values[self._from_text[text]]
        except KeyError:
            raise ValueError(f"parameter {self.name!r}: expected one of {self._texts!r}, got {text!r}") from None

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "values": list(self.values), "seed": self.seed}


def _is_iterable(values: Any) -> bool:
    try:
        iter(values)
    except TypeError:  # also an array without dimensions
        return False
    return True


def _identity(value: Any) -> Any:
    """Return a key under which values of different types differ, 0.0 differs from -0.0, and NaN equals itself."""
    if isinstance(value, float):
        return (float, "nan" if math.isnan(value) else value.hex())
    if isinstance(value, tuple):
        return (type(value), tuple(_identity(entry) for entry in value))
    hash(value)
    return (type(value), value)


def _distinct_texts(values: list[Any]) -> list[str]:
    """One text for each value: its str where no other value has the same, else its repr, marked if need be."""
    texts = [str(value) for value in values]
    counts = Counter(texts)
    texts = [
        # CSV has a limit on the length of a field, and UTF-8 has no half of a surrogate pair.
        ascii(value)[:_LONGEST] if counts[text] > 1 or len(text) > _LONGEST or not is_writable(text) else text
        for text, value in zip(texts, values, strict=True)
    ]
    # A mark can in turn be another value's text; marked texts grow until they are longer than any of those.
    while len(counts := Counter(texts)) < len(texts):
        texts = [f"#{i}:{text}" if counts[text] > 1 else text for i, text in enumerate(texts)]
    return texts
