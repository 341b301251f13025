import io
import os
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from cascades import bowl, train_cascade, unit_space
from rich.console import Console
from searches import branin, engine

import shac
from shac.progress import SamplingState, SearchProgress, progress_is_wanted, sampling_progress, watch
from shac.sampling import draw_all, draw_relaxing


@pytest.fixture(scope="module")
def cascade() -> shac.Cascade:
    return shac.Cascade(train_cascade(bowl, 2, 9, 40), unit_space(2))


def recorder() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=140)


def shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_watching_a_draw_from_the_region_does_not_change_it(cascade: shac.Cascade) -> None:
    assert cascade.method_for(200) == "region"
    pieces: list[tuple[int, int]] = []
    watched = watch(cascade, lambda samples, candidates: pieces.append((samples, candidates)))
    assert draw_all(watched, 200, seed=5) == draw_all(cascade, 200, seed=5)
    assert watched.draw(200, seed=5).rows == cascade.draw(200, seed=5).rows
    assert [samples for samples, _ in pieces] == [200, 200]


def test_watching_a_draw_by_rejection_does_not_change_it() -> None:
    cascade = shac.Cascade(train_cascade(bowl, 6, 6, 40), unit_space(6))
    assert cascade.method_for(2000) == "plain"
    pieces: list[tuple[int, int]] = []
    watched = watch(cascade, lambda samples, candidates: pieces.append((samples, candidates)))
    assert draw_all(watched, 2000, seed=5) == draw_all(cascade, 2000, seed=5)
    assert len(pieces) > 1


@pytest.fixture
def only_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shac.Cascade, "method_for", lambda self, n, relax=0: "plain")


@pytest.mark.usefixtures("only_plain")
@pytest.mark.parametrize("draw", [draw_all, draw_relaxing])
def test_watching_a_draw_does_not_change_it(cascade: shac.Cascade, draw: Any) -> None:
    pieces: list[tuple[int, int]] = []
    watched = watch(cascade, lambda samples, candidates: pieces.append((samples, candidates)))
    assert draw(watched, 200, seed=5) == draw(cascade, 200, seed=5)
    assert len(pieces) > 1
    assert sum(samples for samples, _ in pieces) == 200
    if draw is draw_all:
        assert sum(candidates for _, candidates in pieces) == cascade.sample(200, seed=5, method="plain")[1].candidates


def test_a_watched_draw_gives_up_where_the_draw_does(cascade: shac.Cascade) -> None:
    watched = watch(cascade, lambda samples, candidates: None)
    every: tuple[dict[str, Any], ...] = (
        {"max_candidates": 30_000},
        {"max_gap": 500},
        {"max_gap": 300, "max_candidates": 400},
    )
    for limits in every:
        expected, given = cascade.draw(1000, seed=1, **limits), watched.draw(1000, seed=1, **limits)
        assert np.array_equal(given.X, expected.X)
        assert given.rows == expected.rows
        assert given.next_candidate == expected.next_candidate
        assert given.report.candidates == expected.report.candidates
        assert given.report.rejected_by_stage == expected.report.rejected_by_stage
        assert given.report.exhausted == expected.report.exhausted


def test_relaxing_is_the_same_when_watched_although_no_sample_passes() -> None:
    # Two stages that contradict each other: the second is the first with its labels swapped
    X = np.random.default_rng(0).random((60, 2), dtype=np.float32)
    models = [
        xgboost.XGBClassifier(n_estimators=5, n_jobs=1).fit(X, labels) for labels in (X[:, 0] > 0.5, X[:, 0] <= 0.5)
    ]
    impossible = shac.Cascade(models, unit_space(2))
    watched = watch(impossible, lambda samples, candidates: None)
    assert draw_relaxing(watched, 20, seed=2) == draw_relaxing(impossible, 20, seed=2)


def test_the_numbers_of_a_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    state = SamplingState(10, 18)
    assert "none accepted yet" in state.text()
    now = 102.0
    state.add(samples=4, candidates=2_000_000)
    assert state.rate == 1_000_000
    assert state.seconds_left == 3.0
    assert state.text() == "0:03 to go, 1 in 500 k accepted, 2.0 M candidates, 1.0 M/s"


