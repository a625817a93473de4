"""`regrow …`: every heavy import stands inside its command, so that help and errors come at once."""

import os
import signal
import sys
import uuid
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from regrow.errors import ProjectError, RegrowError

if TYPE_CHECKING:
    from regrow.services import Services
    from regrow.settings import Settings


class CleanErrors(TyperGroup):
    """Print every error that Regrow raises on purpose as red lines, and exit with 1."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except RegrowError as error:
            stderr = Console(stderr=True, soft_wrap=True)
            for index, line in enumerate(str(error).splitlines()):
                prefix = "error: " if index == 0 or isinstance(error, ProjectError) else "  "
                stderr.print(f"{prefix}{line}", style="red", markup=False, highlight=False)
            sys.exit(1)


app = typer.Typer(
    cls=CleanErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Keep machine-learning models alive.",
)
console = Console()

File = Annotated[Path, typer.Argument(help="The model's YAML file", show_default=False)]
AsOf = Annotated[
    str | None, typer.Option(help="The moment that the run pretends is now, ISO 8601; without an offset: UTC")
]


Name = Annotated[str, typer.Argument(help="The model's name", show_default=False)]
Reason = Annotated[str, typer.Option(help="Why, for the ledger", show_default=False)]
To = Annotated[int | None, typer.Option(help="The version to return to; default: the last that served well")]


@app.command()
def check(file: File) -> None:
    """Say what is wrong with a project file and how to mend it; change nothing."""
    from regrow.project.check import check_project

    console.print(check_project(file), markup=False, highlight=False, soft_wrap=True)


@app.command()
def schema() -> None:
    """Print the JSON schema of project files, for editors."""
    from regrow.project import json_schema

    sys.stdout.write(json_schema())


@app.command()
def up() -> None:
    """Start the database, Prefect, MLflow, the model server and the runner; stop them all on Ctrl-C."""
    from regrow.services import running, wait_until_one_dies
    from regrow.settings import load_settings

    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with running(load_settings(), report=_report) as services:
            console.print(_addresses(services))
            console.print("Ctrl-C, or `regrow down`, stops them.", markup=False)
            wait_until_one_dies(services)
    except KeyboardInterrupt:
        console.print("stopped")


@app.command()
def down() -> None:
    """Stop what `regrow up` started."""
    from regrow.services import stop_running
    from regrow.settings import load_settings

    stopped = stop_running(load_settings())
    console.print(f"stopped: {', '.join(stopped)}" if stopped else "nothing runs here")


@app.command()
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
    from regrow.serving.server import serve as serve_models

    settings = _connected(prefect=False)
    names = tuple(models or ())
    serve_models(host or settings.host, port or settings.server_port, names, settings, workers=workers)


@app.command()
def key(
    roles: Annotated[list[str], typer.Option("--role", help="predict, labels or admin; repeat it")],
) -> None:
    """Make a key for the model server: shown once, stored as a hash."""
    from regrow.serving.access import new_key, read_roles

    made, entry = new_key(read_roles(roles))
    console.print(f"key, shown only now:\n{made}\n", markup=False, highlight=False, soft_wrap=True)
    console.print(
        f"entry, for REGROW_API_KEYS or a line of the file REGROW_API_KEYS_FILE:\n{entry}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def train(
    file: File,
    as_of: AsOf = None,
    override: Annotated[str, typer.Option(help="Waive the gates; why, for the record")] = "",
) -> None:
    """Train a challenger; promote it, or start its rollout, when it passes every gate."""
    moment, path = _moment(as_of), _project(file)
    _connected()
    from flows.train import train as flow

    console.print(flow(path, as_of=moment, override=f"{override} (asked by {_user()})" if override else ""))


@app.command()
def monitor(file: File, as_of: AsOf = None) -> None:
    """Compare what the model sees and predicts with its reference; raise an alarm where it has drifted."""
    moment, path = _moment(as_of), _project(file)
    _connected()
    from flows.monitor import monitor as flow

    console.print(flow(path, as_of=moment))


@app.command()
def retrain(
    file: File, as_of: AsOf = None, reason: Annotated[str, typer.Option(help="Why, for the record")] = ""
) -> None:
    """Ask the policy whether to retrain, and do it or say why not."""
    moment, path = _moment(as_of), _project(file)
    _connected()
    from flows.retrain import retrain as flow

    console.print(flow(path, as_of=moment, reason=reason))


@app.command()
def rollout(file: File, as_of: AsOf = None) -> None:
    """Look at the open rollout once: advance, hold, finish or roll back."""
    moment, path = _moment(as_of), _project(file)
    _connected()
    from flows.rollout import rollout as flow

    console.print(flow(path, as_of=moment))


@app.command()
def rollback(name: Name, reason: Reason, to: To = None) -> None:
    """End the open rollout, or return to the last version that served well, and prove that it answers."""
    from regrow.registry.confirmation import answering_server
    from regrow.rollback import roll_back_model

    settings = _connected(prefect=False)
    url = settings.server_url or answering_server(settings)
    verdict = roll_back_model(name, f"{_user()}, rollback {uuid.uuid4().hex[:8]}", reason, to, url)
    console.print(verdict.reason, markup=False, highlight=False, soft_wrap=True)


@app.command()
def pause(name: Name, reason: Reason) -> None:
    """Hold the open rollout at its stage; a broken limit still rolls it back."""
    from regrow import registry

    _connected(prefect=False)
    made = registry.pause(name, _user(), reason)
    console.print("paused" if made else "was paused already")


@app.command()
def resume(name: Name, reason: Reason) -> None:
    """Let a paused rollout go on."""
    from regrow import registry

    _connected(prefect=False)
    made = registry.resume(name, _user(), reason)
    console.print("goes on" if made else "was not paused")


@app.command()
def ledger(name: Name) -> None:
    """Print every move of a model: who, why, when, from which version to which, and the rows answered meanwhile."""
    from regrow.ledger import lines

    _connected(prefect=False)
    for line in lines(name, max(console.width, 80)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


@app.command()
def score(
    file: File,
    start: Annotated[str, typer.Option(help="First moment of the rows, ISO 8601")],
    end: Annotated[str, typer.Option(help="Moment after the last row, ISO 8601")],
    alias: Annotated[str, typer.Option(help="Registry alias of the version that scores")] = "champion",
    as_of: AsOf = None,
) -> None:
    """Score the rows of a period with a registered version; the same period twice gives the same rows."""
    first, last, moment, path = (
        _moment(start, "--start"),
        _moment(end, "--end"),
        _moment(as_of),
        _project(file),
    )
    _connected()
    from flows.score import score as flow

    console.print(flow(path, start=first, end=last, alias=alias, as_of=moment))


@app.command()
def trace(target: Annotated[str, typer.Argument(help="A prediction's id, or models:/NAME/VERSION")]) -> None:
    """Follow a prediction or a version back to its data, code and approval."""
    from regrow.lineage.trace import trace as follow

    _connected(prefect=False)
    table = Table.grid(padding=(0, 2))
    for name, value in follow(target):
        table.add_row(name, value)
    console.print(table)


@app.command()
def demo() -> None:
    """Replay a year of flights: train, serve, watch, retrain."""
    from importlib import import_module

    import_module("regrow.demo").main()


def _user() -> str:
    """Name the person at the keyboard."""
    import getpass
    import socket

    return f"{getpass.getuser()} at {socket.gethostname()}"


def _report(line: str) -> None:
    """Print one line of progress."""
    console.print(line, style="dim", markup=False, highlight=False)


def _interrupt(number: int, frame: object) -> NoReturn:
    """Turn a polite signal into what Ctrl-C raises; a second one does not disturb the stopping."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _addresses(services: "Services") -> Table:
    """Show where each part answers."""
    table = Table("part", "address")
    for part, address in services.addresses().items():
        table.add_row(part, address)
    return table


def _moment(text: str | None, option: str = "--as-of") -> Any:
    """Read an ISO 8601 moment; without an offset it is UTC."""
    from datetime import UTC

    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RegrowError(
            f"{option} {text}: not a date; write 2024-04-01 or 2024-04-01T06:00:00+00:00"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _project(file: Path) -> Path:
    """Check the project file before anything is done, and give its absolute path."""
    from regrow.project import load_project

    return load_project(file).path


def _connected(prefect: bool = True) -> "Settings":
    """Point this process at the running servers; raise `Unreachable` where one does not answer."""
    from regrow.reach import check_reachable
    from regrow.settings import apply_environment, load_settings

    settings = load_settings()
    apply_environment(settings)
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    check_reachable(settings, prefect)
    return settings
