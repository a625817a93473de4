"""What the server tells of itself: whether it answers, what is well, which versions serve, its metrics."""

import os
from typing import Annotated, Any, Literal

import mlflow
from fastapi import APIRouter, Depends, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from pydantic import BaseModel, ConfigDict, Field

from regrow.serving.following.follower import Follower
from regrow.serving.http.keys import allow
from regrow.serving.http.responses import PROBLEM, REFUSALS, REGROW, Described, described, json_response
from regrow.serving.http.server import Server
from regrow.serving.metrics import StateMetrics
from regrow.serving.predict.versions import ServedVersion, TrafficSplit
from regrow.serving.roster import is_silent


class ReadyPage(Described):
    """Whether a champion is loaded."""

    ready: bool


class SplitOfModel(Described):
    """How the traffic of a model is split in one worker."""

    champion: int
    challenger: int | None
    weight: Annotated[float, Field(ge=0, le=1)]
    move: int | None
    thresholds: dict[str, float] = Field(default_factory=dict)
    """From which probability a version decides for the second class, by its number, if it has a threshold."""


class SplitsOfWorker(Described):
    """What one worker serves."""

    pid: int
    models: dict[str, SplitOfModel]


class VersionPage(Described):
    """The versions of Regrow, MLflow and the models that answer."""

    regrow: str
    mlflow: str
    models: dict[str, int]
    workers: list[SplitsOfWorker]


class HealthPage(BaseModel):
    """What is well and what is not, of the worker that answers and of the others; there is more in it."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ok", "degraded"]
    workers: dict[str, Any]


def health_routes(server: Server) -> APIRouter:
    """Make the routes; those that say more than yes or no take any key."""
    router = APIRouter()
    key = [Depends(allow(server.keys, "predict", "labels", "admin"))]
    locked: dict[str, Any] = {"dependencies": key, "responses": described(401)}

    @router.get("/ping")
    async def ping() -> Response:
        """Answer: the process is alive."""
        return json_response(200, {})

    not_ready: dict[int | str, dict[str, Any]] = {
        503: {"model": ReadyPage, "description": "No champion is loaded yet"}
    }

    @router.get("/ready", response_model=ReadyPage, responses=not_ready)
    async def ready() -> Response:
        """Return whether a champion is loaded: 200, or 503."""
        isready = server.follower.ready()
        return json_response(200 if isready else 503, {"ready": isready})

    @router.get("/health", response_model=HealthPage, **locked)
    async def health() -> Response:
        """Return what is well and what is not, of every worker; 200 as long as the process answers."""
        return json_response(200, _of_all(server))

    @router.get("/version", response_model=VersionPage, **locked)
    async def versions() -> Response:
        """Return the versions of Regrow, MLflow and the models that answer, by worker."""
        own = roster_entry(server)
        workers = [own, *server.roster.others()]
        answering = {name: split["champion"] for name, split in own["models"].items()}
        content = {
            "regrow": REGROW,
            "mlflow": mlflow.__version__,
            "models": answering,
            "workers": [{"pid": each["pid"], "models": each["models"]} for each in workers],
        }
        return json_response(200, content)

    # FastAPI would describe the refusal as text too: it takes a model for what the route's response class writes.
    no_key: dict[int | str, dict[str, Any]] = {
        401: {"description": REFUSALS[401], "content": {"application/json": {"schema": PROBLEM}}}
    }

    of_state = CollectorRegistry()
    of_state.register(StateMetrics(server.settings.home))

    @router.get("/metrics", response_class=PlainTextResponse, dependencies=key, responses=no_key)
    def metrics() -> Response:
        """Return the metrics of all workers, and of the state folder's flows, in Prometheus' text format."""
        server.observe()
        shown = generate_latest(_collected(server.metrics.registry)) + generate_latest(of_state)
        return Response(shown, media_type=CONTENT_TYPE_LATEST)

    return router


def roster_entry(server: Server) -> dict[str, Any]:
    """Return what this worker serves and how it is, for the other workers; bring its gauges up to date."""
    server.observe()
    return {"pid": server.roster.pid, "models": _splits(server.follower), "health": _health(server)}


def _collected(own: CollectorRegistry) -> CollectorRegistry:
    """Return the metrics of all workers; a server of one process has only its *own*."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return own
    collected = CollectorRegistry()
    MultiProcessCollector(collected)
    return collected


def _splits(follower: Follower) -> dict[str, dict[str, Any]]:
    """Return how the traffic of each model is split."""
    return {
        name: {
            "champion": split.champion.version,
            "challenger": split.challenger.version if split.challenger else None,
            "weight": split.weight,
            "move": split.move,
            **_thresholds(split),
        }
        for name, model in tuple(follower.models.items())
        if (split := model.split)
    }


def _thresholds(split: TrafficSplit) -> dict[str, dict[str, float]]:
    """Return the thresholds of the versions of *split* that have one of their own."""
    found = {
        str(each.version): each.model.facts.threshold
        for each in (split.champion, split.challenger)
        if each and each.model.facts.threshold is not None
    }
    return {"thresholds": found} if found else {}


def _models(follower: Follower) -> dict[str, dict[str, Any]]:
    """Describe each model."""
    return {
        name: {
            **_version(model.champion),
            "challenger": _version(model.split.challenger)
            if model.split and model.split.challenger
            else None,
            "rollout": _rollout(model.split),
            "problem": model.problem,
        }
        for name, model in tuple(follower.models.items())
    }


def _version(served: ServedVersion | None) -> dict[str, Any]:
    """Describe a version in memory."""
    return {
        "version": served.version if served else None,
        "model_id": served.model.model_id if served else None,
        "since": served.since if served else None,
        "changed_libraries": [str(each) for each in served.model.changed] if served else [],
    }


def _rollout(split: TrafficSplit | None) -> dict[str, Any] | None:
    """Describe the open rollout; the contender is its challenger, whether that could be loaded or not."""
    if split is None or split.rollout is None:
        return None
    return {
        "id": split.rollout,
        "stage": split.stage,
        "contender": split.contender,
        "weight": split.weight,
        "mirror": split.mirror,
    }


def _of_all(server: Server) -> dict[str, Any]:
    """Describe this worker, and the others beside it."""
    own = _health(server)
    others = [
        {"pid": each["pid"], **each["health"], **({"status": "silent"} if is_silent(each) else {})}
        for each in server.roster.others()
    ]
    missing = server.roster.expected - 1 - len(others)
    well = own["status"] == "ok" and not missing and all(each["status"] == "ok" for each in others)
    workers = {"expected": server.roster.expected, "answering": 1 + len(others), "others": others}
    return {**own, "status": "ok" if well else "degraded", "workers": workers}


def _health(server: Server) -> dict[str, Any]:
    """Describe this worker's registry, models, journal and keys."""
    follower, journals, threads = server.follower, server.journals, server.problems()
    models = _models(follower)
    aside = {name: str(found) for name, found in journals.set_aside.items()}
    problems = [follower.error, journals.error, server.keys.problem, *threads, *aside.values()]
    problems += [model["problem"] for model in models.values()]
    alive = follower.is_alive() and journals.is_alive()
    return {
        "status": "ok" if alive and not any(problems) else "degraded",
        "registry": {
            "reachable": follower.error is None,
            "polled": follower.polled,
            "age": follower.age(),
            "error": follower.error,
        },
        "models": models,
        "threads": threads,
        "journal": {
            "bytes": journals.waiting_bytes(),
            "folded": journals.rows,
            "last": journals.last,
            "error": journals.error,
            "set_aside": aside,
        },
        "keys": {"problem": server.keys.problem},
    }
