"""Work on chunks one after the other in this process, or beside each other on the workers of a Dask scheduler.

A chunk travels to a worker and its answer comes back; a worker opens no source, no table and no registry. The
scheduler keeps a chunk until its answer is there, so a worker that is lost costs the chunk that it worked on.
"""

import importlib.metadata
import logging
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from regrow.base import provenance
from regrow.base.errors import Unreachable

if TYPE_CHECKING:
    from distributed import Client
    from distributed import Future as Sent

Chunk = TypeVar("Chunk")
Answer = TypeVar("Answer")

LOCAL = "local"
CONNECT = 15
"""Seconds within which a scheduler, and then its first worker, must answer."""
PATIENCE = 10.0
"""Seconds of silence after which the scheduler is asked whether it has a worker."""
AHEAD = 2
"""Chunks that wait or are worked on, for each thread of the workers: memory follows them, not the rows."""
INSTALL = "install the extra `regrow[dask]`, or unset REGROW_DASK"
REMEDY = "start it, or unset REGROW_DASK to work without; then repeat the run: it does what is missing"
_ONE_UNPACKS = threading.Lock()


class Each(Protocol):
    """Applies a function to each chunk, and yields the answers in the order of the chunks."""

    def __call__(self, work: Callable[[Chunk], Answer], chunks: Iterable[Chunk], /) -> Iterator[Answer]:
        """Yield what *work* answers to each of *chunks*; raises what *work* raises."""
        ...


class Packed(NamedTuple):
    """The work as it travels: once to each worker, with what must be installed there."""

    work: bytes
    installed: dict[str, str]


@contextmanager
def open_workers(address: str | None) -> Iterator[Each]:
    """Yield what applies a function to chunks: here without an *address*, else on the workers of a Dask scheduler.

    *address* is that of a scheduler (`tcp://host:8786`), or `local`, or `local:4`: a cluster of as many processes on
    this machine, by default one for each core. Raises `Unreachable` if it does not answer, or has no worker.
    """
    if address is None:
        yield _each_here
        return
    with ExitStack() as stack:
        client = _connect(address, stack)
        yield partial(_each, client, address)


def _each_here(work: Callable[[Chunk], Answer], chunks: Iterable[Chunk], /) -> Iterator[Answer]:
    """Yield what *work* answers to each of *chunks*: one is read and one answered while the last is used."""
    return _ahead(map(work, _ahead(chunks)))


def _ahead(items: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield *items*, each made in a thread while the one before is used; raises what making one raises."""
    making, context, end = iter(items), copy_context(), object()
    with ThreadPoolExecutor(1, "chunks") as pool:
        made: Future[Any] = pool.submit(context.run, next, making, end)
        while (item := made.result()) is not end:
            made = pool.submit(context.run, next, making, end)
            yield item


def _connect(address: str, stack: ExitStack) -> "Client":
    """Connect to the scheduler at *address*, or to a new local one; *stack* closes them."""
    try:
        from dask.config import set as configured
        from dask.system import CPU_COUNT
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise Unreachable(f"REGROW_DASK: Dask is not installed ({error}); {INSTALL}") from error
    large = {"distributed.admin.large-graph-warning-threshold": "10GB"}  # A chunk is no accident.
    stack.enter_context(configured({**large, "distributed.comm.timeouts.connect": CONNECT}))
    kind, _, count = address.partition(":")
    with _telling(address):
        place: Any = address
        if kind == LOCAL:
            place = stack.enter_context(
                LocalCluster(
                    n_workers=int(count or CPU_COUNT),
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.ERROR,
                )
            )
        client = stack.enter_context(Client(place, timeout=CONNECT, set_as_default=False))
        client.wait_for_workers(1, timeout=4 * CONNECT if kind == LOCAL else CONNECT)
    return client


def _each(
    client: "Client", address: str, work: Callable[[Chunk], Answer], chunks: Iterable[Chunk], /
) -> Iterator[Answer]:
    """Yield what *work* answers to each of *chunks*, in their order; few of them are under way at once."""
    import cloudpickle

    packed = Packed(cloudpickle.dumps(work), _installed())
    with _telling(address):
        # As the answer of a task it is moved to whichever worker needs it, and made again if it is lost.
        shared = client.submit(_pass_on, packed, pure=False)
        threads = sum(cast(dict[str, int], client.nthreads()).values())
    waiting: deque[Sent[Any]] = deque()
    for chunk in chunks:
        sent = pickle.dumps(chunk, pickle.HIGHEST_PROTOCOL)
        with _telling(address):
            waiting.append(client.submit(_work_on, shared, sent, pure=False))
        del chunk, sent
        while len(waiting) > AHEAD * max(threads, 1):
            yield _answer(client, address, waiting.popleft())
    while waiting:
        yield _answer(client, address, waiting.popleft())


def _answer(client: "Client", address: str, future: "Sent[Any]") -> Any:
    """Wait for the answer of *future*; raises what the work raised, or `Unreachable` if nobody works on it."""
    from distributed import KilledWorker, wait

    with _telling(address):
        while not future.done():
            try:
                with client.as_current():
                    wait(future, timeout=PATIENCE)
            except TimeoutError:
                client.wait_for_workers(1, timeout=CONNECT)
    if future.status != "error":
        with _telling(address):
            return future.result()
    try:
        return future.result()
    except KilledWorker as error:
        raise Unreachable(
            f"REGROW_DASK: {address}: workers died of one chunk again and again; look at their logs, and give them "
            "more memory; then repeat the run: it does what is missing"
        ) from error
    except ModuleNotFoundError as error:
        raise Unreachable(
            f"REGROW_DASK: {address}: a worker lacks a package ({error}); install there what is installed here"
        ) from error


@contextmanager
def _telling(address: str) -> Iterator[None]:
    """Turn what Dask raises of a scheduler that is gone, or has no worker, into `Unreachable`."""
    from asyncio import CancelledError
    from concurrent.futures import CancelledError as Cancelled

    try:
        yield
    except (OSError, TimeoutError, CancelledError, Cancelled) as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise Unreachable(
            f"REGROW_DASK: the Dask scheduler at {address} does not answer, or has no worker ({said[0]}); {REMEDY}"
        ) from error


def _installed() -> dict[str, str]:
    """Return the versions by which two processes answer the same: the packages of a model, and our own code."""
    versions = {name: importlib.metadata.version(name) for name in provenance.MODEL_PACKAGES}
    return versions | {"regrow's code": provenance.code_digest()[:12]}


def _pass_on(packed: Packed) -> Packed:
    """Return *packed*: it is what the workers share."""
    return packed


def _work_on(packed: Packed, chunk: bytes) -> Any:
    """Work on *chunk*, on a worker."""
    with _ONE_UNPACKS:
        work = _unpack(packed.work, tuple(packed.installed.items()))
    return work(pickle.loads(chunk))  # noqa: S301 (from the process that sent this function)


@lru_cache(maxsize=1)
def _unpack(work: bytes, installed: tuple[tuple[str, str], ...]) -> Callable[[Any], Any]:
    """Unpack *work* once in a process; raises `Unreachable` if other versions are *installed* here."""
    here = _installed()
    for name, version in installed:
        if here[name] != version:
            raise Unreachable(
                f"REGROW_DASK: a worker has {name} {here[name]}, and the run {version}; install there what is "
                "installed here, so that the answers are the same"
            )
    return pickle.loads(work)  # noqa: S301 (from the process that sent this function)
