import dataclasses
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shac

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _use_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHAC_BENCHMARK_CACHE", str(cache))
    monkeypatch.syspath_prepend(str(BENCHMARKS))


@pytest.fixture
def bench() -> Any:
    return importlib.import_module("bench_cascade")


@pytest.fixture
def workloads() -> Any:
    return importlib.import_module("workloads")


@pytest.fixture
def small(workloads: Any) -> Any:
    return dataclasses.replace(workloads.WORKLOADS["branin-20"], num_stages=3, num_trees=20)


def margins_of(models: list[Any], space: shac.HyperParameterList) -> bytes:
    cascade = shac.Cascade(models, space)
    return cascade.margins(cascade.prefix(0).sample(1000, seed=1)[0]).tobytes()


def test_the_quick_benchmark_passes_its_checks_and_writes_its_figures(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "bench_cascade.py"), "--quick", "--json", "out.json"]
    done = subprocess.run(
        command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())
    checks = results["checks"]
    assert (checks["margins"], checks["decisions"], checks["different_decisions"]) == (150_000, 175_000, 0)
    assert checks["search"]["samples"] == 1000
    contenders = {"shac", "shac_2_threads", "xgboost_blocks", "predict_stopping", "predict_all"}
    assert results["candidates_per_second"].keys() == contenders
    assert all(len(runs) == 2 and min(runs) > 0 for runs in results["candidates_per_second"].values())
    assert results["shac_is_times_as_fast_as"].keys() == contenders - {"shac"}
    assert "decisions: 0 of 175,000 different from XGBClassifier.predict" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]


