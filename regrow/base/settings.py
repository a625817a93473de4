"""Where state lives and which servers are spoken to: `REGROW_*` from the environment."""

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from regrow.base.places import Place, read_place

TELEMETRY_OFF = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "GX_ANALYTICS_ENABLED": "false",
}
"""Regrow's own choice for its dependencies; set any of them to decide otherwise."""
WAITING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "1000"}
"""The threads of a fit that wait for one another spin for some microseconds, then sleep.

Those that spin on make a fit many times slower on a machine that is busy otherwise; those that sleep at once, 1.7 times
slower on one that is not. Measured by `benchmarks/waiting_threads.py`; a user who sets either variable decides.
"""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
USER = "regrow"
"""Who signs in to the local Prefect and MLflow."""
UMASK = "REGROW_UMASK"
"""The variable that holds the user's own umask: what is delivered to others is written by it."""


def _split_list(value: object) -> object:
    """Read what is written with commas between."""
    return tuple(one.strip() for one in value.split(",") if one.strip()) if isinstance(value, str) else value


def _name_place(text: str | None) -> str | None:
    """Write the place that *text* names in full."""
    return str(read_place(text)) if text else None


class Settings(BaseSettings):
    """What differs between a laptop and production; every field is `REGROW_<FIELD>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="REGROW_", frozen=True, extra="ignore")

    home: Annotated[Path, Field(description="The state folder")] = Path(".regrow")
    store: Annotated[
        str | None,
        AfterValidator(_name_place),
        Field(
            description="What holds snapshots, tables and files of models: another folder, or `s3://bucket/prefix`; "
            "empty: the state folder; see docs/store.md"
        ),
    ] = None
    host: Annotated[
        str,
        Field(
            description="The address that the model server binds to; Prefect and MLflow stay on this machine's own"
        ),
    ] = "127.0.0.1"
    prefect_port: int = 4200
    mlflow_port: int = 5000
    prefect_public_url: Annotated[
        str | None,
        Field(description="https://… by which a proxy of yours shows Prefect; see docs/security.md"),
    ] = None
    mlflow_public_url: Annotated[
        str | None,
        Field(description="https://… by which a proxy of yours shows MLflow; see docs/security.md"),
    ] = None
    server_port: Annotated[int, Field(description="The model server's port")] = 8000
    server_hosts: Annotated[
        tuple[Annotated[str, Field(pattern=r"^(\*|(\*\.)?[\w-]+(\.[\w-]+)*\.?)$")], ...],
        NoDecode,
        BeforeValidator(_split_list),
        Field(
            description="Names by which the model server is reached, by comma, beside its own address and localhost: "
            "`models.example.org`, `*.example.org`; `*`: any"
        ),
    ] = ()
    server_max_bytes: Annotated[
        int, Field(ge=1000, description="Largest body of a request to the model server")
    ] = 5_000_000
    server_max_rows: Annotated[
        int, Field(ge=1, description="Most rows, or labels, in one request to the model server")
    ] = 10_000
    workers: Annotated[int, Field(ge=1, le=64, description="Processes of the model server")] = 1
    database_url: Annotated[
        SecretStr | None,
        Field(
            description="postgresql://… of the server that holds Prefect's and MLflow's databases; empty: embedded"
        ),
    ] = None
    api_keys: Annotated[
        tuple[SecretStr, ...],
        NoDecode,
        BeforeValidator(_split_list),
        Field(description="Keys that the model server accepts, as `roles:hash`, by comma"),
    ] = ()
    api_keys_file: Annotated[
        Path | None, Field(description="File of more such keys, one a line, read again when it changes")
    ] = None
    log_format: Annotated[
        Literal["text", "json"],
        Field(description="How the model server logs; json: a line for each request too, without its values"),
    ] = "text"
    server_key: Annotated[
        SecretStr | None, Field(description="The key that flows and commands show to the model server")
    ] = None
    server_url: Annotated[
        str | None,
        Field(
            description="The model server that must confirm a promotion; empty: the alias moves unconfirmed"
        ),
    ] = None
    journal_sync: Annotated[
        Literal["off", "group"],
        Field(
            description="What an answer of the model server waits for. off: its rows survive the death of the "
            "process; a power cut takes the last seconds. group: they survive that too; requests wait for the disk "
            "together"
        ),
    ] = "off"
    journal_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds after which answered rows leave the journal for the tables, where flows read them; "
            "longer makes fewer and larger files",
        ),
    ] = 1.0
    challenger_timeout: Annotated[
        float,
        Field(gt=0, description="Seconds after which the champion answers what the challenger has not"),
    ] = 1.0
    dask: Annotated[
        Annotated[str, Field(pattern=r"^(local(:[1-9]\d*)?|[a-z]+://\S+)$")] | None,
        BeforeValidator(lambda value: value or None),
        Field(
            description="Scheduler of Dask that batch scoring works on, `tcp://host:8786`; `local` or `local:4`: "
            "processes on this machine; empty: no Dask"
        ),
    ] = None
    notifications: Annotated[
        Path | None,
        Field(description="YAML file of who is told of what happens to any model, and to this machine"),
    ] = None
    runs_at_once: Annotated[
        int,
        Field(
            ge=1,
            description="Flow runs that the runner has under way side by side, 150 MB or more each; the others wait",
        ),
    ] = max(4, 2 * (os.cpu_count() or 1))
    tidy_schedule: Annotated[
        str,
        Field(
            description="Cron, UTC, of the flow that removes what is kept long enough; empty: by hand only"
        ),
    ] = "30 3 * * *"
    results_days: Annotated[
        int,
        Field(
            ge=1, description="Days that stored results of steps are kept; a later run does the work again"
        ),
    ] = 30
    snapshots_days: Annotated[
        int,
        Field(
            ge=2,
            description="Days that snapshots and samples are kept that no version needs; more than results_days",
        ),
    ] = 90
    prefect_days: Annotated[
        int,
        Field(ge=1, description="Days that Prefect, started by `regrow up`, keeps flow runs that have ended"),
    ] = 30
    log_mb: Annotated[
        int,
        Field(
            ge=1,
            description="Megabytes from which a log of `regrow up` is put aside, in place of the last one",
        ),
    ] = 50
    configs: Annotated[Path, Field(description="Folder of the project files that `regrow up` deploys")] = (
        Path("configs")
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Settings":
        if self.snapshots_days <= self.results_days:
            raise ValueError(
                f"REGROW_SNAPSHOTS_DAYS ({self.snapshots_days}) must exceed REGROW_RESULTS_DAYS ({self.results_days}): "
                "a stored result names snapshots"
            )
        return self

    @property
    def store_root(self) -> Place:
        """Where the store is: what others than this machine may share."""
        return read_place(self.store) if self.store else self.home.absolute()

    @property
    def snapshots(self) -> Place:
        """The folder of the content-addressed Parquet files."""
        return self.store_root / "snapshots"

    @property
    def tables(self) -> Place:
        """The folder of the append-only Delta Lake tables."""
        return self.store_root / "tables"

    @property
    def artifacts(self) -> Place:
        """The folder of the files of MLflow's runs and models, if the MLflow server is ours."""
        return self.store_root / "artifacts"

    @property
    def erased(self) -> Place:
        """The folder of the notes on snapshots from which rows were erased."""
        return self.store_root / "erased"

    @property
    def journal(self) -> Path:
        """The folder of the model server's journals."""
        return self.home.absolute() / "journal"

    @property
    def password_file(self) -> Path:
        """The file with the password of the local Prefect and MLflow, which only its owner can read."""
        return self.home.absolute() / "password"

    @property
    def local_prefect(self) -> str:
        """The address of the Prefect server that `regrow up` starts: on loopback, whatever `host` is."""
        return f"http://127.0.0.1:{self.prefect_port}"

    @property
    def local_mlflow(self) -> str:
        """The address of the MLflow server that `regrow up` starts: on loopback, whatever `host` is."""
        return f"http://127.0.0.1:{self.mlflow_port}"

    @property
    def local_server(self) -> str:
        """The address of the model server that `regrow up` starts."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"

    @property
    def server_headers(self) -> dict[str, str]:
        """What a request to the model server carries: the key, if there is one."""
        return {"X-API-Key": self.server_key.get_secret_value()} if self.server_key else {}

    @property
    def tracking_uri(self) -> str:
        """MLflow's address: `MLFLOW_TRACKING_URI`, or the local server."""
        uri = os.environ.get("MLFLOW_TRACKING_URI") or self.local_mlflow
        return uri.rstrip("/") if uri.startswith("http") else uri

    @property
    def shown_tracking_uri(self) -> str:
        """MLflow's address as a message may show it: without the password of a database."""
        return re.sub(r"(://[^:/@]*:)[^@/]*@", r"\1***@", self.tracking_uri)

    @property
    def prefect_api_url(self) -> str:
        """Prefect's API: `PREFECT_API_URL`, or the local server."""
        return (os.environ.get("PREFECT_API_URL") or f"{self.local_prefect}/api").rstrip("/")

    @property
    def prefect_ui_url(self) -> str:
        """Prefect's pages, beside its API."""
        return self.prefect_api_url.removesuffix("/api")

    def sign_in(self, prefect: str, tracking: str) -> dict[str, str]:
        """Return the variables by which clients sign in to Prefect at *prefect* and MLflow at *tracking*.

        None for servers that `regrow up` did not start: ours is not their password, and is not for them to see.
        """
        try:
            password = self.password_file.read_text(encoding="utf-8").strip()
        except OSError:  # not started yet, or by another user
            return {}
        variables = {}
        if _is_here(prefect, self.prefect_port):
            variables["PREFECT_API_AUTH_STRING"] = f"{USER}:{password}"
        if _is_here(tracking, self.mlflow_port):
            variables |= {"MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": password}
        return variables