@pytest.mark.usefixtures("only_plain")
def test_a_long_draw_is_shown_and_a_short_one_is_not(cascade: shac.Cascade, monkeypatch: pytest.MonkeyPatch) -> None:
    console = recorder()
    with sampling_progress(cascade, 5, progress=True, console=console) as watched:
        draw_all(watched, 5, seed=0)
    assert shown(console) == ""
    monkeypatch.setattr("shac.progress.sampling._SECONDS_UNSEEN", 0.0)
    with sampling_progress(cascade, 300, progress=True, console=console) as watched:
        draw_all(watched, 300, seed=0)
    assert "300 of 300 configurations" in shown(console)
    assert "accepted" in shown(console)


def test_a_search_shows_rounds_evaluations_and_the_best_score() -> None:
    console = recorder()
    search = engine(_counting)
    search.fit(callbacks=[SearchProgress(console)])
    last = shown(console).split("\x1b[2K")[-1]
    assert "round 6/6" in last
    assert "60 of 60 evaluations" in last
    assert f"best {min(search.dataset.Y):.5g}" in last
    assert f"{len(search.classifiers)} of 5 classifiers" in last


def _counting(worker_id: int, parameters: Any) -> float:
    return branin(worker_id, parameters)


def test_evaluations_that_run_and_are_done_are_shown_while_they_do() -> None:
    states: list[str] = []

    class Watching(shac.Callback):
        def on_outcome(self, outcome: Any, logs: Any = None) -> None:
            text = io.StringIO()
            Console(file=text, width=140).print(progress.render())
            states.append(text.getvalue())

    def sometimes(worker_id: int, parameters: Any) -> float:
        if parameters["x"] > 2.5:
            raise ValueError("too far right")
        return branin(worker_id, parameters)

    progress = SearchProgress(recorder())
    search = engine(sometimes, total_budget=10, num_batches=1)
    search.set_num_parallel_evaluators(2)
    search.fit(callbacks=[progress, Watching()])
    assert len(states) == 10
    assert re.search(r"1 of 10 done +2 running", states[0])
    assert re.search(r"9 of 10 done +1 running", states[8])
    assert "failed" in states[8]
    assert "best of the round" in states[8]
    assert "running" not in states[9]


def test_sampling_between_the_rounds_is_shown() -> None:
    progress = SearchProgress(recorder())
    search = engine()
    progress.set_engine(search)
    search.fit()
    watched = progress.watch_sampling(search.cascade, 50)
    draw_all(watched, 20, seed=0)
    text = io.StringIO()
    Console(file=text, width=140).print(progress.render())
    assert "sampling" in text.getvalue()
    assert "20 of 50 configurations" in text.getvalue()


def test_an_argument_beats_the_variable_which_beats_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", types.SimpleNamespace(isatty=lambda: True))
    monkeypatch.delenv("SHAC_PROGRESS", raising=False)
    assert progress_is_wanted()
    monkeypatch.setenv("SHAC_PROGRESS", "0")
    assert not progress_is_wanted()
    assert progress_is_wanted(progress=True)
    monkeypatch.setattr("sys.stderr", types.SimpleNamespace(isatty=lambda: False))
    monkeypatch.setenv("SHAC_PROGRESS", "")
    assert not progress_is_wanted()
    monkeypatch.setenv("SHAC_PROGRESS", "1")
    assert progress_is_wanted()
    assert not progress_is_wanted(progress=False)


SCRIPT = """
import shac, sys
engine = shac.SHAC(lambda worker_id, p: p["x"], [shac.UniformHP("x", 0.0, 1.0)], 8, 2, seed=0, save_dir=sys.argv[1])
engine.concurrent_evaluators()
engine.fit()
engine.predict(num_samples=2)
print("done")
"""


def piped(script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script, tempfile.mkdtemp(dir=".")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )


