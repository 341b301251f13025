"""The user's program within a worker, so that what an evaluation starts finds there what it would find in the program.

Data loaders, pools and ranks of a training are processes that start afresh or are forked, by the start method of the
program. They find classes and functions of a script by its ``__main__``. A worker of loky has neither: its start
method is loky's, and its ``__main__`` a module of loky's.
"""

from __future__ import annotations

import functools
import importlib.machinery
import multiprocessing
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["Program"]

_replaced: list[types.ModuleType] = []  # their functions still run


@dataclass(frozen=True, slots=True)
class Program:
    """What a worker has to know of the program that the evaluation function comes from.

    Parameters
    ----------
    start_method : str or None
        Of `multiprocessing`; None where the program has not chosen one.
    main_name : str or None
        Name of its main module, if it runs with ``python -m``.
    main_path : str or None
        File of its main module, if it has one.
    """

    start_method: str | None
    main_name: str | None
    main_path: str | None

    @classmethod
    def of_this_process(cls) -> Self:
        """Describe the program that runs here."""
        main = sys.modules.get("__main__")
        path = getattr(main, "__file__", None)
        return cls(
            # The default is not asked for: that would fix it, and the program may set its own later
            start_method=multiprocessing.get_start_method(allow_none=True),
            main_name=getattr(getattr(main, "__spec__", None), "name", None),
            main_path=None if path is None else str(Path(path).absolute()),
        )

    def restore_start_method(self) -> None:
        """Set `multiprocessing` to the program's start method."""
        if multiprocessing.get_start_method(allow_none=True) == "loky":
            multiprocessing.set_start_method(self.start_method, force=True)

    def adopt_main(self, function: Any) -> None:
        """Let ``__main__`` hold what an evaluation function, unpickled here, uses of the program's main module.

        Processes that it starts afresh run that module, as those of the program itself would, under the name
        ``__mp_main__``.
        """
        names = _names_in_main(function)
        if not names:
            return  # it is a module's, and so is all that it uses
        main = sys.modules["__main__"]
        if not self._is(main):
            _replaced.append(main)
            main = types.ModuleType("__main__")
            if self.main_name is not None:
                main.__spec__ = importlib.machinery.ModuleSpec(self.main_name, None)
            if self.main_path is not None and Path(self.main_path).is_file():
                main.__file__ = self.main_path
            sys.modules["__main__"] = main
        vars(main).update(names)

    def _is(self, main: types.ModuleType) -> bool:
        path = getattr(main, "__file__", None)
        return path is not None and str(Path(path).absolute()) == self.main_path


def _names_in_main(function: Any) -> dict[str, Any]:
    """Find what a function of ``__main__`` refers to by global names, itself and its class among them."""
    names: dict[str, Any] = {}
    seen: set[int] = set()
    left = [function]
    while left:
        part = left.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, functools.partial):
            left.append(part.func)
        elif isinstance(part, types.MethodType):
            left += [part.__func__, part.__self__]
        elif isinstance(part, types.FunctionType):
            left += [cell.cell_contents for cell in part.__closure__ or () if _is_code(cell)]
            left += [getattr(part, "__wrapped__", None)]
            if part.__module__ == "__main__":
                names.update((name, value) for name, value in part.__globals__.items() if not name.startswith("__"))
                names.setdefault(part.__name__, part)
        elif isinstance(part, type):
            if part.__module__ == "__main__":
                names.setdefault(part.__name__, part)
                left += [value for value in vars(part).values() if isinstance(value, types.FunctionType)]
        elif part is not None and type(part).__module__ == "__main__":
            left.append(type(part))
    return names


def _is_code(cell: types.CellType) -> bool:
    try:
        return isinstance(cell.cell_contents, (types.FunctionType, type, functools.partial))
    except ValueError:  # an empty cell
        return False
