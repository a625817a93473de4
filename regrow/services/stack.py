"""Start the parts together, wait until each answers, and stop them: the runner first, the database last."""

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
from regrow.services.child import Child, start_child, stop_together, tail
from regrow.services.parts import ALL_PARTS, TITLES, Part, check_port, client_environment, plan, ready_file
from regrow.services.postgres import (
    FAST_SHUTDOWN,
    Database,
    begin_checkpoint,
    start_database,
    stop_database,
)
from regrow.services.record import describe, held, holder, prepare_home, stop_survivors, write_record
from regrow.settings import Settings

START_TIMEOUT = 180.0
"""Seconds that all parts together have to answer; a first start migrates two databases."""
DOWN_TIMEOUT = 60.0
SENDING = 3.0
"""Seconds that this process's last logs and events have to reach Prefect."""


@dataclass
class Services:
    """The running servers, where they answer, and the environment that points at them."""

    settings: Settings
    database: Database
    parts: set[Part]
    environment: dict[str, str]
    children: list[Child] = field(default_factory=list)

    @property
    def prefect_api_url(self) -> str:
        """Prefect's API."""
        return self.environment["PREFECT_API_URL"]

    @property
    def tracking_uri(self) -> str:
        """MLflow's server, or its database where the server was not asked for."""
        return self.environment["MLFLOW_TRACKING_URI"]

    @property
    def server_url(self) -> str:
        """Give the model server's address."""
        return self.settings.local_server

    def addresses(self) -> dict[str, str]:
        """Name each part with where it answers."""
        known: dict[Part, str] = {
            "postgres": self.database.url.render_as_string(hide_password=True),
            "prefect": self.settings.local_prefect,
            "mlflow": self.settings.local_mlflow,
            "server": self.settings.local_server,
            "runner": f"{self.settings.local_prefect}/deployments",
        }
        return {part: known[part] for part in ALL_PARTS if part in self.parts}

    def check_alive(self) -> None:
        """Raise `Unreachable`, naming the part and the end of its log, where one has ended."""
        for child in self.children:
            child.check_alive()
        if self.database.pid is not None and not psutil.pid_exists(self.database.pid):
            log = self.settings.home.absolute() / "postgres" / "log"
            raise Unreachable(f"{TITLES['postgres']} has stopped; the end of {log}:\n{tail(log)}")


@contextmanager
def running(
    settings: Settings, parts: set[Part] | None = None, report: Callable[[str], None] = lambda _: None
) -> Iterator[Services]:
    """Run *parts* (default: all; the database always) and point this process's environment at them meanwhile.

    *report* hears of each part that answers.
    Raises `StateError` where the folder or a port is in use, `Unreachable` where a part does not start.
    """
    wanted: set[Part] = {"postgres", *(ALL_PARTS if parts is None else parts)}
    home = settings.home.absolute()
    prepare_home(home)
    with held(home), ExitStack() as stack:
        for name in stop_survivors(home):
            report(f"stopped a left-over process: {name}")
        for part in sorted(wanted):
            check_port(part, settings)
        stack.callback((home / "up.json").unlink, missing_ok=True)
        services = _start(settings, wanted, home, stack)
        _await(services, report)
        stack.enter_context(_environment(services.environment))
        stack.callback(_finish_sending)
        yield services


def _start(settings: Settings, parts: set[Part], home: Path, stack: ExitStack) -> Services:
    """Start every part without waiting, each registered with *stack* to be stopped."""
    write_record(home, [])
    database = start_database(settings)
    stack.callback(stop_database, database)
    services = Services(settings, database, parts, client_environment(settings, parts, database))
    stack.callback(_stop, services)
    ready_file(settings).unlink(missing_ok=True)
    record = [describe("postgres", database.pid, FAST_SHUTDOWN)] if database.pid else []
    write_record(home, record)
    for part in ALL_PARTS:
        if part == "postgres" or part not in parts:
            continue
        planned = plan(part, settings, database)
        environment = _child_environment(services.environment | planned.environment)
        child = start_child(
            planned.title, planned.command, environment, home / "logs" / f"{part}.log", planned.ready
        )
        services.children.append(child)
        write_record(home, [*record, *(describe(each.name, each.process.pid) for each in services.children)])
    return services


def _stop(services: Services) -> None:
    """Stop the children; the runner before the servers that it reports to."""
    begin_checkpoint(services.database)
    runner = TITLES["runner"]
    stop_together([child for child in services.children if child.name == runner])
    stop_together([child for child in services.children if child.name != runner])


def _await(services: Services, report: Callable[[str], None]) -> None:
    """Wait until every part answers."""
    started = time.monotonic()
    for child in services.children:
        child.wait_until_ready(started + START_TIMEOUT)
        report(f"{child.name} answers after {time.monotonic() - started:.1f} s")


def _child_environment(changes: dict[str, str]) -> dict[str, str]:
    """Give a child our environment with *changes*; with compiled bytecode, which imports 3 times as fast."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | changes


def _finish_sending() -> None:
    """Send this process's own logs and events to Prefect while it still answers.

    Left to Prefect's exit hook they find no server, which then starts one of its own and waits for minutes.
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
    """Watch the parts for ever; raise `Unreachable` as soon as one ends."""
    while True:
        services.check_alive()
        time.sleep(pause)


def stop_running(settings: Settings) -> list[str]:
    """Stop the `regrow up` that holds the state folder, or what a killed one left; name what was stopped."""
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
