"""How each service is started: its command, its environment, its port, and when it answers."""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from regrow.base.errors import StateError
from regrow.base.reach import why_silent
from regrow.base.settings import TELEMETRY_OFF, USER, Settings, waiting
from regrow.services.guard import own_origins
from regrow.services.ownership import secret
from regrow.services.postgres import Database
from regrow.services.process import PATIENCE

Service = Literal["postgres", "prefect", "mlflow", "server", "runner"]
ALL_SERVICES: tuple[Service, ...] = ("postgres", "prefect", "mlflow", "server", "runner")
"""In the order in which they start."""
STOP_ORDER: tuple[tuple[Service, ...], ...] = (("runner",), ("prefect", "mlflow"), ("postgres",), ("server",))
"""The runner stops before the servers that it reports to; the model server answers to the last."""
IN_STOP_ORDER: tuple[Service, ...] = tuple(service for group in STOP_ORDER for service in group)
NEEDS: dict[Service, tuple[Service, ...]] = {
    "prefect": ("postgres",),
    "mlflow": ("postgres",),
    "runner": ("prefect",),
}
"""What must answer before a part can start; the model server goes on, and starts, without any other."""
SERVER_PATIENCE = 45.0
"""Seconds that the model server has to answer what it was asked and to flush its journal: its own 40, and some."""
FRESH = 60.0
"""Seconds after which the runner is silent that has not renewed its file."""
POOL = "regrow"
"""The work pool of the deployments, of Prefect's type `process`; the runner is its worker."""
HERE = "127.0.0.1"
"""What Prefect and MLflow bind to: whoever signs in there may run code, so other machines come through a proxy."""


@dataclass(frozen=True)
class Command:
    """How to start one service and how to see that it answers."""

    title: str
    words: list[str]
    ready: Callable[[], bool]
    environment: dict[str, str] = field(default_factory=dict)
    patience: float = PATIENCE
    """Seconds that it has to end by itself once it was told to."""


def ports(settings: Settings) -> dict[Service, int]:
    """Return the port of each service that listens on one."""
    return {"prefect": settings.prefect_port, "mlflow": settings.mlflow_port, "server": settings.server_port}


def check_port(service: Service, settings: Settings) -> None:
    """Raise `StateError` if the port of *service* is in use."""
    if (port := ports(settings).get(service)) is None:
        return
    host = settings.host if service == "server" else HERE
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StateError(
                f"port {port} of {host}, for {TITLES[service]}, cannot be used ({error.strerror}); "
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
    """Return the path of the file that the runner writes once the deployments are registered, and then renews."""
    return settings.home.absolute() / "runner.ready"


def missed_file(settings: Settings) -> Path:
    """Return the path of the file in which the runner tells what its schedules had missed when it started."""
    return settings.home.absolute() / "runner.missed"


def told_missed(settings: Settings) -> list[str]:
    """Return what the schedules had missed when the runner started, and what was done about it."""
    file = missed_file(settings)
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def registered(settings: Settings) -> list[str]:
    """Return the names of the models whose deployments the runner has registered."""
    file = ready_file(settings)
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []


def told_sign_in(settings: Settings) -> str:
    """Return how a person signs in to the pages of Prefect and MLflow; the password itself is not told."""
    return (
        f"sign in to Prefect and MLflow as {USER}, with the password in {settings.password_file} "
        f"(Prefect takes both in one line, {USER}:PASSWORD)"
    )


def read_parts(names: Sequence[str] | None) -> set[Service]:
    """Return the parts called *names*, or all; raise `StateError` for one that there is not."""
    if unknown := [name for name in names or () if name not in ALL_SERVICES]:
        raise StateError(f"{', '.join(unknown)}: no such part; there are {', '.join(ALL_SERVICES)}")
    return {service for service in ALL_SERVICES if not names or service in names}


def own_addresses(settings: Settings, services: set[Service]) -> dict[str, str]:
    """Return the variables by which those of *services* are found that others ask, with the addresses of ours."""
    known: dict[Service, tuple[str, str]] = {
        "prefect": ("PREFECT_API_URL", f"{settings.local_prefect}/api"),
        "mlflow": ("MLFLOW_TRACKING_URI", settings.local_mlflow),
    }
    return dict(known[service] for service in known if service in services)


def client_environment(
    settings: Settings, services: set[Service], database: Database | None
) -> dict[str, str]:
    """Return the variables that point a process at *services*, and at those that run elsewhere.

    Without MLflow's server they point at its *database*, if nothing is started that would ask the server.
    """
    home = settings.home.absolute()
    if "mlflow" in services:
        tracking = settings.local_mlflow
    elif database is None or services & {"server", "runner"}:
        tracking = settings.tracking_uri
    else:
        tracking = database.address("psycopg", "mlflow")
    prefect = f"{settings.local_prefect}/api" if "prefect" in services else settings.prefect_api_url
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
        **({"REGROW_STORE": settings.store} if settings.store else {}),
        "REGROW_HOST": settings.host,
        "REGROW_PREFECT_PORT": str(settings.prefect_port),
        "REGROW_MLFLOW_PORT": str(settings.mlflow_port),
        "REGROW_SERVER_PORT": str(settings.server_port),
        "REGROW_CONFIGS": str(settings.configs),
        "PREFECT_API_URL": prefect,
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_HOME": str(home / "prefect"),
        "PREFECT_LOCAL_STORAGE_PATH": str(home / "results"),
        "MLFLOW_TRACKING_URI": tracking,
        "MLFLOW_REGISTRY_URI": tracking,  # whatever the user's own environment names
        **settings.sign_in(prefect, tracking),
        "MPLBACKEND": "Agg",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        **waiting(),
    }


