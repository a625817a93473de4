"""The commands that run a flow of a model: train, monitor, retrain, rollout, score."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from regrow.cli.arguments import AsOf, File, Json, Request, read_moment, read_request, user
from regrow.cli.command_result import MOVING, CommandResult, find_links
from regrow.cli.log import quiet
from regrow.cli.printing import show

if TYPE_CHECKING:
    from prefect import Flow


def train(
    file: File,
    as_of: AsOf = None,
    override: Annotated[str, typer.Option(help="Waive the gates; why, for the record")] = "",
    json: Json = False,
) -> None:
    """Train a challenger; promote it, or start its rollout, if it passes every gate."""
    request = read_request(file, as_of)
    with quiet(f"training {request.project.name}"):
        from flows.train import train as flow

        waiver = f"{override} (asked by {user()})" if override else ""
        told = _run(flow, request, override=waiver)
    show(told, json)


def monitor(file: File, as_of: AsOf = None, json: Json = False) -> None:
    """Compare what the model sees and predicts with its reference; raise an alarm if it has drifted."""
    request = read_request(file, as_of)
    with quiet(f"monitoring {request.project.name}"):
        from flows.monitor import monitor as flow

        told = _run(flow, request)
    show(told, json)


def retrain(
    file: File,
    as_of: AsOf = None,
    reason: Annotated[str, typer.Option(help="Why, for the record")] = "",
    json: Json = False,
) -> None:
    """Ask the policy whether to retrain, and do it or say why not."""
    request = read_request(file, as_of)
    with quiet(f"retraining {request.project.name}"):
        from flows.retrain import retrain as flow

        told = _run(flow, request, reason=reason)
    show(told, json)


def rollout(file: File, as_of: AsOf = None, json: Json = False) -> None:
    """Look at the open rollout once: advance, hold, finish or roll back."""
    request = read_request(file, as_of)
    with quiet(f"looking at the rollout of {request.project.name}"):
        from flows.rollout import rollout as flow

        told = _run(flow, request)
    show(told, json)


def score(
    file: File,
    start: Annotated[str, typer.Option(help="First moment of the rows, ISO 8601")],
    end: Annotated[str, typer.Option(help="Moment after the last row, ISO 8601")],
    alias: Annotated[str, typer.Option(help="Registry alias of the version that scores")] = "champion",
    as_of: AsOf = None,
    json: Json = False,
) -> None:
    """Score the rows of a period with a registered version; the same period twice gives the same rows."""
    first, last = read_moment(start, "--start"), read_moment(end, "--end")
    request = read_request(file, as_of)
    with quiet(f"scoring with {request.project.name}"):
        from flows.score import score as flow

        told = _run(flow, request, start=first, end=last, alias=alias)
    show(told, json)


def _run(flow: "Flow[..., Any]", request: Request, **parameters: object) -> CommandResult:
    """Run *flow* in this process; raise what it raises."""
    from regrow import registry

    project = request.project
    state = flow(project.path, as_of=request.as_of, **parameters, return_state=True)
    result = state.result()
    links = find_links(request.settings, project.name, str(state.state_details.flow_run_id))
    after = registry.state(project.name) if flow.name in MOVING else None
    return CommandResult(flow.name, project.name, result, links, after)
