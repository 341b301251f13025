"""The columns of a search space: rows of values to encoded rows and back, and uniforms to both.

A flat row has one value for each column, an encoded row one float32. What does not exist in a configuration is
``MISSING`` in the flat row and NaN in the encoded one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.constraints import Constraints
from shac.parameters import AbstractMultiHyperParameter
from shac.parameters.conditional import MISSING, ConditionalColumn
from shac.parameters.relative import encoded_finely

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from shac.conditions import Conditions
    from shac.constraints import Constraint
    from shac.linear import LinearInequality
    from shac.parameters import AbstractHyperParameter

__all__ = ["ColumnCodec", "flatten_parameters"]


class ColumnCodec:
    """Translates whole arrays between the forms of a configuration, for parameters that do not change any more.

    Parameters
    ----------
    parameters : mapping of str to AbstractHyperParameter
        In order.
    conditions : Conditions
        Which of them exist only where others take certain values.
    constraints : sequence of Constraint
    encodes_relatively : bool, default True
        Whether numbers close together far from zero are encoded relative to their range; see `encoded_finely`.

    Attributes
    ----------
    columns : tuple of AbstractHyperParameter
        The scalar parameter of each column.
    slices : dict
        The columns of each parameter.

    Examples
    --------
    >>> from shac import DiscreteHP, UniformHP
    >>> from shac.conditions import Conditions
    >>> parameters = {"lr": UniformHP("lr", 0.0, 1.0), "layers": DiscreteHP("layers", [1, 2])}
    >>> codec = ColumnCodec(parameters, Conditions(parameters, None), ())
    >>> codec.encode_rows([[0.5, 2]]).tolist()
    [[0.5, 1.0]]
    >>> codec.decode_rows([[0.5, 1.0]])
    [[0.5, 2]]
    """

    def __init__(
        self,
        parameters: Mapping[str, AbstractHyperParameter],
        conditions: Conditions,
        constraints: Sequence[Constraint],
        *,
        encodes_relatively: bool = True,
    ) -> None:
        self._parameters = dict(parameters)
        self._conditions = conditions
        columns: list[AbstractHyperParameter] = []
        self.slices: dict[str, slice] = {}
        for name, parameter in parameters.items():
            own: tuple[AbstractHyperParameter, ...] = parameter.columns
            # Columns of one multi-parameter stay one object, as they share a marginal.
            if encodes_relatively:
                fine = {id(column): encoded_finely(column) for column in own}
                own = tuple(fine[id(column)] for column in own)
            if name in conditions:
                wrapped = {id(column): ConditionalColumn(column) for column in own}
                own = tuple(wrapped[id(column)] for column in own)
            self.slices[name] = slice(len(columns), len(columns) + len(own))
            columns += own
        self.columns = tuple(columns)
        multiple = {name for name, p in parameters.items() if isinstance(p, AbstractMultiHyperParameter)}
        self._constraints = Constraints(constraints, self.slices, multiple)

    def inequalities(self) -> list[LinearInequality]:
        """List the linear inequalities that the constraints imply for every configuration."""
        return self._constraints.inequalities(self._conditions.get_config())

    def can_satisfy(self, ranges: Sequence[tuple[float, float] | None]) -> bool:
        """Return whether values within the columns' ranges may satisfy each constraint; False is a proof."""
        return self._constraints.can_hold(ranges, self._conditions.get_config())

    def values_of_parents(self) -> list[tuple[int, int, list[float]]]:
        """List each conditional column with a column that it depends on, and the encoded values it exists for.

        A column stands behind those that it depends on.
        """
        return [
            (column, self.slices[parent].start, sorted(values.tolist()))
            for name in self._conditions.order
            for column in range(self.slices[name].start, self.slices[name].stop)
            for parent, values in self._conditions.parents(name).items()
        ]

    @property
    def num_columns(self) -> int:
        """Width of a row."""
        return len(self.columns)

    @cached_property
    def has_functions(self) -> tuple[bool, bool]:
        """Whether every column has a quantile function, and every one a distribution function."""
        return all(column.has_quantile for column in self.columns), all(column.has_cdf for column in self.columns)

    def flatten(self, values: Iterable[Any]) -> list[Any]:
        """Spread one value for each parameter, a list for a multi-parameter, into a flat row.

        Parameters
        ----------
        values : iterable
            In the order of the parameters; MISSING where one does not exist.

        Returns
        -------
        list

        Raises
        ------
        ValueError
            If a multi-parameter's value is not a list of its length.
        """
        row: list[Any] = []
        for parameter, value in zip(self._parameters.values(), values, strict=True):
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

    def flat_row(self, parameters: Mapping[str, Any]) -> list[Any]:
        """Turn a mapping from names to values into a flat row, whatever the values are.

        Parameters
        ----------
        parameters : mapping

        Returns
        -------
        list

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
        row = self.flatten([parameters.get(name, MISSING) for name in self._parameters])
        self._check_width(len(row))
        return row

    def to_parameters(self, row: Sequence[Any]) -> OrderedDict[str, Any]:
        """Turn a flat row into the mapping that evaluations get.

        Parameters
        ----------
        row : sequence

        Returns
        -------
        OrderedDict
            Without the parameters that do not exist.

        Raises
        ------
        ValueError
            If the row has another length.
        """
        self._check_width(len(row))
        parameters: OrderedDict[str, Any] = OrderedDict()
        for name, parameter in self._parameters.items():
            own = row[self.slices[name]]
            if own[0] is not MISSING:
                parameters[name] = list(own) if isinstance(parameter, AbstractMultiHyperParameter) else own[0]
        return parameters

    def encode_rows(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.float32]:
        """Encode flat rows.

        Parameters
        ----------
        rows : sequence of sequence

        Returns
        -------
        ndarray of float32, shape (len(rows), num_columns)

        Raises
        ------
        ValueError
            If a row has another length, holds no value of a parameter, has a parameter that does not exist in it, or
            lacks one that does.
        """
        for row in rows:
            self._check_width(len(row))
        encoded = np.empty((len(rows), self.num_columns), dtype=np.float32)
        for c, column in enumerate(self.columns):
            encoded[:, c] = column.encode_array([row[c] for row in rows])
        self._check_missing(encoded)
        return encoded

    def decode_rows(self, X: ArrayLike) -> list[list[Any]]:
        """Decode encoded rows into flat rows.

        Parameters
        ----------
        X : array_like of float32, shape (n, num_columns)

        Returns
        -------
        list of list, n rows

        Raises
        ------
        ValueError
            If `X` has another shape, or holds what no value is encoded as.
        """
        encoded = np.asarray(X, dtype=np.float32)
        if encoded.ndim != 2:
            raise ValueError(f"X: expected 2 dimensions, got shape {encoded.shape}")
        self._check_width(encoded.shape[1])
        by_column = [column.decode_array(encoded[:, c]).tolist() for c, column in enumerate(self.columns)]
        return [list(row) for row in zip(*by_column, strict=True)] if by_column else [[] for _ in encoded]

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
        return self.mark_missing(rows)

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
        for name, missing in self._missing(dict(enumerate(encoded.T))).items():
            encoded[missing, self.slices[name]] = np.nan
        return encoded

    def satisfied(self, rows: Sequence[Sequence[Any]]) -> NDArray[np.bool_]:
        """Return which flat rows satisfy all constraints.

        Parameters
        ----------
        rows : sequence of sequence

        Returns
        -------
        ndarray of bool, shape (len(rows),)

        Raises
        ------
        ValueError
            If a constraint returns anything else than truth values.
        """
        return self._constraints.satisfied([[row[c] for row in rows] for c in range(self.num_columns)], len(rows))

    def satisfied_by_uniforms(self, uniforms: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return which rows of uniforms satisfy all constraints; see `values_from_uniforms` and `satisfied`."""
        return self._constraints.satisfied(
            {c: self.columns[c].quantile(uniforms[:, c]) for c in self._constraints.columns}, len(uniforms)
        )

    def mark_missing(self, rows: list[list[Any]]) -> list[list[Any]]:
        """Put MISSING into flat rows in place of values that do not exist, and return them."""
        if not self._conditions or not rows:
            return rows
        names = {parent for name in self._conditions.order for parent in self._conditions.parents(name)}
        of_parents = {self.slices[name].start for name in names}
        encoded = {c: self.columns[c].encode_array([row[c] for row in rows]) for c in of_parents}
        for name, missing in self._missing(encoded).items():
            own = self.slices[name]
            for i in np.flatnonzero(missing).tolist():
                rows[i][own] = [MISSING] * (own.stop - own.start)
        return rows

    def _check_missing(self, encoded: NDArray[np.float32]) -> None:
        """Require encoded rows to have just the parameters that exist in them."""
        for name, missing in self._missing(dict(enumerate(encoded.T))).items():
            wrong = np.flatnonzero((np.isnan(encoded[:, self.slices[name]]) != missing[:, np.newaxis]).any(axis=1))
            if wrong.size:
                expected, got = ("none", "one") if missing[wrong[0]] else ("one", "none")
                raise ValueError(
                    f"parameter {name!r}: expected {expected}, as it exists where {self._conditions.describe(name)}, "
                    f"got {got} in row {wrong[0]}"
                )

    def _missing(self, encoded: Mapping[int, NDArray[np.float32]]) -> dict[str, NDArray[np.bool_]]:
        """Return for each conditional parameter in which rows it does not exist, by the columns of its parents."""
        result: dict[str, NDArray[np.bool_]] = {}
        for name in self._conditions.order:
            fails = [
                ~np.isin(encoded[self.slices[parent].start], values) | result.get(parent, np.False_)
                for parent, values in self._conditions.parents(name).items()
            ]
            result[name] = np.logical_or.reduce(fails)
        return result

    def _check_width(self, width: int) -> None:
        if width != self.num_columns:
            names = [name for parameter in self._parameters.values() for name in parameter.column_names()]
            raise ValueError(f"row: expected {self.num_columns} values, one for each of {names}, got {width}")


def flatten_parameters(
    parameters: Mapping[str, Any] | Sequence[Mapping[str, Any]],
) -> list[Any] | list[list[Any]]:
    """List the values of a configuration, with the lists of multi-parameters spread out.

    Parameters
    ----------
    parameters : mapping, or sequence of mappings
        As evaluations get it, or several of them, as ``predict`` gives them.

    Returns
    -------
    list
        The values in order; a list of such lists for several configurations.

    Examples
    --------
    >>> flatten_parameters({"x": [1, 2], "y": "relu"})
    [1, 2, 'relu']
    """
    if isinstance(parameters, Mapping):
        return _flat_values(parameters)
    if not isinstance(parameters, Iterable):
        raise ValueError(f"parameters: expected a mapping or a sequence of mappings, got {parameters!r}")
    return [_flat_values(configuration) for configuration in parameters]


def _flat_values(configuration: Mapping[str, Any]) -> list[Any]:
    if not isinstance(configuration, Mapping):
        raise ValueError(f"parameters: expected mappings from names to values, got {configuration!r}")
    flat: list[Any] = []
    for value in configuration.values():
        if isinstance(value, list):
            flat.extend(value)
        else:
            flat.append(value)
    return flat
