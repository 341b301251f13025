"""A classifier of a search: its file, and XGBoost's object of it when somebody asks for that.

A search decides by the trees that the core reads out of the file. Loading one into XGBoost takes as long as training
does on few points, so that it is left to those who want the object.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from shac.export import ubjson_of
from shac.model_edits import base_score_in, load_classifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    import xgboost

__all__ = ["Classifier"]


class Classifier:
    """A two-class classifier as the bytes of its file.

    Parameters
    ----------
    data : bytes
        A model as XGBoost itself has just written it, edits of `shac.model_edits` included.
    arguments : mapping, optional
        Of the constructor of XGBoost's classifier, for those who look at its settings.

    Examples
    --------
    >>> import numpy as np, xgboost
    >>> X = np.linspace(0, 1, 20, dtype=np.float32).reshape(-1, 1)
    >>> trained = Classifier.of(xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, X[:, 0] > 0.5))
    >>> Classifier(trained.data).model.predict(X[:1]).tolist()
    [0]
    """

    def __init__(self, data: bytes, arguments: Mapping[str, Any] | None = None) -> None:
        self.data = data
        self._arguments = dict(arguments or {})

    @classmethod
    def of(cls, model: xgboost.XGBClassifier, data: bytes | None = None) -> Self:
        """Return the classifier that a model is; asked for its model it gives this one.

        Parameters
        ----------
        model : xgboost.XGBClassifier
        data : bytes, optional
            The file that it was loaded from, if that is to stay; made anew by default.

        Returns
        -------
        Classifier
        """
        made = cls(ubjson_of(model.get_booster()) if data is None else data)
        made.model = model
        return made

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of the file, which a search's manifest has after each round."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def model(self) -> xgboost.XGBClassifier:
        """XGBoost's object, loaded when first asked for.

        Raises
        ------
        UnsupportedModelError
            If this version of XGBoost reads another base score.
        """
        return load_classifier(self.data, base_score_in(self.data), **self._arguments)