def command_of(service: Service, settings: Settings, database: Database | None) -> Command:
    """Return how *service* is started; Prefect and MLflow need the *database*."""
    match service, database:
        case "prefect", Database():
            return _prefect(settings, database)
        case "mlflow", Database():
            return _mlflow(settings, database)
        case "server", _:
            return _server(settings)
        case "runner", _:
            return _runner(settings)
        case _:
            raise AssertionError(f"{service} is not started by a command, or not without a database")


def _prefect(settings: Settings, database: Database) -> Command:
    own = own_origins(settings.prefect_port, settings.prefect_public_url)
    return Command(
        TITLES["prefect"],
        [sys.executable, "-m", "regrow.services.prefect_server"],
        _answers(f"{settings.local_prefect}/api/health"),
        {
            "PREFECT_SERVER_API_HOST": HERE,
            "PREFECT_SERVER_API_PORT": str(settings.prefect_port),
            "PREFECT_SERVER_API_AUTH_STRING": f"{USER}:{secret(settings.password_file)}",
            "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": ",".join(sorted(own)),
            "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true",
            "PREFECT_UI_API_URL": f"{(settings.prefect_public_url or settings.local_prefect).rstrip('/')}/api",
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.address("asyncpg", "prefect"),
            # Its own figures, as Prometheus reads them: /api/metrics.
            "PREFECT_SERVER_METRICS_ENABLED": os.environ.get("PREFECT_SERVER_METRICS_ENABLED", "true"),
            **_retention(settings),
            "PREFECT_SERVER_LOGGING_LEVEL": os.environ.get("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
        },
    )


def _retention(settings: Settings) -> dict[str, str]:
    """Return the variables by which Prefect itself removes flow runs, with their logs and artifacts, and events."""
    given = {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(settings.prefect_days * 86_400),
    }
    return {key: os.environ.get(key, value) for key, value in given.items()}


def _mlflow(settings: Settings, database: Database) -> Command:
    artifacts = settings.artifacts.as_uri()
    bind = ["--host", HERE, "--port", str(settings.mlflow_port)]
    own = own_origins(settings.mlflow_port, settings.mlflow_public_url)
    return Command(
        TITLES["mlflow"],
        [sys.executable, "-m", "regrow.services.mlflow_server", *bind, "--artifacts", artifacts],
        _answers(f"{settings.local_mlflow}/health"),
        {
            "MLFLOW_BACKEND_STORE_URI": database.address("psycopg", "mlflow"),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_ENABLE_AI_GATEWAY": "false",
            # Our guard has checked the host before; MLflow's own list would refuse the public one.
            "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
            "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(sorted(own)),
        },
    )


def _server(settings: Settings) -> Command:
    port = str(settings.server_port)
    return Command(
        TITLES["server"],
        [sys.executable, "-m", "regrow.serving", "--host", settings.host, "--port", port],
        _answers(f"{settings.local_server}/ping"),
        {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
        SERVER_PATIENCE,
    )


def _runner(settings: Settings) -> Command:
    return Command(
        TITLES["runner"],
        [sys.executable, "-m", "deployments.serve"],
        partial(_is_fresh, ready_file(settings)),
        {
            "PREFECT_WORKER_QUERY_SECONDS": os.environ.get("PREFECT_WORKER_QUERY_SECONDS", "1"),
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": os.environ.get("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", "30"),
        },
    )


def _is_fresh(file: Path) -> bool:
    """Return whether *file* can be seen, and was written or renewed within `FRESH` seconds."""
    try:
        return abs(time.time() - file.stat().st_mtime) < FRESH
    except OSError:
        return False


def _answers(url: str) -> Callable[[], bool]:
    """Return a check that is true if *url* answers within ten seconds: a server under load is slow."""
    return lambda: why_silent(url, timeout=10) is None