def _is_here(url: str, port: int) -> bool:
    """Return whether *url* is of this machine's *port*."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in LOOPBACK and parts.port == port


def load_settings() -> Settings:
    """Read the settings from the environment as it is now."""
    prefix = str(Settings.model_config.get("env_prefix"))
    return _read(
        frozenset((name, value) for name, value in os.environ.items() if name.upper().startswith(prefix))
    )


@lru_cache(maxsize=4)
def _read(environment: frozenset[tuple[str, str]]) -> Settings:
    """Read the settings, once for each *environment*: it takes 14 ms, and every step asks for them several times."""
    return Settings()


def apply_environment(settings: Settings) -> None:
    """Point Prefect and MLflow of this process at *settings*; what the user has set stays as it is.

    What the process writes from now on is its user's alone.
    """
    keep_private()
    for key, value in {
        **TELEMETRY_OFF,
        **settings.sign_in(settings.prefect_api_url, settings.tracking_uri),
        "PREFECT_API_URL": settings.prefect_api_url,
        "PREFECT_HOME": str(settings.home.absolute() / "prefect"),
        "PREFECT_LOCAL_STORAGE_PATH": str(settings.home.absolute() / "results"),
        "MLFLOW_TRACKING_URI": settings.tracking_uri,
        "MPLBACKEND": "Agg",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # Each run's end would ask for the run once more.
        **waiting(),
    }.items():
        os.environ.setdefault(key, value)


def waiting() -> dict[str, str]:
    """Return `WAITING`, or nothing if the user has set one of its variables."""
    return {} if WAITING.keys() & os.environ.keys() else WAITING


def keep_private() -> None:
    """Let no other user read or enter what this process makes from now on; its children are told what was before."""
    before = os.umask(0o077)
    os.environ.setdefault(UMASK, f"{before:03o}")
