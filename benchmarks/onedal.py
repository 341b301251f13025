"""oneDAL's inference of XGBoost models, a rival: `pip install scikit-learn-intelex`, in an environment of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xgboost
    from numpy.typing import NDArray

    from benchmarks.bench_cascade import BLOCK

    Floats = NDArray[np.float32]
else:
    from bench_cascade import BLOCK

__all__ = ["OneDalModels"]


class OneDalModels:
    """The models as `daal4py` converts them, on one thread.

    Raises
    ------
    ImportError
        If it is not installed.
    """

    def __init__(self, models: Sequence[xgboost.XGBClassifier]) -> None:
        import daal4py

        daal4py.daalinit(nthreads=1)
        self._models: list[Any] = [daal4py.mb.convert_model(model.get_booster()) for model in models]

    def probabilities(self, rows: Floats) -> list[NDArray[Any]]:
        """Compute every model's probability of the better half; it has no margins."""
        return [model.predict_proba(rows)[:, 1] for model in self._models]

    def pass_blocks(self, rows: Floats) -> NDArray[np.bool_]:
        """Test blocks of rows; only the survivors of a stage meet the next."""
        passed = np.zeros(len(rows), dtype=np.bool_)
        for start in range(0, len(rows), BLOCK):
            alive = np.arange(start, min(start + BLOCK, len(rows)))
            block = rows[start : start + BLOCK]
            for model in self._models:
                keep = model.predict(block).ravel() == 1
                alive, block = alive[keep], block[keep]
                if not alive.size:
                    break
            passed[alive] = True
        return passed
