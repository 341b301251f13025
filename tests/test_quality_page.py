"""The figures of docs/quality.md are those of the runs that are kept beside the benchmark."""

import importlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "quality.md"
RUNS = ROOT / "benchmarks" / "quality" / "runs"


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("bench_quality")


@pytest.fixture
def results(bench: Any) -> Any:
    return bench.read_results(RUNS, list(bench.PROBLEMS), 100)


def test_the_tables_of_the_page_are_those_of_the_runs(bench: Any, tmp_path: Path) -> None:
    copy = tmp_path / "quality.md"
    copy.write_text(PAGE.read_text())
    assert bench.main(["--first-seed", "100", "--folder", str(RUNS), "--page", str(copy)]) == 0
    assert copy.read_text() == PAGE.read_text()
    for picture in ("quality.png", "quality-evaluations.png"):
        assert (tmp_path / picture).stat().st_size > 20_000
        assert f"]({picture})" in copy.read_text()


def test_wrong_figures_and_rows_out_of_order_are_made_right(bench: Any, results: Any) -> None:
    seconds = bench.read_seconds(RUNS, list(bench.PROBLEMS), 100)
    lines = PAGE.read_text().split("\n")
    firsts = [i + 2 for i, line in enumerate(lines) if re.match(r"\| (problem|contender|setting) \|", line)]
    assert len(firsts) >= 6
    wrong = list(lines)
    for first in firsts:
        wrong[first : first + 2] = lines[first + 1], re.sub(r"\d\.\d+", "9.99", lines[first])
    for first in (i + 2 for i, line in enumerate(lines) if line.startswith("| rival |")):
        wrong[first] = re.sub(r"\| \d+ \|.*", "| 99 | 0 | 0 | 0 | luck |", lines[first])
    for first in (i + 2 for i, line in enumerate(lines) if line.startswith("| search |")):
        wrong[first] = re.sub(r"\d", "9", lines[first])
    assert bench.refreshed("\n".join(wrong), results, seconds) == "\n".join(lines)


def test_a_table_of_some_problems_has_only_those(bench: Any) -> None:
    found = {"shac-guided": np.zeros((2, 20)), "random": np.ones((2, 20))}
    results = {("branin", 200): found, ("hartmann6", 200): found, ("ackley-5", 400): found}
    head = '| problem | shac, `"guided"` | random, N |\n|---|---|---|\n'
    page = f"N = 200, all:\n\n{head}\nN = 200, only `branin`, say:\n\n{head}\nN = 400:\n\n{head}"
    rows = re.findall(r"^\| (\S+) \| \*\*0", bench.refreshed(page, results, {}), re.MULTILINE)
    assert rows == ["branin", "hartmann6", "branin", "ackley-5"]


def test_seconds_are_medians_over_problems_of_the_searches_that_were_timed(bench: Any, tmp_path: Path) -> None:
    for problem, seconds in (("branin", [1.0, 2.0, 9.0]), ("ackley-5", [4.0, 6.0])):
        runs = [{"seed": i, "seconds": of} for i, of in enumerate(seconds)] + [{"seed": 9}]
        more = {"problem": problem, "budget": 200, "contender": "random", "best": [1.0]}
        (tmp_path / f"{problem}.jsonl").write_text("".join(json.dumps({**run, **more}) + "\n" for run in runs))
    known = bench.read_seconds(tmp_path, ["branin", "ackley-5", "hartmann6"], 0)
    page = "| search | N = 200 | N = 1,900 |\n|---|---|---|\n| random, N | | |\n"
    assert bench.refreshed(page, {}, known).split("\n")[2] == "| random, N | 3.5 (2 to 5) |  |"


def test_a_clear_difference_counts_as_significant_and_chance_does_not(bench: Any) -> None:
    report = importlib.import_module("quality.report")
    ours = np.arange(20.0)[:, np.newaxis]
    found = {"lower": ours - 50, "equal": ours[::-1], "higher": ours + 50, "a little higher": ours + 0.5, "ours": ours}
    results = {("branin", 200): found, ("ackley-5", 200): {"ours": ours}}
    assert report.head_to_head(results, "ours", "lower") == ["0", "0", "1", "0", "branin"]
    assert report.head_to_head(results, "ours", "equal") == ["0", "1", "0", "0", "none"]
    assert report.head_to_head(results, "ours", "higher") == ["1", "0", "0", "1", "none"]
    assert report.head_to_head(results, "ours", "a little higher") == ["1", "0", "0", "0", "none"]


@pytest.mark.usefixtures("bench")
def test_curves_are_of_the_problems_that_the_usual_searches_ran_on() -> None:
    report = importlib.import_module("quality.report")
    zero, random = np.full((2, 1), 0.39788735772973816), np.full((2, 1), 5.0)
    results: Any = {
        ("branin", 200): {"random": random, "shac-guided": zero, "optuna-gp": random},
        ("hartmann6", 200): {"random": random, "shac-guided": random},
        ("rosenbrock-4", 200): {"random": random, "optuna-gp": random},
    }
    names = {"shac-guided": "ours", "optuna-gp": "theirs", "nevergrad": "rare"}
    curves = report.regret_curves(results, names)
    assert {label: float(curve[0]) for label, curve in curves[200].items()} == {"ours": 0.0, "theirs": 1.0}


