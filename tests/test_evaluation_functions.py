"""Functions from which no evaluation can come are refused when the engine is made."""

import functools
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

import shac
from shac.evaluation import EvaluatorPool

SPACE = [shac.UniformHP("x", 0, 1)]


async def coroutine(worker_id: int, parameters: Any) -> float:
    return 0.0


def generator(worker_id: int, parameters: Any) -> Iterator[float]:
    yield 0.0


async def asynchronous_generator(worker_id: int, parameters: Any) -> AsyncIterator[float]:
    yield 0.0


def of_parameters(parameters: Any) -> float:
    return 0.0


def of_three(worker_id: int, parameters: Any, data: Any) -> float:
    return 0.0


class Trainer:
    def __init__(self, worker_id: int, parameters: Any) -> None:
        pass

    def train(self, worker_id: int, parameters: Any) -> float:
        return 0.0

    async def train_later(self, worker_id: int, parameters: Any) -> float:
        return 0.0


class Callable:
    def __call__(self, worker_id: int, parameters: Any) -> float:
        return 0.0


class AsynchronousCallable:
    async def __call__(self, worker_id: int, parameters: Any) -> float:
        return 0.0


WRONG = [
    (coroutine, "expected a function, got a coroutine function"),
    (functools.partial(coroutine, 1), "expected a function, got a coroutine function"),
    (AsynchronousCallable(), "expected a function, got a coroutine function"),
    (Trainer(0, 0).train_later, "expected a function, got a coroutine function"),
    (generator, "expected a function that returns a score, got one that yields"),
    (asynchronous_generator, "expected a function that returns a score, got one that yields"),
    (of_parameters, r"expected a function of \(worker_id, parameters\), got one of \(parameters: Any\) -> float"),
    (of_three, r"expected a function of \(worker_id, parameters\), got one of"),
    (Trainer, "expected a function, got the class Trainer"),
]


@pytest.mark.parametrize(("function", "message"), WRONG)
def test_what_cannot_give_a_score_is_refused_at_once(function: Any, message: str) -> None:
    with pytest.raises(TypeError, match=f"evaluation_function: {message}"):
        shac.SHAC(function, SPACE, 4, 2)
    with pytest.raises(TypeError, match=f"evaluation_function: {message}"):
        EvaluatorPool(function, num_evaluators=1, backend="threading")


@pytest.mark.parametrize(
    "function",
    [
        lambda *arguments: 0.0,
        lambda worker_id, parameters, data=None: 0.0,
        functools.partial(of_three, data=1),
        Trainer(0, 0).train,
        Callable(),
        max,
    ],
)
def test_whatever_takes_two_arguments_is_taken(function: Any) -> None:
    shac.SHAC(function, SPACE, 4, 2)
