"""What `import shac` costs over the bare interpreter: seconds and memory, in fresh processes, and what it loads.

The goal is 0.15 s and 40 MB, without XGBoost, scikit-learn, SciPy or PyTorch; exit code 1 where the median misses it.
The first use of an engine loads more, and is printed for comparison.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median

GOAL_SECONDS, GOAL_MEBIBYTES = 0.15, 40.0
HEAVY = ("xgboost", "sklearn", "scipy", "torch", "pandas", "matplotlib", "joblib")
STATEMENTS = {
    "nothing": "pass",
    "import shac": "import shac",
    "from shac import Cascade": "from shac import Cascade",
    "from shac import TorchSHAC, UniformHP": "from shac import TorchSHAC, UniformHP",
}
PROBE = """
import resource, sys, time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(seconds, peak, *[name for name in {heavy!r} if name in sys.modules])
"""


def measure(statement: str, repeats: int) -> tuple[float, float, list[str]]:
    seconds, peaks, loaded = [], [], []
    for _ in range(repeats + 1):  # the first fills the caches of the disk
        command = [sys.executable, "-P", "-c", PROBE.format(statement=statement, heavy=HEAVY)]
        first, second, *loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        seconds.append(float(first))
        peaks.append(float(second))
    return median(seconds[1:]), median(peaks[1:]), loaded


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    figures = {}
    bare = 0.0
    for name, statement in STATEMENTS.items():
        seconds, peak, loaded = measure(statement, options.repeats)
        bare = bare or peak
        figures[name] = {"seconds": seconds, "mebibytes": peak - bare, "loaded": loaded}
        print(f"{name:<40}{seconds:>8.3f} s{peak - bare:>8.1f} MiB  {' '.join(loaded)}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    cost = figures["import shac"]
    return int(cost["seconds"] > GOAL_SECONDS or cost["mebibytes"] > GOAL_MEBIBYTES or bool(cost["loaded"]))


if __name__ == "__main__":
    sys.exit(main())
