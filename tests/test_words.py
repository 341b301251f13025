"""The words of the project are the field's: those that were retired do not come back."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = sorted((ROOT / "shac").rglob("*.py"))
CORE = sorted(
    path for folder in ("cpp", "src") for path in (ROOT / folder).rglob("*") if path.suffix in (".cpp", ".hpp")
)
PROSE = [ROOT / "README.md", ROOT / "cpp" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# What is said instead stands behind each.
RETIRED = {
    r"\bAs (of|in) `": "See `",
    r"(?<![\w`/])([Aa]|each|every|no|one|best|this|that) setting\b": "configuration: settings are options",
    r"(?<![\w`])(best|random|new|predicted|better|evaluated|other|all) settings\b": "configurations",
    r"settings (that pass|to evaluate|of a (batch|round))": "configurations",
    r"\b(keeping_share|with_lower_margins|draw_rows|propose_rows|_with_its_share)\b": "calibrate_threshold, propose",
    r"\b(Climber|heights_and_distances|places_before)\b": "LocalSearch, predictions, earlier",
    r"WORTH|_places\b": "DIVIDING_SHARE, columns or positions",
    r"in nobody's way|somebody would miss|what the rest of the model says|tells? no part of the region": "plain words",
}
RETIRED_IN_THE_CORE = {
    r"\b(Corners|Crew|hire|dismiss)\b": "BinRange, ThreadPool, start, stop_and_join",
    r"\b(Sieve|share_left|allow_failures)\b": "RejectionFilter, pass_rate, forgive_failures",
    r"\b(Verdict|first_sum|largest_after|kTooLate)\b": "Decision, bias, suffix_max, kTruncated",
}


def found(paths: list[Path], words: dict[str, str]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {match.group(0)!r}, say {instead}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        for word, instead in words.items()
        if (match := re.search(word, line))
    ]


def test_retired_words_stay_away_from_the_package_and_the_guide() -> None:
    assert not found([*PACKAGE, *PROSE], RETIRED)


def test_retired_words_stay_away_from_the_core() -> None:
    assert not found(CORE, RETIRED_IN_THE_CORE)


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstrings_say_return_and_not_give_or_tell(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
            docstring = ast.get_docstring(node) or ""
            assert not re.match(r"(Give|Gives|Tell|Tells)\b", docstring), docstring.splitlines()[0]
