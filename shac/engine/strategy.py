"""How a search learns and chooses: what classifiers are trained on, what they let pass, which candidates are taken."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self, get_args
from weakref import WeakKeyDictionary

import numpy as np

from shac.engine.arguments import checked_count
from shac.parameters import DiscreteHyperParameter
from shac.parameters.conditional import ConditionalColumn
from shac.reals import as_real
from shac.training import TreeSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["STRATEGIES", "Strategy", "is_real", "is_real_space", "named_strategy", "with_fitting_shares"]

TrainingPoints = Literal["batch", "all"]
Candidates = Literal["region", "walk"]

_MOST_CANDIDATES = 2**20

_CHOICES = {"training_points": get_args(TrainingPoints), "candidates": get_args(Candidates)}

# Options of 0.1.0 that only ablations varied, with the values that every search now has; its folders are still read.
_SETTLED = {"better_share": 0.5, "first_batch": "random", "ranking": "surface"}
_SETTLED_TREES = {"kind": "boosted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """Settings of a search beyond its budget; the defaults are those of the paper (arXiv 1805.10255).

    Parameters
    ----------
    training_points : {'batch', 'all'}
        What a classifier is trained on: the points since the last classifier, or every point. The latter takes the
        median between better and worse from the points that the classifiers so far accept.
    cross_validation : bool
        Whether a classifier has to pass the cross-validation gate.
    kept_share : tuple of two floats, optional
        In (0, 1): the part of the region that the first and the last classifier let pass; those between follow in even
        steps. The threshold of each is set on samples of the region. By default a classifier lets pass what it
        predicts to be better.
    trees : TreeSettings
        Of the classifiers.
    candidates : {'region', 'walk'}
        'region' draws from what the classifiers accept; 'walk' does so as long as the prior gives it easily, then
        walks within it from the points evaluated there, whose cost does not grow as the region shrinks. Only for
        parameters with a quantile function; others use 'region'.
    candidates_per_sample : int
        Candidates that each configuration is the best of, at most 1,048,576: the one of the lowest prediction of a
        surrogate through all points (cubic radial basis functions), weighed against the distance from all points.
    climb : bool
        Whether, from the middle of the search on, the best candidates of half a batch go on down the surrogate in
        short steps within the region. Only with 'walk', and where all parameters exist always.
    avoid_repeats : bool
        Whether, of more than one candidate for each configuration, none is taken that was evaluated before the round,
        or is in it. Where a region of integers and choices has no other left, candidates come from what fewer
        classifiers accept.
    estimate_noise : bool
        Whether the surrogate is smoothed by as much as predicts points best that are left out, one at a time; else it
        goes through all points.
    center_point : bool
        Whether the first configuration of a search is the middle of its space, the median of each parameter, instead
        of one at random. Only where all parameters have a quantile function and the constraints let it pass, and not in
        studies of Optuna, whose first trial tells the space.
    shared_stream : bool
        Whether the walks of a batch take their random numbers from one stream; else each configuration's have their
        own, which takes longer than the walks themselves. They are as random either way. Only with 'walk'.
    repeat_best : bool
        Whether the best configuration is evaluated again after six tenths of the budget, and, if its scores differ,
        the last 15 % of the budget are evaluations of the best known configurations again. Only with a budget of 100
        or more, one objective and no pruning, and not in studies of Optuna, which take the best score for the best
        trial.
    quadratic_model : bool
        Whether one configuration of a round, of each four evaluations where rounds are shorter, is the optimum of a
        quadratic model through the best points, if nine tenths of the variance of these are explained with each point
        left out. Only where all parameters are real numbers, without conditions or constraints, and with one objective.
    ridge_quadratic : bool
        Whether that is done, too, while evaluations are too few for all terms of the model, and at most 100: by ridge
        regression, if seven tenths are explained. Only with `quadratic_model` and eight parameters or more.
    root_losses : bool
        Whether the surrogate goes through the square roots of losses where they are predicted better, each point from
        the others, as in steep valleys. Only with `estimate_noise`, where all parameters are real numbers, and with one
        objective.
    grown_factorization : bool
        Whether the surrogate's equations of more than 256 points are solved by a factorization that grows with the
        points of each round; else each round solves them anew, which gives the same weights but for their last bits.

    Raises
    ------
    ValueError
        If an option is out of its range.

    Examples
    --------
    >>> Strategy(training_points="all", cross_validation=False).candidates_per_sample
    1
    """

    training_points: TrainingPoints = "batch"
    cross_validation: bool = True
    kept_share: tuple[float, float] | None = None
    trees: TreeSettings = field(default_factory=TreeSettings)
    candidates: Candidates = "region"
    candidates_per_sample: int = 1
    climb: bool = False
    avoid_repeats: bool = False
    estimate_noise: bool = False
    center_point: bool = False
    shared_stream: bool = False
    repeat_best: bool = False
    quadratic_model: bool = False
    ridge_quadratic: bool = False
    root_losses: bool = False
    grown_factorization: bool = False

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}: expected one of {choices}, got {getattr(self, name)!r}")
        for entry in fields(self):
            if entry.type == "bool" and not isinstance(getattr(self, entry.name), bool):
                raise ValueError(f"{entry.name}: expected True or False, got {getattr(self, entry.name)!r}")
        if not isinstance(self.trees, TreeSettings):
            raise ValueError(f"trees: expected a TreeSettings, got {self.trees!r}")
        if checked_count("candidates_per_sample", self.candidates_per_sample) > _MOST_CANDIDATES:
            raise ValueError(
                f"candidates_per_sample: expected at most {_MOST_CANDIDATES}, got {self.candidates_per_sample}"
            )
        shares: Any = self.kept_share
        if shares is not None:
            if not isinstance(shares, tuple) or len(shares) != 2:
                raise ValueError(f"kept_share: expected two shares, or None, got {shares!r}")
            for share in shares:
                _check_share("kept_share", share)

    def share_at(self, stage: int, num_stages: int) -> float | None:
        """Return the part of the region that a stage keeps; None where its classifier decides."""
        if self.kept_share is None:
            return None
        first, last = self.kept_share
        return first + (last - first) * stage / max(num_stages - 1, 1)

    def as_config(self) -> dict[str, Any]:
        """Return the options in types that JSON has."""
        return {**asdict(self), "kept_share": None if self.kept_share is None else list(self.kept_share)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Make a strategy of what `as_config` returned, in this version or an earlier one.

        Raises
        ------
        ValueError
            If they are none of a strategy, or an option of an earlier version has another value than the one
            that searches now have.
        """
        if not isinstance(config.get("trees", {}), dict):
            raise ValueError(f"trees: expected a mapping of settings, got {config['trees']!r}")
        arguments = _without_settled(config, _SETTLED, "")
        trees = _without_settled(arguments.pop("trees", {}), _SETTLED_TREES, "trees.")
        unknown = {*arguments} - {entry.name for entry in fields(cls)}
        if unknown:
            raise ValueError(f"expected settings of a strategy, got {dict(config)!r}")
        try:
            if arguments.get("kept_share") is not None:
                arguments["kept_share"] = tuple(arguments["kept_share"])
            return cls(**arguments, trees=TreeSettings(**trees))
        except TypeError as error:
            raise ValueError(f"expected settings of a strategy: {error}") from error


