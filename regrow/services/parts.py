"""What each local server is: its command, its environment, its port, and when it answers."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from regrow.errors import StateError
from regrow.services.child import answers
from regrow.services.postgres import Database
from regrow.settings import TELEMETRY_OFF, Settings

Part = Literal["postgres", "prefect", "mlflow", "server", "runner"]
ALL_PARTS: tuple[Part, ...] = ("postgres", "prefect", "mlflow", "server", "runner")
"""In the order in which they start; they stop in reverse."""


@dataclass(frozen=True)
class Plan:
    """How to start one part and how to see that it answers."""

    name: Part
    title: str
    command: list[str]
    ready: Callable[[], bool]
    environment: dict[str, str] = field(default_factory=dict)


def ports(settings: Settings) -> dict[Part, int]:
    """Name the port of each part that listens on one."""
    return {"prefect": settings.prefect_port, "mlflow": settings.mlflow_port, "server": settings.server_port}


def check_port(part: Part, settings: Settings) -> None:
    """Raise `StateError` where the port of *part* is in use."""
    if (port := ports(settings).get(part)) is None:
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as error:
            raise StateError(
                f"port {port} of {settings.host}, for {TITLES[part]}, cannot be used ({error.strerror}); "
                f"stop what uses it, or give another one by REGROW_{part.upper()}_PORT"
            ) from error


TITLES: dict[Part, str] = {
    "postgres": "PostgreSQL",
    "prefect": "Prefect",
    "mlflow": "MLflow",
    "server": "the model server",
    "runner": "the runner of the deployments",
}


def ready_file(settings: Settings) -> Path:
    """Name the file that the runner writes once the deployments are registered."""
    return settings.home.absolute() / "runner.ready"


def registered(settings: Settings) -> list[str]:
    """Return the names of the models whose deployments the runner has registered."""
    file = ready_file(settings)
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def client_environment(settings: Settings, parts: set[Part], database: Database) -> dict[str, str]:
    """Give the variables that point a process at these servers; without MLflow's server, at its database."""
    home = settings.home.absolute()
    tracking = settings.local_mlflow if "mlflow" in parts else database.address("psycopg", "mlflow")
    return {
        **{key: os.environ.get(key, value) for key, value in TELEMETRY_OFF.items()},
        **({"REGROW_SERVER_URL": settings.server_url or settings.local_server} if "server" in parts else {}),
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


def plan(part: Part, settings: Settings, database: Database) -> Plan:
    """Say how *part* is started on *database*."""
    match part:
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


def _prefect(settings: Settings, database: Database) -> Plan:
    return Plan(
        "prefect",
        TITLES["prefect"],
        [sys.executable, "-m", "prefect", "server", "start", "--host", settings.host],
        answers(f"{settings.local_prefect}/api/health"),
        {
            "PREFECT_SERVER_API_HOST": settings.host,
            "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.address("asyncpg", "prefect"),
            "PREFECT_SERVER_LOGGING_LEVEL": os.environ.get("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
        },
    )


def _mlflow(settings: Settings, database: Database) -> Plan:
    artifacts = (settings.home.absolute() / "artifacts").as_uri()
    bind = ["--host", settings.host, "--port", str(settings.mlflow_port)]
    return Plan(
        "mlflow",
        TITLES["mlflow"],
        [sys.executable, "-m", "regrow.services.mlflow_server", *bind, "--artifacts", artifacts],
        answers(f"{settings.local_mlflow}/health"),
        {
            "MLFLOW_BACKEND_STORE_URI": database.address("psycopg", "mlflow"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ENABLE_AI_GATEWAY": "false",
        },
    )


def _server(settings: Settings) -> Plan:
    port = str(settings.server_port)
    return Plan(
        "server",
        TITLES["server"],
        [sys.executable, "-m", "regrow.serving", "--host", settings.host, "--port", port],
        answers(f"{settings.local_server}/ping"),
        {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
    )


def _runner(settings: Settings) -> Plan:
    return Plan(
        "runner",
        TITLES["runner"],
        [sys.executable, "-m", "deployments.serve"],
        ready_file(settings).exists,
        {
            "PREFECT_RUNNER_POLL_FREQUENCY": os.environ.get("PREFECT_RUNNER_POLL_FREQUENCY", "1"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": os.environ.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30"),
        },
    )
