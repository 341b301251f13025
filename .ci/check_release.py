"""The release checklist of RELEASING.md, as far as a program can tick it off.

python .ci/check_release.py DIST            the folder with the source distribution of the release
python .ci/check_release.py DIST --draft    before the tag is made: as CI runs it, with a few tests
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOT_IN_THE_SDIST = (".ci/", ".github/", ".gitignore", ".pre-commit-config.yaml")
FEW_TESTS = ("test_export.py", "test_model_check.py", "test_space.py")


def fail(message: str) -> None:
    raise SystemExit(f"release: {message}")


def git(*arguments: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=True).stdout.strip()


def check_version() -> str:
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+)"$', (ROOT / "shac/__init__.py").read_text(), re.MULTILINE)
    if found is None:
        fail("expected a version of three numbers in shac/__init__.py")
    assert found is not None
    return found.group(1)


def check_changelog(version: str, *, draft: bool) -> None:
    heading = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    expected = rf"## {re.escape(version)} \((\d{{4}}-\d\d-\d\d{'|unreleased' if draft else ''})\)"
    if not re.fullmatch(expected, heading):
        fail(f"expected CHANGELOG.md to begin with version {version} and its date, got {heading!r}")


def check_tag(version: str) -> None:
    if git("status", "--porcelain"):
        fail("expected a tree without changes")
    tags = git("tag", "--points-at", "HEAD").split()
    if f"v{version}" not in tags:
        fail(f"expected the tag v{version} on this commit, got {tags}")


def unpack(dist: Path, version: str, folder: Path) -> Path:
    path = dist / f"shac-{version}.tar.gz"
    if not path.is_file():
        fail(f"expected {path}, got {sorted(entry.name for entry in dist.iterdir())}")
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / f"shac-{version}"


def check_contents(unpacked: Path) -> None:
    packed = {str(entry.relative_to(unpacked)) for entry in unpacked.rglob("*") if entry.is_file()}
    tracked = {name for name in git("ls-files").splitlines() if not name.startswith(NOT_IN_THE_SDIST)}
    if missing := sorted(tracked - packed):
        fail(f"expected every tracked file in the source distribution, got none of {missing}")
    if strangers := sorted(packed - tracked - {"PKG-INFO"}):
        fail(f"expected tracked files alone in the source distribution, got {strangers}")


def run_tests(unpacked: Path, *, draft: bool) -> None:
    tests = [str(unpacked / "tests" / name) for name in FEW_TESTS] if draft else [str(unpacked / "tests")]
    # Not as a module, which would put the unpacked package before the installed one.
    pytest = Path(sys.executable).with_name("pytest")
    done = subprocess.run([pytest, "-q", *tests], cwd=unpacked, check=False)
    if done.returncode:
        fail("expected the tests of the source distribution to pass")


def main() -> None:
    parser = argparse.ArgumentParser(description="Check a release.")
    parser.add_argument("dist", type=Path)
    parser.add_argument("--draft", action="store_true")
    options = parser.parse_args()
    version = check_version()
    check_changelog(version, draft=options.draft)
    if not options.draft:
        check_tag(version)
    with tempfile.TemporaryDirectory() as folder:
        unpacked = unpack(options.dist, version, Path(folder))
        check_contents(unpacked)
        run_tests(unpacked, draft=options.draft)
    print(f"release {version}: {'ready to be tagged' if options.draft else 'ready'}")


if __name__ == "__main__":
    main()
