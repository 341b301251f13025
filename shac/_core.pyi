from collections.abc import Sequence
from typing import Literal, TypedDict

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

class Cascade:
    def __init__(self, stages: Sequence[Forest], num_features: int) -> None: ...
    @property
    def num_features(self) -> int: ...
    @property
    def num_stages(self) -> int: ...
    def margins(self, x: NDArray[np.float32], threads: int) -> NDArray[np.float32]: ...
    def dropped_at(self, x: NDArray[np.float32], relax: int, threads: int) -> NDArray[np.int32]: ...

class Conditions:
    def __init__(self, conditions: Sequence[tuple[int, int, bool, NDArray[np.uint64]]], width: int) -> None: ...

class Stage:
    def __init__(
        self,
        forest: Forest,
        columns: Sequence[tuple[NDArray[np.uint64], NDArray[np.float32]]],
        max_table_bytes: int = ...,
        conditional: Sequence[int] = (),
    ) -> None: ...
    @property
    def num_bytes(self) -> int: ...
    @property
    def num_tables(self) -> int: ...
    @property
    def num_trees(self) -> int: ...

class PlainSampler:
    def __init__(
        self, stages: Sequence[Stage], width: int, use_tables: bool = True, conditions: Conditions | None = None
    ) -> None: ...
    @property
    def order(self) -> list[int]: ...
    @property
    def candidate_cost(self) -> float: ...
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

class Region:
    def __init__(
        self, stages: Sequence[Stage], width: int, relax: int, conditions: Conditions | None = None
    ) -> None: ...
    def refine(self, max_boxes: int) -> None: ...
    def extend(self, stage: Stage) -> None: ...
    def order_by_rejected(self, share: NDArray[np.float64]) -> None: ...
    def copy(self) -> Region: ...
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

class RegionSampler:
    def __init__(self, region: Region) -> None: ...
    def rejected_share(
        self, seed: int, first: int, num_drawn: int, passed: NDArray[np.uint64]
    ) -> NDArray[np.float64]: ...
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

def decision_threshold() -> float: ...
def philox4x32(counter: Sequence[int], key: Sequence[int]) -> list[int]: ...
def simd_levels() -> list[str]: ...
