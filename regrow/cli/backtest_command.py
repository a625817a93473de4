"""Live through a model's past under several policies: `regrow backtest`."""

import json as plain_json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from regrow.base.errors import RegrowError
from regrow.cli.arguments import File, Json, read_moment
from regrow.cli.log import append, quiet

if TYPE_CHECKING:
    import pandas as pd

    from regrow.backtest.history import History
    from regrow.backtest.report import Backtest
    from regrow.project import Project

FIRST = 0.25
"""Share of the past that the first model may learn from, if nobody says when it is trained."""


def backtest(
    file: File,
    start: Annotated[
        str | None, typer.Option(help="When the first model is trained; default: a quarter into the past")
    ] = None,
    end: Annotated[str | None, typer.Option(help="The end of the past; default: now")] = None,
    every: Annotated[
        str | None, typer.Option(help="Time between two looks; default: monitoring.schedule, else its window")
    ] = None,
    policies: Annotated[
        str,
        typer.Option(
            help="When it is trained again: never, a period such as 30d, harm (lost performance), drift (that, and "
            "drift), file"
        ),
    ] = "never,30d,drift,harm,file",
    windows: Annotated[
        str,
        typer.Option(
            help="What is learnt from: file, all, 90d; `90d:judged` is not fitted again on the holdout"
        ),
    ] = "file",
    gates: Annotated[
        str,
        typer.Option(
            help="file, none; what is asked of the gain over the champion: proven, expected, non_inferior (or "
            "non_inferior:0.01 with the largest loss); rows: each row counts, as before 0.4"
        ),
    ] = "file",
    offsets: Annotated[int, typer.Option(min=1, max=100, help="Starts, evenly within the first span")] = 1,
    seeds: Annotated[int, typer.Option(min=1, max=100, help="Seeds of the training, for each start")] = 1,
    sample: Annotated[
        float, typer.Option(min=0.0001, max=1.0, help="Share of the rows that is drawn, within each day")
    ] = 1.0,
    output: Annotated[
        Path | None, typer.Option(help="The page to write; default: backtests/NAME.html in the state folder")
    ] = None,
    json: Json = False,
) -> None:
    """Live through the model's own past under several policies, and recommend one; needs no server."""
    from regrow.project import load_project

    project = load_project(file)
    span = _duration(every) if every else None
    moments = read_moment(start, "--start"), read_moment(end, "--end")
    words = [text.split(",") for text in (policies, windows, gates)]
    with quiet(f"backtest of {project.name}"):
        told = run_backtest(project, moments, span, words, offsets, seeds, sample)
        page = write_page(told, output)
        links = {"page": str(page)} | log_to_mlflow(told, page)
    if json:
        from regrow.backtest.report import to_json

        sys.stdout.write(plain_json.dumps(to_json(told) | {"links": links}, indent=2) + "\n")
    else:
        print_backtest(told, links)


def _duration(text: str) -> timedelta:
    """Read `--every`."""
    from regrow.project.fields import parse_duration

    try:
        found = parse_duration(text)
    except ValueError as error:
        raise RegrowError(f"--every {text}: {error}") from error
    if not isinstance(found, timedelta) or not found:
        raise RegrowError(f"--every {text}: looks lie some time apart; write 30d")
    return found


def run_backtest(
    project: "Project",
    moments: tuple[datetime | None, datetime | None],
    every: timedelta | None,
    words: list[list[str]],
    offsets: int,
    seeds: int,
    share: float,
) -> "Backtest":
    """Replay *project* between the two *moments* under the policies, windows and gates that *words* name."""
    from regrow.backtest.advice import recommend
    from regrow.backtest.answers import Kept
    from regrow.backtest.figures import Scale, classes_of, measure_all
    from regrow.backtest.history import require_replayable
    from regrow.backtest.policies import make_policies
    from regrow.backtest.replay import Workshop, timetables
    from regrow.backtest.report import Backtest
    from regrow.base.fan_out import open_workers
    from regrow.base.settings import load_settings

    require_replayable(project)
    settings = load_settings()
    asked = make_policies(project, *words)
    history = read_history(project, moments[1] or datetime.now(UTC), share)
    first, last = history.times.min().to_pydatetime(), history.times.max().to_pydatetime()
    start = moments[0] or first + FIRST * (last - first)
    end = min(moments[1] or last, last) + timedelta(microseconds=1)
    look = every or usual_span(project)
    tables = timetables(start, end, look, offsets)
    kept = Kept(settings.home.absolute() / "backtests" / project.name)
    with open_workers(settings.dask) as each:
        workshop = Workshop(history, kept, accept_rows, each, lambda line: append(line + "\n"))
        stories = workshop.run(asked, tables, range(seeds))
    scale = Scale(history, project.evaluation.primary, look, classes_of(stories, kept.read))
    reached = measure_all(stories, kept.read, scale)
    trained = {key for story in stories for key in (story.first, *story.trained)}
    return Backtest(
        project, start, end, len(tables), seeds, share, len(history.rows), len(trained), scale, reached,
        recommend(project, reached, scale),
    )  # fmt: skip


