"""The configurations that a search tries next: candidates from what the classifiers accept, and the best of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import numpy as np

from shac.engine.cost_aware import CostAwareSurrogate, CostModel
from shac.engine.local_search import LocalSearch
from shac.engine.quadratic import optimum_rows
from shac.engine.repeating import repeated_rows
from shac.engine.scalarising import ParetoSurrogate, spread_weights
from shac.engine.strategy import is_real_space
from shac.engine.surrogate import RBFSurrogate
from shac.evaluation import derive_seed
from shac.sampling import UniformRows, draw_candidates, draw_relaxing, encode_uniforms, slice_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from shac.engine.plan import SearchPlan
    from shac.engine.state import SearchState
    from shac.space import HyperParameterList

__all__ = ["CandidateChooser", "best_by_surrogate", "draw_region", "encoded_rows", "propose", "surrogate_of"]

_shared_surrogates: WeakKeyDictionary[SearchState, tuple[tuple[Any, ...], RBFSurrogate]] = WeakKeyDictionary()

_PILOT_SAMPLES = 32
_STAGES_OF_FULL_GROUPS = 6  # where nothing can walk, each stage more halves the candidates to choose from
_PILOT_CANDIDATES = 8192  # rarer samples are found sooner by walking


class CandidateChooser(Protocol):
    """Chooses among candidates; see `best_by_surrogate`."""

    def __call__(
        self, plan: SearchPlan, state: SearchState, rows: list[list[Any]], group_size: int, *, seed: int, threads: int
    ) -> list[list[Any]]:
        """Return a candidate of each group."""


def propose(
    plan: SearchPlan,
    state: SearchState,
    n: int,
    *,
    seed: int,
    threads: int,
    relax_checks: bool = False,
    choose: CandidateChooser | None = None,
    pending: Sequence[list[Any]] = (),
    begins: bool = False,
) -> list[list[Any]]:
    """Propose configurations by the plan's strategy; the first ones do not depend on how many are wanted.

    Parameters
    ----------
    plan : SearchPlan
    state : SearchState
        Its points and its cascade decide.
    n : int
        Configurations wanted.
    seed : int
        In [0, 2**63).
    threads : int
        Threads that draw; does not change the result.
    relax_checks : bool
        See `SHAC.fit`; has no effect on slice sampling, whose samples pass all classifiers.
    choose : callable, optional
        Takes the plan, the state, candidates, how many are a group, `seed` and `threads`, and returns a candidate of
        each group, in place of `best_by_surrogate`; benchmarks compare others.
    pending : sequence of rows
        What was drawn before and whose scores are not known: choices keep their distance from it.
    begins : bool
        Whether these are the first configurations of a search.

    Returns
    -------
    list of list
        Flat rows of values.

    Raises
    ------
    EmptyRegionError
        If it is proven that the cascade accepts nothing.
    """
    strategy, cascade = plan.strategy, state.cascade
    if not len(state) and state.informative is None:
        first = list(draw_region(plan, state, n, seed=seed, threads=threads, relax_checks=relax_checks))
        if begins and strategy.center_point:
            first[:1] = [row for row in _center_of(state.space) if row not in pending] or first[:1]
        return first
    if first := _first_rows(plan, state, pending)[:n]:
        plan = replace(plan, strategy=replace(strategy, repeat_best=False, quadratic_model=False))
        options: Any = {"seed": seed, "threads": threads, "relax_checks": relax_checks, "choose": choose}
        return first + propose(plan, state, n - len(first), pending=[*pending, *first], **options)
    group_size = strategy.candidates_per_sample
    if strategy.candidates == "walk" and not _can_walk(plan, state):
        group_size = max(1, group_size >> max(0, cascade.num_stages - _STAGES_OF_FULL_GROUPS))
    rows = draw_region(
        plan, state, n * group_size, seed=seed, threads=threads, relax_checks=relax_checks, walks=group_size
    )
    if group_size == 1 or n == 0:
        return list(rows)
    if choose is not None:
        return choose(plan, state, list(rows), group_size, seed=seed, threads=threads)
    return best_by_surrogate(plan, state, rows, group_size, seed=seed, threads=threads, pending=pending)


def _first_rows(plan: SearchPlan, state: SearchState, pending: Sequence[list[Any]]) -> list[list[Any]]:
    """Return the configurations of a round that no candidates are needed for."""
    again = repeated_rows(plan, state, surrogate_of, pending)
    return again if len(again) > 1 else again + optimum_rows(plan, state, pending)


def _center_of(space: HyperParameterList) -> list[list[Any]]:
    """Return the row of medians; none where it cannot be told, or is none of the space."""
    if not space.has_quantile:
        return []
    rows = space.values_from_uniforms(np.full((1, space.num_columns), 0.5))
    return rows if space.satisfied(rows).all() else []


def draw_region(
    plan: SearchPlan,
    state: SearchState,
    n: int,
    *,
    seed: int,
    threads: int,
    relax_checks: bool = False,
    walks: int = 1,
) -> UniformRows | list[list[Any]]:
    """Draw flat rows that the cascade accepts, by the strategy's way to candidates, without choosing among them.

    Parameters
    ----------
    plan, state, n, seed, threads, relax_checks
        See `propose`.
    walks : int
        Of walks, how many share a stream of random numbers where not all do; divides `n`.

    Returns
    -------
    sequence of list
        The values of most are made when they are asked for; see `encoded_rows`.
    """
    initial_points = _initial_points(plan, state, seed=seed, threads=threads)
    if initial_points is None:
        return (draw_relaxing if relax_checks else draw_candidates)(state.cascade, n, seed=seed, threads=threads)
    ends = slice_sample(
        state.cascade,
        initial_points,
        n // walks,
        walks,
        seed=seed,
        threads=threads,
        shared_stream=plan.strategy.shared_stream,
    )
    return UniformRows(state.space, ends, encode_uniforms(state.space, ends))


def encoded_rows(state: SearchState, rows: UniformRows | Sequence[list[Any]]) -> NDArray[np.float32]:
    """Return rows, encoded; those of `draw_region` are."""
    return rows.X if isinstance(rows, UniformRows) else state.space.encode_rows(rows)


def _initial_points(plan: SearchPlan, state: SearchState, *, seed: int, threads: int) -> NDArray[np.float64] | None:
    """Return uniforms of the evaluated points that the cascade accepts; None where the prior gives samples easily.

    Whether it does is found by drawing a number of candidates that does not depend on what is wanted.
    """
    cascade = state.cascade
    if not cascade.num_stages or not _can_walk(plan, state):
        return None
    pilot = cascade.draw(
        _PILOT_SAMPLES, seed=seed, threads=threads, max_candidates=_PILOT_CANDIDATES, method="plain", values=False
    )
    if len(pilot.X) == _PILOT_SAMPLES:
        return None
    points = state.points_inside(threads=threads)
    return points if len(points) else None


def _can_walk(plan: SearchPlan, state: SearchState) -> bool:
    return plan.strategy.candidates == "walk" and state.space.has_quantile and state.space.has_cdf


def best_by_surrogate(
    plan: SearchPlan,
    state: SearchState,
    rows: UniformRows | list[list[Any]],
    group_size: int,
    *,
    seed: int,
    threads: int,
    pending: Sequence[list[Any]] = (),
) -> list[list[Any]]:
    """Choose of each group of candidates the one that the surrogate ranks first, improved where the strategy climbs.

    Parameters
    ----------
    plan, state, seed, threads, pending
        See `propose`.
    rows : sequence of list
        Flat rows of the candidates, group after group.
    group_size : int

    Returns
    -------
    list of list
    """
    cascade = state.cascade
    X = encoded_rows(state, rows)
    surrogate = surrogate_for(plan, state, len(rows) // group_size, seed=seed)
    is_late = 2 * cascade.num_stages >= plan.total_classifiers or state.informative is not None
    can_step = _can_walk(plan, state) and not state.space.constraints and not np.isnan(X).any()
    searches = plan.strategy.climb and is_late and can_step
    local_search = LocalSearch(cascade, seed=seed, threads=threads) if searches else None
    if not plan.strategy.avoid_repeats:
        return surrogate.best_of(rows, X, group_size, local_search, pending=pending)
    wider = _wider_candidates(plan, state, len(rows), group_size, seed=seed, threads=threads)
    return surrogate.best_of(rows, X, group_size, local_search, pending=pending, evaluated=state.X, wider=wider)


def surrogate_for(plan: SearchPlan, state: SearchState, count: int, *, seed: int) -> RBFSurrogate:
    """Return the surrogate that chooses so many configurations."""
    if state.objectives is None or state.objective_scores is None:
        costs = CostModel.of(plan, state) if plan.cost_aware else None
        if costs is None:
            return surrogate_of(plan, state)
        share_left = max(0.0, 1 - len(state) / plan.total_budget)  # a study goes on beyond it
        return surrogate_of(plan, state, partial(CostAwareSurrogate, costs=costs, share_left=share_left))
    return ParetoSurrogate(
        state.space,
        state.X,
        state.objectives.losses(state.objective_scores),
        state.scores,
        spread_weights(len(state.objectives), (count + 1) // 2, derive_seed(seed, 0, purpose="weights of objectives")),
        estimate_noise=plan.strategy.estimate_noise,
        grown_factorization=plan.strategy.grown_factorization,
    )


def surrogate_of(
    plan: SearchPlan, state: SearchState, make: Callable[..., RBFSurrogate] = RBFSurrogate
) -> RBFSurrogate:
    """Return the surrogate of what a search knows, as its strategy has it: made once for all who ask the same state."""
    strategy = plan.strategy
    # Where a step changes the score by much, as between choices, roots were no better
    root_losses = strategy.root_losses and not plan.cost_aware and is_real_space(state.space)
    options = plan.objective, strategy.estimate_noise, root_losses, strategy.grown_factorization
    known = _shared_surrogates.get(state)
    if make is RBFSurrogate and known is not None and known[0] == options:
        return known[1]
    made = make(
        state.space,
        state.X,
        state.scores_to_learn(plan.objective),
        plan.objective,
        earlier=state.informative,
        estimate_noise=strategy.estimate_noise,
        root_losses=root_losses,
        grown_factorization=strategy.grown_factorization,
    )
    if make is RBFSurrogate:
        _shared_surrogates[state] = options, made
    return made


def _wider_candidates(
    plan: SearchPlan, state: SearchState, n: int, walks: int, *, seed: int, threads: int
) -> Iterator[tuple[UniformRows | list[list[Any]], NDArray[np.float32]]]:
    """Draw from larger and larger regions, those of the first classifiers alone, down to the whole space."""
    for num_stages in reversed(range(state.cascade.num_stages)):
        earlier = state.with_stages(num_stages)
        own_seed = derive_seed(seed, num_stages, purpose="wider region")
        rows = draw_region(plan, earlier, n, seed=own_seed, threads=threads, walks=walks)
        yield rows, encoded_rows(earlier, rows)
