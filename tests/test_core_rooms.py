"""The rooms of the C++ core, as cpp/README.md lists them: who may include whom, and how large a file is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = re.findall(r"^\| `(\w+)/` \|", (ROOT / "cpp" / "README.md").read_text(), flags=re.MULTILINE)


def sources(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".hpp", ".cpp"))


def test_the_readme_lists_the_rooms_that_there_are() -> None:
    assert sorted(ROOMS) == sorted(path.name for path in (ROOT / "cpp").iterdir() if path.is_dir())


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_includes_only_itself_rooms_above_it_and_support(room: str) -> None:
    above = set() if room == "support" else {*ROOMS[: ROOMS.index(room)], "support"}
    for path in sources(ROOT / "cpp" / room):
        included = set(re.findall(r'^#include "(\w+)/', path.read_text(), flags=re.MULTILINE))
        assert included <= above | {room}, path.name


def test_no_file_of_the_core_is_over_400_lines_but_kernels() -> None:
    long = [path for path in sources(ROOT / "cpp") if len(path.read_text().splitlines()) > 400]
    assert {path.parent.name for path in long} <= {"kernels"}


def test_the_binding_has_no_loop() -> None:
    for path in sources(ROOT / "src"):
        assert not re.search(r"\b(for|while) \(", path.read_text()), path.name
