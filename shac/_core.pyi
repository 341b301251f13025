from collections.abc import Sequence
from typing import Any, Literal, TypedDict, overload

import numpy as np
from numpy.typing import NDArray

MAX_TABLE_BYTES: int
UNIFORM_BITS: int

class SampleResult(TypedDict):
    candidates: NDArray[np.uint64]
    uniforms: NDArray[np.float64]
    num_drawn: int
    rejected_by_stage: list[int]
    end: Literal["count", "candidates", "gap"]

class Forest:
    def __init__(
        self,
        *,
        tree_begin: NDArray[np.int64],
        left: NDArray[np.int32],
        right: NDArray[np.int32],
        feature: NDArray[np.int32],
        value: NDArray[np.float32],
        default_left: NDArray[np.uint8],
        base_score: float,
        num_features: int,
    ) -> None: ...
    @property
    def num_features(self) -> int: ...
    @property
    def num_trees(self) -> int: ...
    @property
    def num_nodes(self) -> int: ...
    @property
    def base_margin(self) -> float: ...
    def thresholds(self, feature: int, /) -> NDArray[np.float32]: ...
    def __getstate__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: tuple[Any, ...], /) -> None: ...

class Cascade:
    def __init__(self, stages: Sequence[Forest], num_features: int) -> None: ...
    @property
    def num_features(self) -> int: ...
    @property
    def num_stages(self) -> int: ...
    def margins(self, x: NDArray[np.float32], threads: int) -> NDArray[np.float32]: ...
    def dropped_at(self, x: NDArray[np.float32], relax: int, threads: int) -> NDArray[np.int32]: ...

class Column:
    def __init__(
        self, edges: NDArray[np.uint64], representatives: NDArray[np.float32], is_conditional: bool = False
    ) -> None: ...

class Condition:
    def __init__(self, column: int, parent: int, holds_first: bool, changes: NDArray[np.uint64]) -> None: ...

class Conditions:
    @overload
    def __init__(self) -> None: ...
    @overload
    def __init__(self, conditions: Sequence[Condition], width: int) -> None: ...

class Stage:
    @overload
    def __init__(self, forest: Forest, columns: Sequence[Column], max_table_bytes: int = ...) -> None: ...
    @overload
    def __init__(self, forest: Forest, encoding: SpaceEncoding, max_table_bytes: int = ...) -> None: ...
    @property
    def num_bytes(self) -> int: ...
    @property
    def num_tables(self) -> int: ...
    @property
    def num_trees(self) -> int: ...

class RowFilter:
    def __init__(self, stages: Sequence[Stage], width: int) -> None: ...
    def accepts(self, x: NDArray[np.float32], relax: int, threads: int) -> NDArray[np.uint8]: ...
    def dropped_at(self, x: NDArray[np.float32], relax: int, threads: int) -> NDArray[np.int32]: ...

class _Sampler:
    def sample(
        self,
        *,
        seed: int,
        first_candidate: int = 0,
        count: int,
        relax: int = 0,
        max_candidates: int = ...,
        max_gap: int = ...,
        block_size: int = 0,
        threads: int = 1,
    ) -> SampleResult: ...

class PlainSampler(_Sampler):
    def __init__(
        self,
        stages: Sequence[Stage],
        width: int,
        use_tables: bool = True,
        conditions: Conditions = ...,
        share_blocks: bool = True,
        shorter: PlainSampler | None = None,
    ) -> None: ...
    @property
    def order(self) -> list[int]: ...
    @property
    def candidate_cost(self) -> float: ...

class Region:
    def __init__(self, stages: Sequence[Stage], width: int, relax: int, conditions: Conditions = ...) -> None: ...
    def refined(self, max_boxes: int) -> Region: ...
    def extended(self, stage: Stage) -> Region: ...
    def reordered(self, share: NDArray[np.float64]) -> Region: ...
    @property
    def num_divided(self) -> int: ...
    @property
    def num_undecided(self) -> int: ...
    @property
    def accepted_mass(self) -> float: ...
    @property
    def undecided_mass(self) -> float: ...
    @property
    def work(self) -> int: ...
    def volume(self) -> tuple[float, float]: ...
    def boxes(self) -> tuple[NDArray[np.uint16], NDArray[np.float64], NDArray[np.bool_]]: ...
    def edges(self, column: int, /) -> NDArray[np.uint64]: ...

class RegionSampler(_Sampler):
    def __init__(self, region: Region) -> None: ...
    def rejected_share(
        self, seed: int, first: int, num_drawn: int, passed: NDArray[np.uint64]
    ) -> NDArray[np.float64]: ...

def decision_threshold() -> float: ...
def philox4x32(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
def read_trees(
    document: bytes, place: int
) -> tuple[
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.uint8],
    int,
    int,
    int,
]: ...
def simd_levels() -> list[str]: ...

class EncodingKind:
    UNIFORM: EncodingKind
    LOG_UNIFORM: EncodingKind
    INTEGER: EncodingKind
    DISCRETE: EncodingKind
    LISTED: EncodingKind
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class ColumnEncoding:
    def __init__(
        self,
        kind: EncodingKind,
        low: float,
        high: float,
        least: float = 0.0,
        most: float = 0.0,
        encoded: Sequence[float] = (),
        mass: Sequence[float] = (),
    ) -> None: ...
    def find_edges(self, thresholds: NDArray[np.float32]) -> NDArray[np.int64]: ...

class ParentValues:
    def __init__(self, column: int, parent: int, values: Sequence[float]) -> None: ...

class SpaceEncoding:
    def __init__(self, columns: Sequence[ColumnEncoding], parents: Sequence[ParentValues]) -> None: ...
    @property
    def width(self) -> int: ...
    def encode(self, uniforms: NDArray[np.float64], threads: int = 1) -> NDArray[np.float32]: ...
    def cdf(self, encoded: NDArray[np.float32], threads: int = 1) -> NDArray[np.float64]: ...
    def uniforms_of(self, encoded: NDArray[np.float32], threads: int = 1) -> NDArray[np.float64]: ...

def walk(
    encoding: SpaceEncoding,
    decisions: Cascade | RowFilter,
    points: NDArray[np.float64],
    directions: NDArray[np.float64],
    fractions: NDArray[np.float64],
    threads: int,
) -> None: ...

class PointSet:
    def __init__(self, points: NDArray[np.float64], codes: int) -> None: ...
    @property
    def size(self) -> int: ...
    def nearest(self, rows: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def cubes(self, first: int = 0) -> NDArray[np.float64]: ...

class CubicRbf:
    def __init__(
        self,
        points: PointSet,
        weights: Sequence[float] | NDArray[np.float64],
        tail: Sequence[float] | NDArray[np.float64],
        code_tails: Sequence[Sequence[float] | NDArray[np.float64]],
    ) -> None: ...
    def predict(self, rows: NDArray[np.float64], threads: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...

class Merit:
    def __init__(
        self, weight: float, lowest: float, prediction_range: float, nearest: float, distance_range: float
    ) -> None: ...

class PointCoordinates:
    def __init__(self, encoding: SpaceEncoding, categories: Sequence[Sequence[float]]) -> None: ...
    def of(self, rows: NDArray[np.float32]) -> NDArray[np.float64]: ...

def search_locally(
    *,
    coordinates: PointCoordinates,
    cascade: Cascade,
    model: CubicRbf,
    earlier: PointSet,
    merit: Merit,
    start: NDArray[np.float32],
    step: NDArray[np.float64],
    moves: NDArray[np.float64],
) -> NDArray[np.float64]: ...
