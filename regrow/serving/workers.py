"""The processes of one server: one, or several under a supervisor on one port."""

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

from regrow.errors import ServingError
from regrow.serving.limits import Limits
from regrow.serving.logs import configuration
from regrow.serving.roster import open_server
from regrow.settings import Settings

LOG = logging.getLogger("regrow.serving")
GRACE_SECONDS = 20
"""How long requests in progress may take once the server was told to stop."""
FLUSH_SECONDS = 20
"""How long a worker may then take to fold its journal; what is left is folded by the next start."""
HUNG_SECONDS = 30
"""A worker that does not answer its supervisor for so long is replaced."""


@dataclass(frozen=True)
class Plan:
    """What every worker of a server is told."""

    host: str
    port: int
    models: tuple[str, ...]
    settings: Settings
    limits: Limits
    workers: int
    folder: Path
    """Where the workers say what they do."""


def build(plan: Plan) -> FastAPI:
    """Build the application of one worker, in its process."""
    import mlflow

    from regrow.serving.access import Keys
    from regrow.serving.app import Server, create_app
    from regrow.serving.champions import Champions
    from regrow.serving.fold import Folder
    from regrow.serving.measures import Measures
    from regrow.serving.roster import Roster

    if plan.workers > 1:
        _end_with_supervisor()
    mlflow.set_tracking_uri(plan.settings.tracking_uri)
    measures = Measures()
    champions = Champions(mlflow.MlflowClient(), plan.models, measures)
    folder, roster = Folder(plan.settings.journal), Roster(plan.folder, plan.workers)
    return create_app(
        Server(plan.settings, champions, folder, measures, plan.limits, Keys(plan.settings), roster)
    )


def run(
    host: str, port: int, models: tuple[str, ...], settings: Settings, limits: Limits, workers: int
) -> None:
    """Run *workers* processes on one port until SIGTERM or SIGINT.

    Raises `ServingError` where the address is taken or a worker cannot start.
    """
    folder, lock = open_server(settings.home.absolute())
    config = _config(Plan(host, port, models, settings, limits, workers, folder))
    try:
        if workers == 1:
            _run_here(config)
        else:
            _supervise(config, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


class Supervisor(Multiprocess):
    """uvicorn's supervisor, which ends in bounded time and lets go of the port when it stops."""

    def terminate_all(self) -> None:
        """Tell every worker to stop; the port is closed here too, or the kernel would go on taking connections."""
        for listener in self.sockets:
            listener.close()
        super().terminate_all()

    def join_all(self) -> None:
        """Wait for the workers; kill what is left: its journal is folded by the next start."""
        deadline = time.monotonic() + GRACE_SECONDS + FLUSH_SECONDS
        for worker in self.processes:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                LOG.warning("worker %s did not stop in time and is killed", worker.pid)
                worker.process.kill()
                worker.process.join()


def _config(plan: Plan) -> uvicorn.Config:
    """Say how uvicorn runs the application of *plan*."""
    return uvicorn.Config(
        partial(build, plan),
        factory=True,
        host=plan.host,
        port=plan.port,
        workers=plan.workers,
        access_log=False,
        log_config=configuration(plan.settings.log_format),
        server_header=False,
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
        raise ServingError("a worker could not start; its reason stands above")


def _taken(config: uvicorn.Config) -> ServingError:
    """Say that the port cannot be had."""
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
