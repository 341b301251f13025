"""TorchSHAC: which evaluators it asks for, and what they are told."""

from collections import OrderedDict
from pathlib import Path
from typing import Any

import joblib
import pytest
import searches

import shac


def engine(max_gpu_evaluators: Any = 0, function: Any = searches.branin, **settings: Any) -> shac.TorchSHAC:
    settings = {"objective": "min", "seed": 0, **settings}
    return shac.TorchSHAC(function, searches.branin_space(), 20, 2, max_gpu_evaluators, **settings)


def test_gpu_evaluators_run_at_once_and_limit_the_memory() -> None:
    made = engine(3, max_cpu_evaluators=2)
    assert made.num_parallel_evaluators == 3
    assert made.limit_memory is True


def test_without_gpu_evaluators_the_cpu_evaluators_run() -> None:
    made = engine(0, max_cpu_evaluators=2)
    assert made.num_parallel_evaluators == 2
    assert made.limit_memory is False
    assert engine(0).num_parallel_evaluators == 1


def test_minus_one_cpu_evaluators_are_all_cores() -> None:
    assert engine(0, max_cpu_evaluators=-1).num_parallel_evaluators == joblib.cpu_count()


@pytest.mark.parametrize("value", [0, -2, 1.5, None, True, "1"])
def test_cpu_evaluators_that_are_neither_above_0_nor_minus_1_are_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=f"max_cpu_evaluators: expected an integer above 0, or -1.*got {value!r}"):
        engine(0, max_cpu_evaluators=value)


@pytest.mark.parametrize(
    ("gpus", "share", "evaluators", "limited"), [("", 1, 1, False), ("0,1,2", 1, 3, True), ("0,1,2", 2, 1, True)]
)
def test_as_many_evaluations_as_the_gpus_serve_run_by_default(
    gpus: str, share: int, evaluators: int, limited: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    made = shac.TorchSHAC(searches.branin, searches.branin_space(), 20, 2, gpus_per_evaluation=share)
    assert made.num_parallel_evaluators == evaluators
    assert made.limit_memory == limited


@pytest.mark.parametrize("value", [-1, 1.5, "1"])
def test_a_bad_number_of_gpu_evaluators_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=f"max_gpu_evaluators: expected an integer of at least 0, got {value!r}"):
        engine(value)


@pytest.mark.parametrize(("gpus", "warnings"), [("", 1), ("0", 0)])
def test_a_search_that_asks_for_gpus_where_there_are_none_says_so(
    gpus: str, warnings: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    made = engine(2)
    made.evaluator_backend = "threading"
    made.fit(progress=False)
    assert (
        caplog.text.count("max_gpu_evaluators: PyTorch sees no GPU; 2 evaluations at a time run on the CPU") == warnings
    )


def test_pinning_without_gpu_evaluators_is_refused() -> None:
    with pytest.raises(ValueError, match="pin_gpus: expected max_gpu_evaluators above 0 with it, got 0"):
        engine(0, pin_gpus=True)


def test_the_arguments_come_in_the_ancestors_order() -> None:
    made = shac.TorchSHAC(searches.branin, searches.branin_space(), 20, 2, 1, "min", 5, 2)
    assert (made.total_budget, made.num_batches, made.objective, made.total_classifiers) == (20, 2, "min", 1)
    assert made.save_dir == Path("shac_run").absolute()


def test_torch_is_seeded_with_each_evaluations_own_seed() -> None:
    def draws(worker_id: int, parameters: OrderedDict[str, Any]) -> float:
        import torch

        return float(torch.rand((), dtype=torch.float64))

    tables = []
    for evaluators in (1, 2):
        made = engine(0, draws, max_cpu_evaluators=evaluators, save_dir=str(evaluators))
        made.fit()
        tables.append(made.dataset.Y)
    assert tables[0] == tables[1]
    assert len(set(tables[0])) == 20
