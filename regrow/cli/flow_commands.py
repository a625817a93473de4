"""The commands that run a flow of a model: train, monitor, retrain, rollout, score."""

from importlib import import_module
from typing import Annotated

import typer

from regrow.cli.arguments import AsOf, File, Json, Request, read_moment, read_request, user
from regrow.cli.command_result import MOVING, CommandResult
from regrow.cli.log import quiet
from regrow.cli.printing import show
from regrow.cli.waiting import tell_waits


def train(
    file: File,
    as_of: AsOf = None,
    override: Annotated[str, typer.Option(help="Waive the gates; why, for the record")] = "",
    json: Json = False,
) -> None:
    """Train a challenger; promote it, or start its rollout, if it passes every gate."""
    waiver = f"{override} (asked by {user()})" if override else ""
    _run("train", "training", read_request(file, as_of), json, override=waiver)


def monitor(file: File, as_of: AsOf = None, json: Json = False) -> None:
    """Compare what the model sees and predicts with its reference; raise an alarm if it has drifted."""
    _run("monitor", "monitoring", read_request(file, as_of), json)


def retrain(
    file: File,
    as_of: AsOf = None,
    reason: Annotated[str, typer.Option(help="Why, for the record")] = "",
    force: Annotated[
        bool, typer.Option(help="Train against the policy; what was refused before does not count any more")
    ] = False,
    json: Json = False,
) -> None:
    """Ask the policy whether to retrain, and do it or say why not."""
    _run("retrain", "retraining", read_request(file, as_of), json, reason=reason, force=force)


def rollout(file: File, as_of: AsOf = None, json: Json = False) -> None:
    """Look at the open rollout once: advance, hold, finish or roll back."""
    _run("rollout", "looking at the rollout of", read_request(file, as_of), json)


def score(
    file: File,
    start: Annotated[str | None, typer.Option(help="First moment of the rows, ISO 8601")] = None,
    end: Annotated[str | None, typer.Option(help="Moment after the last row, ISO 8601")] = None,
    alias: Annotated[
        str | None, typer.Option(help="Registry alias of the version that scores; default: scoring.version")
    ] = None,
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Score the rows of a period, or what is new, with a registered version; each row is kept once."""
    first = None if start is None else read_moment(start, "--start")
    last = None if end is None else read_moment(end, "--end")
    _run("score", "scoring with", read_request(file, as_of), json, start=first, end=last, alias=alias)


def _run(name: str, doing: str, request: Request, json: bool, **parameters: object) -> None:
    """Run the flow *name* in this process, with *doing* and the model's name for a progress line; show its result.

    Raises what the flow raises.
    """
    project = request.project
    with tell_waits(request.settings), quiet(f"{doing} {project.name}"):
        # First, because it looks for numpy's functions in each module that is loaded.
        import_module("skops.io")
        from regrow import registry
        from regrow.lineage import find_links

        flow = getattr(import_module(f"flows.{name}"), name)
        state = flow(project.path, as_of=request.as_of, **parameters, return_state=True)
        result = state.result()
        links = find_links(request.settings, project.name, str(state.state_details.flow_run_id))
        after = registry.state(project.name) if name in MOVING else None
    show(CommandResult(name, project.name, result, links, after), json)
