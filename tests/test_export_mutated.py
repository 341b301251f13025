"""XGBoost's documents with anything in the place of anything: an error of the package, or trees that decide as written.

`SHAC_FUZZ_EXAMPLES=1000000 pytest tests/test_export_mutated.py` runs it at full size.
"""

import json
import math
import os
from typing import Any

import numpy as np
import xgboost
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shac.errors import ShacError
from shac.export import ForestArrays, read_document
from shac.sampling.extension import core

EXAMPLES = int(os.environ.get("SHAC_FUZZ_EXAMPLES", "300"))


def trained() -> Any:
    X = np.random.default_rng(0).random((40, 3), dtype=np.float32)
    model = xgboost.XGBClassifier(n_estimators=3, max_depth=2, n_jobs=1).fit(X, X[:, 0] + X[:, 1] > 1)
    return json.loads(bytes(model.get_booster().save_raw(raw_format="json")))


DOCUMENT = trained()
ROWS = np.array([[0.1, 0.9, 0.5], [math.nan, 0.2, 0.7], [0.6, math.inf, -1.0]], dtype=np.float32)
ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 9),
    st.sampled_from([2**31 - 1, 2**31, -(2**31), 2**63, 10**400]),
    st.floats(),
    st.sampled_from(["", "0", "1", "1E-1", "[5E-1]", "[1,2]", "nan", "1000000000", "binary:logistic", "gblinear"]),
    st.lists(st.integers(-1, 4), max_size=4),
    st.dictionaries(st.sampled_from(["name", "trees"]), st.integers(), max_size=1),
)


def replaced(value: Any, draw: st.DrawFn) -> Any:
    """Walk a random way down, and put anything where it ends; or take something away."""
    if isinstance(value, dict) and value and draw(st.integers(0, 19)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 30)) == 0:
            return {name: entry for name, entry in value.items() if name != key}
        return {**value, key: replaced(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 19)):
        index = draw(st.integers(0, len(value) - 1))
        if draw(st.integers(0, 30)) == 0:
            return value[:index] + value[index + 1 :]
        return [*value[:index], replaced(value[index], draw), *value[index + 1 :]]
    return draw(ANYTHING)


@st.composite
def documents(draw: st.DrawFn) -> Any:
    document = DOCUMENT
    for _ in range(draw(st.integers(1, 3))):
        document = replaced(document, draw)
    return document


def walk(arrays: ForestArrays, row: Any) -> np.float32:
    """The sum of leaves, each added in float32."""
    total = np.float32(core.Forest(**fields(arrays, trees=0)).base_margin)
    for begin, end in zip(arrays.tree_begin[:-1], arrays.tree_begin[1:], strict=True):
        node = 0
        for _ in range(end - begin + 1):
            at = begin + node
            if arrays.left[at] < 0:
                total = np.float32(total + arrays.value[at])
                break
            x = row[arrays.feature[at]]
            goes_left = bool(arrays.default_left[at]) if math.isnan(x) else bool(x < arrays.value[at])
            node = int(arrays.left[at] if goes_left else arrays.right[at])
        else:
            raise AssertionError("the walk does not end")
    return total


def fields(arrays: ForestArrays, trees: int | None = None) -> dict[str, Any]:
    names = ("tree_begin", "left", "right", "feature", "value", "default_left")
    values = {name: getattr(arrays, name) for name in names}
    if trees == 0:
        values = {name: array[: 1 if name == "tree_begin" else 0] for name, array in values.items()}
    return {**values, "base_score": arrays.base_score, "num_features": arrays.num_features}


@given(documents())
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_mutated_model_is_refused_or_decides_as_its_trees_say(document: Any) -> None:
    try:
        arrays = read_document(document)
    except ShacError:
        return
    try:
        forest = core.Forest(**fields(arrays))
    except (ValueError, TypeError):  # the core has refused it; `Cascade` names the stage
        return
    if arrays.num_features != ROWS.shape[1]:
        return
    margins = core.Cascade([forest], ROWS.shape[1]).margins(ROWS, 1)[:, 0]
    with np.errstate(over="ignore", invalid="ignore"):
        expected = np.array([walk(arrays, row) for row in ROWS], dtype=np.float32)
    assert np.array_equal(margins, expected, equal_nan=True)
