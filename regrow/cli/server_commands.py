"""The commands on servers: up, down, serve, key, demo."""

import math
import os
import signal
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from regrow.cli.arguments import reach_servers

if TYPE_CHECKING:
    from regrow.base.settings import Settings
    from regrow.services import Service, Services

console = Console(emoji=False)


Parts = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[PART]...",
        help="postgres, prefect, mlflow, server, runner: only these; the others run elsewhere; default: all",
        show_default=False,
    ),
]


def up(parts: Parts = None) -> None:
    """Start database, Prefect, MLflow, model server and runner, and keep them running; Ctrl-C stops them all."""
    from regrow.base.settings import load_settings
    from regrow.services import running, supervise
    from regrow.services.commands import read_parts, registered, told_missed, told_sign_in
    from regrow.services.projects import find_projects

    settings, wanted = load_settings(), read_parts(parts)
    found = find_projects(settings.configs)
    if "runner" in wanted:
        for problem in found.problems:
            _warn(f"left out: {problem}")
    _warn_of_addresses(settings, wanted)
    _hear_one_signal()
    try:
        with running(settings, wanted, report=report_line) as services:
            console.print(_addresses(services))
            if wanted & {"prefect", "mlflow"}:
                console.print(told_sign_in(settings), markup=False, highlight=False, soft_wrap=True)
            if "runner" in wanted:
                deployed = registered(settings)
                console.print(found.describe(deployed), markup=False, highlight=False, soft_wrap=True)
                for name in (project.name for project in found.projects if project.name not in deployed):
                    _warn(f"left out: {name}: see {settings.home.absolute() / 'logs' / 'runner.log'}")
                for line in told_missed(settings):
                    _warn(f"missed: {line}")
            console.print("Ctrl-C, or `regrow down`, stops them.", markup=False)
            supervise(services, _print)
    except KeyboardInterrupt:
        console.print("stopped")


def _warn_of_addresses(settings: "Settings", wanted: "set[Service]") -> None:
    """Print which variables name a server elsewhere though `regrow up` starts one here."""
    from regrow.services.commands import own_addresses

    for variable, address in own_addresses(settings, wanted).items():
        if os.environ.get(variable, address) != address:
            _warn(f"{variable} names another server: `regrow up` starts its own at {address} and uses that")


def down() -> None:
    """Stop what `regrow up` started."""
    from regrow.base.settings import load_settings
    from regrow.services import stop_running

    stopped = stop_running(load_settings())
    console.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing runs here")


def serve(
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A model to serve; repeat it; default: all")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to bind to; beyond loopback: needs a key, see `regrow key`")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port; default: REGROW_SERVER_PORT")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes that answer; default: REGROW_WORKERS")
    ] = None,
) -> None:
    """Serve the champions over HTTP, without the other servers."""
    from regrow.serving.processes import serve as serve_models

    settings = reach_servers(prefect=False)
    names = tuple(models or ())
    serve_models(host or settings.host, port or settings.server_port, names, settings, workers=workers)


def key(
    roles: Annotated[list[str], typer.Option("--role", help="predict, labels or admin; repeat it")],
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A model that the key is for; repeat it; default: all")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            help="The day (UTC), as 2027-03-01, from which the key is refused; default: it has no end"
        ),
    ] = None,
) -> None:
    """Make a key for the model server: shown once, stored as a hash."""
    from regrow.data.key_entries import read_day, read_roles
    from regrow.serving.http.keys import new_key

    made, entry = new_key(
        read_roles(roles), models or (), read_day(expires, "--expires") if expires else None
    )
    for text in (
        f"key, shown only now:\n{made}\n",
        f"entry, for REGROW_API_KEYS or a line of the file REGROW_API_KEYS_FILE:\n{entry}",
    ):
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def demo() -> None:
    """Replay a year of flights: train, serve, watch, retrain."""
    from regrow.demo import main

    _hear_one_signal()
    try:
        main()
    except KeyboardInterrupt as interrupt:
        console.print("stopped; `regrow demo` goes on from here", markup=False)
        raise typer.Exit(130) from interrupt


def report_line(line: str) -> None:
    """Print one line of progress."""
    console.print(line, style="dim", markup=False, highlight=False)


def _print(event: str) -> None:
    """Print what became of a part."""
    console.print(event, markup=False, highlight=False, soft_wrap=True)


def _warn(problem: str) -> None:
    """Print what a user would not expect."""
    console.print(problem, style="red", markup=False, highlight=False, soft_wrap=True)


class _StopSignal:
    """What a signal does: the first raises what Ctrl-C raises, others are not heard while the parts are stopped."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._heard = -math.inf

    def __call__(self, number: int, frame: object) -> None:
        """Raise `KeyboardInterrupt`, unless that was done less than the patience ago: a stop is under way."""
        now = time.monotonic()
        if now > self._heard + self._patience:
            self._heard = now
            raise KeyboardInterrupt


def _hear_one_signal() -> None:
    """Let SIGTERM stop this command as Ctrl-C does; a second signal must not end the stopping."""
    from regrow.services.stopping import DOWN_TIMEOUT

    stop = _StopSignal(DOWN_TIMEOUT)
    signal.signal(signal.SIGTERM, stop)
    # Behind `&` in a script Ctrl-C is ignored, and stays so.
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        signal.signal(signal.SIGINT, stop)


def _addresses(services: "Services") -> Table:
    """Return a table of where each server answers."""
    table = Table("part", "address")
    for part, address in services.addresses().items():
        table.add_row(part, address)
    return table
