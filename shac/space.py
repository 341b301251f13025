"""The search space: parameters in order, and the columns that the classifiers see."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from shac.conditions import Conditions
from shac.constraints import Constraint, as_constraint, constraint_from_config
from shac.errors import EmptyRegionError
from shac.files import dump_json
from shac.layout import Layout
from shac.parameters import AbstractHyperParameter, AbstractMultiHyperParameter, get_parameter
from shac.parameters.checks import checked_seed
from shac.parameters.conditional import MISSING

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["HyperParameterList", "flatten_parameters"]

_MOST_COLUMNS = 65_536
_MOST_TRIED = 2**20  # rows of the prior, before constraints are taken for impossible
_PILOT_ROWS = 4096
_PILOT_HITS = 400


class HyperParameterList:
    """Parameters of a search, in order.

    A setting has three forms: a mapping from names to values (a multi-parameter's value is a list), a flat row of
    values with one entry for each column, and an encoded row of float32. A parameter that does not exist in a setting
    is absent from the mapping, ``MISSING`` in the flat row and NaN in the encoded one.

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
        What all settings must satisfy; see `Constraint`.

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
        self._parameters: OrderedDict[str, AbstractHyperParameter] = OrderedDict()
        self._names: set[str] = set()  # of parameters and columns
        self._num_columns = 0
        self._conditions = Conditions({}, None)
        self._constraints: tuple[Constraint, ...] = ()
        self._laid_out: Layout | None = None
        self._seed: int | None = None
        given = () if hyper_parameter_list is None else hyper_parameter_list
        if not isinstance(given, Iterable):
            raise ValueError(f"hyper_parameter_list: expected a list of parameters, got {given!r}")
        for parameter in given:
            self.add_hyper_parameter(parameter)
        self._conditions, self._laid_out = Conditions(self._parameters, conditions), None
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
        if not isinstance(parameter, AbstractHyperParameter):
            raise ValueError(f"parameter: expected a hyper-parameter, got {parameter!r}")
        names = {parameter.name, *parameter.column_names()}
        if taken := sorted(names & self._names):
            raise ValueError(f"parameter: expected names that are not taken, got {taken[0]!r} twice")
        if self._num_columns + parameter.num_columns > _MOST_COLUMNS:
            raise ValueError(
                f"parameter: expected at most {_MOST_COLUMNS} columns, got {parameter.num_columns} more than the "
                f"{self._num_columns} there are"
            )
        if when is not None:
            given = {**self._conditions.get_config(), parameter.name: when}
            self._conditions = Conditions({**self._parameters, parameter.name: parameter}, given)
        self._names |= names
        self._num_columns += parameter.num_columns
        self._parameters[parameter.name] = parameter
        self._laid_out = None
        if self._seed is not None:
            parameter.set_seed(_seed_of(self._seed, parameter.name))

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
            If others, or constraints, depend on it.
        """
        name = parameter.name if isinstance(parameter, AbstractHyperParameter) else parameter
        if name not in self._parameters:
            raise KeyError(f"parameter: expected one of {list(self._parameters)}, got {name!r}")
        needed_by = [
            *self._conditions.dependents(name),
            *(str(constraint) for constraint in self._constraints if name in constraint.names),
        ]
        if needed_by:
            raise ValueError(f"parameter: expected one that nothing depends on, got {name!r}, needed by {needed_by}")
        left = {other: when for other, when in self._conditions.get_config().items() if other != name}
        del self._parameters[name]
        self._names = {*self._parameters, *self.get_parameter_names()}
        self._conditions, self._laid_out = Conditions(self._parameters, left), None
        self._num_columns = len(self.columns)

    def add_constraint(self, constraint: str | Callable[..., Any] | Constraint) -> None:
        """Add what all settings must satisfy.

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
        self._laid_out = None

    @property
    def conditions(self) -> Conditions:
        """Which parameters exist only where others take certain values."""
        return self._conditions

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What all settings satisfy."""
        return self._constraints

    @property
    def _layout(self) -> Layout:
        if self._laid_out is None:
            self._laid_out = Layout(self._parameters, self._conditions, self._constraints)
        return self._laid_out

    def place_of(self, name: str) -> slice:
        """Give the columns of a parameter."""
        return self._layout.places[name]

    def get_parameter_names(self) -> list[str]:
        """Return the names of the columns, in order; ``x_1``, ``x_2`` for a multi-parameter ``x``."""
        return [name for parameter in self for name in parameter.column_names()]

    @property
    def seed(self) -> int | None:
        """Seed of the whole: the one given, or one made of the parameters' seeds when all of them have one."""
        if self._seed is not None or not self._parameters:
            return self._seed
        seeds = [parameter.seed for parameter in self]
        if any(seed is None for seed in seeds):
            return None
        digest = hashlib.sha256(repr(seeds).encode()).digest()
        return int.from_bytes(digest[:8], "little") >> 1

    def set_seed(self, seed: int | None) -> None:
        """Give each parameter a seed of its own, made of this one and its name; None leaves theirs alone.

        Parameters
        ----------
        seed : int or None
            Not negative.

        Raises
        ------
        ValueError
            If `seed` is not an integer of at least 0.
        """
        self._seed = checked_seed(seed)
        if self._seed is None:
            return
        for parameter in self:
            parameter.set_seed(_seed_of(self._seed, parameter.name))

    @property
    def columns(self) -> tuple[AbstractHyperParameter, ...]:
        """The scalar parameter of each column; a multi-parameter's marginal stands for all of its columns."""
        return self._layout.columns

    @property
    def num_columns(self) -> int:
        """Width of a row."""
        return self._num_columns

    @property
    def has_quantile(self) -> bool:
        """Whether the compiled sampler can draw every column."""
        return all(column.has_quantile for column in self.columns)

    @property
    def has_cdf(self) -> bool:
        """Whether the uniforms that give a value are known for every column."""
        return all(column.has_cdf for column in self.columns)

    def sample(self) -> list[Any]:
        """Draw a flat row from the parameters' own generators.

        Raises
        ------
        EmptyRegionError
            If constraints refuse a million rows in a row.
        """
        for _ in range(_MOST_TRIED):
            row = self._layout.mark_missing([self._flatten([parameter.sample() for parameter in self])])
            if self.satisfied(row)[0]:
                return row[0]
        raise self._infeasible(_MOST_TRIED)

    def sample_rows(self, n: int, random: np.random.Generator) -> list[list[Any]]:
        """Draw flat rows from the prior; constraints are not looked at.

        Parameters
        ----------
        n : int
            How many.
        random : numpy.random.Generator
            Where the randomness comes from.

        Returns
        -------
        list of list, n rows
        """
        drawn = [parameter.sample_array(n, random) for parameter in self]
        rows = [self._flatten(values) for values in zip(*drawn, strict=True)] if drawn else [[] for _ in range(n)]
        return self._layout.mark_missing(rows)

    def satisfied(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.bool_]:
        """Tell which flat rows satisfy all constraints.

        Parameters
        ----------
        rows : sequence of rows

        Returns
        -------
        ndarray of bool, shape (len(rows),)

        Raises
        ------
        ValueError
            If a constraint gives anything else than truth values.
        """
        return self._layout.constraints.satisfied(
            [[row[c] for row in rows] for c in range(self.num_columns)], len(rows)
        )

    def satisfied_by_uniforms(self, uniforms: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which rows of uniforms, as of `values_from_uniforms`, satisfy all constraints."""
        needed = self._layout.constraints.columns
        return self._layout.constraints.satisfied(
            {c: self.columns[c].quantile(uniforms[:, c]) for c in needed}, len(uniforms)
        )

    @property
    def feasible_share(self) -> float:
        """Share of the prior that satisfies the constraints, estimated from a fixed sample of it; 1 without any.

        Raises
        ------
        EmptyRegionError
            If nothing of the sample does.
        """
        if self._layout.feasible_share is None:
            drawn = satisfied = 0
            random = np.random.default_rng(0)
            while self._constraints and satisfied < _PILOT_HITS and drawn < _MOST_TRIED:
                satisfied += int(self.satisfied(self.sample_rows(_PILOT_ROWS, random)).sum())
                drawn += _PILOT_ROWS
            if drawn and not satisfied:
                raise self._infeasible(drawn)
            self._layout.feasible_share = satisfied / drawn if drawn else 1.0
        return self._layout.feasible_share

    def _infeasible(self, tried: int) -> EmptyRegionError:
        listed = [str(constraint) for constraint in self._constraints]
        return EmptyRegionError(
            f"constraints: expected settings that satisfy {listed}, got none among {tried:,} drawn from the prior"
        )

    def values_from_uniforms(self, uniforms: NDArray[np.float64]) -> list[list[Any]]:
        """Turn uniforms into flat rows of values, of Python's own types.

        Parameters
        ----------
        uniforms : ndarray of float64, shape (n, num_columns)
            In (0, 1); NaN where a value does not exist, or any number.

        Returns
        -------
        list of list, n rows

        Raises
        ------
        ValueError
            If the uniforms have another width.
        """
        self._check_width(uniforms.shape[1])
        by_column = [column.quantile(uniforms[:, c]).tolist() for c, column in enumerate(self.columns)]
        rows = [list(row) for row in zip(*by_column, strict=True)] if by_column else [[] for _ in uniforms]
        return self._layout.mark_missing(rows)

    def encode_uniforms(self, uniforms: NDArray[np.float64]) -> NDArray[np.float32]:
        """Encode the values of uniforms, as the classifiers see them.

        Parameters
        ----------
        uniforms : ndarray of float64, shape (n, num_columns)
            In (0, 1).

        Returns
        -------
        ndarray of float32, shape (n, num_columns)
            NaN for what does not exist.
        """
        encoded = np.empty(uniforms.shape, dtype=np.float32)
        for c, column in enumerate(self.columns):
            encoded[:, c] = column.encode_array(column.quantile(uniforms[:, c]))
        self._layout.mark_missing_encoded(encoded)
        return encoded

    def encode(self, x: Sequence[Any]) -> NDArray[np.float32]:
        """Encode one flat row.

        Parameters
        ----------
        x : sequence
            A value for each column.

        Returns
        -------
        ndarray of float32, shape (num_columns,)

        Raises
        ------
        ValueError
            If the row has another length, or holds no value of a parameter.
        """
        encoded: NDArray[np.float32] = self.encode_rows([x])[0]
        return encoded

    def decode(self, x: ArrayLike) -> list[Any]:
        """Decode one encoded row into a flat row.

        Parameters
        ----------
        x : array_like of float32, shape (num_columns,)

        Returns
        -------
        list

        Raises
        ------
        ValueError
            If the row has another length, or holds what no value is encoded as.
        """
        return self.decode_rows(np.asarray(x)[np.newaxis])[0]

    def encode_rows(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """Encode flat rows; shape (len(rows), num_columns).

        Raises
        ------
        ValueError
            As `encode`.
        """
        for row in rows:
            self._check_width(len(row))
        encoded = np.empty((len(rows), self.num_columns), dtype=np.float32)
        for c, column in enumerate(self.columns):
            encoded[:, c] = column.encode_array([row[c] for row in rows])
        self._layout.check_missing(encoded)
        return encoded

    def decode_rows(self, X: ArrayLike) -> list[list[Any]]:
        """Decode encoded rows, shape (n, num_columns), into flat rows.

        Raises
        ------
        ValueError
            As `decode`.
        """
        encoded = np.asarray(X, dtype=np.float32)
        if encoded.ndim != 2:
            raise ValueError(f"X: expected 2 dimensions, got shape {encoded.shape}")
        self._check_width(encoded.shape[1])
        by_column = [column.decode_array(encoded[:, c]).tolist() for c, column in enumerate(self.columns)]
        return [list(row) for row in zip(*by_column, strict=True)] if by_column else [[] for _ in encoded]

    def to_parameters(self, row: Sequence[Any]) -> OrderedDict[str, Any]:
        """Turn a flat row into the mapping that evaluations get.

        Raises
        ------
        ValueError
            If the row has another length.
        """
        self._check_width(len(row))
        parameters: OrderedDict[str, Any] = OrderedDict()
        begin = 0
        for parameter in self:
            end = begin + len(parameter.columns)
            is_multi = isinstance(parameter, AbstractMultiHyperParameter)
            if row[begin] is not MISSING:
                parameters[parameter.name] = list(row[begin:end]) if is_multi else row[begin]
            begin = end
        return parameters

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
        """Turn a mapping from names to values into a flat row, whatever the values are.

        Raises
        ------
        ValueError
            If names are missing or unknown, or a multi-parameter's value is not a list of its length.
        """
        missing = [name for name in self._parameters if name not in parameters and name not in self._conditions]
        unknown = [name for name in parameters if name not in self._parameters]
        if missing or unknown:
            raise ValueError(
                f"parameters: expected the names {list(self._parameters)}, got {list(parameters)}: "
                f"missing {missing}, unknown {unknown}"
            )
        row = self._flatten([parameters.get(name, MISSING) for name in self._parameters])
        self._check_width(len(row))
        return row

    def get_config(self) -> OrderedDict[str, Any]:
        """Give ``{name: [class name, arguments]}``, in types that JSON has.

        A conditional parameter's list has ``{"when": conditions}`` as its third entry; constraints stand under the
        empty name, which no parameter has.
        """
        config: OrderedDict[str, Any] = OrderedDict(
            (name, [type(p).__name__, p.get_config()]) for name, p in self._parameters.items()
        )
        for name, when in self._conditions.get_config().items():
            config[name].append({"when": when})
        if self._constraints:
            config[""] = ["constraints", [constraint.get_config() for constraint in self._constraints]]
        return config

    @classmethod
    def load_from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the space from what `get_config` gave.

        Parameters
        ----------
        config : mapping

        Returns
        -------
        HyperParameterList

        Raises
        ------
        ValueError
            If it has another layout, or names a class that is not known.
        """
        if not isinstance(config, Mapping):
            raise ValueError(f"config: expected a mapping from names to [class, arguments], got {config!r}")
        parameters = []
        conditions: dict[str, Any] = {}
        constraints: list[Constraint] = []
        for name, entry in config.items():
            match entry:
                case ["constraints", list(configs)] if name == "":
                    constraints = [constraint_from_config(one) for one in configs]
                    continue
                case [str(class_name), dict(arguments)] if arguments.get("name") == name:
                    pass
                case [str(class_name), dict(arguments), {"when": when}] if arguments.get("name") == name:
                    conditions[name] = when
                case _:
                    raise ValueError(
                        f"config: expected [class name, arguments] with name {name!r} for {name!r}, got {entry!r}"
                    )
            try:
                parameters.append(get_parameter(class_name).load_from_config(dict(arguments)))
            except (TypeError, KeyError, AttributeError) as error:
                raise ValueError(f"config: {name!r}: expected arguments of {class_name}: {error}") from error
        return cls(parameters, conditions=conditions, constraints=constraints)

    def fingerprint(self) -> str:
        """Return a SHA-256 hex digest of the parameters; seeds do not count.

        Raises
        ------
        ValueError
            If a parameter has values that cannot be saved.
        """
        config = [
            [name, kind, {k: v for k, v in given.items() if k != "seed"} if isinstance(given, dict) else given, *when]
            for name, (kind, given, *when) in self.get_config().items()
        ]
        return hashlib.sha256(dump_json(config, "space").encode()).hexdigest()

    def _flatten(self, values: Iterable[Any]) -> list[Any]:
        row: list[Any] = []
        for parameter, value in zip(self, values, strict=True):
            if value is MISSING:
                row += [MISSING] * len(parameter.columns)
            elif isinstance(parameter, AbstractMultiHyperParameter):
                is_list = isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim > 0)
                if not is_list or len(value) != parameter.sample_count:
                    expected = f"a list of {parameter.sample_count} values"
                    raise ValueError(f"parameter {parameter.name!r}: expected {expected}, got {value!r}")
                row.extend(value)
            else:
                row.append(value)
        return row

    def _check_width(self, width: int) -> None:
        if width != self.num_columns:
            raise ValueError(
                f"row: expected {self.num_columns} values, one for each of {self.get_parameter_names()}, got {width}"
            )

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[AbstractHyperParameter]:
        return iter(self._parameters.values())

    def __getitem__(self, name: str) -> AbstractHyperParameter:
        return self._parameters[name]

    def __contains__(self, name: object) -> bool:
        return name in self._parameters

    def __eq__(self, other: object) -> bool:
        return (
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


def _seed_of(seed: int, name: str) -> int:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def flatten_parameters(
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> list[Any] | list[list[Any]]:
    """List the values of a setting, with the lists of multi-parameters spread out.

    Parameters
    ----------
    parameters : mapping, or sequence of mappings
        As evaluations get it, or several of them, as ``predict`` gives them.

    Returns
    -------
    list
        The values in order; a list of such lists for several settings.

    Examples
    --------
    >>> flatten_parameters({"x": [1, 2], "y": "relu"})
    [1, 2, 'relu']
    """
    if isinstance(parameters, Mapping):
        return _flat_values(parameters)
    if not isinstance(parameters, Iterable):
        raise ValueError(f"parameters: expected a mapping or a sequence of mappings, got {parameters!r}")
    return [_flat_values(setting) for setting in parameters]


def _flat_values(setting: Mapping[str, Any]) -> list[Any]:
    if not isinstance(setting, Mapping):
        raise ValueError(f"parameters: expected mappings from names to values, got {setting!r}")
    flat: list[Any] = []
    for value in setting.values():
        if isinstance(value, list):
            flat.extend(value)
        else:
            flat.append(value)
    return flat
