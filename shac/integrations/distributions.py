"""Search spaces in the words of scikit-learn: names, and lists or distributions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from shac.parameters import AbstractHyperParameter, DiscreteHyperParameter, ScipyHyperParameter
from shac.space import HyperParameterList

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    SettingsOf = Callable[[Mapping[str, Any]], dict[str, Any]]

__all__ = ["space_of"]

_CHOICE = "param_distributions"


class _SampledHyperParameter(AbstractHyperParameter):
    """A distribution of which only ``rvs`` is known."""

    def __init__(self, name: str, distribution: Any, seed: int | None = None) -> None:
        super().__init__(name, seed=seed)
        self._distribution = distribution

    def sample(self) -> Any:
        import numpy as np

        # scikit-learn's own distributions know RandomState, not Generator
        state = np.random.RandomState(int(self.random.integers(2**31)))
        return float(self._distribution.rvs(random_state=state))

    @classmethod
    def load_from_config(cls, config: dict[str, Any]) -> Self:
        raise ValueError(
            f"parameter {config['name']!r}: expected a distribution that can be saved, such as those of scipy.stats, "
            f"got one with rvs alone"
        )


def space_of(
    distributions: Mapping[str, Any] | Sequence[Mapping[str, Any]] | HyperParameterList,
) -> tuple[HyperParameterList, SettingsOf]:
    """Build a search space from `RandomizedSearchCV`'s ``param_distributions``.

    Parameters
    ----------
    distributions : mapping, sequence of mappings or HyperParameterList
        For each name a non-empty sequence of values, an object with ``rvs``, or a parameter of this package. Of
        several mappings, one is chosen by a parameter of the space, ``"param_distributions"``, and the others'
        parameters do not exist. A name with different distributions in them is followed by the number of the mapping,
        such as ``"C[0]"``.

    Returns
    -------
    space : HyperParameterList
    settings_of : callable
        Turns a configuration of the space into the values that were given, by the names that were given; lists may
        hold objects that cannot be saved, such as estimators, which the space has by their number.

    Raises
    ------
    TypeError
        If what a name has is neither a sequence nor a distribution.
    ValueError
        If `distributions` is no such mapping, or a sequence is empty.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> space, settings_of = space_of({"C": uniform(0, 1), "kernel": ["linear", "rbf"]})
    >>> settings_of({"C": 0.5, "kernel": "rbf"})
    {'C': 0.5, 'kernel': 'rbf'}
    >>> space, settings_of = space_of([{"C": uniform(0, 1)}, {"C": [1.0], "kernel": ["linear", "rbf"]}])
    >>> space.get_parameter_names()
    ['param_distributions', 'C[0]', 'C[1]', 'kernel']
    >>> settings_of({"param_distributions": "1", "C[1]": 1.0, "kernel": "rbf"})
    {'C': 1.0, 'kernel': 'rbf'}
    """
    if isinstance(distributions, HyperParameterList):
        return distributions, dict
    is_mixture = isinstance(distributions, Sequence) and not isinstance(distributions, (str, bytes))
    mappings: Sequence[Any] = distributions if is_mixture else [distributions]  # type: ignore[assignment]
    if not mappings or not all(hasattr(mapping, "items") and len(mapping) for mapping in mappings):
        raise ValueError(
            "param_distributions: expected a mapping from names to lists or distributions, a list of such mappings or "
            f"a HyperParameterList, got {distributions!r}"
        )
    if len(mappings) == 1:
        return _space_of_one(mappings[0])
    return _space_of_several(mappings)


def _space_of_one(mapping: Mapping[str, Any]) -> tuple[HyperParameterList, SettingsOf]:
    numbered: dict[str, list[Any]] = {}
    parameters = [_parameter(name, name, given, numbered) for name, given in mapping.items()]

    def settings_of(configuration: Mapping[str, Any]) -> dict[str, Any]:
        return {name: _given_value(name, value, numbered) for name, value in configuration.items()}

    return HyperParameterList(parameters), settings_of


def _space_of_several(mappings: Sequence[Mapping[str, Any]]) -> tuple[HyperParameterList, SettingsOf]:
    """Build a space with a parameter that chooses among mappings; what is the same object in several is one parameter.

    A mapping's parameters are looked up by its number and their names in it.
    """
    users: dict[tuple[str, int], list[int]] = {}
    for index, mapping in enumerate(mappings):
        for name, given in mapping.items():
            users.setdefault((name, id(given)), []).append(index)
    uses = Counter(name for name, _ in users)
    numbered: dict[str, list[Any]] = {}
    names: dict[str, str] = {}
    conditions: dict[str, dict[str, list[str]]] = {}
    parameters: list[AbstractHyperParameter] = [
        DiscreteHyperParameter(_CHOICE, [f"{index}" for index in range(len(mappings))])
    ]
    for (name, _), indices in users.items():
        own = name if uses[name] == 1 else f"{name}[{indices[0]}]"
        names[own] = name
        parameters.append(_parameter(own, name, mappings[indices[0]][name], numbered))
        if len(indices) < len(mappings):
            conditions[own] = {_CHOICE: [f"{index}" for index in indices]}

    def settings_of(configuration: Mapping[str, Any]) -> dict[str, Any]:
        return {
            names[own]: _given_value(own, value, numbered) for own, value in configuration.items() if own != _CHOICE
        }

    return HyperParameterList(parameters, conditions=conditions), settings_of


def _given_value(name: str, value: Any, numbered: Mapping[str, Sequence[Any]]) -> Any:
    return numbered[name][int(value)] if name in numbered else value


def _parameter(own: str, name: str, given: Any, numbered: dict[str, list[Any]]) -> AbstractHyperParameter:
    """Make a parameter; `own` is its name in the space and `name` that of the estimator's."""
    if isinstance(given, AbstractHyperParameter):
        if given.name != name:
            raise ValueError(f"param_distributions: {name!r}: expected a parameter of that name, got {given!r}")
        if own == name:
            return given
        renamed: AbstractHyperParameter = copy(given)
        renamed.name = own
        return renamed
    if hasattr(given, "rvs"):
        try:
            return ScipyHyperParameter(own, given)
        except ValueError:
            return _SampledHyperParameter(own, given)
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__") or not hasattr(given, "__getitem__"):
        raise TypeError(f"param_distributions: {name!r}: expected a list or a distribution, got {given!r}")
    values = _values(given)
    if not values:
        raise ValueError(f"param_distributions: {name!r}: expected at least one value, got an empty list")
    if all(value is None or isinstance(value, (bool, int, float, str)) for value in values):
        try:
            return DiscreteHyperParameter(own, values)
        except ValueError:  # a value twice: both count, as in RandomizedSearchCV
            pass
    numbered[own] = values
    # Texts, since numbers would have an order.
    return DiscreteHyperParameter(own, [f"{index}" for index in range(len(values))])


def _values(given: Any) -> list[Any]:
    array: np.ndarray[Any, Any] | None = given if hasattr(given, "tolist") else None
    return array.tolist() if array is not None and array.ndim == 1 else list(given)
