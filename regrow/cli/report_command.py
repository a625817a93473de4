"""Draw the drift report of a monitoring run from the figures that it kept: `regrow report`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regrow.cli.arguments import Name, reach_servers
from regrow.cli.log import quiet

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

STEP = "measure_drift"


def report(
    name: Name,
    run: Annotated[
        str | None, typer.Option(help="Flow run, or its MLflow run; default: the model's last monitoring")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The page to write; default: reports/NAME-RUN.html in the state folder"),
    ] = None,
) -> None:
    """Write the drift report of a monitoring run as one HTML page; the run itself keeps the figures alone."""
    settings = reach_servers(prefect=False)
    with quiet(f"drawing the report of {name}"):
        from mlflow.artifacts import load_text

        from regrow import registry
        from regrow.data.files import state_errors
        from regrow.models.results import DriftFigures
        from tasks.measure_drift import FIGURES, draw_again

        found = find_drift_run(registry.connect(), name, run)
        with registry.reaching(f"{FIGURES} of run {found.info.run_id}"):
            text = load_text(f"{found.info.artifact_uri}/{FIGURES}")
        figures = DriftFigures.read(text)
        page = output or settings.home / "reports" / f"{name}-{found.info.run_id[:12]}.html"
        with state_errors(page):
            page.parent.mkdir(parents=True, exist_ok=True)
            rows = draw_again(registry.version(name, figures.champion), figures, page)
    typer.echo(str(page))
    window = figures.window
    if rows != window.rows:
        typer.echo(
            f"drawn from the {rows:,} rows that the log holds of {window.start:%Y-%m-%d %H:%M} to "
            f"{window.end:%Y-%m-%d %H:%M} UTC now; the run saw {window.rows:,}"
        )


def find_drift_run(client: "MlflowClient", name: str, run: str | None) -> "Run":
    """Return the MLflow run that measured the drift of *name*: that of the flow run, or MLflow run, *run*, or the last.

    Raises `RegistryError` if there is none.
    """
    from regrow.base.errors import RegistryError
    from regrow.lineage import find_run
    from regrow.lineage.runs import flow_run_of_run

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        raise RegistryError(f"{name}: MLflow knows no such model; see the names in `regrow status`")
    place = experiment.experiment_id
    if run is None:
        found = client.search_runs(
            [place],
            f"tags.`regrow.step` = '{STEP}' and attributes.status = 'FINISHED'",
            max_results=1,
            order_by=["attributes.start_time DESC"],
        )
        if not found:
            raise RegistryError(f"{name}: no monitoring run has measured drift yet; run `regrow monitor`")
        return found[0]
    for key in (f"{run}/{STEP}", f"{flow_run_of_run(client, run)}/{STEP}"):
        if one := find_run(client, place, key):
            return one
    raise RegistryError(f"{name}: run {run} measured no drift; give the id of a run of `monitor`")
