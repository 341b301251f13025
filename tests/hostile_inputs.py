"""Save folders that somebody made to harm: each attack is a sequence of changes to a sound one."""

import hashlib
import json
import os
import random
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ubjson_writer import dump_ubjson

from shac.errors import DamagedFileError, ShacError
from shac.files import dump_json, parse_json
from shac.space import HyperParameterList
from shac.ubjson import parse_ubjson

ANYTHING: list[Any] = [
    None, True, 0, -1, 1.5, 2**31, 2**63, 2**64, 10**400, "", "abc", "1", "..", "../../etc/passwd", "/dev/zero", "\0",
    [], {}, [[1]], [None], {"a": [1]}, {"$float": "nan"}, {"$tuple": [1]}, {"$dict": 3}, {"$other": 1}, "x" * 10_000,
]  # fmt: skip
COUNTS = ["0", "-1", "1000000000", "2147483647", "99999999999999999999", "1e9", "", "0x10", " 3", "nan"]
JOURNAL = "journal.jsonl"


@dataclass(frozen=True)
class Case:
    """One hostile input: what is done to a sound folder, and to which of its files if not to any."""

    name: str
    apply: Callable[[Path], object]
    files: tuple[str, ...] = ()


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def places(size: int, count: int, generator: random.Random) -> list[int]:
    """All of them, or both ends and a sample between."""
    if size <= count:
        return list(range(size))
    edge = min(64, count // 4)
    inner = generator.sample(range(edge, size - edge), count - 2 * edge)
    return [*range(edge), *sorted(inner), *range(size - edge, size)]


def reseal(folder: Path) -> None:
    """Make the manifest vouch for whatever the other files are now, as an attacker would."""
    document = json.loads((folder / "manifest.json").read_text())
    manifest = document["manifest"]
    for name in manifest["files"]:
        data = (folder / name).read_bytes()
        manifest["files"][name] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        config = parse_json((folder / "parameters.json").read_bytes(), "parameters")
        manifest["space"] = HyperParameterList.load_from_config(config).fingerprint()
    except (ValueError, RecursionError, MemoryError):
        pass
    write_manifest(folder, manifest)


def write_manifest(folder: Path, manifest: Any) -> None:
    try:
        read = parse_json(json.dumps(manifest), "manifest")  # the checksum is that of what is read
    except DamagedFileError:
        read = manifest
    checksum = hashlib.sha256(json.dumps(read, sort_keys=True).encode()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps({"manifest": manifest, "sha256": checksum}))


def manifest_of(manifest: Any) -> Callable[[Path], object]:
    return lambda folder: write_manifest(folder, manifest)


def sealed(change: Callable[[Path], object]) -> Callable[[Path], object]:
    def apply(folder: Path) -> None:
        change(folder)
        reseal(folder)

    return apply


def write(name: str, data: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(data)


def truncations(files: dict[str, bytes], count: int, generator: random.Random) -> Iterator[Case]:
    for name, data in files.items():
        for end in places(len(data), count, generator):
            yield Case(f"{name} cut at byte {end}", write(name, data[:end]), (name,))


def flips(files: dict[str, bytes], count: int, generator: random.Random) -> Iterator[Case]:
    for name, data in files.items():
        for place in places(len(data), count, generator):
            changed = bytearray(data)
            changed[place] ^= generator.randrange(1, 256)
            yield Case(f"{name} changed at byte {place}", write(name, bytes(changed)), (name,))


def sealed_bytes(files: dict[str, bytes], count: int, generator: random.Random) -> Iterator[Case]:
    """Cut and changed files that the manifest vouches for."""
    named = {name: data for name, data in files.items() if name not in ("manifest.json", JOURNAL, ".lock")}
    for cases in (truncations, flips):
        for case in cases(named, count, generator):
            yield Case(f"{case.name}, sealed", sealed(case.apply), (*case.files, "manifest.json"))


def swaps(files: dict[str, bytes], other: dict[str, bytes]) -> Iterator[Case]:
    for name, own in files.items():
        for theirs, data in other.items():
            if data != own:
                yield Case(f"{name} is the other search's {theirs}", write(name, data))
                if name not in ("manifest.json", JOURNAL, ".lock"):
                    yield Case(f"{name} is the other search's {theirs}, sealed", sealed(write(name, data)))


def ways(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield way
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield from ways(entry, (*way, key))


def replaced(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    if not way:
        return new
    copy = value.copy()
    copy[way[0]] = replaced(copy[way[0]], way[1:], new)
    return copy


def anything_in_json(files: dict[str, bytes], count: int, generator: random.Random) -> Iterator[Case]:
    """Anything in the place of anything, in all that is JSON, with checksums that are right."""
    manifest = json.loads(files["manifest.json"])["manifest"]
    parameters = json.loads(files["parameters.json"])
    pairs = [("manifest", w, v) for w in ways(manifest) for v in ANYTHING]
    pairs += [("parameters", w, v) for w in ways(parameters) for v in ANYTHING]
    for kind, way, value in generator.sample(pairs, min(count, len(pairs))):
        if kind == "manifest":
            changed = replaced(manifest, way, value)
            yield Case(f"manifest{way} = {value!r:.40}", manifest_of(changed))
        else:
            data = json.dumps(replaced(parameters, way, value)).encode()
            yield Case(f"parameters{way} = {value!r:.40}", sealed(write("parameters.json", data)))


def journal_line(record: Any) -> bytes:
    body = json.dumps(record, separators=(",", ":"))
    return f'{body[:-1]},"crc32":"{zlib.crc32(body.encode()):08x}"}}\n'.encode()


def anything_in_the_journal(files: dict[str, bytes], count: int, generator: random.Random) -> Iterator[Case]:
    """The same in the lines of the journal; also cut and changed lines whose checksum is right."""
    lines = files[JOURNAL].splitlines(keepends=True)
    records = [{k: v for k, v in json.loads(line).items() if k != "crc32"} for line in lines]
    pairs = [(n, w, v) for n, record in enumerate(records) for w in ways(record) if w for v in ANYTHING]
    for number, way, value in generator.sample(pairs, min(count, len(pairs))):
        changed = [*lines[:number], journal_line(replaced(records[number], way, value)), *lines[number + 1 :]]
        yield Case(f"journal line {number + 1}{way} = {value!r:.40}", write(JOURNAL, b"".join(changed)))


def broken_models(files: dict[str, bytes], count: int, generator: random.Random) -> Iterator[Case]:
    """Models whose fields contradict each other, written as XGBoost writes them and sealed."""
    names = [name for name in files if name.endswith(".ubj")]
    documents = {name: parse_ubjson(files[name]) for name in names}
    for _ in range(count):
        name = generator.choice(names)
        what, document = mutate(documents[name], generator)
        try:
            data = dump_ubjson(document)
        except (ValueError, OverflowError):
            continue
        yield Case(f"{name}: {what}", sealed(write(name, data)), (name, "manifest.json"))


def mutate(document: Any, generator: random.Random) -> tuple[str, Any]:
    """Change one to three fields of a copy."""
    changes = []
    for _ in range(generator.choice([1, 1, 1, 2, 3])):
        way: tuple[Any, ...] = ()
        if generator.random() < 0.75 and isinstance(document, dict) and "learner" in document:
            way = WAY_TO_TREES  # where a walk that takes any way hardly ever comes
        value = document
        try:
            for key in way:
                value = value[key]
        except (KeyError, TypeError, IndexError):  # an earlier change took them away
            way, value = (), document
        while isinstance(value, (dict, list)) and len(value):
            key = generator.choice(list(value) if isinstance(value, dict) else range(len(value)))
            way, value = (*way, key), value[key]
            if generator.random() < 0.02:
                break
        new = _other(value, generator)
        changes.append(f"{'/'.join(map(str, way))} = {str(new)[:40]}")
        document = replaced(document, way, new)
    return ", ".join(changes), document


WAY_TO_TREES = ("learner", "gradient_booster", "model", "trees")


def _other(value: Any, generator: random.Random) -> Any:
    if isinstance(value, np.ndarray) and value.size and generator.random() < 0.9:
        return _other_array(value.copy(), generator)
    if isinstance(value, str) and generator.random() < 0.8:
        return generator.choice(COUNTS)
    if isinstance(value, int) and not isinstance(value, bool) and generator.random() < 0.8:
        return generator.choice([-1, 0, 1, 2**31 - 1, -(2**31), 2**40, 7])
    return generator.choice([None, True, 1, "x", {}, [], [1, 2], np.zeros(3, np.int32), np.zeros(0, np.float32)])


def _other_array(array: Any, generator: random.Random) -> Any:
    choice = generator.random()
    if choice < 0.7:
        index = generator.randrange(array.size)
        if array.dtype.kind == "f":
            array[index] = generator.choice([np.nan, np.inf, -np.inf, 0.0, -0.0, 3e38, 1e-45, 0.5])
        else:
            low, high = np.iinfo(array.dtype).min, np.iinfo(array.dtype).max
            near = generator.randrange(-2, array.size + 2)
            array[index] = min(max(generator.choice([near, near, near, low, high]), low), high)
        return array
    if choice < 0.8:
        return array[: generator.randrange(array.size)]
    if choice < 0.9:
        return np.concatenate([array, array[:1]])
    return array.astype(generator.choice([np.int8, np.uint8, np.int16, np.int32, np.int64, np.float32, np.float64]))


def nested_json(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


def wild_files(files: dict[str, bytes]) -> Iterator[Case]:
    """By hand: claims, nesting, other versions, links, pipes and devices."""
    manifest = json.loads(files["manifest.json"])["manifest"]
    for version in (0, 2, 10**30, "1", None, 1.0, True):
        yield Case(f"format {version!r}", manifest_of({**manifest, "format": version}))
    for depth in (100, 400, 900, 5000, 1_000_000):
        for name in ("manifest.json", "parameters.json"):
            yield Case(f"{name} nested {depth} deep", write(name, nested_json(depth)))
        deep = files["parameters.json"].replace(b'"relu"', nested_json(depth), 1)
        yield Case(f"a value nested {depth} deep", sealed(write("parameters.json", deep)))
        yield Case(
            f"a model nested {depth} deep", sealed(write("classifiers/00.ubj", b"[#L" + b"\0" * 7 + b"\1" * depth))
        )
    for token in (b"NaN", b"Infinity", b"1e999", b"1" * 5000, b"-" + b"9" * 400):
        for name in ("manifest.json", "parameters.json"):
            yield Case(f"{name}: {token[:9]!r}", write(name, files[name].replace(b": 1,", b": " + token + b",", 1)))
    for name, wild in _wild_models(files).items():
        yield Case(name, sealed(write("classifiers/00.ubj", wild)))
    for name in ("..", "../secret", "/etc/passwd", "classifiers/../../x.ubj", "classifiers/00.ubj\0", "C:\\x", ""):
        renamed = {**manifest["files"]}
        renamed[name] = renamed.pop("classifiers/00.ubj")
        yield Case(f"the manifest names {name!r}", manifest_of({**manifest, "files": renamed}))
    for name in (*files, "classifiers"):
        for target in ("/dev/zero", "/etc/passwd", "/", "nowhere", name.rpartition("/")[2]):
            yield Case(f"{name} is a link to {target}", partial(_link, name, target))
        yield Case(f"{name} is a pipe", partial(_pipe, name))
        yield Case(f"{name} is a sparse file of 100 GB", partial(_sparse, name))


def _wild_models(files: dict[str, bytes]) -> dict[str, bytes]:
    model = files["classifiers/00.ubj"]
    claim = (10**9).to_bytes(8, "big")
    array = model.index(b"left_children[$l#L") + len(b"left_children[$l#L")
    nodes = model.index(b"num_nodesSL") + len(b"num_nodesSL")
    size = 8 + model[nodes + 7]
    return {
        "10^9 nodes claimed by an array": model[:array] + claim + model[array + 8 :],
        "10^9 nodes claimed by a tree": model[:nodes] + bytes(7) + b"\x0a1000000000" + model[nodes + size :],
        "10^9 entries of a list": b"[#L" + claim,
        "10^9 characters of a text": b"{L" + claim,
        "a length of -1": b"[$l#L" + b"\xff" * 8,
        "JSON in the place of UBJSON": b'{"learner": {}}',
        "the old binary format": b"binf" + bytes(200),
        "a pickle": b"cos\nsystem\n(S'touch pwned'\ntR.",
    }


def _remove(path: Path) -> None:
    if path.is_dir():
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()
    else:
        path.unlink()


def _link(name: str, target: str, folder: Path) -> None:
    _remove(folder / name)
    (folder / name).symlink_to(target)


def _pipe(name: str, folder: Path) -> None:
    _remove(folder / name)
    os.mkfifo(folder / name)


def _sparse(name: str, folder: Path) -> None:
    _remove(folder / name)
    with (folder / name).open("wb") as file:
        file.truncate(10**11)


def is_refusal(error: BaseException) -> bool:
    return isinstance(error, ShacError) and bool(dump_json(str(error), "message"))
