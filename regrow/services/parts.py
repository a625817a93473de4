"""The parts of the stack, as the supervisor starts and watches them."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from regrow.base.provenance import runs
from regrow.services.commands import NEEDS, TITLES, Command, Service
from regrow.services.embedded import FAST_SHUTDOWN
from regrow.services.ownership import Started, describe
from regrow.services.postgres import Database, stop_database
from regrow.services.process import ServiceProcess, clear_group, start_process, tail

REST_OF_SERVER = 5.0
"""Seconds in which the workers of a model server that was killed may answer what they were asked."""


@dataclass
class ProcessPart:
    """A part that is a process of ours; *command* and *environment* are asked for at each start."""

    service: Service
    log: Path
    command: Callable[[], Command]
    environment: Callable[[], dict[str, str]]
    prepare: Callable[[], object] = lambda: None
    """What is done before each start."""
    process: ServiceProcess | None = None

    @property
    def name(self) -> str:
        """What it is called in a message."""
        return TITLES[self.service]

    @property
    def needs(self) -> tuple[str, ...]:
        """The names of the parts that must answer before it can start."""
        return tuple(TITLES[each] for each in NEEDS.get(self.service, ()))

    def start(self) -> None:
        """Start the process; end first what a dead one left of its group."""
        if self.process is not None:
            clear_group(self.process.handle.pid, REST_OF_SERVER if self.service == "server" else 0)
        self.prepare()
        command = self.command()
        environment = _process_environment(self.environment() | command.environment)
        self.process = start_process(
            command.title, command.words, environment, self.log, command.ready, command.patience
        )

    def how_it_ended(self) -> str | None:
        """Return how it ended and the last lines of its log; None while it runs."""
        return self.process.how_it_ended() if self.process else None

    def answers(self) -> bool:
        """Return whether it answers at its address."""
        return self.process is not None and self.process.ready()

    def kill(self) -> None:
        """End it at once, and all that it started."""
        if self.process is not None:
            self.process.await_end(0)

    def started(self) -> Started | None:
        """Return what the record holds of its process; None if it does not run."""
        if self.process is None or self.process.handle.poll() is not None:
            return None
        return describe(self.name, self.process.handle.pid, patience=self.process.patience)


@dataclass
class DatabasePart:
    """The embedded PostgreSQL, which is no child of this process; *run* starts it and waits until it answers."""

    home: Path
    run: Callable[[], Database]
    use: Callable[[Database], object]
    """What is told the database once it answers: its address may be a new one."""
    service: Service = "postgres"
    needs: tuple[str, ...] = ()
    database: Database | None = None
    _started: Started | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What it is called in a message."""
        return TITLES[self.service]

    def start(self) -> None:
        """Start the server and wait until it answers; raises `StateError` if it cannot."""
        self.database = self.run()
        if self.database.pid is not None:
            self._started = describe(self.name, self.database.pid, FAST_SHUTDOWN)
        self.use(self.database)

    def how_it_ended(self) -> str | None:
        """Return that it has ended, and the last lines of its log; None while it runs."""
        if self._runs():
            return None
        log = self.home / "postgres" / "log"
        return f"{self.name} has stopped; the end of {log}:\n{tail(log)}"

    def answers(self) -> bool:
        """Return whether it runs: its start has waited until it answers."""
        return self._runs()

    def kill(self) -> None:
        """End it at once; its next start goes through what it has logged."""
        if self._started is not None and self._runs():
            with suppress(ProcessLookupError):
                os.kill(self._started.pid, signal.SIGQUIT)

    def stop(self) -> None:
        """Stop it; what it holds is on disk then."""
        if self.database is not None:
            stop_database(self.database)

    def started(self) -> Started | None:
        """Return what the record holds of its process; None if it does not run."""
        return self._started if self._runs() else None

    def _runs(self) -> bool:
        """Return whether the process that was started is alive."""
        return self._started is not None and runs(self._started.pid, self._started.started)


def _process_environment(changes: dict[str, str]) -> dict[str, str]:
    """Return our environment with *changes*, and with compiled bytecode: it imports three times as fast."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | changes
