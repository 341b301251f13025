"""The save folder of a search.

``manifest.json`` names every other file with its size and SHA-256 and is written last; a checksum guards it itself.
``dataset.csv`` only grows, so that a crash between it and the manifest leaves a longer table whose beginning is still
the one that the manifest names: reading takes that beginning. With the first evaluation that is pruned it gets two more
columns, which reading leaves out where the manifest's table is one without them. Classifiers are in XGBoost's own
format, and XGBoost sees their bytes only when their SHA-256 is right and `check_model` finds them sound. Nothing is
ever unpickled.

A folder may come from anywhere: only files are read, none larger than such a file can be, and nothing is written
through a symbolic link.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import re
import warnings
from operator import is_
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from shac.classifier import Classifier
from shac.errors import DamagedFileError, SaveFolderError
from shac.export import installed_xgboost, read_document
from shac.files import dump_json, extend_file, open_regular, parse_json, read_beginning, read_file, write_atomic
from shac.model_check import check_model
from shac.model_edits import load_classifier
from shac.objectives import Objectives
from shac.space import HyperParameterList
from shac.store.earlier import WARM_START_FILE, EarlierEvaluations
from shac.store.journal import JOURNAL_FILE, has_scores, is_journal
from shac.store.lock import LOCK_FILE, is_lock
from shac.store.record import SearchRecord
from shac.store.table import DATASET_FILE, PARAMETERS_FILE, is_header, read_table_text, table_text, without_pruned
from shac.ubjson import parse_ubjson

if TYPE_CHECKING:
    from pathlib import Path


__all__ = [
    "CLASSIFIERS_FOLDER",
    "MANIFEST_FILE",
    "classifier_names",
    "exists",
    "holds_evaluations",
    "holds_search",
    "is_own",
    "load_search",
    "manifest_digest",
    "manifest_files",
    "save_search",
]

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
CLASSIFIERS_FOLDER = "classifiers"

_DEPTH_OF_LINES = 3  # in the manifest: each option and each file has a line

_MEBIBYTE = 1 << 20
_MOST_BYTES = {MANIFEST_FILE: 16 * _MEBIBYTE, PARAMETERS_FILE: 16 * _MEBIBYTE, DATASET_FILE: 512 * _MEBIBYTE}
_MOST_BYTES[WARM_START_FILE] = _MOST_BYTES[DATASET_FILE]
_MOST_CLASSIFIER_BYTES = 64 * _MEBIBYTE
_CLASSIFIER_NAME = re.compile(r"\d{2,}\.ubj")

# By the codecs of spaces: equal spaces are told apart by a look at all of their values
_known_parameters: WeakKeyDictionary[object, tuple[str, bytes]] = WeakKeyDictionary()
_known_tables: WeakKeyDictionary[object, tuple[tuple[Any, ...], bytes, list[Any], bytes]] = WeakKeyDictionary()


def holds_search(folder: Path) -> bool:
    """Return whether a search was saved in a folder."""
    return (folder / MANIFEST_FILE).exists()


def holds_evaluations(folder: Path) -> bool:
    """Return whether a folder holds completed evaluations, in its table or in its journal.

    Raises
    ------
    DamagedFileError
        If its journal is damaged.
    """
    table = folder / DATASET_FILE
    if holds_search(folder) and table.is_file():
        with os.fdopen(open_regular(table, os.O_RDONLY), "rb") as file:
            next(file, b"")
            if any(not line.endswith(b",nan\n") for line in file):
                return True
    return has_scores(folder / JOURNAL_FILE)


def manifest_digest(folder: Path) -> str | None:
    """Return the SHA-256 of a folder's manifest; None if there is none."""
    try:
        return _sha256(read_file(folder / MANIFEST_FILE, _MOST_BYTES[MANIFEST_FILE]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, DamagedFileError):  # a folder in its place, say: `load_search` has the right words for it
        return ""


def save_search(folder: Path, search: SearchRecord) -> None:
    """Write a search; whatever stops it on the way, the folder holds the search before or after.

    Parameters
    ----------
    folder : Path
        Made if it does not exist.
    search : SearchRecord
        Its table continues the one that the folder holds.

    Raises
    ------
    SaveFolderError
        If the folder's own folder of classifiers is a symbolic link.
    ValueError
        If the search space has values that cannot be saved, or a file would be too large to be read again.
    OSError
        If the folder cannot be written.
    """
    classifiers = {f"{CLASSIFIERS_FOLDER}/{i:02d}.ubj": classifier for i, classifier in enumerate(search.classifiers)}
    contents = {name: classifier.data for name, classifier in classifiers.items()}
    contents[PARAMETERS_FILE] = _parameters_bytes(search.space)
    contents[DATASET_FILE] = _table_bytes(search)
    if search.earlier is not None:
        contents[WARM_START_FILE] = table_text(search.space, search.earlier.rows, search.earlier.scores).encode()
    digests = {name: classifier.sha256 for name, classifier in classifiers.items()}
    manifest = {
        "format": FORMAT_VERSION,
        "settings": search.settings(),
        "progress": search.progress(),
        "space": search.space.fingerprint(),
        "encodes_relatively": search.space.encodes_relatively,
        "xgboost": installed_xgboost(),
        "files": {n: {"size": len(data), "sha256": digests.get(n) or _sha256(data)} for n, data in contents.items()},
    }
    for name, data in contents.items():
        if len(data) > _most_bytes(name):
            raise ValueError(f"{name}: expected at most {_most_bytes(name)} bytes to save, got {len(data)}")
    if (folder / CLASSIFIERS_FOLDER).is_symlink():
        raise SaveFolderError(f"save_dir: {folder / CLASSIFIERS_FOLDER} is a symbolic link, and would lead elsewhere")
    (folder / CLASSIFIERS_FOLDER).mkdir(parents=True, exist_ok=True)
    for name, data in contents.items():
        path = folder / name
        before = path.read_bytes() if path.is_file() else None
        if before == data:
            continue
        is_continued = name == DATASET_FILE and before is not None and data.startswith(before)
        if exists(path) and not is_continued and not is_own(folder, name, manifest_files(folder)):
            _move_aside(path)
        has_one_name = path.exists() and path.lstat().st_nlink == 1  # a copy by hard links is to stay as it was
        if is_continued and before is not None and has_one_name and not path.is_symlink():
            extend_file(path, data[len(before) :])
        else:
            write_atomic(path, data)
    sealed = {"manifest": manifest, "sha256": _checksum(manifest)}
    write_atomic(folder / MANIFEST_FILE, dump_json(sealed, "manifest", depth=_DEPTH_OF_LINES))


def _parameters_bytes(space: HyperParameterList) -> bytes:
    """Return a search's parameters, which are written once and compared after each round."""
    config = space.get_config()
    text, (known, data) = repr(config), _known_parameters.get(space.codec, ("", b""))
    if text != known:  # 1 and True are equal, and lists may change in their place
        data = dump_json(config, "parameters").encode()
        _known_parameters[space.codec] = text, data
    return data


def _table_bytes(search: SearchRecord) -> bytes:
    """Return a search's table; the rows of its last round are added to what was written after the one before."""
    rows, scores = tuple(search.rows), np.array(search.scores, dtype=np.float64).tobytes()
    known_rows, known_scores, known_pruned, table = _known_tables.get(search.space.codec, ((), b"", [], b""))
    num_known, pruned = len(known_rows), sorted(search.pruned.items())
    is_known = 0 < num_known <= len(rows) and all(map(is_, known_rows, rows)) and scores.startswith(known_scores)
    was_pruned = [entry for entry in pruned if entry[0] < num_known]
    if not (is_known and repr(was_pruned) == repr(known_pruned) and bool(known_pruned) == bool(pruned)):
        num_known, table = 0, b""
    table += table_text(
        search.space, search.rows, search.scores, search.pruned, first=num_known, objectives=search.objectives
    ).encode()
    _known_tables[search.space.codec] = rows, scores, pruned, table
    return table


def _move_aside(path: Path) -> None:
    """Keep a file that somebody has put into the place of a search's file while it ran."""
    kept = next(other for i in itertools.count(1) if not exists(other := path.with_name(f"{path.name}.{i}")))
    path.rename(kept)
    warnings.warn(f"{path}: expected the file of the search, got another; it is kept as {kept.name}", stacklevel=2)


def load_search(folder: Path) -> SearchRecord:
    """Read a search, all of it or nothing.

    Parameters
    ----------
    folder : Path
        A folder that `save_search` wrote.

    Returns
    -------
    SearchRecord

    Raises
    ------
    FileNotFoundError
        If the folder holds no search.
    DamagedFileError
        If a file is missing, not the one that the manifest names, or of another format version.
    """
    manifest = _read_manifest(folder / MANIFEST_FILE)
    files = manifest["files"]
    for name, entry in files.items():
        _read_file(folder, name, entry)  # all of them, before the work of making something of one
    where = folder / PARAMETERS_FILE
    try:
        space = HyperParameterList.load_from_config(
            parse_json(_read_file(folder, PARAMETERS_FILE, files.pop(PARAMETERS_FILE)), str(where))
        )
        space = space.with_encoding(relative=bool(manifest.get("encodes_relatively", False)))
        fingerprint = space.fingerprint()
    except DamagedFileError:
        raise
    except ValueError as error:
        raise DamagedFileError(f"{where}: {error}") from error
    if fingerprint != manifest["space"]:
        raise DamagedFileError(f"{where}: expected the search space of {MANIFEST_FILE}, got another")
    table = _read_file(folder, DATASET_FILE, files.pop(DATASET_FILE))
    objectives = _objectives_of(manifest["settings"], str(folder / MANIFEST_FILE))
    rows, scores, last_values = read_table_text(table, space, where=str(folder / DATASET_FILE), objectives=objectives)
    earlier = None
    if WARM_START_FILE in files:
        earlier = _read_earlier(folder, manifest, files.pop(WARM_START_FILE), space)
    return SearchRecord.read(
        manifest["settings"],
        manifest["progress"],
        where=str(folder / MANIFEST_FILE),
        space=space,
        rows=rows,
        scores=scores,
        last_values=last_values,
        classifiers=[_read_classifier(folder, name, manifest, space) for name in sorted(files)],
        earlier=earlier,
        objectives=objectives,
    )


def _objectives_of(settings: dict[str, Any], where: str) -> Objectives | None:
    config = settings.get("objective")
    try:
        return Objectives.from_config(config) if isinstance(config, list) else None
    except ValueError as error:
        raise DamagedFileError(f"{where}: {error}") from error


def exists(path: Path) -> bool:
    """Return whether there is anything of this name, a link that leads nowhere included."""
    return path.exists() or path.is_symlink()


def classifier_names(folder: Path) -> list[str]:
    """List the files in a folder that have the names of a search's classifiers."""
    return sorted(
        f"{CLASSIFIERS_FOLDER}/{path.name}"
        for path in (folder / CLASSIFIERS_FOLDER).glob("*.ubj")
        if _CLASSIFIER_NAME.fullmatch(path.name)
    )


def manifest_files(folder: Path) -> dict[str, Any] | None:
    """Return the entries of a folder's manifest; None where there is none, or not one of a search."""
    try:
        return dict(_read_manifest(folder / MANIFEST_FILE)["files"])
    except (OSError, DamagedFileError):
        return None


def is_own(folder: Path, name: str, files: dict[str, Any] | None) -> bool:
    """Whether a search wrote the file: its manifest says so, or a crash came before the manifest that would."""
    path = folder / name
    try:
        if name == MANIFEST_FILE:
            return files is not None
        if name == JOURNAL_FILE:
            return is_journal(path)
        if name == LOCK_FILE:
            return is_lock(path)
        if files is not None and name in files:
            _read_file(folder, name, files[name])
        elif name == PARAMETERS_FILE:
            HyperParameterList.load_from_config(parse_json(read_file(path, _most_bytes(name)), name))
        elif name == WARM_START_FILE:
            return is_header(read_file(path, _most_bytes(name)).partition(b"\n")[0].decode() + "\n")
        elif name == DATASET_FILE:
            text = read_file(path, _most_bytes(name))
            return text.count(b"\n") <= 1 and is_header(text.decode(), _columns_of(folder))
        else:
            read_document(parse_ubjson(read_file(path, _most_bytes(name))))
    except (OSError, ValueError):
        return False
    return True


def _columns_of(folder: Path) -> list[str]:
    """Return the columns of a folder's search space; none where there is no such file, or not one of a search."""
    try:
        config = parse_json(read_file(folder / PARAMETERS_FILE, _most_bytes(PARAMETERS_FILE)), PARAMETERS_FILE)
        return HyperParameterList.load_from_config(config).get_parameter_names()
    except (OSError, ValueError):
        return []


def _read_manifest(path: Path) -> dict[str, Any]:
    match parse_json(read_file(path, _MOST_BYTES[MANIFEST_FILE]), str(path)):
        case {"manifest": {"format": version, **rest} as manifest, "sha256": str(checksum)}:
            pass
        case _:
            raise DamagedFileError(f"{path}: expected a manifest with its sha256, got something else")
    if version != FORMAT_VERSION:
        raise DamagedFileError(f"{path}: expected format version {FORMAT_VERSION}, got {version!r}")
    if checksum != _checksum(manifest):
        raise DamagedFileError(f"{path}: expected sha256 {_checksum(manifest)}, got {checksum!r}")
    match rest:
        case {"settings": dict(settings), "progress": dict(), "space": str(), "files": dict(files)}:
            names = sorted(str(name) for name in files)
        case _:
            raise DamagedFileError(f"{path}: expected settings, progress, space and files, got {[*rest]}")
    tables = [PARAMETERS_FILE, DATASET_FILE]
    tables += [WARM_START_FILE] if "warm_start" in settings else []
    num_classifiers = len(files) - len(tables)
    classifiers = [f"{CLASSIFIERS_FOLDER}/{stage:02d}.ubj" for stage in range(num_classifiers)]
    expected = sorted([*tables, *classifiers])
    if names != expected:
        raise DamagedFileError(f"{path}: expected the files {expected}, got {names}")
    return dict(manifest)


def _read_file(folder: Path, name: str, entry: Any) -> bytes:
    path = folder / name
    match entry:
        case {"size": int(size), "sha256": str(sha256)} if size >= 0:
            pass
        case _:
            raise DamagedFileError(f"{folder / MANIFEST_FILE}: expected size and sha256 of {name}, got {entry!r}")
    try:
        # Of the table only the beginning counts, so that its size is not held against it.
        data = read_beginning(path, min(size, _most_bytes(name)))
    except OSError as error:
        raise DamagedFileError(f"{path}: {error.strerror or error}") from error
    if _sha256(data) != sha256:
        if name == DATASET_FILE:
            most = min(4 * size + 16 * _MEBIBYTE, _most_bytes(name))  # its rows with marks, and those of a round
            with contextlib.suppress(DamagedFileError):
                before = without_pruned(read_beginning(path, most), name)[:size]
                if _sha256(before) == sha256:
                    return before
        raise DamagedFileError(
            f"{path}: expected {size} bytes with sha256 {sha256}, got {len(data)} with {_sha256(data)}"
        )
    return data


def _read_earlier(folder: Path, manifest: dict[str, Any], entry: Any, space: HyperParameterList) -> EarlierEvaluations:
    where = str(folder / WARM_START_FILE)
    rows, scores, _ = read_table_text(_read_file(folder, WARM_START_FILE, entry), space, where=where)
    return EarlierEvaluations.read(manifest["settings"]["warm_start"], rows, scores, where)


def _most_bytes(name: str) -> int:
    return _MOST_BYTES.get(name, _MOST_CLASSIFIER_BYTES)


def _read_classifier(folder: Path, name: str, manifest: dict[str, Any], space: HyperParameterList) -> Classifier:
    import xgboost

    data = _read_file(folder, name, manifest["files"][name])
    try:
        model = load_classifier(data, check_model(data, space.num_columns).base_score)
    except (xgboost.core.XGBoostError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedFileError(f"{folder / name}: {error}") from error
    # Another version's is written anew in the format of this one
    return Classifier.of(model, data if manifest.get("xgboost") == installed_xgboost() else None)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _checksum(manifest: Any) -> str:
    return _sha256(json.dumps(manifest, sort_keys=True).encode())
