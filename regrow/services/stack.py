"""Start the services together, wait until each answers, and stop them: the runner first, the database last."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from regrow.errors import StateError, Unreachable
from regrow.services.commands import (
    ALL_SERVICES,
    TITLES,
    Service,
    check_port,
    client_environment,
    command_of,
    ready_file,
)
from regrow.services.ownership import describe, held, holder, prepare_home, stop_survivors, write_record
from regrow.services.postgres import (
    FAST_SHUTDOWN,
    Database,
    begin_checkpoint,
    start_database,
    stop_database,
)
from regrow.services.process import ServiceProcess, start_process, stop_together, tail
from regrow.settings import Settings

START_TIMEOUT = 180.0
"""Seconds that all services together have to answer; a first start migrates two databases."""
DOWN_TIMEOUT = 60.0
SENDING = 3.0
"""Seconds that this process's last logs and events have to reach Prefect."""


@dataclass
class Services:
    """The running servers, where they answer, and the environment that points at them."""

    settings: Settings
    database: Database
    started: set[Service]
    environment: dict[str, str]
    processes: list[ServiceProcess] = field(default_factory=list)

    @property
    def prefect_api_url(self) -> str:
        """Prefect's API."""
        return self.environment["PREFECT_API_URL"]

    @property
    def tracking_uri(self) -> str:
        """MLflow's server, or its database if the server was not asked for."""
        return self.environment["MLFLOW_TRACKING_URI"]

    @property
    def server_url(self) -> str:
        """The model server's address."""
        return self.settings.local_server

    def addresses(self) -> dict[str, str]:
        """Return the address of each service, by its name."""
        known: dict[Service, str] = {
            "postgres": self.database.url.render_as_string(hide_password=True),
            "prefect": self.settings.local_prefect,
            "mlflow": self.settings.local_mlflow,
            "server": self.settings.local_server,
            "runner": f"{self.settings.local_prefect}/deployments",
        }
        return {service: known[service] for service in ALL_SERVICES if service in self.started}

    def check_alive(self) -> None:
        """Raise `Unreachable`, with the name of the service and the end of its log, if one has ended."""
        for process in self.processes:
            process.check_alive()
        if self.database.pid is not None and not psutil.pid_exists(self.database.pid):
            log = self.settings.home.absolute() / "postgres" / "log"
            raise Unreachable(f"{TITLES['postgres']} has stopped; the end of {log}:\n{tail(log)}")


@contextmanager
def running(
    settings: Settings, services: set[Service] | None = None, report: Callable[[str], None] = lambda _: None
) -> Iterator[Services]:
    """Run *services* (default: all; the database always) and point this process's environment at them meanwhile.

    *report* is called with a line for each service that answers.
    Raises `StateError` if the folder or a port is in use, `Unreachable` if a service does not start.
    """
    wanted: set[Service] = {"postgres", *(ALL_SERVICES if services is None else services)}
    home = settings.home.absolute()
    prepare_home(home)
    with held(home), ExitStack() as stack:
        for name in stop_survivors(home):
            report(f"stopped a left-over process: {name}")
        for service in sorted(wanted):
            check_port(service, settings)
        stack.callback((home / "up.json").unlink, missing_ok=True)
        started = _start(settings, wanted, home, stack)
        _await(started, report)
        stack.enter_context(_environment(started.environment))
        stack.callback(_finish_sending)
        yield started


def _start(settings: Settings, wanted: set[Service], home: Path, stack: ExitStack) -> Services:
    """Start the *wanted* services without waiting; leaving *stack* stops each of them."""
    write_record(home, [])
    database = start_database(settings)
    stack.callback(stop_database, database)
    services = Services(settings, database, wanted, client_environment(settings, wanted, database))
    stack.callback(_stop, services)
    ready_file(settings).unlink(missing_ok=True)
    record = [describe("postgres", database.pid, FAST_SHUTDOWN)] if database.pid else []
    write_record(home, record)
    for service in ALL_SERVICES:
        if service == "postgres" or service not in wanted:
            continue
        command = command_of(service, settings, database)
        environment = _process_environment(services.environment | command.environment)
        log = home / "logs" / f"{service}.log"
        services.processes.append(
            start_process(command.title, command.words, environment, log, command.ready)
        )
        write_record(home, [*record, *(describe(each.name, each.handle.pid) for each in services.processes)])
    return services


def _stop(services: Services) -> None:
    """Stop the processes; the runner before the servers that it reports to."""
    begin_checkpoint(services.database)
    runner = TITLES["runner"]
    stop_together([each for each in services.processes if each.name == runner])
    stop_together([each for each in services.processes if each.name != runner])


def _await(services: Services, report: Callable[[str], None]) -> None:
    """Wait until every service answers."""
    started = time.monotonic()
    for process in services.processes:
        process.wait_until_ready(started + START_TIMEOUT)
        report(f"{process.name} answers after {time.monotonic() - started:.1f} s")


def _process_environment(changes: dict[str, str]) -> dict[str, str]:
    """Return our environment with *changes*, and with compiled bytecode: it imports three times as fast."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | changes


def _finish_sending() -> None:
    """Send this process's own logs and events to Prefect while it still answers.

    Prefect sends them when the process ends. By then its server is stopped, and Prefect would start one of its own
    and wait for minutes. The two classes are not part of its documented interface; a test holds their names.
    """
    if "prefect" not in sys.modules:
        return
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    APILogWorker.drain_all(timeout=SENDING, at_exit=False)
    EventsWorker.drain_all(timeout=SENDING, at_exit=False)


@contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    """Set *changes* in this process's environment, and put back what was there."""
    before = {key: os.environ.get(key) for key in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value


def wait_until_one_dies(services: Services, pause: float = 0.5) -> None:
    """Watch the services for ever; raise `Unreachable` as soon as one ends."""
    while True:
        services.check_alive()
        time.sleep(pause)


def stop_running(settings: Settings) -> list[str]:
    """Stop the `regrow up` that holds the state folder, or what a killed one left; return the names of it all."""
    home = settings.home.absolute()
    if not home.is_dir():
        return []
    try:
        with held(home):
            return stop_survivors(home)
    except StateError:
        pid = holder(home)
    if pid is None:
        raise StateError(f"{home}: in use, but by whom is not recorded; wait a moment and try again")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_TIMEOUT
    while time.monotonic() < deadline:
        try:
            with held(home):
                return ["regrow up", *stop_survivors(home)]
        except StateError:
            time.sleep(0.2)
    raise StateError(f"{home}: `regrow up` (pid {pid}) does not stop; kill -9 {pid}, then `regrow down`")