@pytest.mark.usefixtures("bench")
def test_shares_are_of_searches_that_are_within_a_regret_after_each_batch() -> None:
    report = importlib.import_module("quality.report")
    random = np.full((4, 2), 10.0)
    ours = np.array([[10.0, 1.0], [10.0, 10.0], [2.0, 0.0], [9.0, 8.0]])
    results: Any = {
        ("rosenbrock-4", 200): {"random": random, "shac-guided": ours},
        ("ackley-5", 200): {"random": random, "shac-guided": random},
        ("bbob-f1-5", 200): {"random": random},
    }
    shares = report.shares_within(results, {"shac-guided": "ours", "random": "theirs"}, 0.2)
    assert {label: share.tolist() for label, share in shares.items()} == {"ours": [0.125, 0.25], "theirs": [0.0, 0.0]}


def test_a_table_of_what_did_not_run_is_refused(bench: Any) -> None:
    page = "N = 200:\n\n| problem | Optuna CMA-ES | luck |\n|---|---|---|\n"
    with pytest.raises(ValueError, match="expected a contender or a problem that has runs, got 'luck'"):
        bench.refreshed(page, {("branin", 200): {"optuna-cmaes": np.ones((2, 20))}}, {})


def test_goals_of_the_default_strategy_hold_in_the_runs(results: Any) -> None:
    def median(problem: str, budget: int) -> float:
        return float(np.median(results[problem, budget]["shac-guided"][:, -1]))

    assert median("branin", 200) <= 0.40
    assert median("hartmann6", 200) <= -3.15
    assert median("hartmann6", 400) <= -3.25


@pytest.mark.parametrize(
    ("budget", "num_problems", "behind"),
    [
        (50, 77, ["bbob-f10-5", "bbob-f11-7", "bbob-f23-7"]),
        (100, 77, ["bbob-f11-7", "labs-27"]),
        (200, 79, ["bbob-f23-3"]),
        (400, 74, []),
        (1900, 24, []),
    ],
)
def test_the_default_is_first_and_behind_four_times_as_many_random_settings_where_the_page_says_so_only(
    results: Any, budget: int, num_problems: int, behind: list[str]
) -> None:
    report = importlib.import_module("quality.report")
    of_budget = {key: found for key, found in results.items() if key[1] == budget}
    contenders = ["cat-cma", "optuna-cmaes", "optuna-tpe", "random", "random-4x", "shac-guided"]
    assert sum({*contenders} <= found.keys() for found in of_budget.values()) == num_problems
    ranks = report.average_ranks(of_budget, contenders, np.random.default_rng(0))
    assert min(ranks, key=lambda name: ranks[name][0]) == "shac-guided"
    assert report.head_to_head(of_budget, "shac-guided", "random-4x")[-1] == (", ".join(behind) or "none")
    page = PAGE.read_text()
    assert all(re.sub(r"bbob-(f\d+)-\d+", r"\1", name) in page for name in behind)


def test_the_ranks_in_the_readme_are_those_of_the_page() -> None:
    page, readme = PAGE.read_text(), " ".join((ROOT / "README.md").read_text().split())
    table = page[page.index("N = 200 with Nevergrad") :].split("\n\n")[1]
    names = ['"guided"`, the default**', "Optuna GP", "CatCMAwM", "Optuna CMA-ES", "Nevergrad", "Optuna TPE"]
    ranks = [re.search(re.escape(name) + r"[^|]*\| ([\d.]+) \|", table) for name in names]
    said = re.search(
        r"average rank is (.*) of 9, before Optuna's Gaussian process \((.*)\), CatCMAwM \((.*)\), CMA-ES \((.*)\), "
        r"Nevergrad \(([\d.]+)\) and TPE \(([\d.]+)\)",
        readme,
    )
    assert said is not None
    assert list(said.groups()) == [f"{float(rank[1]):.1f}" for rank in ranks if rank is not None]
    few = page[page.index("N = 50 in 10 batches of 5, 77 problems") :].split("\n\n")[1]
    first, second, third = re.findall(r"^\| ([^|]+) \| ([\d.]+) \|", few, re.MULTILINE)[:3]
    assert ["guided" in first[0], second[0], "TPE" in third[0]] == [True, "CatCMAwM", True]
    shown = "77 problems at fifty evaluations it is {:.1f} of 6, before CatCMAwM ({:.1f}) and TPE ({:.1f})"
    assert shown.format(*(float(rank) for _, rank in (first, second, third))) in readme
    for heading, said_so in (
        ("N = 200, only the tables of real networks, without noise", "it is {} of 6 before TPE ({})"),
        ("N = 200, only the same tables, with noise", "with noisy scores {} before TPE ({})"),
    ):
        real = page[page.index(heading) :].split("\n\n")[1]
        (_, ours), (next_best, theirs) = re.findall(r"^\| ([^|]+) \| ([\d.]+) \|", real, re.MULTILINE)[:2]
        assert "TPE" in next_best
        assert said_so.format(f"{float(ours):.1f}", f"{float(theirs):.1f}") in readme
