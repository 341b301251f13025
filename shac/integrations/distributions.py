"""Search spaces in the words of scikit-learn: names, and lists or distributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shac.parameters import AbstractHyperParameter, DiscreteHyperParameter, ScipyHyperParameter
from shac.space import HyperParameterList

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np

    SettingsOf = Callable[[Mapping[str, Any]], dict[str, Any]]

__all__ = ["space_of"]


class _SampledHyperParameter(AbstractHyperParameter):
    """A distribution of which only ``rvs`` is known."""

    def __init__(self, name: str, distribution: Any, seed: int | None = None) -> None:
        super().__init__(name, seed)
        self._distribution = distribution

    def sample(self) -> Any:
        import numpy as np

        # scikit-learn's own distributions know RandomState, not Generator
        state = np.random.RandomState(int(self.random.integers(2**31)))
        return float(self._distribution.rvs(random_state=state))


def space_of(
    distributions: Mapping[str, Any],
) -> tuple[HyperParameterList, SettingsOf]:
    """Build a search space from `RandomizedSearchCV`'s ``param_distributions``.

    Parameters
    ----------
    distributions : mapping
        For each name a non-empty sequence of values, an object with ``rvs``, or a parameter of this package.

    Returns
    -------
    space : HyperParameterList
    settings_of : callable
        Turns a setting of the space into the values that were given; lists may hold objects that cannot be saved, such
        as estimators, which the space has by their number.

    Raises
    ------
    ValueError
        If `distributions` is no such mapping.

    Examples
    --------
    >>> from scipy.stats import uniform
    >>> space, settings_of = space_of({"C": uniform(0, 1), "kernel": ["linear", "rbf"]})
    >>> settings_of({"C": 0.5, "kernel": "rbf"})
    {'C': 0.5, 'kernel': 'rbf'}
    """
    if not hasattr(distributions, "items") or not len(distributions):
        raise ValueError(
            f"param_distributions: expected a mapping from names to lists or distributions, got {distributions!r}"
        )
    numbered: dict[str, list[Any]] = {}
    parameters = [_parameter(name, given, numbered) for name, given in distributions.items()]

    def settings_of(setting: Mapping[str, Any]) -> dict[str, Any]:
        return {name: numbered[name][value] if name in numbered else value for name, value in setting.items()}

    return HyperParameterList(parameters), settings_of


def _parameter(name: str, given: Any, numbered: dict[str, list[Any]]) -> AbstractHyperParameter:
    if isinstance(given, AbstractHyperParameter):
        if given.name != name:
            raise ValueError(f"param_distributions: {name!r}: expected a parameter of that name, got {given!r}")
        return given
    if hasattr(given, "rvs"):
        try:
            return ScipyHyperParameter(name, given)
        except ValueError:
            return _SampledHyperParameter(name, given)
    if isinstance(given, (str, bytes)) or not hasattr(given, "__len__") or not hasattr(given, "__getitem__"):
        raise ValueError(f"param_distributions: {name!r}: expected a list or a distribution, got {given!r}")
    values = _values(given)
    if not values:
        raise ValueError(f"param_distributions: {name!r}: expected at least one value, got an empty list")
    if all(value is None or isinstance(value, (bool, int, float, str)) for value in values):
        try:
            return DiscreteHyperParameter(name, values)
        except ValueError:  # a value twice: both count, as in RandomizedSearchCV
            pass
    numbered[name] = values
    return DiscreteHyperParameter(name, list(range(len(values))))


def _values(given: Any) -> list[Any]:
    array: np.ndarray[Any, Any] | None = given if hasattr(given, "tolist") else None
    return array.tolist() if array is not None and array.ndim == 1 else list(given)