def test_a_pipe_gets_a_line_a_round() -> None:
    done = piped(SCRIPT)
    assert done.stdout == "done\n"
    first, second = done.stderr.splitlines()
    assert re.fullmatch(r"round 1 of 2: 4 of 8 evaluations, best 0\.\d+, 1 of 1 classifiers, 0:\d\d", first)
    assert re.fullmatch(r"round 2 of 2: 8 of 8 evaluations, best [\d.]+, 1 of 1 classifiers, 0:\d\d", second)


def test_a_pipe_gets_nothing_where_the_variable_or_the_argument_says_no() -> None:
    assert not piped(SCRIPT, SHAC_PROGRESS="0").stderr
    assert not piped(SCRIPT.replace("fit()", "fit(progress=False)")).stderr


def shown_in_a_terminal(script: str, **environment: str) -> bytes:
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script, "run"],
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, **environment, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0, seen
    return seen


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no full device")
def test_a_search_whose_log_cannot_be_written_ends_all_the_same() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", SCRIPT, "run"], stdout=subprocess.PIPE, stderr=full, check=True)
    assert done.stdout == b"done\n"


FAILS = """
import shac, sys
def fails(worker_id, p):
    if p["x"] < 0.3: raise ValueError("too\\nsmall")
    if p["x"] < 0.5: raise RuntimeError("not large")
    return p["x"]
engine = shac.SHAC(fails, [shac.UniformHP("x", 0.0, 1.0)], 20, 2, seed=0, save_dir=sys.argv[1])
engine.concurrent_evaluators()
engine.fit()
"""


def test_a_pipe_gets_the_first_failure_of_each_kind() -> None:
    lines = piped(FAILS).stderr.splitlines()
    failures = [line for line in lines if line.startswith("evaluation")]
    assert sorted(re.sub(r"\d+", "N", line) for line in failures) == [
        "evaluation N failed: RuntimeError: not large (more of this kind are only counted)",
        "evaluation N failed: ValueError: too small (more of this kind are only counted)",
    ]
    assert re.search(r"10 of 20 evaluations \(\d failed\)", "\n".join(lines))


def test_failures_that_a_log_tells_are_not_told_twice() -> None:
    logged = piped("import logging\nlogging.basicConfig()\n" + FAILS).stderr
    assert "Traceback" in logged
    assert "only counted" not in logged
    silenced = piped("import logging\nlogging.getLogger('shac').setLevel(logging.ERROR)\n" + FAILS).stderr
    assert "only counted" not in silenced


def test_a_search_within_an_evaluation_says_nothing() -> None:
    script = SCRIPT.replace("import shac, sys", "import shac, sys, tempfile").replace(
        'lambda worker_id, p: p["x"]',
        'lambda worker_id, p: len(inner().fit().epochs) + p["x"]',
    )
    inner = (
        "def inner():\n"
        "    import shac, tempfile\n"
        "    search = shac.SHAC(lambda w, p: p['y'], [shac.UniformHP('y', 0, 1)], 4, 2, save_dir=tempfile.mkdtemp())\n"
        "    search.concurrent_evaluators()\n"
        "    return search\n"
    )
    assert [line[:7] for line in piped(inner + script).stderr.splitlines()] == ["round 1", "round 2"]


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are posix")
@pytest.mark.parametrize(("variable", "expected"), [("", True), ("0", False)])
def test_a_terminal_gets_progress_unless_the_variable_says_no(variable: str, expected: bool) -> None:
    seen = shown_in_a_terminal(SCRIPT, SHAC_PROGRESS=variable)
    assert (b"8 of 8 evaluations" in seen) == expected


@pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals are posix")
def test_a_terminal_gets_the_first_failure_of_each_kind_above_what_is_drawn() -> None:
    seen = shown_in_a_terminal(FAILS)
    assert seen.count(b"(more of this kind are only counted)") == 2
    assert b"20 of 20 evaluations" in seen


