"""The commands on the registry: rollback, pause and resume move a model; ledger and trace read what happened."""

import textwrap
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from regrow.cli.arguments import AsOf, Json, Name, Reason, reach_servers, read_moment, user
from regrow.cli.command_result import CommandResult
from regrow.cli.log import quiet
from regrow.cli.printing import open_console, show

if TYPE_CHECKING:
    from regrow.registry import Move

To = Annotated[int | None, typer.Option(help="The version to return to; default: the last that served well")]
INDENT = " " * 6


def rollback(name: Name, reason: Reason, to: To = None, as_of: AsOf = None, json: Json = False) -> None:
    """End the open rollout, or return to the last version that served well, and prove that it answers."""
    moment, settings = read_moment(as_of), reach_servers(prefect=False)
    with quiet(f"rolling back {name}"):
        from regrow import registry
        from regrow.lineage import announce_move
        from regrow.registry.confirmation import answering_server, prove_rollback
        from regrow.services.projects import find_projects

        url = settings.server_url or answering_server(settings)
        actor = f"{user()}, rollback {uuid.uuid4().hex[:8]}"
        move = registry.roll_back(name, actor, reason, to, moment)
        for project in find_projects(settings.configs).projects:
            if project.name == name:
                announce_move(project, move)
        verdict = prove_rollback(name, move, url)
        state = registry.state(name)
    show(CommandResult("rollback", name, verdict, state=state), json)


def pause(name: Name, reason: Reason) -> None:
    """Hold the open rollout at its stage; a broken limit still rolls it back."""
    reach_servers(prefect=False)
    with quiet(f"pausing {name}"):
        from regrow import registry

        made = registry.pause(name, user(), reason)
    typer.echo("paused" if made else "was paused already")


def resume(name: Name, reason: Reason) -> None:
    """Let a paused rollout go on."""
    reach_servers(prefect=False)
    with quiet(f"resuming {name}"):
        from regrow import registry

        made = registry.resume(name, user(), reason)
    typer.echo("goes on" if made else "was not paused")


def ledger(name: Name) -> None:
    """Print every move of a model: who, why, when, from which version to which, and the rows answered meanwhile."""
    reach_servers(prefect=False)
    with quiet(f"reading the ledger of {name}"):
        from regrow import registry
        from regrow.base.errors import RegistryError

        moves = registry.ledger(name)
    if not moves:
        raise RegistryError(f"{name}: no move was ever made; train it, or see the names in MLflow")
    console = open_console()
    for line in ledger_lines(moves, max(console.width, 80)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)


def ledger_lines(moves: "Sequence[Move]", width: int = 100) -> Iterator[str]:
    """Yield *moves*, oldest first, in lines of *width*: what each did, then who made it, when, and why."""
    yield f"{'move':<6}{'as of':<18}{'what':<11}{'version':<9}{'champion':<10}{'challenger':<18}rows"
    for move in moves:
        yield _what(move)
        why = f"{move.actor}, {move.at:%Y-%m-%d %H:%M:%S}: {move.reason}"
        yield from textwrap.wrap(why, width, initial_indent=INDENT, subsequent_indent=INDENT)


def _what(move: "Move") -> str:
    """Return one line on what *move* did."""
    state = move.state
    kept = move.before == state.champion
    champion = str(state.champion or "-") if kept else f"{move.before or '-'} -> {state.champion or '-'}"
    rows = "?" if move.rows is None else f"{move.rows:,}"
    return (
        f"{move.number:<6}{move.as_of:%Y-%m-%d %H:%M}  {move.kind:<11}{move.version or '-':<9}"
        f"{champion:<9} {_challenger(move):<17} {rows}"
    )


def _challenger(move: "Move") -> str:
    """Return who challenges from here on, and with which share of the traffic."""
    rollout = move.state.rollout
    if rollout is None:
        return "-"
    held = ", paused" if rollout.paused else ""
    return f"{move.state.challenger} at {rollout.current.weight:.0%}{held}"


def trace(target: Annotated[str, typer.Argument(help="A prediction's id, or models:/NAME/VERSION")]) -> None:
    """Follow a prediction or a version back to its data, code and approval."""
    reach_servers(prefect=False)
    with quiet(f"tracing {target}"):
        from regrow.lineage.trace import trace as follow

        links = follow(target)
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(overflow="fold")  # An address that is cut short leads nowhere.
    for name, value in links:
        table.add_row(name, Text(value))
    open_console().print(table)
