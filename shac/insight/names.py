"""Long names as pictures have room for them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["endings", "wrapped"]

_SHORT = 12  # a beginning that takes no more room stays
_PARTS = re.compile(r"[^._/\s-]*[._/\s-]*")


def endings(texts: Sequence[str]) -> list[str]:
    """Leave out the beginning that all texts share, up to a separator, where it is long.

    Examples
    --------
    >>> endings(["torchvision.models.resnet18", "torchvision.models.vit_b_16"])
    ['…resnet18', '…vit_b_16']
    >>> endings(["adam", "adagrad"])
    ['adam', 'adagrad']
    """
    first, last = min(texts, default=""), max(texts, default="")  # what these share, all between them share
    shared = first[: next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))]
    beginning = max(map(shared.rfind, "./_- "), default=-1) + 1
    if len(texts) < 2 or beginning <= _SHORT:
        return [*texts]
    return ["…" + text[beginning:] for text in texts]


def wrapped(text: str, width: int, max_lines: int = 4) -> str:
    """Break a text into lines, behind separators where there are any; a beginning that has no room is left out.

    Examples
    --------
    >>> print(wrapped("trainer.optimizer.learning_rate", 18))
    trainer.optimizer.
    learning_rate
    >>> print(wrapped("model.encoder.layers.attention.dropout", 18, max_lines=2))
    …layers.attention.
    dropout
    """
    lines = [""]
    for part in _PARTS.findall(text):
        for piece in (part[i : i + width] for i in range(0, len(part), width)):
            if len(lines[-1]) + len(piece.rstrip()) > width:
                lines.append("")
            lines[-1] += piece
    if len(lines) > max_lines:
        lines = lines[-max_lines:]
        lines[0] = "…" + lines[0]
    return "\n".join(line.rstrip() for line in lines)
