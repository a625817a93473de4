"""Start the parts together, wait until each answers, keep them running, and stop them: the model server last."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from regrow.base.errors import StateError, StoreAway, Unreachable
from regrow.base.settings import Settings, keep_private
from regrow.data.stores import check_stores
from regrow.notifications.emitting import emit
from regrow.notifications.event import Event
from regrow.notifications.watching import part_event
from regrow.services.commands import (
    ALL_SERVICES,
    IN_STOP_ORDER,
    STOP_ORDER,
    Service,
    check_port,
    client_environment,
    command_of,
    ready_file,
)
from regrow.services.flow_runs import end_left_flow_runs
from regrow.services.ownership import (
    Record,
    close_home,
    forget,
    held,
    prepare_home,
    secret,
    stop_survivors,
    write_record,
)
from regrow.services.parts import DatabasePart, ProcessPart
from regrow.services.postgres import Database, begin_checkpoint, reach_database, start_database
from regrow.services.process import stop_together
from regrow.services.state.upgrading import check_state, prepare_state
from regrow.services.supervision import Supervisor, Watched

START_TIMEOUT = 300.0
"""Seconds that all services together have to answer; a first start migrates two databases."""
SENDING = 3.0
"""Seconds that this process's last logs and events have to reach Prefect."""
NEED_DATABASE: frozenset[Service] = frozenset({"postgres", "prefect", "mlflow"})
PREPARE: frozenset[Service] = frozenset({"postgres", "mlflow"})
"""Who starts one of these brings older state to this version, before a server sees it."""
Part = ProcessPart | DatabasePart


@dataclass
class Services:
    """The parts that run here, where they answer, and the environment that points at them."""

    settings: Settings
    started: set[Service]
    environment: dict[str, str] = field(default_factory=dict)
    parts: dict[Service, Part] = field(default_factory=dict)
    _database: Database | None = None

    @property
    def database(self) -> Database:
        """PostgreSQL: ours, or the one that was given."""
        assert self._database is not None, "no part that was started needs a database"  # noqa: S101
        return self._database

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
        """Return the address of each part, by its name."""
        known: dict[Service, str] = {
            "postgres": self._database.url.render_as_string(hide_password=True) if self._database else "",
            "prefect": self.settings.local_prefect,
            "mlflow": self.settings.local_mlflow,
            "server": self.settings.local_server,
            "runner": f"{self.environment['PREFECT_API_URL'].removesuffix('/api')}/deployments",
        }
        return {service: known[service] for service in ALL_SERVICES if service in self.started}

    def use(self, database: Database | None) -> None:
        """Point all at *database*; the servers that use another one end, and are started again on this one."""
        moved = self._database is not None and database is not None and self._database.url != database.url
        self._database = database
        self.environment = client_environment(self.settings, self.started, database)
        for service in ("prefect", "mlflow") if moved else ():
            if part := self.parts.get(service):
                part.kill()

    def note(self, service: Service, watched: Watched) -> None:
        """Write down how the part *service* does, as it was *watched*, and which process it is."""
        child, told = self.parts[service].started(), (watched.state, "", watched.restarts, watched.last_end)
        record = Record(os.getpid(), child, *told)
        write_record(self.settings.home.absolute(), service, record)


@contextmanager
def running(
    settings: Settings, services: set[Service] | None = None, report: Callable[[str], None] = lambda _: None
) -> Iterator[Services]:
    """Run *services* (default: all) and point this process's environment at them meanwhile.

    *report* is called with a line for each part that answers. What is not among *services* is taken to run elsewhere,
    by its URL. Raises `StateError` if the folder or a port is in use, `Unreachable` if a part does not start.
    """
    wanted: set[Service] = set(ALL_SERVICES if services is None else services)
    order = [service for service in IN_STOP_ORDER if service in wanted]
    home = settings.home.absolute()
    keep_private()
    prepare_home(home)
    with held(home, order), ExitStack() as stack:
        for name in stop_survivors(home, order):
            report(f"stopped a left-over process: {name}")
        for service in sorted(wanted):
            check_port(service, settings)
        if "postgres" in wanted:  # nobody runs it: as root it needs to pass the folder
            close_home(home)
        secret(settings.password_file)
        check_state(home)
        with suppress(StoreAway):  # It may come back: what serves goes on without it.
            check_stores(settings)
        started = Services(settings, wanted)
        stack.callback(_stop, started)
        _start(started, report)
        stack.enter_context(_environment(started.environment))
        stack.callback(_finish_sending)
        yield started


