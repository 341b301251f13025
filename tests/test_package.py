import ast
import doctest
import importlib
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

import shac

SOURCE = Path(shac.__file__).parent

# An arrow of the design: the files of a layer may import those listed, and their own; imports for type checkers count.
LAYERS = {
    "errors": set(),
    "reals": set(),
    "cores": set(),
    "expressions": set(),
    "html_tables": set(),
    "callbacks": {"html_tables"},
    "_core": set(),
    "files": {"errors"},
    "export": {"errors", "ubjson"},
    "ubjson": {"errors"},
    "parameters": {"errors"},
    "evaluation": {"cores", "errors"},
    "labels": set(),
    "objectives": set(),
    "nondominated": set(),
    "replicates": set(),
    "ranking": {"html_tables", "labels", "nondominated", "objectives", "replicates"},
    "model_edits": {"errors", "export"},
    "classifier": {"export", "model_edits"},
    "gaps": {"model_edits"},
    "training": {"classifier", "export", "gaps", "reals"},
    "model_check": {"errors", "export", "ubjson"},
    "conditions": {"parameters"},
    "linear": set(),
    "feasibility": {"linear", "parameters"},
    "constrained_draws": {"feasibility", "linear", "parameters"},
    "constraints": {"expressions", "feasibility", "linear", "parameters"},
    "codec": {"conditions", "constraints", "linear", "parameters"},
    "prior": {"errors", "codec", "constrained_draws", "constraints", "feasibility", "parameters"},
    "space_config": {"conditions", "constraints", "files", "parameters"},
    "space": {"codec", "conditions", "constraints", "parameters", "prior", "space_config"},
    "sampling": {"classifier", "cores", "errors", "export", "model_edits", "_core", "parameters", "space", "ubjson"},
    "store": {
        *("classifier", "errors", "files", "export", "model_check", "model_edits", "objectives", "parameters", "space"),
        "ubjson",
    },
    "journal": {"store"},
    "frames": {"objectives", "parameters"},
    "dataset": {"errors", "frames", "files", "labels", "objectives", "parameters", "ranking", "space", "store"},
    "progress": {"callbacks", "objectives", "replicates", "sampling"},
    "engine": {
        *("errors", "sampling", "training", "evaluation", "dataset", "labels", "parameters", "store", "callbacks"),
        *("classifier", "cores", "space", "reals", "progress", "objectives", "nondominated", "replicates"),
    },
    "insight": {
        *(
            "errors",
            "files",
            "sampling",
            "dataset",
            "store",
            "space",
            "parameters",
            "objectives",
            "nondominated",
            "replicates",
        ),
    },
    "plots": {"insight", "dataset"},
    "html_report": {"errors", "insight", "files"},
    "integrations": {
        *("engine", "errors", "dataset", "labels", "store", "space", "parameters", "files", "sampling", "training"),
        *("callbacks", "evaluation", "objectives"),
    },
    "demo": {"progress", "engine", "callbacks", "space", "parameters", "evaluation"},
    "bench": {"cores", "sampling", "space", "parameters"},
    "cli": {
        "",
        "demo",
        "errors",
        "insight",
        "html_report",
        "integrations",
        "bench",
        "progress",
        "sampling",
        "space",
        "engine",
    },
    "__main__": {"cli"},
}
# Within the engine: values first, then the functions of them, then what holds them.
ENGINE = [
    {"arguments", "configurations", "earlier", "signatures"},
    {"strategy", "candidates", "local_search", "recovery", "pruning", "warm_start"},
    {"plan", "state", "surrogate"},
    {"cost_aware", "scalarising", "repeating", "quadratic"},
    {"proposals", "trials", "prediction", "enqueuing"},
    {"learning", "evaluating", "fitting", "recommending", "saving", "stopping"},
    {"loop", "beginning"},
    {"search"},
    {"settings"},
    {"engine"},
    {"asking"},
    {"shac"},
    {"torch"},
]
LONGEST_FILE = 400
HEAVY = {
    *("torch", "matplotlib", "plotly", "dask", "ray", "optuna", "xgboost", "sklearn", "scipy", "joblib", "loky"),
    *("pandas", "rich", "IPython"),
}


def modules() -> list[str]:
    return [info.name for info in pkgutil.walk_packages(shac.__path__, "shac.") if info.name != "shac._core"]


def source_of(name: str) -> ast.Module:
    path = SOURCE.joinpath(*name.split(".")[1:])
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())


