"""What a wheel holds: nothing missing, nothing that does not belong there, small, and with licences that allow its use.

python .ci/check_wheel.py [--as-installed] WHEEL ...

With --as-installed each file must be the one that is installed, byte for byte: a build of its own came to the same.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.metadata
import io
import re
import sys
import zipfile
from pathlib import Path

MOST_BYTES = 2 * 2**20
NEEDED = ("shac/__init__.py", "shac/__init__.pyi", "shac/_core.pyi", "shac/py.typed", "shac/html_report/page.html")
# Of the packages that the wheel needs at run time, and of what those need. `nvidia-nccl` comes with XGBoost on Linux.
ALLOWED_LICENCES = re.compile(
    r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|MPL|Mozilla|HPND|Zlib|0BSD", re.IGNORECASE
)
KNOWN_EXCEPTIONS = {"nvidia-nccl-cu12": "NVIDIA's own licence, which XGBoost's wheel brings; shac does not load it"}


def fail(message: str) -> None:
    raise SystemExit(f"wheel: {message}")


def check_contents(path: Path) -> None:
    if path.stat().st_size >= MOST_BYTES:
        fail(f"expected less than {MOST_BYTES} bytes, got {path.stat().st_size}")
    with zipfile.ZipFile(path) as wheel:
        names = {name for name in wheel.namelist() if not name.endswith("/")}
        info = next(name.split("/")[0] for name in names if name.endswith(".dist-info/WHEEL"))
        strangers = sorted(name for name in names if not name.startswith(("shac/", f"{info}/")))
        if strangers:
            fail(f"expected shac/ and {info}/ alone, got {strangers}")
        missing = [name for name in (*NEEDED, f"{info}/licenses/LICENSE") if name not in names]
        if missing or not any(re.fullmatch(r"shac/_core\..*(so|pyd)", name) for name in names):
            fail(f"expected the package, its compiled core and its licence, got none of {missing or ['shac/_core']}")
        if "License-Expression: MIT" not in wheel.read(f"{info}/METADATA").decode():
            fail("expected the licence MIT in its metadata")
        records = csv.reader(io.StringIO(wheel.read(f"{info}/RECORD").decode()))
        recorded = {name: digest for name, digest, _ in records}
        for name in names - {f"{info}/RECORD"}:
            digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
            if recorded.get(name) != f"sha256={digest}":
                fail(f"expected {name} in RECORD with sha256={digest}, got {recorded.get(name)}")
    print(f"{path.name}: {path.stat().st_size:,} bytes, {len(names)} files")


def check_installed(path: Path) -> None:
    """Compare with what another build has installed; `RECORD` alone has what the installer adds."""
    installed = importlib.metadata.distribution("shac")
    with zipfile.ZipFile(path) as wheel:
        names = [name for name in wheel.namelist() if not name.endswith(("/", ".dist-info/RECORD"))]
        others = [
            name
            for name in names
            if not (file := Path(str(installed.locate_file(name)))).is_file() or file.read_bytes() != wheel.read(name)
        ]
    if others:
        fail(f"expected what the build has that is installed, byte for byte, got others: {others}")
    print(f"{path.name}: {len(names)} files as installed")


def check_licences() -> None:
    """Of everything that an installed shac needs, as far as it is installed here."""
    pending, seen = ["shac"], set()
    while pending:
        name = pending.pop()
        key = re.sub(r"[-_.]+", "-", name).lower()
        if key in seen:
            continue
        seen.add(key)
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # of another platform
        for requirement in package.requires or ():
            if "extra ==" not in requirement:
                match = re.match(r"[A-Za-z0-9._-]+", requirement)
                assert match is not None
                pending.append(match.group())
        texts = [package.metadata.get(field) or "" for field in ("License-Expression", "License")]
        texts += [c for c in package.metadata.get_all("Classifier") or () if c.startswith("License")]
        if not any(ALLOWED_LICENCES.search(text) for text in texts) and key not in KNOWN_EXCEPTIONS:
            fail(f"expected a licence that allows its use from {name}, got {[t[:60] for t in texts if t]}")
    print(f"licences of {len(seen)} packages allow their use")


def main() -> None:
    options = [argument for argument in sys.argv[1:] if argument == "--as-installed"]
    for path in map(Path, sys.argv[1 + len(options) :]):
        check_contents(path)
        if options:
            check_installed(path)
    check_licences()


if __name__ == "__main__":
    main()
