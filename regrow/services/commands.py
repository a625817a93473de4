"""How each service is started: its command, its environment, its port, and when it answers."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from regrow.errors import StateError
from regrow.reach import why_silent
from regrow.services.postgres import Database
from regrow.settings import TELEMETRY_OFF, Settings

Service = Literal["postgres", "prefect", "mlflow", "server", "runner"]
ALL_SERVICES: tuple[Service, ...] = ("postgres", "prefect", "mlflow", "server", "runner")
"""In the order in which they start; they stop in reverse."""


@dataclass(frozen=True)
class Command:
    """How to start one service and how to see that it answers."""

    title: str
    words: list[str]
    ready: Callable[[], bool]
    environment: dict[str, str] = field(default_factory=dict)


def ports(settings: Settings) -> dict[Service, int]:
    """Return the port of each service that listens on one."""
    return {"prefect": settings.prefect_port, "mlflow": settings.mlflow_port, "server": settings.server_port}


def check_port(service: Service, settings: Settings) -> None:
    """Raise `StateError` if the port of *service* is in use."""
    if (port := ports(settings).get(service)) is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as error:
            raise StateError(
                f"port {port} of {settings.host}, for {TITLES[service]}, cannot be used ({error.strerror}); "
                f"stop what uses it, or give another one by REGROW_{service.upper()}_PORT"
            ) from error


TITLES: dict[Service, str] = {
    "postgres": "PostgreSQL",
    "prefect": "Prefect",
    "mlflow": "MLflow",
    "server": "the model server",
    "runner": "the runner of the deployments",
}


def ready_file(settings: Settings) -> Path:
    """Return the path of the file that the runner writes once the deployments are registered."""
    return settings.home.absolute() / "runner.ready"


def registered(settings: Settings) -> list[str]:
    """Return the names of the models whose deployments the runner has registered."""
    file = ready_file(settings)
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def own_addresses(settings: Settings) -> dict[str, str]:
    """Return the variables by which Prefect and MLflow are found, with the addresses of those that we start."""
    return {"PREFECT_API_URL": f"{settings.local_prefect}/api", "MLFLOW_TRACKING_URI": settings.local_mlflow}


def client_environment(settings: Settings, services: set[Service], database: Database) -> dict[str, str]:
    """Return the variables that point a process at *services*; without MLflow's server, at its database."""
    home = settings.home.absolute()
    tracking = settings.local_mlflow if "mlflow" in services else database.address("psycopg", "mlflow")
    return {
        **{key: os.environ.get(key, value) for key, value in TELEMETRY_OFF.items()},
        **(
            {"REGROW_SERVER_URL": settings.server_url or settings.local_server}
            if "server" in services
            else {}
        ),
        # A user's `tasks.py` in the folder from which `regrow up` is run is not ours.
        "PYTHONSAFEPATH": "1",
        "REGROW_HOME": str(home),
        "REGROW_HOST": settings.host,
        "REGROW_PREFECT_PORT": str(settings.prefect_port),
        "REGROW_MLFLOW_PORT": str(settings.mlflow_port),
        "REGROW_SERVER_PORT": str(settings.server_port),
        "REGROW_CONFIGS": str(settings.configs),
        "PREFECT_API_URL": f"{settings.local_prefect}/api",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_LOCAL_STORAGE_PATH": str(home / "results"),
        "MLFLOW_TRACKING_URI": tracking,
        "MPLBACKEND": "Agg",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # Threads that wait by spinning make a fit six times slower on a machine that is busy otherwise.
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE"),
    }


def command_of(service: Service, settings: Settings, database: Database) -> Command:
    """Return how *service* is started on *database*."""
    match service:
        case "prefect":
            return _prefect(settings, database)
        case "mlflow":
            return _mlflow(settings, database)
        case "server":
            return _server(settings)
        case "runner":
            return _runner(settings)
        case "postgres":
            raise AssertionError("PostgreSQL is started by start_database")


def _prefect(settings: Settings, database: Database) -> Command:
    return Command(
        TITLES["prefect"],
        [sys.executable, "-m", "prefect", "server", "start", "--host", settings.host],
        _answers(f"{settings.local_prefect}/api/health"),
        {
            "PREFECT_SERVER_API_HOST": settings.host,
            "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.address("asyncpg", "prefect"),
            "PREFECT_SERVER_LOGGING_LEVEL": os.environ.get("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
        },
    )


def _mlflow(settings: Settings, database: Database) -> Command:
    artifacts = (settings.home.absolute() / "artifacts").as_uri()
    bind = ["--host", settings.host, "--port", str(settings.mlflow_port)]
    return Command(
        TITLES["mlflow"],
        [sys.executable, "-m", "regrow.services.mlflow_server", *bind, "--artifacts", artifacts],
        _answers(f"{settings.local_mlflow}/health"),
        {
            "MLFLOW_BACKEND_STORE_URI": database.address("psycopg", "mlflow"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ENABLE_AI_GATEWAY": "false",
        },
    )


def _server(settings: Settings) -> Command:
    port = str(settings.server_port)
    return Command(
        TITLES["server"],
        [sys.executable, "-m", "regrow.serving", "--host", settings.host, "--port", port],
        _answers(f"{settings.local_server}/ping"),
        {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
    )


def _runner(settings: Settings) -> Command:
    return Command(
        TITLES["runner"],
        [sys.executable, "-m", "deployments.serve"],
        ready_file(settings).exists,
        {
            "PREFECT_WORKER_QUERY_SECONDS": os.environ.get("PREFECT_WORKER_QUERY_SECONDS", "1"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": os.environ.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30"),
        },
    )


def _answers(url: str) -> Callable[[], bool]:
    """Return a check that is true once *url* answers."""
    return lambda: why_silent(url, timeout=2) is None
