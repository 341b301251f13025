"""Wrote the folders here, once, by shac 0.1.0 (commit cb847ce): a record, and a start for those of another format.

`python tests/data/v1/make.py FOLDER`, with `tests` on the path, writes new ones to FOLDER.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pinned

import shac


def every_kind() -> shac.HyperParameterList:
    import scipy.stats

    return shac.HyperParameterList(
        [
            shac.UniformHP("rate", 0.0, 0.5),
            shac.UniformHP("gain", 0.5, 4.0, log_encode=True),
            shac.LogUniformHP("lr", 1e-5, 1e-1),
            shac.NormalHP("bias", 0.0, 2.0),
            shac.IntegerHP("layers", 1, 4),
            shac.LogIntegerHP("width", 8, 512),
            shac.DiscreteHP("batch", [16, 32, 64]),
            shac.DiscreteHP("kind", ["relu", "tanh, or so", None, 1.5, True]),
            shac.MultiUniformHP("mix", 0.0, 1.0, sample_count=2),
            shac.ScipyHyperParameter("wait", scipy.stats.expon(scale=2.0)),
            shac.UniformHP("momentum", 0.0, 1.0),
        ],
        conditions={"momentum": {"kind": ["relu", None]}},
        constraints=["batch * width <= 8192"],
    )


def every_score(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
    if parameters["wait"] > 5:
        raise pinned.NoScoreError("waited in vain")
    cost = parameters["rate"] + parameters["gain"] + abs(parameters["bias"]) + abs(parameters["layers"] - 2)
    cost += 50 * parameters["lr"] + abs(parameters["width"] - 64) / 64 + abs(parameters["batch"] - 32) / 32
    return float(cost + sum(parameters["mix"]) + parameters.get("momentum", 0.5) + (parameters["kind"] == "relu"))


def finished(folder: str) -> shac.SHAC:
    engine = shac.SHAC(every_score, every_kind(), 24, 3, "min", save_dir=folder, seed=2**63 + 5)
    engine.concurrent_evaluators()
    engine.set_num_parallel_evaluators(2)
    engine.fit()
    return engine


def paper(folder: str) -> shac.SHAC:
    space, evaluate = pinned.conditional_space(), pinned.conditional_score
    engine = shac.SHAC(evaluate, space, 40, 2, "min", save_dir=folder, seed=13, strategy="paper")
    engine.concurrent_evaluators()
    engine.set_num_parallel_evaluators(2)
    engine.fit()
    return engine


STOPPED_AT = 2 * 8 + 5  # evaluations that had ended


def run_until_stopped(folder: str) -> None:
    """Evaluate no more than STOPPED_AT: the next one waits for the end."""
    begun = iter(range(10**6))

    def evaluate(worker_id: int, parameters: "OrderedDict[str, Any]") -> float:
        if next(begun) == STOPPED_AT:
            time.sleep(1000)
        return pinned.real_score(worker_id, parameters)

    pinned.engine_of("real", "guided", folder, threads=1, evaluate=evaluate).fit()


def stopped(folder: str) -> shac.SHAC:
    process = subprocess.Popen([sys.executable, __file__, "--until-stopped", folder])
    journal = Path(folder, "journal.jsonl")
    while not journal.exists() or journal.read_bytes().count(b'"kind":"evaluation"') < STOPPED_AT:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return restored(pinned.engine_of("real", "guided", folder, threads=1))


def asked_and_told(folder: str) -> shac.SHAC:
    """One round told, and of the second three of six settings that were handed out, the last one first."""
    engine = pinned.engine_of("mixed", "guided", folder, threads=1)
    pinned.tell_all(engine, pinned.mixed_score, engine.ask(8))
    handed_out = engine.ask(6)
    pinned.tell_all(engine, pinned.mixed_score, [handed_out[i] for i in (5, 0, 2)])
    Path(f"{folder}.handed_out.json").write_text(json.dumps([handed_out[i] for i in (1, 3, 4)]))
    return restored(pinned.engine_of("mixed", "guided", folder, threads=1))


def restored(engine: shac.SHAC) -> shac.SHAC:
    engine.restore_data()
    return engine


def margins(engine: shac.SHAC) -> dict[str, Any]:
    """Margins of encoded rows; JSON has the numbers of float32 to the last bit, and null for what does not exist."""
    assert engine.parameters is not None
    X = shac.Cascade([], engine.parameters).sample(16, seed=0)[0]
    rows = [[None if np.isnan(number) else float(number) for number in row] for row in X]
    return {"X": rows, "margins": engine.cascade.margins(X).astype(float).tolist()}


FOLDERS = {"finished": finished, "paper": paper, "stopped": stopped, "asked_and_told": asked_and_told}


def make(target: Path) -> None:
    for name, function in FOLDERS.items():
        folder = target / name
        engine = function(str(folder))
        (target / f"{name}.margins.json").write_text(json.dumps(margins(engine)))
        (folder / ".lock").unlink(missing_ok=True)
    for name, search in (("stopped", "real"), ("asked_and_told", "mixed")):
        # A search that was stopped ends as one that was not.
        shutil.copy(pinned.TABLES / f"guided-{search}.csv", target / f"{name}.final.csv")


if __name__ == "__main__":
    if sys.argv[1] == "--until-stopped":
        run_until_stopped(sys.argv[2])
    else:
        make(Path(sys.argv[1]))
