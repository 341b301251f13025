"""What a search knew before its first evaluation: points of an earlier search, by which of them were better."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from shac.space import HyperParameterList
    from shac.store.earlier import EarlierEvaluations

__all__ = ["EarlierPoints"]


@dataclass(frozen=True, slots=True, eq=False)
class EarlierPoints:
    """Points of an earlier search.

    Their scores are never compared with this search's, which may have another scale: only their order counts.

    Parameters
    ----------
    evaluations : EarlierEvaluations
    X : ndarray of float32, shape (n, num_columns)
        The configurations, encoded.
    """

    evaluations: EarlierEvaluations
    X: NDArray[np.float32]

    @classmethod
    def of(cls, space: HyperParameterList, evaluations: EarlierEvaluations) -> Self:
        """Encode evaluations."""
        return cls(evaluations, space.encode_rows(evaluations.rows))

    @property
    def losses(self) -> NDArray[np.float64]:
        """Scores of which the smaller are better; those of pruned evaluations are the worst, NaN those of failed ones.

        Shape (n,).
        """
        scores = np.array(self.evaluations.scores, dtype=np.float64)
        losses = -scores if self.evaluations.objective == "max" else scores
        finite = losses[np.isfinite(losses)]
        if self.evaluations.pruned and finite.size:
            losses[list(self.evaluations.pruned)] = finite.max()
        return losses

    @property
    def num_scores(self) -> int:
        """Evaluations with a score."""
        return int(np.isfinite(self.losses).sum())

    @property
    def num_classifiers(self) -> int:
        """Classifiers that were trained on these points alone."""
        return self.evaluations.num_classifiers

    def with_classifier(self) -> Self:
        """Return the points after a classifier was trained on them."""
        return replace(self, evaluations=replace(self.evaluations, num_classifiers=1))

    def best_rows(self, count: int) -> list[list[Any]]:
        """Return the flat rows of the best scores, the best first."""
        losses = np.where(np.isfinite(self.losses), self.losses, np.inf)
        order = np.argsort(losses, kind="stable")[: min(count, self.num_scores)]
        return [list(self.evaluations.rows[i]) for i in order]
