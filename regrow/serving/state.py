"""What the server says of itself: whether it answers, what is well, which versions serve, its counters."""

import os
from typing import TYPE_CHECKING, Any

import mlflow
from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from regrow.serving.access import allow
from regrow.serving.answers import REGROW, answer
from regrow.serving.champions import Champions
from regrow.serving.roster import is_silent
from regrow.serving.routes import Route, Served

if TYPE_CHECKING:
    from regrow.serving.app import Server


def state_routes(server: "Server") -> APIRouter:
    """Make the routes; those that say more than yes or no take any key."""
    router = APIRouter()
    key = Depends(allow(server.keys, "predict", "labels", "admin"))

    @router.get("/ping")
    async def ping() -> Response:
        """Say that the process answers."""
        return answer(200, {})

    @router.get("/ready")
    async def ready() -> Response:
        """Say whether a champion is loaded: 200, or 503."""
        isready = server.champions.ready()
        return answer(200 if isready else 503, {"ready": isready})

    @router.get("/health", dependencies=[key])
    async def health() -> Response:
        """Say what is well and what is not, of every worker; 200 as long as the process answers."""
        return answer(200, _of_all(server))

    @router.get("/version", dependencies=[key])
    async def versions() -> Response:
        """Name the versions of Regrow, MLflow and the models that answer, by worker."""
        own = entry(server)
        workers = [own, *server.roster.others()]
        answering = {name: route["champion"] for name, route in own["models"].items()}
        content = {
            "regrow": REGROW,
            "mlflow": mlflow.__version__,
            "models": answering,
            "workers": [{"pid": each["pid"], "models": each["models"]} for each in workers],
        }
        return answer(200, content)

    @router.get("/metrics", dependencies=[key])
    def metrics() -> Response:
        """Give the counters of all workers in Prometheus' text format."""
        _observe(server)
        return Response(generate_latest(_collected(server.measures.registry)), media_type=CONTENT_TYPE_LATEST)

    return router


def entry(server: "Server") -> dict[str, Any]:
    """Say what this worker serves and how it is, and bring its gauges up to date."""
    _observe(server)
    return {"pid": server.roster.pid, "models": _routes(server.champions), "health": _health(server)}


def _observe(server: "Server") -> None:
    """Set the gauges that nothing else sets."""
    server.measures.folded.set(server.folder.rows)
    server.measures.journal_bytes.set(server.folder.pending())
    server.measures.registry_age.set(server.champions.age())


def _collected(own: CollectorRegistry) -> CollectorRegistry:
    """Give the counters of all workers; a server of one process has only its *own*."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return own
    collected = CollectorRegistry()
    MultiProcessCollector(collected)
    return collected


def _routes(champions: Champions) -> dict[str, dict[str, Any]]:
    """Say how the traffic of each model is split."""
    return {
        name: {
            "champion": route.champion.version,
            "challenger": route.challenger.version if route.challenger else None,
            "weight": route.weight,
            "move": route.move,
        }
        for name, slot in tuple(champions.slots.items())
        if (route := slot.route)
    }


def _models(champions: Champions) -> dict[str, dict[str, Any]]:
    """Describe each model's slot."""
    return {
        name: {
            **_version(slot.served),
            "challenger": _version(slot.route.challenger) if slot.route and slot.route.challenger else None,
            "rollout": _rollout(slot.route),
            "problem": slot.problem,
        }
        for name, slot in tuple(champions.slots.items())
    }


def _version(served: Served | None) -> dict[str, Any]:
    """Describe a version in memory."""
    return {
        "version": served.version if served else None,
        "model_id": served.model.model_id if served else None,
        "since": served.since if served else None,
    }


def _rollout(route: Route | None) -> dict[str, Any] | None:
    """Describe the rollout that goes on; the contender is its challenger, whether that could be loaded or not."""
    if route is None or route.rollout is None:
        return None
    return {
        "id": route.rollout,
        "stage": route.stage,
        "contender": route.contender,
        "weight": route.weight,
        "mirror": route.mirror,
    }


def _of_all(server: "Server") -> dict[str, Any]:
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


def _health(server: "Server") -> dict[str, Any]:
    """Describe this worker's registry, models, journal and keys."""
    champions, folder = server.champions, server.folder
    models = _models(champions)
    problems = [champions.error, folder.error, server.keys.problem, *(m["problem"] for m in models.values())]
    problems += server.problems()
    alive = champions.is_alive() and folder.is_alive()
    return {
        "status": "ok" if alive and not any(problems) else "degraded",
        "registry": {
            "reachable": champions.error is None,
            "polled": champions.polled,
            "age": champions.age(),
            "error": champions.error,
        },
        "models": models,
        "threads": server.problems(),
        "journal": {
            "bytes": folder.pending(),
            "folded": folder.rows,
            "last": folder.last,
            "error": folder.error,
        },
        "keys": {"problem": server.keys.problem},
    }
