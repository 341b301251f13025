"""Slots: one a worker id. A slot runs one evaluation at a time and can be replaced without the others.

`ThreadSlot` is here, with the runner that hands its evaluations to another joblib back end; the slot that
owns a process is in `processes`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from shac.evaluation.worker import failure, pickler, run_evaluation, run_sent_evaluation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shac.evaluation.tasks import EvaluationTask, Reply
    from shac.evaluation.worker import EvaluationFunction

__all__ = ["JoblibRunner", "Slot", "ThreadSlot"]


class Slot(Protocol):
    """What the pool asks of a worker id's owner; the pool calls it from one thread."""

    worker_id: int

    def submit(self, task: EvaluationTask) -> None:
        """Start an evaluation; the slot must be free."""

    def poll(self) -> Reply | None:
        """Give the evaluation's answer, once, or None while it runs."""

    def waitables(self) -> Sequence[Any]:
        """List what `multiprocessing.connection.wait` can watch for an answer."""

    def stop(self) -> None:
        """Ask for the end, after the evaluation that may be running."""

    def kill(self) -> None:
        """End now; this does not wait."""

    def join(self, timeout: float) -> None:
        """Wait for the end, and force it after `timeout` seconds."""


class ThreadSlot(Slot):
    """A slot that owns a thread.

    The thread is a daemon, because a thread cannot be killed: after Ctrl-C the program ends without
    waiting for the evaluation.

    Parameters
    ----------
    worker_id : int
        The evaluator's id.
    run : callable
        Gives the `Reply` of a task, and raises nothing.
    finish : callable, optional
        Called by the thread as its last act.
    """

    def __init__(
        self,
        worker_id: int,
        run: Callable[[EvaluationTask], Reply],
        finish: Callable[[], None] | None = None,
    ) -> None:
        self.worker_id = worker_id
        self._run = run
        self._finish = finish
        self._inbox: queue.SimpleQueue[EvaluationTask | None] = queue.SimpleQueue()
        self._reply: Reply | None = None
        self._bell: Any = None
        self._thread: threading.Thread | None = None

    def submit(self, task: EvaluationTask) -> None:
        if self._thread is None:
            # A pipe, not an event: the pool waits for threads and processes in the same way
            self._bell, bell_button = multiprocessing.Pipe(duplex=False)
            name = f"shac-evaluator-{self.worker_id}"
            self._thread = threading.Thread(target=self._serve, args=(bell_button,), name=name, daemon=True)
            self._thread.start()
        self._inbox.put(task)

    def poll(self) -> Reply | None:
        if not self._bell.poll():
            return None
        self._bell.recv_bytes()
        reply, self._reply = self._reply, None
        return reply

    def waitables(self) -> Sequence[Any]:
        return [self._bell]

    def stop(self) -> None:
        self._inbox.put(None)

    def kill(self) -> None:
        self._inbox.put(None)

    def join(self, timeout: float) -> None:
        if self._thread is None:
            return
        self._thread.join(timeout)
        self._thread = None
        self._bell.close()

    def _serve(self, bell_button: Any) -> None:
        with bell_button:
            while (task := self._inbox.get()) is not None:
                self._reply = self._run(task)
                try:
                    bell_button.send_bytes(b"!")
                except OSError:
                    break  # nobody waits any more
            if self._finish is not None:
                self._finish()


class JoblibRunner:
    """Runs evaluations of one slot on a back end that is registered with joblib under a name.

    Parameters
    ----------
    worker_id : int
        The evaluator's id.
    backend : str
        The back end's name.
    function : callable
        The evaluation function.
    payload : bytes or None
        The function, pickled; None when the back end shares this process's memory.
    seed_torch : bool
        Whether PyTorch is seeded before every evaluation.
    """

    def __init__(
        self,
        worker_id: int,
        backend: str,
        function: EvaluationFunction,
        payload: bytes | None,
        *,
        seed_torch: bool,
    ) -> None:
        self._worker_id = worker_id
        self._backend = backend
        self._function = function
        self._payload = payload
        self._seed_torch = seed_torch
        self._parallel: Any = None

    def __call__(self, task: EvaluationTask) -> Reply:
        """Run one evaluation and wait for it."""
        import joblib

        started = time.time()
        try:
            if self._payload is None:
                job = joblib.delayed(run_evaluation)(self._function, self._worker_id, task, seed_torch=self._seed_torch)
            else:
                message = pickler().dumps(task)
                job = joblib.delayed(run_sent_evaluation)(self._payload, self._worker_id, message, self._seed_torch)
            if self._parallel is None:
                # Two jobs for one task: with one, joblib runs the task itself instead of on the back end
                self._parallel = joblib.Parallel(n_jobs=2, backend=self._backend).__enter__()
            [reply] = self._parallel([job])
        except BaseException as error:  # noqa: BLE001 - the back end lost the evaluation; the search goes on
            self.close()
            return failure(error, started)
        return reply  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let the back end release what it holds; it starts again with the next evaluation."""
        parallel, self._parallel = self._parallel, None
        if parallel is not None:
            with contextlib.suppress(Exception):  # a broken back end may fail to end as well
                parallel.__exit__(None, None, None)
