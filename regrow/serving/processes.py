"""Run the model server: one process, or several under a supervisor on one port."""

import argparse
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from regrow.base.errors import RegrowError, ServingError
from regrow.base.settings import Settings, apply_environment, load_settings
from regrow.serving.http.admission import Limits
from regrow.serving.http.connections import BoundedConnection
from regrow.serving.roster import open_server
from regrow.serving.server_log import log_configuration

LOG = logging.getLogger("regrow.serving")
GRACE_SECONDS = 20
"""How long requests in progress may take once the server was told to stop."""
FLUSH_SECONDS = 20
"""How long a worker may then wait until its journals are flushed; what is left is flushed by the next start."""
HUNG_SECONDS = 30
"""A worker that does not answer its supervisor for so long is replaced."""
QUICK_REGISTRY = {
    "OMP_NUM_THREADS": "1",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "5",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""The server's own choices: one native thread, and a registry that is down is noticed in seconds."""


@dataclass(frozen=True)
class WorkerOptions:
    """What every worker of a server is started with."""

    host: str
    port: int
    models: tuple[str, ...]
    settings: Settings
    limits: Limits
    workers: int
    folder: Path
    """The folder in which the workers tell each other what they serve."""


def build(options: WorkerOptions) -> FastAPI:
    """Build the application of one worker, in its process."""
    import mlflow

    from regrow.base.tracking import ask_outlines
    from regrow.serving.following.follower import Follower
    from regrow.serving.http.app import create_app
    from regrow.serving.http.keys import Keys
    from regrow.serving.http.server import Server
    from regrow.serving.log.journals import Journals
    from regrow.serving.metrics import ServerMetrics
    from regrow.serving.roster import Roster

    if options.workers > 1:
        _end_with_supervisor()
    settings, metrics = options.settings, ServerMetrics()
    mlflow.set_tracking_uri(settings.tracking_uri)
    server = Server(
        settings,
        Follower(
            mlflow.MlflowClient(), options.models, metrics, ask=partial(ask_outlines, settings.tracking_uri)
        ),
        Journals(
            settings.journal,
            settings.journal_seconds,
            patience=FLUSH_SECONDS,
            synced=settings.journal_sync == "group",
        ),
        metrics,
        options.limits,
        Keys(settings),
        Roster(options.folder, options.workers),
    )
    return create_app(server, options.host)


def serve(
    host: str,
    port: int,
    models: tuple[str, ...],
    settings: Settings,
    *,
    workers: int | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve the champions of *models* (none: every model that has one) on *host* until SIGTERM or SIGINT.

    *workers* processes answer; default: `settings.workers`. Requests over *limits* are refused; default: those of
    *settings*. Raises `ServingError` if the address is taken, or needs a key and there is none, or if a worker cannot
    start.
    """
    for key, value in QUICK_REGISTRY.items():
        os.environ.setdefault(key, value)
    apply_environment(settings)
    from regrow.serving.http.keys import Keys, check_start

    check_start(host, Keys(settings))
    folder, lock = open_server(settings.home.absolute())
    count = workers or settings.workers
    config = _config(
        WorkerOptions(host, port, models, settings, limits or limits_of(settings), count, folder)
    )
    try:
        if count == 1:
            _run_here(config)
        else:
            _supervise(config, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def limits_of(settings: Settings) -> Limits:
    """Return the limits that *settings* set."""
    return Limits(settings.server_max_bytes, settings.server_max_rows)


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which ends in bounded time and lets go of the port when it stops."""

    def terminate_all(self) -> None:
        """Stop every worker; the port is closed here too, or the kernel would go on taking connections."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the workers; kill what is left: its journal is flushed by the next start."""
        deadline = time.monotonic() + GRACE_SECONDS + FLUSH_SECONDS
        for worker in self.processes:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                LOG.warning("worker %s did not stop in time and is killed", worker.pid)
                worker.process.kill()
                worker.process.join()


def _config(options: WorkerOptions) -> uvicorn.Config:
    """Configure uvicorn to run the application of *options*."""
    return uvicorn.Config(
        partial(build, options),
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        access_log=False,
        log_config=log_configuration(options.settings.log_format),
        server_header=False,
        http=BoundedConnection,
        ws="none",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_worker_healthcheck=HUNG_SECONDS,
    )


def _run_here(config: uvicorn.Config) -> None:
    """Run one worker in this process."""
    _leave_signals_to_uvicorn()
    try:
        uvicorn.Server(config).run()
    except SystemExit as error:
        raise _taken(config) from error


def _supervise(config: uvicorn.Config, folder: Path) -> None:
    """Run the workers of *config* in processes of their own, and start anew those that die."""
    metrics = folder / "metrics"
    metrics.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
    try:
        listener: socket.socket = config.bind_socket()
    except SystemExit as error:
        raise _taken(config) from error
    supervisor = Supervisor(config, [listener])
    supervisor.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
        raise ServingError("a worker could not start; the log above holds the reason")


def _taken(config: uvicorn.Config) -> ServingError:
    """Return that the port is taken."""
    return ServingError(f"{config.host}:{config.port} cannot be listened on; give another port")


def _end_with_supervisor() -> None:
    """Stop this worker when its supervisor is gone, which would otherwise leave it on the port for ever."""
    supervisor = multiprocessing.parent_process()
    if supervisor is None:
        return

    def follow() -> None:
        supervisor.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, name="supervisor", daemon=True).start()


def _leave_signals_to_uvicorn() -> None:
    """Let a stop end with exit code 0: uvicorn raises the signal again once it has stopped."""

    def ignore(_number: int, _frame: FrameType | None) -> None:
        return

    signal.signal(signal.SIGTERM, ignore)
    signal.signal(signal.SIGINT, ignore)


def main() -> None:
    """Read the command line and serve."""
    settings = load_settings()
    limits = limits_of(settings)
    parser = argparse.ArgumentParser(prog="python -m regrow.serving", description=main.__doc__)
    parser.add_argument("--host", default=settings.host)
    parser.add_argument("--port", type=int, default=settings.server_port)
    parser.add_argument("--workers", type=int, default=settings.workers, help="processes that answer")
    parser.add_argument(
        "--model", action="append", default=[], help="a model to serve; default: all with a champion"
    )
    parser.add_argument("--max-bytes", type=int, default=limits.max_bytes, help="largest request, in bytes")
    parser.add_argument("--max-rows", type=int, default=limits.max_rows, help="most rows in one request")
    given = parser.parse_args()
    limits = Limits(given.max_bytes, given.max_rows)
    try:
        serve(given.host, given.port, tuple(given.model), settings, workers=given.workers, limits=limits)
    except RegrowError as error:
        raise SystemExit(f"regrow: {error}") from error