def test_margins_one_bit_off_end_the_benchmark_before_it_times(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = shac.Cascade.margins

    def wrong(self: shac.Cascade, X: Any, *, threads: int | None = None) -> Any:
        margins = right(self, X, threads=threads)
        margins[7, 4] = np.nextafter(margins[7, 4], np.float32(np.inf))
        return margins

    monkeypatch.setattr(shac.Cascade, "margins", wrong)
    assert bench.main(["--quick", "--rows", "1000"]) == 1
    output = capsys.readouterr()
    assert "CHECK FAILED: margins of stage 4" in output.err
    assert "got 1 of 1,250 different; the first in row 7" in output.err
    assert "candidates a second" not in output.out


def test_one_other_decision_ends_the_benchmark(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = shac.Cascade.accepts
    calls = 0

    def wrong(self: shac.Cascade, X: Any) -> Any:
        nonlocal calls
        calls += 1
        answers = right(self, X)
        answers[3] ^= calls == 2
        return answers

    monkeypatch.setattr(shac.Cascade, "accepts", wrong)
    assert bench.main(["--quick", "--rows", "1000"]) == 1
    expected = "CHECK FAILED: decisions of stage 1: expected XGBoost's decisions, got 1 of 1,250 different"
    assert expected in capsys.readouterr().err


def test_other_samples_from_two_threads_end_the_benchmark(
    bench: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = shac.Cascade.draw

    def wrong(self: shac.Cascade, n: int, *, seed: int, threads: int | None = None, **settings: Any) -> Any:
        return right(self, n, seed=seed + (threads == 2), threads=threads, **settings)

    monkeypatch.setattr(shac.Cascade, "draw", wrong)
    assert bench.main(["--quick", "--rows", "1000", "--samples", "50"]) == 1
    expected = "CHECK FAILED: samples: expected the same from 1 and from 2 threads, got 0 of 50 equal"
    assert expected in capsys.readouterr().err


def test_rows_to_check_hold_thresholds_and_their_neighbours(bench: Any, workloads: Any, small: Any) -> None:
    models, _ = workloads.train_cascade(small)
    rows = bench.rows_to_check(small, models, 4000, np.random.default_rng(0))
    assert rows.shape == (5000, 2)
    forest = bench.export_forest(models[0])
    thresholds = forest.value[(forest.left >= 0) & (forest.feature == 0)]
    for direction in (-np.inf, np.inf):
        assert np.isin(np.nextafter(thresholds, np.float32(direction)), rows[4000:, 0]).all()
    assert np.isin(thresholds, rows[4000:, 0]).all()
    low, high = np.array(small.columns).T
    assert ((rows[:4000] >= low) & (rows[:4000] < high)).all()


def test_the_functions_have_their_known_minima(workloads: Any) -> None:
    minima = np.array([[-np.pi, 12.275], [np.pi, 2.275], [9.42478, 2.475]], dtype=np.float32)
    assert workloads.branin(minima) == pytest.approx([0.397887] * 3, abs=1e-5)
    minimum = np.array([[0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573]], dtype=np.float32)
    assert workloads.hartmann6(minimum) == pytest.approx([-3.32237], abs=1e-5)


def test_a_workload_is_trained_once_and_fewer_stages_are_its_first(
    workloads: Any, small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHAC_BENCHMARK_CACHE", str(tmp_path))
    models, space = workloads.train_cascade(small)
    assert sorted(path.name for path in tmp_path.rglob("*.ubj")) == ["00.ubj", "01.ubj", "02.ubj"]
    monkeypatch.setattr(workloads, "_fit", None)
    again, _ = workloads.train_cascade(small)
    assert margins_of(again, space) == margins_of(models, space)
    fewer, _ = workloads.train_cascade(dataclasses.replace(small, num_stages=2))
    assert margins_of(fewer, space) == margins_of(models[:2], space)


def test_a_killed_run_leaves_whole_stages_and_the_next_ends_with_the_same_cascade(
    workloads: Any, small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    models, space = workloads.train_cascade(small)
    monkeypatch.setenv("SHAC_BENCHMARK_CACHE", str(tmp_path))
    fit = workloads._fit

    def kill_at_the_last(workload: Any, X: Any) -> Any:
        if len(list(tmp_path.rglob("*.ubj"))) == 2:
            raise KeyboardInterrupt
        return fit(workload, X)

    with monkeypatch.context() as patch:
        patch.setattr(workloads, "_fit", kill_at_the_last)
        with pytest.raises(KeyboardInterrupt):
            workloads.train_cascade(small)
    assert sorted(path.name for path in tmp_path.rglob("*.ubj")) == ["00.ubj", "01.ubj"]
    again, _ = workloads.train_cascade(small)
    assert margins_of(again, space) == margins_of(models, space)


def test_a_stage_that_leaves_no_region_is_trained_again_on_other_points(
    workloads: Any, small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHAC_BENCHMARK_CACHE", str(tmp_path))
    fit = workloads._fit
    batches: list[bytes] = []

    def reject_everything_at_first(workload: Any, X: Any) -> Any:
        batches.append(X.tobytes())
        if len(batches) == 2:  # one tree that cannot split says 0.5, which is no
            return workloads.xgboost.XGBClassifier(n_estimators=1, max_depth=1, min_child_weight=100).fit(
                X, np.arange(len(X)) % 2
            )
        return fit(workload, X)

    monkeypatch.setattr(workloads, "_fit", reject_everything_at_first)
    models, space = workloads.train_cascade(small)
    assert len(batches) == small.num_stages + 1
    assert batches[1] != batches[2]
    assert len(shac.Cascade(models, space).sample(20, seed=0, max_candidates=10_000)[0]) == 20


def test_a_workload_that_never_leaves_a_region_is_refused(
    workloads: Any, small: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SHAC_BENCHMARK_CACHE", str(tmp_path))
    flat = dataclasses.replace(small, function=lambda X: np.arange(len(X), dtype=np.float64), batch_size=4)
    with pytest.raises(RuntimeError, match=r"workload 'branin-20': expected a region of at least 1/16 of 2\*\*-1"):
        workloads.train_cascade(flat)


@pytest.mark.slow
def test_the_fault_run_at_reduced_size_finds_nothing_lost() -> None:
    # A process of its own: workers must find the module, and no other test's workers may be counted
    sizes = {"searches": 1, "failures": 10, "instant": 200, "overhead": 50}
    program = f"import bench_faults, sys; bench_faults.QUICK = {sizes}; sys.exit(bench_faults.main())"
    path = os.pathsep.join([str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program, "--quick"],
        env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 16
    assert all(line.startswith("ok ") for line in lines)


def test_the_benchmark_of_rejection_compares_decisions_first_and_times_all_rivals(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "bench_rejection.py"), "branin-20", "--rows", "100000"]
    done = subprocess.run(
        [*command, "--repeats", "1", "--seconds", "0.05", "--json", "out.json"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (result,) = json.loads((tmp_path / "out.json").read_text())["results"]
    assert (result["decisions_compared"], result["different_decisions"]) == (100_000, 0)
    assert result["median"].keys() >= {"shac", "shac, 2 threads", "XGBoost on blocks", "C++ forest", "predict a row"}


def test_the_benchmark_of_the_region_checks_every_sample(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "bench_region.py"), "branin-20", "--samples", "100", "--repeats", "1"]
    done = subprocess.run(
        [*command, "--stages", "2", "18", "--many", "2000", "--json", "out.json", "--plot", "out.png"],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "out.json").read_text())
    _, full, whole = results["results"]
    assert [row["stages"] for row in results["results"]] == [2, 18, 18]
    assert full["chosen"] == "region"
    assert 0 < whole["save_raw"] < whole["everything"]
    assert list(whole["many_seconds"]) == ["1", "2"]
    assert min(whole["many_seconds"].values()) > 0
    assert results["seconds_to_prove_empty"]["branin-20"] > 0
    assert (tmp_path / "out.png").stat().st_size > 10_000


def test_a_sample_that_xgboost_rejects_ends_the_benchmark_of_the_region(bench: Any, workloads: Any, small: Any) -> None:
    models, space = workloads.train_cascade(small)
    region = importlib.import_module("bench_region")
    X = shac.Cascade(models, space).prefix(0).sample(1000, seed=0)[0]
    with pytest.raises(bench.CheckError, match="expected all to pass stage 0, got"):
        region.check_samples(models, X, 1000)


def test_the_quick_benchmark_of_quality_keeps_its_runs_and_reports_them(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "bench_quality.py"), "--quick", "--folder", "out"]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert first.returncode == 0, first.stderr
    lines = (tmp_path / "out" / "branin.jsonl").read_text().splitlines()
    runs = [json.loads(line) for line in lines]
    assert {(run["contender"], run["seed"]) for run in runs} == {
        (contender, seed) for contender in ("random", "shac-paper", "shac-guided") for seed in (0, 1)
    }
    for run in runs:
        assert len(run["best"]) == run["batches"] == 4
        assert run["best"] == sorted(run["best"], reverse=True)
        assert run["best"][-1] >= 0.397887
        assert run["package"] == f"shac {shac.__version__}"
    assert "| shac-guided | 1." in first.stdout
    assert (tmp_path / "out" / "branin-40.png").stat().st_size > 5000
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True)
    assert "seed" not in again.stdout.split("##")[0]  # no run is made twice
    assert (tmp_path / "out" / "branin.jsonl").read_text().splitlines() == lines


@pytest.fixture
def quality() -> Any:
    return importlib.import_module("bench_quality")


def test_a_problem_whose_known_answer_is_wrong_ends_the_benchmark(
    quality: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = quality.PROBLEMS["branin"]
    for wrong in (
        dataclasses.replace(right, known=((right.known[0][0], 0.5),)),
        dataclasses.replace(right, known=(), optimum=3.0),
    ):
        monkeypatch.setitem(quality.PROBLEMS, "branin", wrong)
        assert quality.main(["--quick", "--folder", str(tmp_path)]) == 1
        assert "CHECK FAILED: branin" in capsys.readouterr().err
    assert not (tmp_path / "branin.jsonl").exists()


def test_the_answers_of_the_problems_that_need_no_package_are_right(quality: Any) -> None:
    problems = importlib.import_module("quality.problems")
    cheap = (
        "branin",
        "hart",
        "rosen",
        "ackley",
        "mixed",
        "cond",
        "svc",
        "gear",
        "pres",
        "weld",
        "spr",
        "speed",
        "nk",
        "labs",
        "pest",
    )
    names = [name for name in problems.PROBLEMS if name.startswith(cheap)]
    assert len(names) == 18
    for name in names:
        problems.check(problems.PROBLEMS[name])


def test_ranks_and_regret_order_the_searches() -> None:
    report = importlib.import_module("quality.report")
    random = np.random.default_rng(0)
    results = {
        (name, 200): {
            contender: np.array([[level + 1.0, level + noise] for noise in random.random(8) / 100])
            for contender, level in (("random", 3.0), ("shac-paper", 2.0), ("shac-guided", 1.0))
        }
        for name in ("branin", "rosenbrock-4")
    }
    contenders = ["random", "shac-paper", "shac-guided"]
    ranks = report.average_ranks(results, contenders, random)
    assert [ranks[name][0] for name in contenders] == [3.0, 2.0, 1.0]
    losses = report.regrets(results, contenders, random)
    assert losses["shac-guided"][0] < losses["shac-paper"][0] < losses["random"][0]
    assert losses["random"][0] == pytest.approx(1.0, abs=0.01)
    assert all(low <= centre <= high for centre, low, high in losses.values())


def test_the_table_of_options_has_those_that_ran_on_the_problems_that_most_ran_on(
    quality: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = {"branin": ["no-gate", "sobol"], "hartmann6": ["no-gate", "sobol"], "mixed-12": ["guided-sorted-choices"]}
    for problem, variants in ran.items():
        runs = [
            {"problem": problem, "contender": contender, "budget": 200, "seed": seed, "best": [2.0, 1.0 + seed]}
            for contender in (*variants, "shac-paper", "shac-pooled", "shac-guided")
            for seed in (0, 1)
        ]
        (tmp_path / f"{problem}.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs))
    assert quality.main(["--report", "--folder", str(tmp_path), "--problems", *ran]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines.index("| option | average rank | branin | hartmann6 |")
    assert {line.split(" | ")[0] for line in lines[table + 2 : table + 7]} == {
        "| no-gate", "| sobol", "| shac-paper", "| shac-pooled", "| shac-guided"
    }  # fmt: skip


def test_runs_of_options_alone_give_a_report(quality: Any, tmp_path: Path) -> None:
    run = {"problem": "branin", "contender": "sobol", "budget": 200, "seed": 0, "best": [2.0, 1.0]}
    (tmp_path / "branin.jsonl").write_text(json.dumps(run) + "\n")
    assert quality.main(["--report", "--folder", str(tmp_path)]) == 0


def test_a_folder_without_runs_gives_an_empty_report(quality: Any, tmp_path: Path) -> None:
    assert quality.main(["--report", "--folder", str(tmp_path / "new")]) == 0
    assert (tmp_path / "new" / "report.md").read_text() == "\n"


def test_runs_are_compared_with_those_of_an_earlier_version(
    quality: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lower, same = list(range(-30, -10)), list(range(20))
    for folder, branin, contenders in (
        ("now", lower, ["random", "sobol"]),
        ("earlier", same, ["random", "optuna-tpe"]),
    ):
        (tmp_path / folder).mkdir()
        for problem, finals in (("branin", branin), ("hartmann6", same)):
            runs = [
                {"problem": problem, "contender": contender, "budget": 200, "seed": seed, "best": [final]}
                for contender in contenders
                for seed, final in enumerate(finals)
            ]
            (tmp_path / folder / f"{problem}.jsonl").write_text("".join(json.dumps(run) + "\n" for run in runs))
    assert quality.main(["--folder", str(tmp_path / "now"), "--against", str(tmp_path / "earlier")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "N = 200:"
    assert lines[4:] == ["| random | 1 | 1 | 0 | 1 | none |", ""]
    assert quality.main(["--folder", str(tmp_path / "now"), "--against", str(tmp_path / "nowhere")]) == 1
    assert "seeds from 0 on, in both" in capsys.readouterr().err


@pytest.mark.parametrize(("budget", "num_batches"), [(32, 32), (30, 5)])
def test_the_margin_search_spends_its_budget_in_batches_of_one_too(quality: Any, budget: int, num_batches: int) -> None:
    pytest.importorskip("cmaes")
    rivals = importlib.import_module("quality.rivals")
    problem, seen = quality.PROBLEMS["branin"], list[float]()
    function = problem.make()

    def recorded(configuration: Any) -> float:
        seen.append(function(configuration))
        return seen[-1]

    best = rivals.CONTENDERS["cat-cma"].run(rivals.Task(problem, recorded, budget, num_batches, 3))
    assert (len(seen), len(best), best[-1]) == (budget, num_batches, min(seen))


def test_sorted_choices_are_in_the_order_of_their_mean_effects(quality: Any) -> None:
    rivals = importlib.import_module("quality.rivals")
    axes = importlib.import_module("quality.axes")
    effects = {"a": 2.0, "b": 0.0, "c": 1.0}
    problem = dataclasses.replace(
        quality.PROBLEMS["branin"], axes=(axes.Choice("kind", ("a", "b", "c")), axes.Number("x", 0.0, 1.0))
    )
    task = rivals.Task(problem, lambda setting: effects[setting["kind"]] + setting["x"], 40, 4, 0)
    kind, x = rivals.with_sorted_choices(task).problem.axes
    assert kind.values == ("b", "c", "a")
    assert x == problem.axes[1]


def test_every_space_can_be_told_to_optuna_as_it_is_told_to_shac(quality: Any) -> None:
    problems = importlib.import_module("quality.problems")
    axes = importlib.import_module("quality.axes")
    for problem in problems.PROBLEMS.values():
        space = shac.HyperParameterList([axis.for_shac() for axis in problem.axes])
        setting = axes.draw(problem.axes, np.random.default_rng(0))
        assert dict(space.to_parameters(space.to_row(setting))) == setting
        for axis in problem.axes:
            assert axis.for_optuna()._contains(axis.for_optuna().to_internal_repr(setting[axis.name]))
