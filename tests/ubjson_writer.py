"""UBJSON in the form that XGBoost writes, for models that it never would."""

from typing import Any

import numpy as np

_MARKERS = {"i1": "i", "u1": "U", "i2": "I", "i4": "l", "i8": "L", "f4": "d", "f8": "D"}


def dump_ubjson(value: Any) -> bytes:
    if isinstance(value, dict):
        return b"{" + b"".join(_text(key) + dump_ubjson(entry) for key, entry in value.items()) + b"}"
    if isinstance(value, np.ndarray):
        kind = _MARKERS[value.dtype.str[1:]].encode()
        data: bytes = value.astype(value.dtype.newbyteorder(">")).tobytes()
        return b"[$" + kind + b"#L" + len(value).to_bytes(8, "big") + data
    if isinstance(value, list):
        return b"[#L" + len(value).to_bytes(8, "big") + b"".join(map(dump_ubjson, value))
    if isinstance(value, str):
        return b"S" + _text(value)
    if value is None or isinstance(value, bool):
        return b"Z" if value is None else b"T" if value else b"F"
    if isinstance(value, int):
        sizes = [("i", 1), ("I", 2), ("l", 4), ("L", 8)]
        marker, size = next((m, s) for m, s in sizes if -(2 ** (8 * s - 1)) <= value < 2 ** (8 * s - 1))
        return marker.encode() + value.to_bytes(size, "big", signed=True)
    return b"d" + np.array(value, ">f4").tobytes()


def _text(text: str) -> bytes:
    data = text.encode()
    return b"L" + len(data).to_bytes(8, "big") + data
