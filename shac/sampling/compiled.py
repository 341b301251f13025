"""What is compiled of a cascade: its decisions, its stages over the space's bins, and what draws from them."""

from __future__ import annotations

import itertools
import logging
import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from shac.errors import InvalidModelError
from shac.export import ForestArrays, export_file, export_forest
from shac.parameters.conditional import ConditionalColumn
from shac.sampling.bins import Condition, ThresholdBins, conditions_of
from shac.sampling.costs import NEWEST_COSTS, ROWS_TO_COMPILE_FOR, Costs
from shac.sampling.draws import Piece
from shac.sampling.encoding import encode_uniforms, encoding_of
from shac.sampling.extension import core
from shac.sampling.refining import RefiningSampler
from shac.sampling.region import Regions
from shac.ubjson import FlatTrees

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.export import Model
    from shac.parameters import AbstractHyperParameter
    from shac.space import HyperParameterList

__all__ = ["CompiledCascade", "Method", "compile_forest", "export_by_core", "read_by_core"]

_logger = logging.getLogger("shac")

Method = Literal["auto", "plain", "region"]

_MOST_AT_ONCE = 2**16  # rows that constraints are asked about


class CompiledCascade:
    """The compiled parts of a cascade, each made when first asked for.

    Parameters
    ----------
    forests : tuple of core.Forest
        One for each stage.
    space : HyperParameterList
        The search space.
    max_table_bytes : int
        Largest lookup table of a stage.
    costs : Costs
        By which 'auto' chooses.

    Raises
    ------
    ValueError
        If a forest is of another number of features than the space has columns.
    """

    def __init__(
        self,
        forests: tuple[core.Forest, ...],
        space: HyperParameterList,
        max_table_bytes: int,
        costs: Costs = NEWEST_COSTS,
    ) -> None:
        expected = space.num_columns
        for stage, forest in enumerate(forests):
            if forest.num_features != expected:
                raise ValueError(
                    f"models: expected {expected} features (the columns of the space), "
                    f"got {forest.num_features} in the model of stage {stage}"
                )
        self.forests = forests
        self.space = space
        self.costs = costs
        self.decisions = core.Cascade(forests, expected)
        self._max_table_bytes = max_table_bytes
        self._bins: dict[int, ThresholdBins] = {}
        self._stages: tuple[core.Stage, ...] = ()
        self._sampler: core.PlainSampler | None = None
        self._shorter_sampler: core.PlainSampler | None = None  # until there is one
        self._conditions: tuple[list[Condition], core.Conditions] | None = None
        self._row_filter: core.RowFilter | None = None
        self._regions: Regions | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what it was made of; the rest is compiled again."""
        return type(self), (self.forests, self.space, self._max_table_bytes, self.costs)

    def with_forests(self, forests: tuple[core.Forest, ...]) -> CompiledCascade:
        """Return another cascade over the same space; its first stages are shared, where they are compiled here."""
        other = CompiledCascade(forests, self.space, self._max_table_bytes, self.costs)
        other._bins = self._bins
        other._conditions = self._conditions
        other._shorter_sampler = self._sampler or self._shorter_sampler
        known = {id(forest): stage for forest, stage in zip(self.forests, self._stages, strict=False)}
        shared = itertools.takewhile(lambda forest: id(forest) in known, forests)
        other._stages = tuple(known[id(forest)] for forest in shared)
        return other

    @property
    def fastest_decisions(self) -> core.Cascade | core.RowFilter:
        """What decides on rows: by the stages' tables first, where they are compiled."""
        return self._row_filter_for(0) or self.decisions

    @property
    def stages(self) -> tuple[core.Stage, ...]:
        """The stages over the bins of the space."""
        known = self._stages  # another thread may add the same ones meanwhile
        if len(known) == len(self.forests):
            return known
        new = self.forests[len(known) :]
        encoding = encoding_of(self.space)
        if encoding is None:
            self._learn_thresholds(new)
        for forest in new:
            bins = self._columns_of(forest) if encoding is None else encoding
            known += (core.Stage(forest, bins, self._max_table_bytes),)
        self._stages = known
        return known

    def dropped_at(self, rows: NDArray[np.float32], relax: int, threads: int) -> NDArray[np.int32]:
        """Return at which stage each row is dropped, -1 for those that pass; by tables first where that pays."""
        row_filter = self._row_filter_for(len(rows))
        return (row_filter or self.decisions).dropped_at(rows, relax, threads)

    def accepts(self, rows: NDArray[np.float32], relax: int, threads: int) -> NDArray[np.bool_]:
        """Return which rows pass."""
        row_filter = self._row_filter_for(len(rows))
        if row_filter is None:
            passed: NDArray[np.bool_] = self.decisions.dropped_at(rows, relax, threads) == -1
            return passed
        return row_filter.accepts(rows, relax, threads).view(np.bool_)

    def _row_filter_for(self, num_rows: int) -> core.RowFilter | None:
        """Return what asks the stages' tables first, where they are compiled or compiling them pays."""
        if self._row_filter is None:
            is_compiled = len(self._stages) == len(self.forests)
            if not is_compiled and (num_rows < ROWS_TO_COMPILE_FOR or not self.space.has_quantile):
                return None
            self._row_filter = core.RowFilter(self.stages, self.space.num_columns)
        return self._row_filter

    @property
    def conditions(self) -> tuple[list[Condition], core.Conditions]:
        """When the space's conditional columns exist, by the uniforms of those that they depend on; and as the core's.

        They are the same for all cascades over the space.
        """
        if self._conditions is None:
            known = conditions_of(self.space, self._bins_of)
            made = core.Conditions([core.Condition(*condition) for condition in known], self.space.num_columns)
            self._conditions = known, made
        return self._conditions

    def plain_sampler(self) -> core.PlainSampler:
        """Return what draws by rejection."""
        if self._sampler is None:
            self._sampler = core.PlainSampler(
                self.stages,
                self.space.num_columns,
                conditions=self.conditions[1],
                share_blocks=self.costs.share_blocks,
                shorter=self._shorter_sampler,
            )
            self._shorter_sampler = None
        return self._sampler

    def regions(self) -> Regions:
        """Return what is known of the region.

        Raises
        ------
        ValueError
            If the space has parameters without a quantile function.
        """
        if not self.space.has_quantile:
            raise ValueError("space: expected parameters with a quantile function to know the region of")
        if self._regions is None:
            self._regions = Regions(self.stages, self.space.num_columns, *self.conditions, self.costs)
        return self._regions

    def choose_sampler(
        self, method: Method, request: dict[str, int], *, limited: bool
    ) -> core.PlainSampler | RefiningSampler | None:
        """Return the sampler of a call; None: Python draws.

        Parameters
        ----------
        method : {'auto', 'plain', 'region'}
            See `Cascade.sample`.
        request : dict
            The count and relax of the call.
        limited : bool
            Whether the call may end before all samples are found, or begins within the stream.

        Raises
        ------
        ValueError
            If 'region' is asked for and cannot be had.
        EmptyRegionError
            If it is proven that the cascade accepts nothing.
        """
        n, relax = request["count"], request["relax"]
        num_stages = len(self.forests)
        if not self.space.has_quantile:
            if method == "region":
                raise ValueError("method: expected parameters with a quantile function for 'region'")
            return None
        if method != "region" and self.space.draws_within_constraints:
            return None
        if method == "plain" or n == 0 or (method == "auto" and (limited or relax >= num_stages)):
            return self.plain_sampler()
        regions = self.regions()
        try:
            needed = math.ceil(n / self.space.feasible_share)
            chosen, budget = regions.choose(needed, relax, self.plain_sampler if method == "auto" else None)
        except ValueError:
            if method == "region":
                raise
            return self.plain_sampler()  # more stages or thresholds than a region can index
        if chosen == "plain":
            return self.plain_sampler()
        region, sampler = regions.region(relax, budget), regions.sampler(relax, budget)
        return RefiningSampler(region, sampler, num_stages, needed, self.costs)

    def draw(
        self,
        sampler: core.PlainSampler | RefiningSampler,
        request: dict[str, int],
        limits: dict[str, int],
        threads: int,
        *,
        values: bool,
    ) -> Piece:
        """Draw with a sampler of the core, and check each sample by its values.

        Parameters
        ----------
        sampler : core.PlainSampler or RefiningSampler
            See `choose_sampler` gave it.
        request, limits : dict
            The count, seed, relax, first_candidate and block_size of the call; its max_candidates and max_gap.
        threads : int
            Threads to use.
        values : bool
            Whether the rows of values are wanted.

        Returns
        -------
        Piece
            Fewer samples than wanted where the values of some were refused.
        """
        wanted = request["count"]
        count = wanted
        if self.space.constraints:
            # So many are likely to leave as many as are wanted; the samples do not depend on it.
            count = min(math.ceil(wanted / self.space.feasible_share), max(wanted, _MOST_AT_ONCE))
        result = sampler.sample(threads=threads, **{**request, "count": count}, **limits)
        X, passed, num_refused = self._tested(result, request["relax"], threads)
        last = _place_of_last(passed, wanted)
        if last < len(passed) and (last + 1 < len(passed) or result["end"] != "count"):
            # Counts are those of the candidates up to the last that is wanted: drawn again to just there.
            result = sampler.sample(threads=threads, **{**request, "count": last + 1}, **limits)
            X, passed, num_refused = self._tested(result, request["relax"], threads)
        uniforms = result["uniforms"]
        if not passed.all():
            X, uniforms = X[passed], uniforms[passed]
        return Piece(
            rows=self.space.values_from_uniforms(uniforms) if values else [],
            X=X,
            uniforms=uniforms,
            num_drawn=result["num_drawn"],
            next_candidate=request["first_candidate"] + result["num_drawn"],
            rejected_by_stage=np.array(result["rejected_by_stage"], dtype=np.int64),
            end=result["end"],
            num_refused=num_refused,
        )

    def _tested(
        self, result: core.SampleResult, relax: int, threads: int
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
        """Encode what the sampler let pass, and tell what passes by value, too, and how many constraints refuse."""
        uniforms = result["uniforms"]
        X = encode_uniforms(self.space, uniforms, threads)
        passed = self.accepts(X, relax, threads)
        if not passed.all():
            _logger.debug("redrawing %d samples that rounded onto a threshold", int((~passed).sum()))
        if not self.space.constraints:
            return X, passed, 0
        satisfied = self.space.satisfied_by_uniforms(uniforms)
        return X, passed & satisfied, int((passed & ~satisfied).sum())

    def _learn_thresholds(self, forests: tuple[core.Forest, ...]) -> None:
        """Find the edges of all thresholds of several forests together."""
        thresholds: dict[int, list[NDArray[np.float32]]] = {}
        for c, parameter in enumerate(self.space.columns):
            thresholds.setdefault(id(parameter), []).extend(forest.thresholds(c) for forest in forests)
        for parameter in self.space.columns:
            of_parameter = thresholds.pop(id(parameter), None)  # a multi-parameter has several columns
            if of_parameter is not None:
                several = len(of_parameter) > 1
                self._bins_of(parameter).learn(np.unique(np.concatenate(of_parameter)) if several else of_parameter[0])

    def _columns_of(self, forest: core.Forest) -> list[core.Column]:
        return [
            core.Column(*self._bins_of(p).column(forest.thresholds(c)), isinstance(p, ConditionalColumn))
            for c, p in enumerate(self.space.columns)
        ]

    def _bins_of(self, parameter: AbstractHyperParameter) -> ThresholdBins:
        """Columns of one multi-parameter share a marginal, and so its edges."""
        return self._bins.setdefault(id(parameter), ThresholdBins(parameter))


def _place_of_last(passed: NDArray[np.bool_], wanted: int) -> int:
    """Return the place of the last row that is wanted of those that passed; behind all rows where some are missing."""
    num_passed = int(np.count_nonzero(passed))
    if not 0 < wanted <= num_passed:
        return len(passed)
    return wanted - 1 if num_passed == len(passed) else int(np.flatnonzero(passed)[wanted - 1])


def compile_forest(model: Model | ForestArrays, stage: int) -> core.Forest:
    """Take over the trees of a model, or of one that is exported already.

    Raises
    ------
    TypeError, UnsupportedModelError
        See `export_forest`.
    InvalidModelError
        If the trees are broken.
    """
    arrays = model if isinstance(model, ForestArrays) else export_by_core(model)
    try:
        return core.Forest(
            tree_begin=arrays.tree_begin,
            left=arrays.left,
            right=arrays.right,
            feature=arrays.feature,
            value=arrays.value,
            default_left=arrays.default_left,
            base_score=arrays.base_score,
            num_features=arrays.num_features,
        )
    except ValueError as error:
        raise InvalidModelError(f"models: the model of stage {stage} is broken: {error}") from error


def export_by_core(model: Model) -> ForestArrays:
    """Export a model, its trees read by the core; see `export_forest`."""
    return export_forest(model, _read_trees)


def read_by_core(data: bytes) -> ForestArrays:
    """Export a model from its file, its trees read by the core; see `export_file`."""
    return export_file(data, _read_trees)


def _read_trees(document: bytes, place: int) -> tuple[FlatTrees, int]:
    try:
        read = core.read_trees(document, place)
    except ValueError as error:
        raise InvalidModelError(str(error)) from error
    return FlatTrees(*read[:8]), read[8]
