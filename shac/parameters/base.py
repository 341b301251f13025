"""What every parameter is: values, a prior, and an encoding to float32."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.parameters.checks import checked_name, checked_numbers, checked_seed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["AbstractHyperParameter", "to_builtin", "to_float32"]

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def to_builtin(value: Any) -> Any:
    """Turn a NumPy scalar into the Python value that it holds, also inside tuples."""
    if type(value) is tuple:
        return tuple(to_builtin(entry) for entry in value)
    return value.item() if isinstance(value, np.generic) else value


def to_float32(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Round to float32; what is beyond it becomes its largest number."""
    return values.clip(-_FLOAT32_MAX, _FLOAT32_MAX).astype(np.float32)


class AbstractHyperParameter:
    """Base class of all parameters, also of those that users define.

    A value is drawn as ``quantile(u)`` for a uniform u in (0, 1), and the classifiers see ``encode_array`` of it as
    float32. The two together must not fall as u rises: with that, the compiled sampler runs the parameter without
    calling Python in its loop.

    A subclass defines `quantile` (and `cdf`, which plots and tests use), or only `sample`, which the sampler then calls
    for every candidate, slower by orders of magnitude. It also overrides `encode_array`, `decode_array`, `to_text`
    and `from_text` when its values are not floats, and `get_config` when its constructor takes more than a name, values
    and a seed. One that overrides `encode` or `decode` of single values is encoded value by value; where it does not
    define `quantile` as well, it is sampled only. `set_custom_parameter_class` makes the class known to saved searches.

    Parameters
    ----------
    name : str
        Key of the parameter in the mapping that evaluations get.
    values : sequence, optional
        The values, for a subclass that chooses among them; an attribute then. None of two may have the same `repr`.
    seed : int, optional
        Seed of the parameter's own generator, which `sample` draws from.

    Raises
    ------
    ValueError
        If `name` is not a non-empty string, `values` is no sequence, or `seed` is not an integer of at least 0.
    TypeError
        If it is not of a subclass.

    Examples
    --------
    >>> import numpy as np
    >>> class Triangular(AbstractHyperParameter):
    ...     def quantile(self, u):
    ...         return np.sqrt(u)
    ...
    ...     def cdf(self, encoded):
    ...         return np.clip(encoded, 0, 1) ** 2
    >>> float(Triangular("x").quantile(np.array([0.25]))[0])
    0.5
    """

    _is_base = True
    _choices: dict[str, Any] | None = None  # by their text

    def __init__(self, name: str, values: Sequence[Any] | None = None, seed: int | None = None) -> None:
        if vars(type(self)).get("_is_base", False):
            raise TypeError(f"{type(self).__name__} is a base of parameter classes: expected a subclass of it")
        self.name = checked_name(name)
        if values is not None:
            self.values = _checked_values(name, values)
            self._choices = {repr(value): value for value in self.values}
        self.set_seed(seed)

    def __init_subclass__(cls, **arguments: Any) -> None:
        """Let arrays go through the encoding and decoding of single values that a subclass overrides."""
        super().__init_subclass__(**arguments)
        if "encode" in vars(cls) and "encode_array" not in vars(cls):
            cls.encode_array = _encode_each  # type: ignore[method-assign]
        if "decode" in vars(cls) and "decode_array" not in vars(cls):
            cls.decode_array = _decode_each  # type: ignore[method-assign]

    @property
    def seed(self) -> int | None:
        """Seed of the parameter's own generator; None when it is fresh."""
        return self._seed

    def set_seed(self, seed: int | None) -> None:
        """Start the parameter's own generator again.

        Parameters
        ----------
        seed : int or None
            None for a fresh one.

        Raises
        ------
        ValueError
            If `seed` is not an integer of at least 0.
        """
        self._seed = checked_seed(seed)
        self.random = np.random.default_rng(self._seed)

    @property
    def has_quantile(self) -> bool:
        """Whether the compiled sampler can run the parameter."""
        # The most derived decides: a subclass that only changes how its base samples, or encodes, keeps no quantile.
        for cls in type(self).__mro__:
            if cls is AbstractHyperParameter or {"quantile", "sample", "encode"} & vars(cls).keys():
                return cls is not AbstractHyperParameter and "quantile" in vars(cls)
        return False

    @property
    def has_cdf(self) -> bool:
        """Whether the class defines `cdf`."""
        return type(self).cdf is not AbstractHyperParameter.cdf

    @property
    def is_integer(self) -> bool:
        """Whether all values are integers, encoded as they are or relative to one of them."""
        return False

    @property
    def num_columns(self) -> int:
        """Number of encoded columns."""
        return len(self.columns)

    @property
    def columns(self) -> tuple[AbstractHyperParameter, ...]:
        """One scalar parameter for each encoded column."""
        return (self,)

    def column_names(self) -> list[str]:
        """Names of the encoded columns."""
        return [self.name]

    def quantile(self, u: NDArray[np.float64]) -> NDArray[Any]:
        """Turn uniforms in (0, 1) into values of the prior; must not fall, once encoded, as u rises.

        Parameters
        ----------
        u : ndarray of float64, shape (n,)

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        NotImplementedError
            If the parameter can only be sampled.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no quantile")

    def cdf(self, encoded: ArrayLike) -> NDArray[np.float64]:
        """Return the prior probability that an encoded value is below each threshold.

        Parameters
        ----------
        encoded : array_like of float32, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n,)

        Raises
        ------
        NotImplementedError
            If the parameter can only be sampled.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no cdf")

    def encode_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:
        """Encode values as the classifiers see them.

        Parameters
        ----------
        values : sequence, shape (n,)

        Returns
        -------
        ndarray of float32, shape (n,)
            Beyond the range of float32, its largest number, as XGBoost refuses infinities.

        Raises
        ------
        ValueError
            If a value is not one of the parameter.
        """
        return to_float32(self.real_array(values))

    def real_array(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float64]:
        """Return the real numbers that values stand for; `encode_array` rounds them to float32.

        Parameters
        ----------
        values : sequence, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n,)

        Raises
        ------
        ValueError
            If a value is not one of the parameter.
        """
        return checked_numbers(self.name, values)

    def mass_below(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the prior probability of a real number, as `real_array` gives it, up to each of some.

        Raises
        ------
        NotImplementedError
            If the class does not define it.
        """
        raise NotImplementedError(f"{type(self).__name__} defines no mass_below")

    def decode_array(self, encoded: ArrayLike) -> NDArray[Any]:
        """Turn encoded values into values of the parameter.

        Parameters
        ----------
        encoded : array_like of float32, shape (n,)

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        ValueError
            If no value is encoded like that.
        """
        return np.asarray(encoded, dtype=np.float64)

    def encode(self, value: Any) -> float:
        """Encode one value."""
        return float(self.encode_array([value])[0])

    def decode(self, encoded: float) -> Any:
        """Decode one encoded value."""
        return self.decode_array(np.array([encoded], dtype=np.float32)).tolist()[0]

    def sample(self) -> Any:
        """Draw one value from the parameter's own generator, `random`."""
        return self._through_quantile(1, self.random)[0]

    def sample_array(self, n: int, random: np.random.Generator | None = None) -> list[Any]:
        """Draw `n` values.

        Parameters
        ----------
        n : int
            How many.
        random : numpy.random.Generator, optional
            Where the randomness comes from; the parameter's own generator by default.

        Returns
        -------
        list

        Raises
        ------
        NotImplementedError
            If the class defines neither `quantile` nor `sample`.
        """
        random = self.random if random is None else random
        if self.has_quantile or type(self).sample is AbstractHyperParameter.sample:
            return self._through_quantile(n, random)
        own, self.random = self.random, random
        try:
            return [to_builtin(self.sample()) for _ in range(n)]
        finally:
            self.random = own

    def _through_quantile(self, n: int, random: np.random.Generator) -> list[Any]:
        if type(self).quantile is AbstractHyperParameter.quantile:
            raise NotImplementedError(f"{type(self).__name__}: expected a class that defines quantile or sample")
        # The same uniforms as the core's, strictly inside (0, 1); a float64 from `random` can be 0.
        values: list[Any] = self.quantile((random.integers(0, 2**52, n) + 0.5) / 2**52).tolist()
        return values

    def to_text(self, value: Any) -> str:
        """Write a value as a CSV field, to the last bit.

        Raises
        ------
        ValueError
            If it is not a value of the parameter.
        """
        if self._choices is not None:
            if (text := repr(to_builtin(value))) not in self._choices:
                raise ValueError(f"parameter {self.name!r}: expected one of {self.values!r}, got {value!r}")
            return text
        if type(value) is float:
            return repr(value)
        try:
            return repr(checked_numbers(self.name, [value]).tolist()[0])
        except ValueError as error:
            raise ValueError(f"{error}; a class with other values defines to_text and from_text") from None

    def from_text(self, text: str) -> Any:
        """Read a value back from its CSV field.

        Raises
        ------
        ValueError
            If the text is no value of the parameter.
        """
        if self._choices is None:
            return float(text)
        if text not in self._choices:
            raise ValueError(f"parameter {self.name!r}: expected one of {[*self._choices]!r}, got {text!r}")
        return self._choices[text]

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that build the parameter again, in types that JSON has."""
        if self._choices is None:
            return {"name": self.name, "seed": self.seed}
        return {"name": self.name, "values": list(self.values), "seed": self.seed}

    @classmethod
    def load_from_config(cls, config: dict[str, Any]) -> Self:
        """Build a parameter from what `get_config` gave.

        Raises
        ------
        TypeError
            If the constructor does not take these arguments; it need not take `seed`.
        """
        signature = inspect.signature(cls)
        kinds = {parameter.kind for parameter in signature.parameters.values()}
        if "seed" in signature.parameters or inspect.Parameter.VAR_KEYWORD in kinds:
            return cls(**config)
        made = cls(**{name: value for name, value in config.items() if name != "seed"})
        if config.get("seed") is not None:
            made.set_seed(config["seed"])
        return made

    def __eq__(self, other: object) -> bool:
        # repr tells 1 from True and from 1.0, and nan equals nan.
        return type(other) is type(self) and repr(self.get_config()) == repr(other.get_config())

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{k}={v!r}" for k, v in self.get_config().items() if (k, v) != ("seed", None))
        return f"{type(self).__name__}({arguments})"


def _encode_each(self: AbstractHyperParameter, values: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:
    return to_float32(np.array([self.encode(value) for value in values], dtype=np.float64))


def _decode_each(self: AbstractHyperParameter, encoded: ArrayLike) -> NDArray[Any]:
    decoded = [self.decode(number) for number in np.asarray(encoded, dtype=np.float64).tolist()]
    result = np.empty(len(decoded), dtype=object)
    for index, value in enumerate(decoded):
        result[index] = value
    return result


def _checked_values(owner: str, values: Any) -> list[Any]:
    if isinstance(values, (str, bytes, int)) or not hasattr(values, "__iter__"):
        raise ValueError(f"parameter {owner!r}: values: expected a sequence of values, got {values!r}")
    checked = [to_builtin(value) for value in values]
    if len({repr(value) for value in checked}) < len(checked):
        raise ValueError(f"parameter {owner!r}: values: expected different values, got {values!r}")
    return checked
