import os
import signal
from pathlib import Path

import pytest

# Threads of OpenMP that wait for work leave the core to others: spinning, they make a busy machine stand still.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# A shell's background jobs ignore Ctrl-C, and so would all processes that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _work_in_a_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a test writes lands in the repository."""
    monkeypatch.chdir(tmp_path)
