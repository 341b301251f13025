"""The 'dask' and 'ray' back ends: joblib's own, told where the cluster is and what an evaluation takes of it."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from shac.evaluation.nodes import forget_search, has_payload, keep_payload

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLUSTER_BACKENDS", "Cluster", "DaskCluster", "RayCluster", "connect"]

CLUSTER_BACKENDS = ("dask", "ray")

_logger = logging.getLogger("shac")

_LONGEST_GOODBYE_SECONDS = 3.0


class Cluster(Protocol):
    """What a pool asks of a cluster.

    Attributes
    ----------
    search : str
        Names the pool among those that use the cluster.
    """

    search: str

    def make_backend(self) -> Any:
        """Make joblib's back end for one slot; waits for the first worker of the cluster."""

    def share(self, function: str, payload: bytes) -> None:
        """Send an evaluation function to the nodes that do not have it, where jobs cannot choose their node."""

    def close(self) -> None:
        """End what the search runs on the cluster, and what the search has started itself."""


def connect(backend: str, cluster: Any, num_evaluators: int, gpus_per_evaluation: int) -> Cluster:
    """Connect to a cluster.

    Parameters
    ----------
    backend : {'dask', 'ray'}
        Its kind.
    cluster : distributed.Client, str or None
        A client (Dask), an address, or None: the client that is current, the cluster that this process is connected
        to, or else a local one with `num_evaluators` workers.
    num_evaluators : int
        Evaluations that will run at once.
    gpus_per_evaluation : int
        GPUs that each takes of a cluster that has some.

    Raises
    ------
    ImportError
        If the package is not installed; names the extra that installs it.
    TypeError
        If `cluster` is something else.
    OSError
        If there is no cluster at the address.
    """
    try:
        return (DaskCluster if backend == "dask" else RayCluster)(cluster, num_evaluators, gpus_per_evaluation)
    except ImportError as error:
        raise ImportError(f"backend {backend!r} needs a package: pip install 'shac[{backend}]' ({error})") from error


class DaskCluster:
    """A cluster of Dask; see `connect` for the parameters."""

    def __init__(self, cluster: Any, num_evaluators: int, gpus_per_evaluation: int) -> None:
        import distributed

        self.search = uuid.uuid4().hex
        self._gpus_per_evaluation = gpus_per_evaluation
        self._own: list[Callable[[], object]] = []
        self._is_closed = False
        if isinstance(cluster, distributed.Client):
            self._client = cluster
        elif isinstance(cluster, str):
            self._client = distributed.Client(cluster, set_as_default=False)
            self._own = [self._client.close]
        elif cluster is not None:
            raise TypeError(
                f"cluster must be a distributed.Client, a scheduler's address or None, got {type(cluster).__name__}"
            )
        else:
            self._client = self._current_client(num_evaluators)

    def _current_client(self, num_evaluators: int) -> Any:
        import distributed

        with contextlib.suppress(ValueError):
            return distributed.Client.current()
        local = distributed.LocalCluster(
            n_workers=num_evaluators, threads_per_worker=1, processes=True, dashboard_address=None
        )
        client = distributed.Client(local, set_as_default=False)
        self._own = [client.close, local.close]
        return client

    def make_backend(self) -> Any:
        from joblib._dask import DaskDistributedBackend

        class Backend(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
            def effective_n_jobs(self, n_jobs: int) -> int:  # noqa: ARG002
                # On a cluster of one thread joblib would run the task itself, in this process
                return 2

        if self._is_closed:
            raise RuntimeError("the search has ended")
        if not self._client.ncores():
            _logger.info("waiting for the first worker of %s", self._client.scheduler.address)
            self._client.wait_for_workers(1)
        return Backend(client=self._client, **self._resources())

    def share(self, function: str, payload: bytes) -> None:
        # A node that fails to answer, or to keep it, gets it with its job
        known = self._client.run(has_payload, self.search, function, on_error="ignore")
        if lacking := [address for address, has_it in known.items() if not has_it]:
            self._client.run(keep_payload, self.search, function, payload, workers=lacking, on_error="ignore")

    def _resources(self) -> dict[str, Any]:
        try:
            workers = self._client.scheduler_info(n_workers=-1)["workers"]
        except TypeError:  # older than the argument, and gives all
            workers = self._client.scheduler_info()["workers"]
        if any((worker.get("resources") or {}).get("GPU") for worker in workers.values()):
            return {"resources": {"GPU": self._gpus_per_evaluation}}
        return {}

    def close(self) -> None:
        self._is_closed = True
        # In a thread: a cluster that does not answer must not keep Ctrl-C from ending the search
        thread = threading.Thread(target=self._say_goodbye, daemon=True)
        thread.start()
        thread.join(_LONGEST_GOODBYE_SECONDS)
        for close in self._own:
            with contextlib.suppress(Exception):  # what is gone already is closed
                close()
        self._own = []

    def _say_goodbye(self) -> None:
        with contextlib.suppress(Exception):  # the cluster may be gone
            self._client.run(forget_search, self.search, on_error="ignore")


class RayCluster:
    """A cluster of Ray; see `connect` for the parameters."""

    def __init__(self, cluster: Any, num_evaluators: int, gpus_per_evaluation: int) -> None:
        import ray

        if not (cluster is None or isinstance(cluster, str)):
            raise TypeError(f"cluster must be an address or None with Ray, got {type(cluster).__name__}")
        self.search = uuid.uuid4().hex
        self._gpus_per_evaluation = gpus_per_evaluation
        self._backends: list[Any] = []
        self._is_closed = False
        self._is_own = not ray.is_initialized()
        if self._is_own:
            local: dict[str, Any] = {"num_cpus": num_evaluators} if cluster is None else {"address": cluster}
            ray.init(**local, include_dashboard=False if cluster is None else None, log_to_driver=False)

    def make_backend(self) -> Any:
        import ray
        from ray.util.joblib.ray_backend import RayBackend
        from ray.util.multiprocessing import Pool

        if self._is_closed:
            raise RuntimeError("the search has ended")
        takes: dict[str, Any] = {"num_cpus": 1}
        if ray.cluster_resources().get("GPU"):
            takes["num_gpus"] = self._gpus_per_evaluation

        class Backend(RayBackend):  # type: ignore[misc]  # Ray has no types
            """One actor a slot, so that a slot is a place with its CPU and its GPU."""

            def effective_n_jobs(self, n_jobs: int) -> int:  # noqa: ARG002
                return 2  # with one, joblib would run the task itself, in this process

            def configure(self, n_jobs: int = 1, parallel: Any = None, **others: Any) -> int:  # noqa: ARG002
                self.parallel = parallel
                self._pool = Pool(processes=1, ray_remote_args=takes)
                return 2

        backend = Backend()
        self._backends.append(backend)
        return backend

    def share(self, function: str, payload: bytes) -> None:
        """Do nothing: a slot is an actor, which keeps what comes with its first job."""

    def close(self) -> None:
        import ray

        self._is_closed = True
        for backend in self._backends:
            with contextlib.suppress(Exception):  # an actor that is gone has ended
                backend.terminate()
        self._backends = []
        if self._is_own:
            self._is_own = False
            ray.shutdown()
