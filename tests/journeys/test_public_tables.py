"""Public tables of many kinds, each gone through as a stranger would: from a table to a watched model.

Every step is a command or a request. The rows are split into those of the first training and two later periods, by
times of the table's own (`oceans`, `countries`) or, where it has none, by times that are drawn (all others).
Three of them go the same way again with their store in a bucket.
"""

import os
import time
from collections.abc import Callable
from typing import Any

import public_tables as tables
import pytest
from journey import ASKED, Journey
from prefect_http import signed_in

from regrow import registry
from regrow.base.settings import load_settings
from regrow.data.labels import read_labels
from regrow.services.state.contents import OF_STORE

pytestmark = pytest.mark.long
CASES = [pytest.param(make, id=make.__name__) for make in tables.ALL]
IN_A_BUCKET = [
    pytest.param(make, id=make.__name__) for make in (tables.countries, tables.tumours, tables.affairs)
]
"""Rows that recur, a project file by `init`, and a source that is a database."""


@pytest.fixture(scope="module")
def journey(stack: Any) -> Callable[[Any], Journey]:
    """Return a function that leads a table from its file to a champion that has answered and scored a period."""
    begun: dict[str, Journey] = {}

    def begin(make: Callable[[], tables.PublicTable]) -> Journey:
        if make.__name__ not in begun:
            made = begun[make.__name__] = Journey(make(), stack.configs, stack.run, stack.url)
            made.begin()
            verdict = made.train()
            assert verdict["result"] == "pass", verdict
        return begun[make.__name__]

    return begin


@pytest.mark.parametrize("make", CASES)
def test_what_is_trained_answers_the_same_everywhere(
    make: Callable[[], tables.PublicTable], journey: Callable[[Any], Journey]
) -> None:
    """From the table to a champion; server, batch and the model in this process agree to the last bit."""
    answers_the_same_everywhere(journey(make))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", CASES)
def test_after_a_restart_it_is_watched_and_trained_again(
    make: Callable[[], tables.PublicTable], journey: Callable[[Any], Journey], stack: Any
) -> None:
    """The second period is scored, labels have come, monitoring judges it all, and a successor meets its champion."""
    is_watched_and_trained_again(journey(make), stack)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("make", CASES)
def test_deployments_watch_it_too(
    make: Callable[[], tables.PublicTable], journey: Callable[[Any], Journey], stack: Any
) -> None:
    """After the restart each model has a deployment of `monitor`, whose schedule has fired: its run ends well."""
    if stack.prefect is None:
        pytest.skip("deployments run under --full-size alone")
    way = journey(make)
    name = way.table.name
    stack.restart_once()
    wanted = {"flow_runs": {"name": {"any_": [f"monitor-{name}"]}, "deployment_id": {"is_null_": False}}}
    deadline = time.monotonic() + 480
    with signed_in(stack.prefect, os.environ["PREFECT_API_AUTH_STRING"]) as client:
        if way.table.by_init:  # Its schedule is of days.
            found = client.get(f"/deployments/name/monitor/{name}").raise_for_status().json()
            client.post(f"/deployments/{found['id']}/create_flow_run", json={}).raise_for_status()
        while True:
            runs = client.post("/flow_runs/filter", json=wanted).json()
            if "COMPLETED" in {run["state"]["type"] for run in runs}:
                break
            assert time.monotonic() < deadline, runs
            time.sleep(1)
    # A schedule may fire while nothing of its last window has been served yet: that is told as what it is.
    failed = [run["state"] for run in runs if run["state"]["type"] in {"FAILED", "CRASHED"}]
    assert all("no predictions were logged" in str(state["message"]) for state in failed), failed


def test_names_that_differ_by_case_alone_are_refused(stack: Any) -> None:
    """`Hue` and `hue` are one column to what is below: `init` and `check` say so before anything is trained."""
    frame = tables.wines().frame.rename(columns={"hue": "Hue", "proline": "hue"})
    frame.to_csv(stack.configs / "twice.csv", index=False)
    refused = stack.run("init", stack.configs / "twice.csv", "--target", "grape")
    assert refused.exit_code == 1
    assert "`Hue`" in refused.output
    assert "`hue`" in refused.output
    assert not (stack.configs / "twice.yaml").exists()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("make", IN_A_BUCKET)
@pytest.mark.parametrize("stack", ["bucket"], indirect=True)
def test_a_store_in_a_bucket_goes_the_same_way(
    make: Callable[[], tables.PublicTable], journey: Callable[[Any], Journey], stack: Any
) -> None:
    """With its store in a bucket a table goes the whole way, through a restart too; nothing of it is on the disk."""
    way = journey(make)
    answers_the_same_everywhere(way)
    is_watched_and_trained_again(way, stack)
    settings = load_settings()
    assert settings.store is not None
    assert not [name for name in OF_STORE if (settings.home / name).exists()]


def answers_the_same_everywhere(way: Journey) -> None:
    """Ask, label and score the first period on *way*, and compare what is answered."""
    way.write(1)
    rows = way.table.period(0)
    asked = rows.head(ASKED)
    answers = way.ask(asked)
    way.label(asked, way.served[: len(asked)])
    way.agree(way.model(), asked, answers, way.score(0))


def is_watched_and_trained_again(way: Journey, stack: Any) -> None:
    """Start everything again, then ask, score and watch the second period on *way*, and train on it."""
    stack.restart_once()
    way.write(2)
    rows = way.table.period(1)
    asked = rows.head(ASKED)
    way.agree(way.model(), asked, way.ask(asked), way.score(1, new=True))
    watched = way.command("monitor", way.file)["verdict"]
    subjects = {finding["subject"]: finding for finding in watched["findings"]}
    assert {"drift", "performance", "quality"} <= set(subjects)
    assert subjects["performance"]["rows"] > 0
    told = read_labels(way.table.name)["prediction_id"].isin(way.served)
    assert told.any(), "labels that came over HTTP outlive the restart"
    again = way.train()
    assert any("champion" in finding["rule"] for finding in again["findings"])
    way.agree(way.model(), asked, way.ask(asked), way.score(1))
    champion = registry.champion(way.table.name)
    assert champion is not None
    assert champion.number == (2 if again["result"] == "pass" else 1)