def _without_settled(config: Mapping[str, Any], settled: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return settings without those that are no options any more, and whose values must be those that all have."""
    for name, value in settled.items():
        if config.get(name, value) != value:
            raise ValueError(f"{prefix}{name}: expected {value!r}, which all searches have now, got {config[name]!r}")
    return {name: value for name, value in config.items() if name not in settled}


def _check_share(name: str, value: Any) -> None:
    if not 0 < as_real(value) < 1:
        raise ValueError(f"{name}: expected a number between 0 and 1, got {value!r}")


STRATEGIES = {
    "paper": Strategy(),
    "ancestor": Strategy(trees=TreeSettings(max_depth=3, learning_rate=0.1)),  # the defaults of XGBoost 0.72
    "pooled": Strategy(
        training_points="all",
        cross_validation=False,
        trees=TreeSettings(num_trees=100, min_child_weight=0.1, splits="fastest"),
        candidates="walk",
        shared_stream=True,
    ),
    "guided": Strategy(
        training_points="all",
        cross_validation=False,
        kept_share=(0.75, 0.4),
        trees=TreeSettings(num_trees=50, min_child_weight=0.1, gaps="better", splits="fastest"),
        candidates="walk",
        candidates_per_sample=64,
        climb=True,
        avoid_repeats=True,
        estimate_noise=True,
        center_point=True,
        shared_stream=True,
        repeat_best=True,
        quadratic_model=True,
        ridge_quadratic=True,
        grown_factorization=True,
    ),
}


# In d dimensions a region's sides shrink by the d-th root of its share, so that the same share narrows each parameter
# less the more there are. The shares of "guided" fit 5 of them. Smaller shares need more points to learn from: raising
# them to a power p takes p / 2 points for each parameter.
_FITTING_COLUMNS = 5
_POWER_PER_POINT = 2
_MOST_POWER = 4.0
_LEAST_POWER = 0.1
_CONFIGURATIONS_PER_POINT = 10
_MANY_PROBES = (np.arange(4096) + 0.5) / 4096
_PROBES = (np.arange(128) + 0.5) / 128

_real_spaces: WeakKeyDictionary[object, bool] = WeakKeyDictionary()  # of a codec, whose columns do not change any more


def named_strategy(name: str) -> Strategy:
    """Return a strategy by its name.

    Raises
    ------
    ValueError
        If it is not the name of one.
    """
    try:
        return STRATEGIES[name]
    except (KeyError, TypeError):
        raise ValueError(f"strategy: expected a Strategy or one of {[*STRATEGIES]}, got {name!r}") from None


def with_fitting_shares(
    strategy: Strategy, space: HyperParameterList, num_stages: int, points_per_classifier: int
) -> Strategy:
    """Return a named strategy as it fits a space and the points that a classifier waits for.

    In spaces of real numbers shares are smaller the more columns there are. In spaces of few configurations they are
    larger, so that the last region has ten for each point of a batch. Choices, and numbers of few values, have no
    middle to begin in.
    """
    if strategy.kept_share is None or not space.num_columns:
        return strategy
    first, last = strategy.kept_share
    distinct = {id(column): column for column in space.columns}.values()
    if all(is_real(column) for column in distinct):
        points_per_column = points_per_classifier / space.num_columns
        power = min(space.num_columns / _FITTING_COLUMNS, _POWER_PER_POINT * points_per_column, _MOST_POWER)
        power = max(power, 1.0)
    else:
        strategy = replace(strategy, center_point=False)
        power = _power_for_few(strategy, space, num_stages, points_per_classifier)
    return strategy if power == 1 else replace(strategy, kept_share=(first**power, last**power))


def _power_for_few(strategy: Strategy, space: HyperParameterList, num_stages: int, points_per_classifier: int) -> float:
    """Return the power of shares that leaves enough configurations, at most 1."""
    entropy = 0.0
    for column in space.columns:
        entropy += _entropy(column)
        if entropy == math.inf:
            return 1.0
    least = math.log(_CONFIGURATIONS_PER_POINT * max(points_per_classifier, 1)) - entropy
    kept = sum(math.log(strategy.share_at(stage, num_stages) or 1.0) for stage in range(num_stages))
    # Logarithms differ in their last bit from one machine to the next, and searches must not
    return 1.0 if kept >= least else max(round(least / kept, 3), _LEAST_POWER)


def _entropy(column: AbstractHyperParameter) -> float:
    """Return the logarithm of how many values a column has, where they are equally likely; infinite for reals."""
    if isinstance(column, ConditionalColumn):
        return _entropy(column.column)
    if not column.has_quantile:
        return math.inf
    counts = np.unique(_encoded(column, _MANY_PROBES), return_counts=True)[1]
    if len(counts) > len(_MANY_PROBES) // 2:
        return math.inf
    shares = counts / len(_MANY_PROBES)
    return float(-(shares * np.log(shares)).sum())


def is_real(column: AbstractHyperParameter) -> bool:
    """Whether a column has so many values that steps between them do not matter to the search."""
    if isinstance(column, ConditionalColumn) or not column.has_quantile:
        return False
    return len(np.unique(_encoded(column, _PROBES))) > len(_PROBES) // 2


def is_real_space(space: HyperParameterList) -> bool:
    """Whether all columns of a space are real; see `is_real`."""
    if space.codec not in _real_spaces:
        _real_spaces[space.codec] = all(map(is_real, space.columns))
    return _real_spaces[space.codec]


def _encoded(column: AbstractHyperParameter, uniforms: NDArray[np.float64]) -> NDArray[Any]:
    if type(column) is DiscreteHyperParameter:  # places are what its values are encoded as
        return column.index_quantile(uniforms)
    return column.encode_array(column.quantile(uniforms))
