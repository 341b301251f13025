"""An engine's evaluations and classifiers, and how they come to disk and back."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from shac.engine.folder import FolderOwnership
from shac.engine.saving import Progress, read_engine, write_engine
from shac.engine.settings import EngineSettings
from shac.sampling import Cascade
from shac.storage import holds_search, manifest_digest

if TYPE_CHECKING:
    import xgboost

    from shac.space import HyperParameterList

__all__ = ["StoredEngine"]

_SMALL_TABLE_BYTES = 1 << 14  # of a lookup table of the cascade, where memory is limited


class StoredEngine(EngineSettings):
    """Base of the engines; see `SHAC` for its arguments and attributes."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.classifiers: list[xgboost.XGBClassifier] = []
        self.progress = Progress()
        self.ownership = FolderOwnership()
        self._cascade: Cascade | None = None
        self._compiled: list[xgboost.XGBClassifier] = []

    @property
    def cascade(self) -> Cascade:
        """The classifiers, compiled."""
        known = len(self._compiled)
        kept = self._cascade is not None and self._cascade.space is self.parameters
        if not kept or list(map(id, self._compiled)) != list(map(id, self.classifiers[:known])):
            tables = {"max_table_bytes": _SMALL_TABLE_BYTES} if self.limit_memory else {}
            self._cascade, self._compiled, known = Cascade([], self.search_space(), **tables), [], 0
        assert self._cascade is not None
        for model in self.classifiers[known:]:
            self._cascade = self._cascade.extended(model)
            self._compiled.append(model)
        return self._cascade

    def save_data(self) -> None:
        """Write the search to `save_dir`; every file is whole, before and after.

        Raises
        ------
        SaveFolderError
            If the folder holds a search that this engine neither restored nor wrote, another process runs one there,
            or it is a Python package.
        ValueError
            If the search space is missing or cannot be saved.
        OSError
            If the folder cannot be written.
        """
        self._check_ready()
        with self.ownership.owned(self.save_dir):
            write_engine(self)
            self.ownership.learn(self.save_dir)

    def restore_data(self) -> None:
        """Take up the search in `save_dir`; warns and changes nothing when there is none.

        The engine's own settings stay, and its seed and strategy if they were given; else those of the search come
        back, so that going on gives the same as never having stopped.

        Raises
        ------
        DamagedFileError
            If a file is damaged; the engine is as before.
        ValueError
            If the search has another space or objective than the engine; the engine is as before.
        """
        if not holds_search(self.save_dir):
            warnings.warn(f"save_dir: {self.save_dir} holds no search; nothing is restored", stacklevel=2)
            return
        known = manifest_digest(self.save_dir)  # before the rest: what another process writes later is not known
        restored = read_engine(self)
        self.dataset = restored.dataset
        self.classifiers = restored.classifiers
        self.progress = restored.progress
        self._seed = self._seed if self._seed_is_given else restored.seed
        if not self._strategy_is_given:
            self._strategy, self._strategy_is_named = restored.strategy, False
        self._num_predictions = 0
        self.ownership.known = known

    def search_space(self) -> HyperParameterList:
        """Give the search space, or raise ValueError where there is none yet, or nothing in it."""
        if self.parameters is None:
            raise ValueError("hyperparameter_list: expected a search space, got None; call restore_data() first")
        if not self.parameters.num_columns:
            raise ValueError("hyperparameter_list: expected at least one parameter, got a search space without any")
        return self.parameters

    def _check_ready(self) -> HyperParameterList:
        self.ownership.check(self.save_dir)
        return self.search_space()

    def __getstate__(self) -> dict[str, Any]:
        """All but the compiled cascade, which is made again when it is needed."""
        return {**self.__dict__, "_cascade": None, "_compiled": []}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self.dataset)} of {self.total_budget} evaluations, "
            f"{len(self.classifiers)} of {self.total_classifiers} classifiers, save_dir={str(self.save_dir)!r})"
        )
