"""What a server tells of itself, worker by worker."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from regrow.base.settings import Settings
from regrow.models.libraries import ChangedLibrary
from regrow.serving import roster as roster_module
from regrow.serving.http.health import HealthPage, VersionPage, health_routes, roster_entry
from regrow.serving.http.keys import new_key
from regrow.serving.http.responses import add_refusals
from regrow.serving.log.set_aside import SetAside
from regrow.serving.predict.versions import TrafficSplit
from regrow.serving.roster import Roster


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


async def get(server: Any, path: Any, **headers: Any):
    app = FastAPI()
    add_refusals(app)
    app.include_router(health_routes(server))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        return await client.get(path, headers=headers)


@pytest.fixture
def beside(make_server: Any, follows: Any, served: Any, tmp_path: Path):
    """Let another worker, with *changes* of its entry, publish beside a server of two."""

    def publish(**changes: Any):
        server = make_server(expected=2, demo=follows(TrafficSplit(served(3))))
        other = Roster(tmp_path / "workers", 2)
        entry = roster_entry(server)
        other.publish(entry | {"pid": 7, "health": entry["health"] | changes})
        return server

    return publish


async def test_a_process_is_alive_before_it_is_ready(make_server: Any, follows: Any, served: Any):
    """/ping answers as soon as the process does; /ready only once a champion is in memory."""
    early, late = make_server(demo=follows()), make_server(demo=follows(TrafficSplit(served(3))))
    assert [(await get(server, "/ping")).status_code for server in (early, late)] == [200, 200]
    answers = [await get(server, "/ready") for server in (early, late)]
    assert [(each.status_code, each.json()) for each in answers] == [
        (503, {"ready": False}),
        (200, {"ready": True}),
    ]


async def test_a_rollout_is_shown_with_who_contends(make_server: Any, follows: Any, served: Any):
    """A challenger that could not be loaded is named as the contender, and answers nothing."""
    split = TrafficSplit(served(3), 7, "v4-a", 1, 0.5, 0.25, 4)
    page = (await get(make_server(demo=follows(split)), "/health")).json()
    shown = page["models"]["demo"]
    assert (shown["version"], shown["model_id"], shown["since"]) == (3, "m-3", 5.0)
    assert shown["challenger"] is None
    assert shown["rollout"] == {"id": "v4-a", "stage": 1, "contender": 4, "weight": 0.5, "mirror": 0.25}
    assert page["journal"] == {"bytes": 99, "folded": 7, "last": None, "error": None, "set_aside": {}}
    HealthPage.model_validate(page)


async def test_a_library_of_another_version_is_shown_and_no_problem(
    make_server: Any, follows: Any, served: Any
):
    """A version that was made with another scikit-learn answers, and the page says which one it was."""
    changed = ChangedLibrary("scikit-learn", "1.7.1", "1.8.0")
    page = (await get(make_server(demo=follows(TrafficSplit(served(3, changed)))), "/health")).json()
    assert page["status"] == "ok"
    assert page["models"]["demo"]["changed_libraries"] == ["scikit-learn 1.7.1 (here 1.8.0)"]


def without_flush(server: Any):
    server.journals.error = "the disk is full"


def without_a_row(server: Any):
    server.journals.set_aside = {"demo": SetAside(1, "its checksum differs", Path("journal/demo/damaged"))}


def without_follower(server: Any):
    server.follower.is_alive = lambda: False


def without_keys(server: Any):
    server.keys.problem = "entry 1 is no entry"


def without_registry(server: Any):
    server.follower.error = "MLflow does not answer"


def without_challenger(server: Any):
    server.follower.models["demo"].problem = "version 4 cannot be loaded"


@pytest.mark.parametrize(
    "spoil",
    [without_flush, without_a_row, without_follower, without_keys, without_registry, without_challenger],
)
async def test_anything_that_is_not_well_shows(make_server: Any, follows: Any, served: Any, spoil: Any):
    """Each part that has trouble makes the whole degraded, and the page is still a 200."""
    server = make_server(demo=follows(TrafficSplit(served(3))))
    assert (await get(server, "/health")).json()["status"] == "ok"
    spoil(server)
    answer = await get(server, "/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


async def test_one_worker_tells_of_all(beside: Any, monkeypatch: pytest.MonkeyPatch):
    """Two workers that are well are ok; one that is not, or has been silent for long, makes both degraded."""
    page = (await get(server := beside(), "/health")).json()
    assert page["status"] == "ok"
    assert [page["workers"][key] for key in ("expected", "answering")] == [2, 2]
    assert [each["pid"] for each in page["workers"]["others"]] == [7]
    monkeypatch.setattr(roster_module, "SILENT_SECONDS", -1.0)
    silent = (await get(server, "/health")).json()
    assert (silent["status"], silent["workers"]["others"][0]["status"]) == ("degraded", "silent")


async def test_a_worker_in_trouble_is_seen_from_the_other(beside: Any):
    """Whichever worker answers, the page says that one of them is not well."""
    page = (await get(beside(status="degraded"), "/health")).json()
    assert (page["status"], page["workers"]["others"][0]["status"]) == ("degraded", "degraded")


async def test_a_missing_worker_is_not_well(make_server: Any, follows: Any, served: Any):
    """A worker that is not there cannot say so: the others count."""
    page = (await get(make_server(expected=2, demo=follows(TrafficSplit(served(3)))), "/health")).json()
    assert (page["status"], page["workers"]["answering"]) == ("degraded", 1)


async def test_the_versions_are_those_that_answer(make_server: Any, follows: Any, served: Any):
    """Only a model that answers has a version; its split stands with the worker that serves it."""
    split = TrafficSplit(served(3), 7, "v4-a", 0, 0.1, contender=4, challenger=served(4))
    page = (await get(make_server(demo=follows(split), later=follows()), "/version")).json()
    assert page["models"] == {"demo": 3}
    assert page["workers"][0]["models"] == {
        "demo": {"champion": 3, "challenger": 4, "weight": 0.1, "move": 7}
    }
    VersionPage.model_validate(page)


async def test_the_metrics_are_those_of_this_moment(make_server: Any):
    """The gauges are set when they are asked for, in the format that Prometheus reads."""
    answer = await get(make_server(), "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "\nregrow_journal_bytes 99.0\n" in answer.text


async def test_only_yes_and_no_need_no_key(make_server: Any):
    """Once there is a key, a probe still works without one, and every page that says more takes any key."""
    key, entry = new_key({"labels"})
    server = make_server(settings=Settings(api_keys=(SecretStr(entry),)))
    assert [(await get(server, path)).status_code for path in ("/ping", "/ready")] == [200, 503]
    for path in ("/health", "/version", "/metrics"):
        assert (await get(server, path)).status_code == 401
        assert (await get(server, path, **{"X-API-Key": key})).status_code == 200
