import subprocess
import sys
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"


def test_the_check_of_a_gpu_runs_its_search_without_one(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "check_gpu.py"), "--cpu", "--evaluations", "4"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not [line for line in done.stdout.splitlines()[:-1] if not line.startswith("ok ")]
