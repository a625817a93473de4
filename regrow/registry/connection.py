"""Reach the MLflow server, and never take its failure for an absent version."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import RegisteredModel
from mlflow.exceptions import MlflowException

from regrow.base.errors import RegistryError, Unreachable
from regrow.base.reach import why_silent
from regrow.base.settings import load_settings

FRESH = 10.0
"""Seconds for which an answer of the tracking server is taken to hold; a step would ask a dozen times."""
_answered: dict[str, float] = {}
_ABSENT = {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}
_REFUSED = {*_ABSENT, "INVALID_STATE", "MALFORMED_REQUEST", "PERMISSION_DENIED", "UNAUTHENTICATED"}
"""MLflow answered, and will answer the same again."""


def connect() -> MlflowClient:
    """Return a client of the tracking server that the settings name.

    Raises `Unreachable` within five seconds if the server does not answer.
    """
    uri = load_settings().tracking_uri
    if uri.startswith("http") and time.monotonic() - _answered.get(uri, -math.inf) > FRESH:
        if silence := why_silent(f"{uri}/health"):
            raise Unreachable(f"MLflow does not answer at {uri} ({silence}); start it with `regrow up`")
        _answered[uri] = time.monotonic()
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)
    return MlflowClient(uri)


@contextmanager
def reaching(what: str) -> Iterator[None]:
    """Translate a failing registry into `Unreachable`: it is never taken for an absent version.

    What MLflow refuses for good is a `RegistryError`, which no step repeats.
    """
    try:
        yield
    except MlflowException as error:
        uri = load_settings().shown_tracking_uri
        if error.error_code in _REFUSED:
            raise RegistryError(f"{what}: MLflow at {uri} refused it ({error})") from error
        message = f"{what}: MLflow at {uri} failed ({error}); the next flow finishes what was begun"
        raise Unreachable(message) from error


def is_absent(error: MlflowException) -> bool:
    """Return whether *error* means that what was asked for does not exist."""
    return error.error_code in _ABSENT


def registered_models(client: MlflowClient) -> Iterator[RegisteredModel]:
    """Yield every registered model, page by page; raises `MlflowException`."""
    token: str | None = None
    while True:
        page = client.search_registered_models(max_results=100, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def twice(write: Callable[[], object]) -> None:
    """Call *write*, and again if it fails: two processes that write one thing for the first time collide in MLflow.

    That is an alias, a tag, or the link from a run to a dataset.
    """
    try:
        write()
    except MlflowException as error:
        if is_absent(error):
            raise
        write()
