"""The cascade of classifiers over a search space."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from shac.sampling.arguments import LARGEST_COUNT, checked_integer, checked_rows, thread_count
from shac.sampling.compiled import CompiledCascade, Method, compile_forest
from shac.sampling.costs import NEWEST_COSTS, VERSIONS
from shac.sampling.drawing import DrawRequest, draw_samples, method_of
from shac.sampling.draws import Draw, SampleReport
from shac.sampling.estimating import DrawEstimate, estimate_draw
from shac.sampling.extension import core
from shac.sampling.grown_region import GrownRegion
from shac.sampling.region import Marginal, Volume

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import ArrayLike, NDArray

    from shac.export import ForestArrays, Model
    from shac.space import HyperParameterList

__all__ = ["Cascade", "Draw", "SampleReport"]

_KNOWN_BOXES = 4096  # divisions for what is asked about a region


class Cascade:
    """Fitted classifiers in order, compiled; a row passes when every stage accepts it.

    Decisions are those of ``XGBClassifier.predict`` for every row, and margins are those of
    ``predict(output_margin=True)`` to the last bit (section 3 of arXiv 1805.10255 describes the cascade).

    Parameters
    ----------
    models : sequence of xgboost.XGBClassifier or xgboost.Booster
        One for each stage, in order; may be empty. Of a classifier trained with early stopping the best iteration is
        used.
    space : HyperParameterList
        The search space; each of its columns is a feature of the models.
    max_table_bytes : int, optional
        Largest lookup table that a stage may be compiled to, in bytes; smaller ones save memory and cost time. Does
        not change what is accepted.
    costs_version : int, optional
        Of the costs by which 'auto' chooses how to draw; with an earlier one it draws what it drew then.

    Raises
    ------
    TypeError
        If a model is neither an ``XGBClassifier`` nor a ``Booster``.
    UnsupportedModelError
        If a model is of a kind that the cascade cannot run.
    InvalidModelError
        If a model's trees are broken.
    ValueError
        If a model was trained on another number of features than the space has columns.

    Examples
    --------
    >>> import numpy as np, shac, xgboost
    >>> space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0), shac.UniformHP("y", 0.0, 1.0)])
    >>> X = np.random.default_rng(0).random((100, 2), dtype=np.float32)
    >>> model = xgboost.XGBClassifier(n_estimators=20).fit(X, X[:, 0] > 0.5)
    >>> cascade = shac.Cascade([model], space)
    >>> samples, report = cascade.sample(1000, seed=1)
    >>> samples.shape, bool((model.predict(samples) == 1).all()), report.exhausted
    ((1000, 2), True, False)
    """

    def __init__(
        self,
        models: Sequence[Model | ForestArrays],
        space: HyperParameterList,
        *,
        max_table_bytes: int = core.MAX_TABLE_BYTES,
        costs_version: int = NEWEST_COSTS.version,
    ) -> None:
        costs = VERSIONS[checked_integer("costs_version", costs_version, min(VERSIONS), max(VERSIONS))]
        max_table_bytes = checked_integer("max_table_bytes", max_table_bytes, 0, core.MAX_TABLE_BYTES)
        forests = tuple(compile_forest(model, stage) for stage, model in enumerate(models))
        self._compiled = CompiledCascade(forests, space, max_table_bytes, costs)
        self._grown = GrownRegion(self._compiled)

    @property
    def space(self) -> HyperParameterList:
        """The search space."""
        return self._compiled.space

    @property
    def costs_version(self) -> int:
        """Of the costs by which 'auto' chooses."""
        return self._compiled.costs.version

    @property
    def num_stages(self) -> int:
        """Number of classifiers."""
        return len(self._compiled.forests)

    def extended(self, model: Model | ForestArrays) -> Self:
        """Return a cascade with one more stage; the others are shared, not compiled again.

        Parameters
        ----------
        model : xgboost.XGBClassifier, xgboost.Booster or ForestArrays
            The new last stage; the last is one that is exported already.

        Raises
        ------
        TypeError, UnsupportedModelError, InvalidModelError, ValueError
            As the constructor.
        """
        longer = self._with_stages((*self._compiled.forests, compile_forest(model, self.num_stages)))
        longer._grown = GrownRegion(longer._compiled, self._grown)
        return longer

    def prefix(self, num_stages: int) -> Self:
        """Return the cascade of the first `num_stages` stages.

        Raises ValueError where the cascade has fewer stages, or `num_stages` is negative.
        """
        num_stages = checked_integer("num_stages", num_stages, 0, self.num_stages)
        return self if num_stages == self.num_stages else self._with_stages(self._compiled.forests[:num_stages])

    def newest_first(self) -> Self:
        """Return a cascade of the same rows that asks the last stage first: near the region's edge it rejects most."""
        return self._with_stages(self._compiled.forests[::-1])

    def accepts(self, X: ArrayLike, relax: int = 0, *, threads: int | None = None) -> NDArray[np.bool_]:
        """Return which rows fail at most `relax` stages.

        Parameters
        ----------
        X : array_like, shape (num_rows, num_columns)
            Encoded rows. Cast to float32, as XGBoost casts; NaN goes the default way of each split, infinities are
            compared as numbers, as in ``XGBClassifier.predict``.
        relax : int
            Stages that a row may fail.
        threads : int, optional
            Threads to use; all cores by default.

        Returns
        -------
        ndarray of bool, shape (num_rows,)
            ValueError if `X` does not have two dimensions and a column for each of the space, or `relax` is negative.
        """
        relax = checked_integer("relax", relax, 0, LARGEST_COUNT)
        rows = checked_rows(X, self.space.num_columns)
        return self._compiled.accepts(rows, relax, thread_count(threads))

    def dropped_at(self, X: ArrayLike, relax: int = 0, *, threads: int | None = None) -> NDArray[np.int32]:
        """Return at which stage each row fails for the (`relax` + 1)-th time; -1 for rows that pass.

        Parameters
        ----------
        X, relax, threads
            See `accepts`, which raises the same.

        Returns
        -------
        ndarray of int32, shape (num_rows,)
        """
        relax = checked_integer("relax", relax, 0, LARGEST_COUNT)
        rows = checked_rows(X, self.space.num_columns)
        return self._compiled.dropped_at(rows, relax, thread_count(threads))

    def margins(self, X: ArrayLike, *, threads: int | None = None) -> NDArray[np.float32]:
        """Compute every stage's margin, as ``predict(output_margin=True)`` does.

        Parameters
        ----------
        X, threads
            See `accepts`, which raises the same.

        Returns
        -------
        ndarray of float32, shape (num_rows, num_stages)
        """
        return self._compiled.decisions.margins(checked_rows(X, self.space.num_columns), thread_count(threads))

    def sample(
        self,
        n: int,
        *,
        seed: int | None = None,
        threads: int | None = None,
        relax: int = 0,
        max_candidates: int | None = None,
        method: Method = "auto",
    ) -> tuple[NDArray[np.float32], SampleReport]:
        """Draw `n` samples: configurations from the prior that the cascade accepts.

        Candidate j is a function of the seed and j alone, so the result does not depend on the number of threads.

        Parameters
        ----------
        n : int
            Samples wanted.
        seed : int, optional
            In [0, 2**64); a fresh one by default.
        threads : int, optional
            Threads to use; all cores by default.
        relax : int
            Stages that a sample may fail.
        max_candidates : int, optional
            Ends the call after so many candidates; the samples found so far come back. With it 'auto' is 'plain'.
        method : {'auto', 'plain', 'region'}
            'plain' is rejection from the prior, and its samples are the first accepted candidates of the seed's
            stream. 'region' draws from boxes that hold all that the cascade accepts. 'auto' chooses the one that
            should be faster, by counting work and never by a clock. The distribution is the same; the samples are not.

        Returns
        -------
        X : ndarray of float32, shape (at most n, num_columns)
            Encoded samples.
        report : SampleReport

        Raises
        ------
        ValueError
            If an argument is out of its range, or 'region' cannot be had for this cascade or space.
        EmptyRegionError
            If it is proven that the cascade accepts nothing.
        KeyboardInterrupt
            On Ctrl-C, within 0.2 s.
        """
        draw = self.draw(
            n, seed=seed, threads=threads, relax=relax, max_candidates=max_candidates, method=method, values=False
        )
        return draw.X, draw.report

    def draw(
        self,
        n: int,
        *,
        seed: int | None = None,
        threads: int | None = None,
        relax: int = 0,
        max_candidates: int | None = None,
        method: Method = "auto",
        first_candidate: int = 0,
        max_gap: int | None = None,
        values: bool = True,
        block_size: int = 0,
    ) -> Draw:
        """Draw samples as `sample` does, with their values, from anywhere in the stream.

        Parameters
        ----------
        n, seed, threads, relax, max_candidates, method
            See `sample`.
        first_candidate : int
            Number of the first candidate to draw.
        max_gap : int, optional
            Ends the call when so many candidates in a row gave no sample.
        values : bool
            Whether the rows of values are wanted.
        block_size : int
            Candidates that a thread takes at once; 0 leaves it to the core. Does not change the result.

        Raises
        ------
        ValueError, EmptyRegionError
            See `sample`.
        """
        request = DrawRequest.checked(
            n,
            seed=seed,
            threads=threads,
            relax=relax,
            max_candidates=max_candidates,
            method=method,
            first_candidate=first_candidate,
            max_gap=max_gap,
            block_size=block_size,
        )
        return draw_samples(self._compiled, request, values=values)

    def method_for(self, n: int, relax: int = 0) -> Literal["plain", "region"]:
        """Return which method 'auto' takes for `n` samples; see `sample` for the parameters.

        Raises
        ------
        ValueError, EmptyRegionError
            See `sample`.
        """
        return method_of(self._compiled, n, relax)

    def estimate(self, n: int, *, max_seconds: float = 60.0, threads: int | None = None) -> DrawEstimate:
        """Estimate what `sample` takes on two cores, in a tenth of `max_seconds` at most; raises as `sample` does."""
        count, threads = checked_integer("n", n, 0, LARGEST_COUNT), thread_count(threads)
        return estimate_draw(self._compiled, count, max_seconds=max_seconds, threads=threads)

    def volume(self, stage: int | None = None, relax: int = 0, *, max_boxes: int = _KNOWN_BOXES) -> Volume:
        """Bound the mass of the prior that survives.

        Parameters
        ----------
        stage : int, optional
            Number of stages, the first ones; all by default.
        relax : int
            Stages that a configuration may fail.
        max_boxes : int
            Boxes to divide at most; more of them bring the bounds together.

        Returns
        -------
        Volume
            Bounds, both proven; equal up to rounding where the region is known exactly. Constraints do not count.

        Raises
        ------
        ValueError
            If an argument is out of its range, or the space has parameters without a quantile function.

        Examples
        --------
        >>> import numpy as np, shac, xgboost
        >>> space = shac.HyperParameterList([shac.UniformHP("x", 0.0, 1.0)])
        >>> X = np.linspace(0, 1, 100, dtype=np.float32).reshape(-1, 1)
        >>> model = xgboost.XGBClassifier(n_estimators=5).fit(X, X[:, 0] > 0.75)
        >>> volume = shac.Cascade([model], space).volume()
        >>> round(volume.lower, 2), round(volume.upper, 2)
        (0.24, 0.24)
        """
        relax = checked_integer("relax", relax, 0, LARGEST_COUNT)
        max_boxes = checked_integer("max_boxes", max_boxes, 1, 1 << 24)
        cascade = self if stage is None else self.prefix(checked_integer("stage", stage, 0, self.num_stages))
        if cascade.num_stages <= relax:
            return Volume(1.0, 1.0)
        return Volume(*cascade._compiled.regions().region(relax, max_boxes).volume())

    def grown_volume(self) -> Volume:
        """Bound the mass that passes every stage by an index that grew with the cascade, stage by stage.

        A cascade that `extended` gave goes on from the boxes of the one before: a new stage costs a few milliseconds,
        and bounds are narrower than those of as many boxes that are divided for all stages at once. The bounds are a
        function of the stages alone, however the cascade came about.

        Returns
        -------
        Volume
            See `volume`, without relaxation.

        Raises
        ------
        ValueError
            If the space has parameters without a quantile function, or there are more stages or thresholds than a
            region can index.
        """
        return self._grown.volume()

    def marginals(self, relax: int = 0) -> list[Marginal]:
        """Return what survives of each column.

        Parameters
        ----------
        relax : int
            Stages that a configuration may fail.

        Returns
        -------
        list of Marginal
            One for each column of the space.

        Raises
        ------
        ValueError
            If `relax` is out of its range, or the space has parameters without a quantile function.
        """
        relax = checked_integer("relax", relax, 0, LARGEST_COUNT)
        columns = self.space.columns
        return self._compiled.regions().marginals(columns, [c.name for c in columns], relax, _KNOWN_BOXES)

    def _with_stages(self, forests: tuple[core.Forest, ...]) -> Self:
        other = object.__new__(type(self))
        other._compiled = self._compiled.with_forests(forests)
        other._grown = GrownRegion(other._compiled)
        return other

    @property
    def decisions(self) -> core.Cascade:
        """The stages as they decide on rows."""
        return self._compiled.decisions

    @property
    def fastest_decisions(self) -> core.Cascade | core.RowFilter:
        """The same decisions, by the stages' tables first where these are compiled."""
        return self._compiled.fastest_decisions

    @property
    def compiled_stages(self) -> tuple[core.Stage, ...]:
        """The stages compiled for the space; compiled when first asked for, and shared by longer cascades."""
        return self._compiled.stages

    def __repr__(self) -> str:
        return f"Cascade({self.num_stages} stages, {self.space.num_columns} columns)"