def test_a_notebook_gets_one_output_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[Any] = []

    class Handle:
        def update(self, shown: Any) -> None:
            outputs[-1] = shown

    class ZMQInteractiveShell: ...

    monkeypatch.setenv("COLUMNS", "140")
    fake = types.ModuleType("IPython")
    fake.get_ipython = ZMQInteractiveShell  # type: ignore[attr-defined]
    display = types.ModuleType("IPython.display")

    def show(shown: Any, *, display_id: bool) -> Handle:
        outputs.append(shown)
        return Handle()

    display.display = show  # type: ignore[attr-defined]
    fake.display = display  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    engine().fit(progress=True)
    assert len(outputs) == 1
    assert "60 of 60 evaluations" in outputs[0]._repr_mimebundle_(include=(), exclude=())["text/plain"]


@pytest.mark.parametrize(("width", "bar"), [(60, 0), (80, 10), (120, 24)])
def test_the_name_and_the_time_to_go_are_seen_at_any_width(width: int, bar: int) -> None:
    progress = SearchProgress(recorder())
    search = engine(total_budget=200, num_batches=20)
    progress.set_engine(search)
    progress.on_epoch_begin(12)
    progress.on_evaluation_begin([{}] * 10)  # type: ignore[list-item]
    progress.on_evaluation_ended([1.0, 2.0, 3.0])
    text = io.StringIO()
    Console(file=text, width=width).print(progress.render(width))
    first, second = text.getvalue().splitlines()
    assert re.match(r"round 12/20 +", first)
    assert "3 of 200" in first
    assert "to go, best 1" in first
    assert "evaluating" in second
    assert "3 of 10" in second
    assert f"{min(search.num_parallel_evaluators, 7)} running" in second
    assert first.index("3 of 200") == 14 + (bar + 2 if bar else 0)


PRINTS = """
import os, shac, sys
def train(worker_id, parameters):
    for epoch in range(3):
        print(f"epoch {epoch} of {parameters['n']}")
    sys.stderr.write(f"error of \\0{parameters['n']}\\n")
    os.system(f"echo shell of {parameters['n']}")
    return float(parameters["n"])
if __name__ == "__main__":
    search = shac.SHAC(train, [shac.IntegerHP("n", 0, 10**6)], 12, 2, seed=0)
    search.evaluator_backend = sys.argv[1]
    search.set_num_parallel_evaluators(1 if sys.argv[1] == "threading" else 2)  # threads break each other's lines
    search.fit()
    print("after", *sorted(n for (n,) in search.dataset.X))
"""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudoterminal")
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_what_evaluations_print_stands_above_the_display_in_whole_lines(tmp_path: Path, backend: str) -> None:
    (tmp_path / "prints.py").write_text(PRINTS)
    parent, terminal = os.openpty()
    with subprocess.Popen(
        [sys.executable, "prints.py", backend],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "TERM": "xterm", "COLUMNS": "90"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
    ) as process:
        os.close(terminal)
        written = b""
        while block := read_of_terminal(parent):
            written += block
        assert process.wait() == 0
    os.close(parent)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.decode())
    lines = [line.split("\r")[-1] for line in text.replace("\r\n", "\n").split("\n")]
    (after,) = [line for line in lines if line.startswith("after ")]
    numbers = after.split()[1:]
    assert len(numbers) == 12
    for n in numbers:
        for line in [*(f"epoch {epoch} of {n}" for epoch in range(3)), f"error of {n}", f"shell of {n}"]:
            assert lines.count(line) == 1, [seen for seen in lines if n in seen]
    assert "\x1b[?25h" in written.decode()  # the cursor is back
    assert lines.index(after) == max(i for i, line in enumerate(lines) if line)


def read_of_terminal(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except OSError:  # all that had the terminal have ended
        return b""


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudoterminal")
def test_output_is_taken_when_it_cannot_be_shown(tmp_path: Path) -> None:
    program = (
        "import os, shac.progress.output as output\n"
        "def fails(text): raise OSError('the terminal is gone')\n"
        "caught = output.CaughtOutput(fails)\n"
        "os.write(1, b'line\\n' * 100_000)\n"  # more than a pipe holds
        "caught.restore(); print('after')\n"
    )
    parent, terminal = os.openpty()
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        assert process.wait(timeout=60) == 0
    assert b"after" in read_of_terminal(parent)
    os.close(parent)
