"""The search space: parameters in order, and the columns that the classifiers see."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.codec import ColumnCodec
from shac.conditions import Conditions
from shac.constraints import Constraint, as_constraint
from shac.parameters import AbstractHyperParameter
from shac.parameters.arrays import without_arrays
from shac.parameters.named import NamedParameters
from shac.prior import Prior
from shac.space_config import config_of, digest_of, parts_of

if TYPE_CHECKING:
    from collections import OrderedDict

    from numpy.typing import ArrayLike, NDArray

__all__ = ["HyperParameterList"]


class HyperParameterList:
    """Parameters of a search, in order.

    A configuration has three forms: a mapping from names to values (a multi-parameter's value is a list), a flat row
    of values with one entry for each column, and an encoded row of float32. A parameter that does not exist in a
    configuration is absent from the mapping, ``MISSING`` in the flat row and NaN in the encoded one.

    Parameters
    ----------
    hyper_parameter_list : iterable of AbstractHyperParameter, optional
        The parameters; none by default.
    seed : int, optional
        Gives each parameter a seed of its own; by default the parameters keep theirs.
    conditions : mapping of str to mapping, optional
        For each parameter that depends on others, ``{name of another: value, or list of values}``: it exists where
        all of those exist and have one of these values. They must be discrete or integer parameters.
    constraints : iterable of str, callable or Constraint, optional
        What all configurations must satisfy; see `Constraint`.

    Raises
    ------
    ValueError
        If an entry is no parameter, two parameters share a name or the name of a column, `seed` is not an integer
        of at least 0, or a condition or constraint does not fit the parameters.

    Examples
    --------
    >>> from shac import DiscreteHP, UniformHP
    >>> space = HyperParameterList([UniformHP("lr", 0.0, 1.0), DiscreteHP("layers", [1, 2])])
    >>> space.encode([0.5, 2]).tolist()
    [0.5, 1.0]
    >>> dict(space.to_parameters([0.5, 2]))
    {'lr': 0.5, 'layers': 2}

    Momentum only for one of two optimizers, and a constraint on two parameters at once:

    >>> space = HyperParameterList(
    ...     [DiscreteHP("optimizer", ["sgd", "adam"]), UniformHP("momentum", 0.0, 1.0), UniformHP("lr", 0.0, 1.0)],
    ...     conditions={"momentum": {"optimizer": "sgd"}},
    ...     constraints=["lr + momentum < 1.5"],
    ... )
    >>> space.to_row({"optimizer": "adam", "lr": 0.5})
    ['adam', MISSING, 0.5]
    """

    def __init__(
        self,
        hyper_parameter_list: Iterable[AbstractHyperParameter] | None = None,
        seed: int | None = None,
        *,
        conditions: Mapping[str, Mapping[str, Any]] | None = None,
        constraints: Iterable[str | Callable[..., Any] | Constraint] = (),
    ) -> None:
        self._parameters = NamedParameters()
        self._conditions = Conditions({}, None)
        self._constraints: tuple[Constraint, ...] = ()
        self._known_prior: Prior | None = None
        self._known_fingerprint: str | None = None
        self.encodes_relatively = True
        given = () if hyper_parameter_list is None else hyper_parameter_list
        if not isinstance(given, Iterable):
            raise ValueError(f"hyper_parameter_list: expected a list of parameters, got {given!r}")
        for parameter in given:
            self.add_hyper_parameter(parameter)
        self._conditions = Conditions(self._parameters, conditions)
        if isinstance(constraints, (str, Constraint)) or not isinstance(constraints, Iterable):
            raise ValueError(f"constraints: expected a list of expressions or functions, got {constraints!r}")
        for constraint in constraints:
            self.add_constraint(constraint)
        self.set_seed(seed)

    def add_hyper_parameter(self, parameter: AbstractHyperParameter, when: Mapping[str, Any] | None = None) -> None:
        """Append a parameter; it gets a seed of its own if the whole has one.

        Parameters
        ----------
        parameter : AbstractHyperParameter
            The new last parameter.
        when : mapping, optional
            Names and values of parameters that it depends on, as in `conditions`; by default it always exists.

        Raises
        ------
        ValueError
            If it is no parameter, its name or the name of one of its columns is taken, there would be more than 65,536
            columns, or the condition does not fit.
        """
        self._parameters.check_new(parameter)
        if when is not None:
            given = {**self._conditions.get_config(), parameter.name: when}
            self._conditions = Conditions({**self._parameters, parameter.name: parameter}, given)
        self._parameters.append(parameter)
        self._forget()

    def remove_hyper_parameter(self, parameter: AbstractHyperParameter | str) -> None:
        """Remove a parameter.

        Parameters
        ----------
        parameter : AbstractHyperParameter or str
            The parameter or its name.

        Raises
        ------
        KeyError
            If the list has none of that name.
        ValueError
            If it is neither a parameter nor a name, or others, or constraints, depend on it.
        """
        name = parameter.name if isinstance(parameter, AbstractHyperParameter) else parameter
        if not isinstance(name, str):
            raise ValueError(f"parameter: expected a parameter or its name, got {parameter!r}")
        if name not in self._parameters:
            raise KeyError(f"parameter: expected one of {list(self._parameters)}, got {name!r}")
        needed_by = [
            *self._conditions.dependents(name),
            *(str(constraint) for constraint in self._constraints if name in constraint.names),
        ]
        if needed_by:
            raise ValueError(f"parameter: expected one that nothing depends on, got {name!r}, needed by {needed_by}")
        left = {other: when for other, when in self._conditions.get_config().items() if other != name}
        self._parameters.remove(name)
        self._conditions = Conditions(self._parameters, left)
        self._forget()

    def add_constraint(self, constraint: str | Callable[..., Any] | Constraint) -> None:
        """Add what all configurations must satisfy.

        Parameters
        ----------
        constraint : str, callable or Constraint
            See `Constraint`.

        Raises
        ------
        ValueError
            If it is not understood, or names no parameters of this space.
        """
        added = as_constraint(constraint)
        unknown = [name for name in added.names if name not in self._parameters]
        if unknown:
            raise ValueError(f"constraint {added}: expected names among {list(self._parameters)}, got {unknown}")
        self._constraints = (*self._constraints, added)
        self._forget()

    def _forget(self) -> None:
        """Forget what is known of the parameters, conditions and constraints, which have changed."""
        self._known_prior = self._known_fingerprint = None

    @property
    def conditions(self) -> Conditions:
        """Which parameters exist only where others take certain values."""
        return self._conditions

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What all configurations satisfy."""
        return self._constraints

    @property
    def _prior(self) -> Prior:
        if self._known_prior is None:
            parts = self._parameters, self._conditions, self._constraints
            codec = ColumnCodec(*parts, encodes_relatively=self.encodes_relatively)
            self._known_prior = Prior(tuple(self), self._constraints, codec)
        return self._known_prior

    @property
    def codec(self) -> ColumnCodec:
        """The columns, for whole arrays; another one after each change of the parameters."""
        return self._prior.codec

    def place_of(self, name: str) -> slice:
        """Return the columns of a parameter."""
        return self.codec.slices[name]

    def get_parameter_names(self) -> list[str]:
        """Return the names of the columns, in order; ``x_1``, ``x_2`` for a multi-parameter ``x``."""
        return self._parameters.column_names()

    @property
    def seed(self) -> int | None:
        """Seed of the whole: the one given, or one made of the parameters' seeds when all of them have one."""
        return self._parameters.seed

    def set_seed(self, seed: int | None) -> None:
        """Set for each parameter a seed of its own, made of this one and its name; None leaves theirs alone.

        Parameters
        ----------
        seed : int or None
            Not negative.

        Raises
        ------
        ValueError
            If `seed` is not an integer of at least 0.
        """
        self._parameters.set_seed(seed)

    @property
    def columns(self) -> tuple[AbstractHyperParameter, ...]:
        """The scalar parameter of each column; a multi-parameter's marginal stands for all of its columns."""
        return self.codec.columns

    @property
    def num_columns(self) -> int:
        """Width of a row."""
        return self._parameters.num_columns

    @property
    def has_quantile(self) -> bool:
        """Whether the compiled sampler can draw every column."""
        return self.codec.has_functions[0]

    @property
    def has_cdf(self) -> bool:
        """Whether the uniforms that give a value are known for every column."""
        return self.codec.has_functions[1]

    def sample(self) -> list[Any]:
        """Draw a flat row from the parameters' own generators; EmptyRegionError if constraints refuse a million."""
        return self._prior.sample()

    def sample_rows(self, n: int, random: np.random.Generator) -> list[list[Any]]:
        """Draw `n` flat rows from the prior with a generator; constraints are not looked at."""
        return self._prior.sample_rows(n, random)

    @property
    def feasible_share(self) -> float:
        """Share of drawn rows that satisfy the constraints, estimated; raises `EmptyRegionError` where none can."""
        return self._prior.feasible_share

    @property
    def draws_within_constraints(self) -> bool:
        """Whether rows are drawn within some constraints, as hardly any row of the prior satisfies them."""
        return self._prior.draws_within_constraints

    def satisfied(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.bool_]:
        """Return which flat rows satisfy all constraints; ValueError if one returns no truth values."""
        return self.codec.satisfied(rows)

    def satisfied_by_uniforms(self, uniforms: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows of uniforms satisfy all constraints; see `values_from_uniforms`."""
        return self.codec.satisfied_by_uniforms(uniforms)

    def values_from_uniforms(self, uniforms: NDArray[np.float64]) -> list[list[Any]]:
        """Turn uniforms in (0, 1), shape (n, num_columns), into flat rows of values, of Python's own types.

        Where a value does not exist the uniform may be NaN, or any number. ValueError if they have another width.
        """
        return self.codec.values_from_uniforms(uniforms)

    def encode_uniforms(self, uniforms: NDArray[np.float64]) -> NDArray[np.float32]:
        """Encode the values of uniforms in (0, 1), shape (n, num_columns); NaN for what does not exist."""
        return self.codec.encode_uniforms(uniforms)

    def encode(self, x: Sequence[Any] | NDArray[Any]) -> NDArray[np.float32]:
        """Encode one flat row, shape (num_columns,).

        Raises ValueError where it has another length, or holds no value of a parameter.
        """
        encoded: NDArray[np.float32] = self.codec.encode_rows(without_arrays(self.columns, [x]))[0]
        return encoded

    def decode(self, x: ArrayLike) -> list[Any]:
        """Decode one encoded row, shape (num_columns,), into a flat row.

        Raises
        ------
        ValueError
            If the row has another length, or holds what no value is encoded as.
        """
        return self.decode_rows(np.asarray(x)[np.newaxis])[0]

    def encode_rows(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """Encode flat rows, shape (len(rows), num_columns); arrays by the values they stand for. See `encode`."""
        return self.codec.encode_rows(without_arrays(self.columns, rows))

    def decode_rows(self, X: ArrayLike) -> list[list[Any]]:
        """Decode encoded rows, shape (n, num_columns), into flat rows. Raises as `decode` does."""
        return self.codec.decode_rows(X)

    def to_parameters(self, row: Sequence[Any]) -> OrderedDict[str, Any]:
        """Turn a flat row into the mapping that evaluations get; ValueError if it has another length."""
        return self.codec.to_parameters(row)

    def to_row(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Turn a mapping from names to values into a flat row.

        Raises
        ------
        ValueError
            If names are missing or unknown, or a multi-parameter's value is not a list of its length.
        """
        row = self.flat_row(parameters)
        if self._conditions:
            self.encode(row)  # raises if a conditional parameter is missing or superfluous
        return row

    def flat_row(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Turn a mapping into a flat row, whatever the values are. Raises as `to_row` does."""
        return self.codec.flat_row(parameters)

    def get_config(self) -> OrderedDict[str, Any]:
        """Return ``{name: [class name, arguments]}``, in types that JSON has.

        A conditional parameter's list has ``{"when": conditions}`` as its third entry; constraints stand under the
        empty name, which no parameter has.
        """
        return config_of(self, self._conditions, self._constraints)

    @classmethod
    def load_from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the space from what `get_config` returned.

        Raises
        ------
        ValueError
            If it has another form, or names a class that is not known.
        """
        parameters, conditions, constraints = parts_of(config)
        return cls(parameters, conditions=conditions, constraints=constraints)

    def with_encoding(self, *, relative: bool) -> Self:
        """Return the space with numbers close together far from zero encoded by their range, or as 0.1.0 did."""
        other = copy.copy(self)
        other.encodes_relatively, other._known_prior = relative, None
        return other

    def fingerprint(self) -> str:
        """Return a SHA-256 hex digest of the parameters; seeds do not count.

        Raises
        ------
        ValueError
            If a parameter has values that cannot be saved.
        """
        if self._known_fingerprint is None:
            self._known_fingerprint = digest_of(self.get_config())
        return self._known_fingerprint

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[AbstractHyperParameter]:
        return iter(self._parameters.values())

    def __getitem__(self, name: str) -> AbstractHyperParameter:
        return self._parameters[name]

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __eq__(self, other: object) -> bool:
        return other is self or (
            isinstance(other, HyperParameterList)
            and list(self) == list(other)
            and repr(self._conditions.get_config()) == repr(other._conditions.get_config())
            and self._constraints == other._constraints
        )

    def __hash__(self) -> int:
        return hash(tuple(self._parameters))

    def __repr__(self) -> str:
        lines = "".join(f"    {parameter!r},\n" for parameter in self)
        more = f", conditions={self._conditions.get_config()!r}" if self._conditions else ""
        more += f", constraints={list(self._constraints)!r}" if self._constraints else ""
        return f"HyperParameterList([\n{lines}]{more})" if lines else "HyperParameterList([])"
