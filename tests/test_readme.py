"""What the README shows is what comes: its commands are taken out of it and run in an empty folder."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from loans import loans
from stack import wait

from regrow.base.settings import Settings

README = Path(__file__).parents[1] / "README.md"
SECTION = "## From a table to a watched model"
COLUMNS = ["loan_id", "issued_at", "income", "purpose", "guarantor", "children", "repaid"]
YEAR = "A year in the life of"
"""What the title of the demonstration's table begins with."""
LEFT_OUT = " …"
"""The line that stands for lines which the README leaves out."""
RUN = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|[0-9a-f]{32}")
"""What names a run of Prefect's, or of MLflow's: it is new each time."""


def shown() -> dict[str, list[str]]:
    """Return the commands of the section in their order, each with the lines that it is shown to print."""
    block = README.read_text().split(f"{SECTION}\n")[1].split("```console\n")[1].split("```")[0]
    told: dict[str, list[str]] = {}
    command = ""
    for line in block.splitlines():
        if line.startswith("$ "):
            command = line.removeprefix("$ ").partition(" #")[0].strip()
            told[command] = []
        else:
            told[command].append(line)
    return told


def table_of_the_year(text: str) -> list[str]:
    """Return the lines of the demonstration's table in *text*, without the empty ones."""
    lines = [line.rstrip() for line in text[text.index(YEAR) :].splitlines()]
    last = next(number for number, line in enumerate(lines) if line.startswith(("AUC over the year", "```")))
    return [line for line in lines[:last] if line]


def comparable(lines: list[str]) -> list[str]:
    """Return *lines* without the names of runs, and without the spaces at their end."""
    return [RUN.sub("RUN", line).rstrip() for line in lines]


def shorten(lines: list[str], as_shown: list[str]) -> list[str]:
    """Leave out of the printed *lines* what the README leaves out, *as_shown* there."""
    if LEFT_OUT not in as_shown:
        return lines
    first = as_shown.index(LEFT_OUT)
    return [*lines[:first], LEFT_OUT, *lines[len(lines) - (len(as_shown) - first - 1) :]]


class Reader:
    """Somebody with an empty folder, a CSV file in it, and nothing set but free ports."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        """Put the table where the commands look for it."""
        self.folder, self.server = folder, settings.local_server
        self.usual = {
            f"127.0.0.1:{settings.prefect_port}/": "127.0.0.1:4200/",
            f"127.0.0.1:{settings.mlflow_port}/": "127.0.0.1:5000/",
            f"{folder.resolve()}/": "/home/you/",
        }
        """What differs here from what a reader sees, and what it is there."""
        ours = ("PYTHONDONTWRITEBYTECODE", "REGROW_", "PREFECT_", "MLFLOW_")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(ours)} | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "REGROW_PREFECT_PORT": str(settings.prefect_port),
            "REGROW_MLFLOW_PORT": str(settings.mlflow_port),
            "REGROW_SERVER_PORT": str(settings.server_port),
        }
        loans(3_000)[COLUMNS].to_csv(folder / "loans.csv", index=False)

    def start(self, command: str, log: Path) -> "subprocess.Popen[bytes]":
        """Start *command*, which writes to *log*."""
        with log.open("wb") as stream:
            return subprocess.Popen(
                command.split(), cwd=self.folder, env=self.environment, stdout=stream, stderr=stream
            )

    def run(self, command: str) -> str:
        """Run *command*, which must end well and complain of nothing; return what it printed."""
        done = subprocess.run(
            command.split(),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def compare(self, command: str, as_shown: list[str]) -> None:
        """Run *command*, and hold what it prints against what the README shows, to the last letter."""
        text = self.run(command)
        for here, there in self.usual.items():
            text = text.replace(here, there)
        assert comparable(shorten(text.splitlines(), as_shown)) == comparable(as_shown)


@pytest.fixture
def reader(tmp_path: Path, settings_for: Callable[[Path], Settings]) -> Reader:
    """Make a reader who has done nothing yet."""
    return Reader(tmp_path, settings_for(tmp_path / ".regrow"))


def test_init_prints_what_the_readme_shows(reader: Reader) -> None:
    """`regrow init` says of the table what stands in the README."""
    reader.compare(*next(iter(shown().items())))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_three_commands_lead_to_a_served_and_watched_model(reader: Reader) -> None:
    """The README's own commands print what it shows; then the model answers a request, and its watching is due."""
    (init, found), (up, silent), (train, trained) = shown().items()
    assert silent == [], "what `up` prints is not shown"
    reader.compare(init, found)
    log = reader.folder / "up.log"
    servers = reader.start(up, log)
    try:
        wait(lambda: "`regrow down`, stops them" in log.read_text() or servers.poll() is not None, 600)
        assert servers.poll() is None, log.read_text()
        reader.compare(train, trained)
        row = {"income": 1200.5, "purpose": "car", "guarantor": True, "children": 2}
        answer = httpx.post(
            f"{reader.server}/invocations", json={"dataframe_records": [row]}, timeout=60
        ).raise_for_status()
        assert answer.json()["version"] == 1
        (model,) = json.loads(reader.run("regrow status --json"))["models"]
        assert datetime.fromisoformat(model["next_runs"]["monitor"]) > datetime.now(UTC)
        reader.run("regrow down")
        assert servers.wait(60) == 0
    finally:
        servers.kill()
        servers.wait()


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_the_demonstration_prints_the_year_that_the_readme_shows(reader: Reader) -> None:
    """`regrow demo` in an empty folder ends with the README's table, and the README's text names its figures."""
    printed, readme = reader.run("regrow demo"), README.read_text()
    assert table_of_the_year(printed) == table_of_the_year(readme)
    figures = re.search(
        r"served (\S+), never retrained (\S+) .* pooled: (\S+) and (\S+)\. ", " ".join(printed.split())
    )
    assert figures is not None, printed
    served, frozen, pooled, pooled_frozen = figures.groups()
    told = f"{served} served, {frozen} never retrained; over all rows at once {pooled} and {pooled_frozen}"
    assert told in readme