def _start(services: Services, report: Callable[[str], None]) -> None:
    """Start the parts one after the other, then wait until every one answers."""
    began = time.monotonic()
    if services.started & NEED_DATABASE:
        _start_database(services, began + START_TIMEOUT)
        if services.started & PREPARE:
            prepare_state(services.settings.home.absolute(), services.database, report)
    else:
        services.use(None)
    for service in ALL_SERVICES:
        if service in services.started and service != "postgres":
            _start_process(services, service)
    for part in services.parts.values():
        if isinstance(part, ProcessPart) and part.process:
            part.process.wait_until_ready(began + START_TIMEOUT)
            report(f"{part.name} answers after {time.monotonic() - began:.1f} s")
    for service, part in services.parts.items():
        services.note(service, Watched(part))


def _start_database(services: Services, deadline: float) -> None:
    """Start the embedded database if it is wanted here; else wait until the one elsewhere answers."""
    settings = services.settings
    if "postgres" in services.started and settings.database_url is None:
        part = DatabasePart(settings.home.absolute(), partial(start_database, settings), services.use)
        services.parts["postgres"] = part
        part.start()
        services.note("postgres", Watched(part, "starting"))
        return
    while True:
        try:
            services.use(reach_database(settings))
        except Unreachable:
            if "postgres" in services.started or time.monotonic() > deadline:
                raise
            time.sleep(1)
        else:
            return


def _start_process(services: Services, service: Service) -> None:
    """Start the part *service*, which is a process of ours, and write it down."""
    settings = services.settings
    services.parts[service] = part = ProcessPart(
        service,
        settings.home.absolute() / "logs" / f"{service}.log",
        lambda: command_of(service, settings, services._database),
        lambda: services.environment,
        partial(ready_file(settings).unlink, missing_ok=True) if service == "runner" else lambda: None,
    )
    part.start()
    services.note(service, Watched(part, "starting"))


def _stop(services: Services) -> None:
    """Stop the parts: the runner before the servers that it reports to, the model server last of all."""
    if "postgres" in services.parts and services._database:
        begin_checkpoint(services._database)
    home = services.settings.home.absolute()
    with ExitStack() as steps:  # each is done, whatever becomes of the others
        for group in reversed(STOP_ORDER):
            parts = [services.parts[service] for service in group if service in services.parts]
            steps.callback(_stop_group, parts, home)


def _stop_group(parts: list[Part], home: Path) -> None:
    """Stop *parts* together, and forget them."""
    stop_together([part.process for part in parts if isinstance(part, ProcessPart) and part.process])
    for part in parts:
        if isinstance(part, DatabasePart):
            part.stop()
        elif part.service == "runner":
            end_left_flow_runs(home)
        forget(home, part.service)


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


def _event_of(watched: Watched) -> Event:
    """Return the event that *watched* answers again, or is down."""
    return part_event(
        watched.part.name,
        down=watched.state == "down",
        restarts=watched.restarts,
        failures=watched.failures,
        last_end=watched.last_end,
    )


def supervise(services: Services, report: Callable[[str], None], pause: float = 0.5) -> None:
    """Keep the parts running for ever: what ends is started again; *report* is called with each event in words.

    The events stand in `logs/up.log` too.
    """
    log = services.settings.home.absolute() / "logs" / "up.log"
    of_name: dict[str, Service] = {part.name: service for service, part in services.parts.items()}

    def tell(text: str) -> None:
        report(text)
        with suppress(OSError), log.open("a", encoding="utf-8") as stream:
            stream.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def note(watched: Watched) -> None:
        try:
            services.note(of_name[watched.part.name], watched)
        except StateError as error:  # a full disk must not end what still runs
            tell(str(error))
        if watched.state == "down" or (watched.state == "answers" and watched.restarts):
            emit(_event_of(watched), later=True)

    supervisor = Supervisor(services.parts.values(), tell, note)
    while True:
        supervisor.look()
        time.sleep(pause)