def is_for_type_checkers(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def imports_of(nodes: Sequence[ast.stmt]) -> set[str]:
    """Modules that are imported by statements, in functions too; ``from shac import x`` is ``shac.x``."""
    found: set[str] = set()
    for statement in nodes:
        for node in ast.walk(statement):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module is not None
                found |= {f"shac.{alias.name}" for alias in node.names} if node.module == "shac" else {node.module}
    return found


def arrows() -> dict[str, set[str]]:
    """For each file of the package, the files that it imports, those for type checkers among them."""
    known = {"shac", *modules()}
    result: dict[str, set[str]] = {}
    for name in modules():
        used: set[str] = set()
        for node in ast.walk(source_of(name)):
            if isinstance(node, ast.ImportFrom) and node.module is not None:
                parts = {f"{node.module}.{alias.name}" for alias in node.names}
                used |= parts & known or {node.module} & known
            elif isinstance(node, ast.Import):
                used |= {alias.name for alias in node.names} & known
        result[name] = used - {name}
    return result


@pytest.mark.parametrize("name", modules())
def test_layers_import_downwards_only(name: str) -> None:
    layer = name.split(".")[1]
    used = {module.split(".")[1] for module in imports_of(source_of(name).body) if module.startswith("shac.")}
    public = {entry for entry in used if entry not in LAYERS}
    assert used - {layer} - public <= LAYERS[layer]
    assert not public or "" in LAYERS[layer], f"{name} imports from the package's face: {public}"


def test_no_files_import_each_other_in_a_circle() -> None:
    left = arrows()
    while free := {name for name, used in left.items() if not used & left.keys()}:
        left = {name: used for name, used in left.items() if name not in free}
    assert not left, f"in a circle, or above one: {sorted(left)}"


def test_the_engine_imports_downwards_within_itself() -> None:
    floor = {f"shac.engine.{name}": number for number, names in enumerate(ENGINE) for name in names}
    for name, used in arrows().items():
        if name.startswith("shac.engine."):
            assert not {other for other in used if other in floor and floor[other] >= floor[name]}, name


def test_no_file_takes_the_engine_but_its_own() -> None:
    for name, used in arrows().items():
        if used & {"shac.engine.shac", "shac.engine.engine", "shac.engine.settings", "shac.engine.asking"}:
            assert name in (
                "shac.engine",
                "shac.engine.torch",
                "shac.engine.shac",
                "shac.engine.engine",
                "shac.engine.asking",
            ), name


@pytest.mark.parametrize("name", modules())
def test_no_file_is_too_long(name: str) -> None:
    path = SOURCE.joinpath(*name.split(".")[1:])
    lines = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text().splitlines()
    assert len(lines) <= LONGEST_FILE


@pytest.mark.parametrize("name", modules())
def test_heavy_packages_are_imported_only_where_they_are_used(name: str) -> None:
    top = [
        node
        for node in source_of(name).body
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.Try)) and not is_for_type_checkers(node)
    ]
    # A bridge to another library derives from its classes, and is imported by those who use that library
    own = {name.rpartition(".")[2]} if name.startswith("shac.integrations.") else set()
    assert not {module.split(".")[0] for module in imports_of(top)} & HEAVY - own


def test_importing_does_nothing() -> None:
    script = (
        "import os, sys, warnings; before = list(warnings.filters); import shac; "
        f"print([name for name in {sorted(HEAVY)} if name in sys.modules], "
        "list(warnings.filters) == before, os.listdir())"
    )
    output = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert output.stdout == "[] True []\n"
    assert output.stderr == ""


def test_the_public_names_are_those_that_type_checkers_see() -> None:
    stub = ast.parse((SOURCE / "__init__.pyi").read_text())
    seen = {alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen | {"__version__"} == set(shac.__all__)
    assert all(getattr(shac, name) is not None for name in shac.__all__)
    assert set(shac.__all__) <= set(dir(shac))
    with pytest.raises(AttributeError, match="module 'shac' has no attribute 'nothing'"):
        shac.nothing  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(shac.__all__) - {"__version__"}))
def test_public_names_have_docstrings(name: str) -> None:
    thing = getattr(shac, name)
    assert inspect.getdoc(thing)
    if inspect.isclass(thing):
        for attribute, value in vars(thing).items():
            if not attribute.startswith("_") and (callable(value) or isinstance(value, property)):
                assert inspect.getdoc(getattr(thing, attribute)), f"{name}.{attribute}"


def test_the_stub_of_the_core_names_what_the_core_has() -> None:
    core = importlib.import_module("shac._core")
    stub = ast.parse((SOURCE / "_core.pyi").read_text())

    def names(body: list[ast.stmt]) -> set[str]:
        named = {node.name for node in body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
        return named | {ast.unparse(node.target) for node in body if isinstance(node, ast.AnnAssign)}

    classes = {node.name: node for node in stub.body if isinstance(node, ast.ClassDef)}
    public = {name for name in names(stub.body) if not name.startswith("_")}
    assert public - {"SampleResult"} == {name for name in vars(core) if not name.startswith("_")}
    for name in public & set(classes) - {"SampleResult"}:
        bases = [classes[base.id] for base in classes[name].bases if isinstance(base, ast.Name)]
        written = {method for node in (classes[name], *bases) for method in names(node.body)}
        real = {method for method in vars(getattr(core, name)) if not method.startswith("_")}
        assert {method for method in written if not method.startswith("_")} == real


@pytest.mark.parametrize("name", ["shac", *modules()])
def test_examples_in_docstrings_run(name: str) -> None:
    module: ModuleType = importlib.import_module(name)
    results = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0


def test_what_completion_offers_is_public() -> None:
    assert dir(shac) == sorted(shac.__all__)