def read_history(project: "Project", end: datetime, share: float) -> "History":
    """Read the rows whose label was known at *end*, a *share* of them; labels that were told count from then on."""
    from regrow.backtest.history import History, everything, thin
    from tasks.ingest import read_known, told_rows

    def told(frame: "pd.DataFrame", as_of: datetime) -> "pd.DataFrame":
        return told_rows(whole, frame, as_of)[0]

    whole = everything(project)
    rows = thin(read_known(whole, end), share)
    return History(project, told(rows, end), told, share)


def accept_rows(project: "Project", frame: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows of *frame* that meet the file's expectations; raises `BatchRejected` as a training would."""
    from regrow.base.errors import BatchRejected
    from tasks.validate import examine

    examined = examine(project, frame)
    if not examined.verdict.passed:
        raise BatchRejected(examined.verdict.reason)
    return examined.accepted


def usual_span(project: "Project") -> timedelta:
    """Return the time between two looks of the file's schedule, in whole days; without one its window."""
    from regrow.project.schedules import period_of

    seconds = period_of(project, "monitor")
    if seconds is None:
        return project.monitoring.window
    return timedelta(days=max(1, round(seconds / 86_400)))


def write_page(told: "Backtest", output: Path | None) -> Path:
    """Write the page and return where it is."""
    from regrow.backtest.report import render
    from regrow.base.settings import load_settings
    from regrow.data.files import state_errors, write_whole

    page = output or load_settings().home.absolute() / "backtests" / f"{told.project.name}.html"
    with state_errors(page):
        page.parent.mkdir(parents=True, exist_ok=True)
    write_whole(page, render(told).encode())
    return page


def log_to_mlflow(told: "Backtest", page: Path) -> dict[str, str]:
    """Keep the table, the picture and the page as one MLflow run; without a server nothing is kept, which is said."""
    import mlflow

    from regrow.backtest.report import HEADINGS, cells, draw, to_json
    from regrow.base.errors import Unreachable
    from regrow.cli.arguments import reach_servers

    try:
        settings = reach_servers(prefect=False)
    except Unreachable as error:
        return {"MLflow": f"nothing kept: {error}"}
    mlflow.set_tracking_uri(settings.tracking_uri)
    experiment = mlflow.set_experiment(told.project.name)
    with mlflow.start_run(run_name="backtest", experiment_id=experiment.experiment_id) as run:
        mlflow.set_tags({"regrow.backtest": told.lead, "regrow.recommended": told.advice.name})
        for each in told.reached:
            name = "".join(letter if letter.isalnum() else "_" for letter in each.name)
            mlflow.log_metrics(
                {f"{name}.{told.scale.metric}": each.figure, f"{name}.trainings": each.trainings}
            )
        rows = [cells(told, each) for each in told.reached]
        columns = {heading: [row[place] for row in rows] for place, heading in enumerate(HEADINGS)}
        mlflow.log_table(columns, "backtest.json")
        mlflow.log_dict(to_json(told), "figures.json")
        mlflow.log_figure(draw(told), "backtest.png", save_kwargs={"bbox_inches": "tight"})
        mlflow.log_artifact(str(page))
    url = f"{settings.shown_tracking_uri}/#/experiments/{experiment.experiment_id}/runs/{run.info.run_id}"
    return {"MLflow": url}


def print_backtest(told: "Backtest", links: dict[str, str]) -> None:
    """Print the table, what is recommended, and where more is."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from regrow.backtest.report import HEADINGS, NOTES, cells
    from regrow.cli.printing import open_console

    console = open_console()
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, heading in enumerate(HEADINGS):
        shown = told.scale.metric if heading == "metric" else heading
        table.add_column(shown, justify="left" if place in {0, 2} else "right")
    for each in told.reached:
        table.add_row(*map(Text, cells(told, each)))
    console.print(told.lead, markup=False, highlight=False)
    console.print(table)
    for each in told.reached:
        for problem in each.problems[:3]:
            console.print(f"{each.name}: {problem}", markup=False, highlight=False, soft_wrap=True)
    console.print(f"recommended: {told.advice.reason}", markup=False, highlight=False)
    console.print(told.advice.lines or "the project file stays as it is", markup=False, highlight=False)
    console.print(NOTES[1], style="dim", markup=False, highlight=False)
    for name, link in links.items():
        console.print(f"{name}  {link}", markup=False, highlight=False, soft_wrap=True)
