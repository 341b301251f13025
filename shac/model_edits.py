"""Classifiers that are made of others: other split conditions or another base score, and all else as it was.

They are made from XGBoost's UBJSON, where a tree's numbers are arrays of float32: none is written as text, of which
XGBoost's reader takes more than nine digits by the process's locale. The base score is a text in every format. XGBoost
takes one that it cannot read for 0.5 and says nothing: versions before 3.1 read no list and no more than nine digits,
and later ones read more than nine by the locale. So nine are written, which tell every float32 from every other, and
`load_classifier` compares what a booster has with what it was to have.
"""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from shac.errors import InvalidModelError, UnsupportedModelError
from shac.export import base_score_of, ubjson_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xgboost
    from numpy.typing import NDArray

__all__ = [
    "base_score_in",
    "joined_tree_arrays",
    "load_classifier",
    "shifted_base_score",
    "tree_arrays",
    "with_base_score",
    "with_split_conditions",
]

_LARGEST_BASE_MARGIN = 13.7  # from 13.75 on, a base score is closer to 1 than XGBoost predicts with
_ULPS_OF_A_BASE_SCORE = 1  # texts of one number may be rounded to neighbours
_TYPES: dict[bytes, np.dtype[Any]] = {
    b"d": np.dtype(">f4"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"U": np.dtype(">u1"),
}


def tree_arrays(data: bytes, field: str) -> list[NDArray[Any]]:
    """Return a field of the nodes of each tree of a model.

    Parameters
    ----------
    data : bytes
        A model as XGBoost itself has just written it, see `shac.export.ubjson_of`, whose features have no names.
    field : str
        Such as ``base_weights``.

    Returns
    -------
    list of ndarray, shape (num_nodes,)
    """
    return [np.frombuffer(data, dtype, count, begin) for dtype, count, begin in _places_of(data, field)]


def joined_tree_arrays(data: bytes, field: str) -> tuple[NDArray[Any], list[int]]:
    """Return a field of the nodes of all trees, one after the other, and how many nodes each tree has.

    See `tree_arrays`; a model has hundreds of trees of a few nodes, and an array of its own for each takes longer than
    all the rest.
    """
    places = list(_places_of(data, field))
    if len({dtype for dtype, _, _ in places}) != 1:
        return np.concatenate(tree_arrays(data, field)), [count for _, count, _ in places]
    dtype = places[0][0]
    joined = b"".join([data[begin : begin + count * dtype.itemsize] for _, count, begin in places])
    return np.frombuffer(joined, dtype), [count for _, count, _ in places]


def with_split_conditions(data: bytes, conditions: NDArray[np.float32]) -> bytes:
    """Return a model with other split conditions, which hold the scores of leaves, too.

    Parameters
    ----------
    data : bytes
        See `tree_arrays`.
    conditions : ndarray of float32, shape (num_nodes,)
        Of all nodes, one tree after the other.

    Returns
    -------
    bytes

    Raises
    ------
    InvalidModelError
        If there are not as many nodes.
    """
    changed, done = bytearray(data), 0
    new = conditions.astype(_TYPES[b"d"]).tobytes()
    for dtype, count, begin in _places_of(data, "split_conditions"):
        size = count * dtype.itemsize
        changed[begin : begin + size] = new[done * dtype.itemsize : done * dtype.itemsize + size]
        done += count
    if done != len(conditions) or len(changed) != len(data):
        raise InvalidModelError(f"model: expected {len(conditions)} nodes, got {done}")
    return bytes(changed)


def _places_of(data: bytes, field: str) -> Iterator[tuple[np.dtype[Any], int, int]]:
    """Find the arrays of a name: the type of their numbers, how many they are, and where they begin."""
    marker = _key(field) + b"[$"
    place = data.find(marker)
    while place >= 0:
        head = place + len(marker)  # "d#L", and the number of numbers
        dtype, begin = _TYPES.get(data[head : head + 1]), head + 11
        if dtype is None:
            raise InvalidModelError(f"model: {field}: expected arrays of {[*_TYPES]}, got {data[head : head + 1]!r}")
        count = int.from_bytes(data[begin - 8 : begin], "big")
        yield dtype, count, begin
        place = data.find(marker, begin + count * dtype.itemsize)


def _key(name: str) -> bytes:
    return b"L" + len(name).to_bytes(8, "big") + name.encode()


def shifted_base_score(base_score: float, shift: float) -> float:
    """Return the base score, a float32, whose margin is lower by `shift`.

    It stays within 13.7, which every version of XGBoost predicts with.

    Examples
    --------
    >>> round(shifted_base_score(0.5, 1.0), 6), round(shifted_base_score(0.5, -1.0), 6)
    (0.268941, 0.731059)
    """
    margin = math.log(base_score / (1 - base_score)) - shift
    margin = min(max(margin, -_LARGEST_BASE_MARGIN), _LARGEST_BASE_MARGIN)
    return float(np.float32(1 / (1 + math.exp(-margin))))


def load_classifier(data: bytes, base_score: float, **arguments: Any) -> xgboost.XGBClassifier:
    """Load a two-class classifier from its file, as the version of XGBoost that wrote it would predict.

    Parameters
    ----------
    data : bytes
        The file, in one of XGBoost's formats, known to be sound: see `shac.model_check`.
    base_score : float
        The probability that stands in the file.
    **arguments
        Of XGBoost's classifier; its predictions do not depend on them.

    Returns
    -------
    xgboost.XGBClassifier

    Raises
    ------
    UnsupportedModelError
        If this version of XGBoost reads another base score.
    xgboost.core.XGBoostError
        If it cannot read the file.

    Examples
    --------
    >>> import numpy as np, xgboost
    >>> X = np.linspace(0, 1, 20, dtype=np.float32).reshape(-1, 1)
    >>> model = xgboost.XGBClassifier(n_estimators=3, n_jobs=1, base_score=0.125).fit(X, X[:, 0] > 0.5)
    >>> loaded = load_classifier(bytes(model.get_booster().save_raw(raw_format="ubj")), 0.125)
    >>> bool((loaded.predict(X, output_margin=True) == model.predict(X, output_margin=True)).all())
    True
    """
    model = _loaded(data, arguments)
    if not _has_base_score(model, base_score):
        model = _loaded(with_base_score(ubjson_of(model.get_booster()), base_score), arguments)
    if not _has_base_score(model, base_score):
        import xgboost

        raise UnsupportedModelError(
            f"model: expected the base score {base_score}, got {_base_score_of(model)} by XGBoost {xgboost.__version__}"
        )
    return model


def with_base_score(data: bytes, base_score: float) -> bytes:
    """Return a model with another base score.

    Parameters
    ----------
    data : bytes
        A model as XGBoost itself has just written it; see `shac.export.ubjson_of`.
    base_score : float
        A probability that float32 holds.

    Returns
    -------
    bytes
        See `load_classifier` for what makes sure that XGBoost reads just this one.
    """
    before, old, behind = _parted_at_base_score(data)
    text = f"[{base_score:.8e}]" if old.startswith("[") else f"{base_score:.8e}"
    return before + len(text).to_bytes(8, "big") + text.encode() + behind


def base_score_in(data: bytes) -> float:
    """Return the base score, a probability, that stands in a model; see `with_base_score`."""
    return base_score_of(_parted_at_base_score(data)[1])


def _parted_at_base_score(data: bytes) -> tuple[bytes, str, bytes]:
    """Return what stands before the length of the base score's text, the text, and what stands behind it."""
    # The last place of the name: behind it XGBoost writes nothing that others have named.
    before, key, rest = data.rpartition(_key("base_score") + b"SL")
    if not key:
        raise InvalidModelError("model: expected a text for the base score, got none")
    end = 8 + int.from_bytes(rest[:8], "big")
    return before + key, rest[8:end].decode(), rest[end:]


def _loaded(data: bytes, arguments: dict[str, Any]) -> xgboost.XGBClassifier:
    import xgboost

    model = xgboost.XGBClassifier(**{"n_jobs": 1, **arguments})
    with warnings.catch_warnings():
        # XGBoost before 2.1 misses attributes of its scikit-learn class, which two-class models do not need.
        warnings.filterwarnings("ignore", "Loading a native XGBoost model", UserWarning)
        model.load_model(bytearray(data))
    return model


def _base_score_of(model: xgboost.XGBClassifier) -> float:
    config = json.loads(model.get_booster().save_config())
    return base_score_of(config["learner"]["learner_model_param"]["base_score"])


def _has_base_score(model: xgboost.XGBClassifier, base_score: float) -> bool:
    expected, found = np.float32(base_score), np.float32(_base_score_of(model))
    return bool(abs(expected - found) <= _ULPS_OF_A_BASE_SCORE * np.spacing(expected))
