"""Which errors a step is tried again for."""

import errno
import socket
from collections.abc import Callable
from typing import Any
from urllib.error import HTTPError, URLError

import httpx
import pandas as pd
import pyarrow as pa
import pytest
import requests
import sqlalchemy as sa
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import BAD_REQUEST, RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
from prefect import flow
from prefect.exceptions import PrefectHTTPStatusError
from sqlalchemy.exc import OperationalError

from regrow.base.errors import BatchRejected, Busy, DataError, MovedOn, RegistryError, StateError, Unreachable
from regrow.lineage import flow_run, step
from regrow.lineage.outages import may_pass, names_an_outage
from regrow.project import Project
from regrow.services import Services

ASKED = httpx.Request("GET", "http://127.0.0.1")


def refused_database() -> OperationalError:
    """Connect to a database that nobody serves."""
    with pytest.raises(OperationalError) as caught:
        sa.create_engine("postgresql+psycopg://postgres@127.0.0.1:9/nothing").connect()
    return caught.value


def wrong_query() -> OperationalError:
    """Ask SQLite for a table that it has not."""
    with pytest.raises(OperationalError) as caught, sa.create_engine("sqlite://").connect() as connection:
        connection.execute(sa.text("select * from nowhere"))
    return caught.value


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


OUTAGES = [
    Unreachable("MLflow does not answer"),
    Busy("other writers came first"),
    ConnectionRefusedError(errno.ECONNREFUSED, "refused"),
    TimeoutError("no answer"),
    socket.gaierror(socket.EAI_AGAIN, "name resolution"),
    OSError(errno.ESTALE, "stale file handle"),
    URLError(ConnectionResetError("reset")),
    HTTPError("http://127.0.0.1", 503, "unavailable", None, None),  # pyright: ignore[reportArgumentType]
    httpx.ConnectError("refused"),
    httpx.HTTPStatusError("unavailable", request=ASKED, response=httpx.Response(503)),
    requests.ConnectionError("refused"),
    requests.ReadTimeout("slow"),
    MlflowException("API request failed"),
    MlflowException("database", TEMPORARILY_UNAVAILABLE),
    MlflowException("UNIQUE constraint failed", BAD_REQUEST),
    refused_database(),
    caused(DataError("the query failed"), refused_database()),
    caused(DataError("cannot be read"), OSError(errno.EIO, "network drive")),
]
LASTING = [
    DataError("no row"),
    BatchRejected("broken"),
    MovedOn("somebody moved first"),
    RegistryError("no champion"),
    StateError("the disk is full"),
    FileNotFoundError(errno.ENOENT, "no such file"),
    PermissionError(errno.EACCES, "not yours"),
    OSError("Corrupt snappy compressed data."),
    OSError(errno.ENOSPC, "full"),
    pa.ArrowInvalid("Parquet magic bytes not found"),
    pd.errors.ParserError("expected 3 fields"),
    ValueError("could not convert string to float: 'n/a'"),
    TypeError("unhashable type: 'dict'"),
    KeyError("size"),
    ZeroDivisionError("division by zero"),
    MemoryError(),
    HTTPError("http://127.0.0.1", 404, "not found", None, None),  # pyright: ignore[reportArgumentType]
    httpx.HTTPStatusError("not found", request=ASKED, response=httpx.Response(404)),
    MlflowException("no such run", RESOURCE_DOES_NOT_EXIST),
    wrong_query(),
    caused(DataError("cannot be read"), FileNotFoundError(errno.ENOENT, "no such file")),
]


def shown(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:40]}"


@pytest.mark.parametrize("error", OUTAGES, ids=shown)
def test_an_outage_may_pass(error: Exception) -> None:
    """A server, a network or a lock that fails now may work in a moment."""
    assert may_pass(error)


@pytest.mark.parametrize("error", LASTING, ids=shown)
def test_what_the_input_is_to_blame_for_does_not_pass(error: Exception) -> None:
    """A broken table, a wrong name, a bug: the same input gives the same error."""
    assert not may_pass(error)


@step(retries=2)
def failing(project: Project, failures: list[Exception], tries: list[int]) -> int:
    """Raise the next of *failures*, if one is left."""
    tries.append(1)
    if len(tries) <= len(failures):
        raise failures[len(tries) - 1]
    return len(tries)


def try_it(project: Project, *failures: Exception) -> int:
    """Run a step that fails so in a flow; return how often it was tried."""
    tries: list[int] = []

    @flow
    def trying() -> None:
        with flow_run(project):
            failing(project, list(failures), tries)

    try:
        trying()
    except type(failures[-1]):
        return -len(tries)
    return len(tries)


def test_a_step_outlives_an_outage(services: Any, project: Callable[..., Project]) -> None:
    """A server that is away twice is asked a third time; one that stays away ends the step."""
    away = Unreachable("MLflow does not answer")
    assert try_it(project(), away, ConnectionResetError("reset")) == 3
    assert try_it(project(), away, away, away) == -3


def test_a_step_does_not_repeat_what_must_fail(services: Any, project: Callable[..., Project]) -> None:
    """An error of the data or of the code ends the step at its first try."""
    for error in (DataError("no row"), pa.ArrowInvalid("broken table"), TypeError("unhashable type: 'dict'")):
        assert try_it(project(), error) == -1


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        ConnectionRefusedError("refused"),
        PrefectHTTPStatusError("unavailable", request=ASKED, response=httpx.Response(500)),
    ],
    ids=shown,
)
def test_an_outage_is_known_by_the_name_of_its_kind(error: Exception) -> None:
    """What is raised is mostly a kind of what is listed, and a message holds its own name."""
    assert names_an_outage(f"Flow run encountered an exception: {shown(error)}")


def test_other_errors_of_the_system_are_no_outage() -> None:
    """A file that is missing is a kind of `OSError` too, and is missing tomorrow."""
    assert not names_an_outage("Flow run encountered an exception: FileNotFoundError: no such file")


@flow
def ending_with(error: Exception) -> None:
    """Raise *error*."""
    raise error


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (Unreachable("MLflow does not answer"), True),
        (StateError("the disk is full"), True),
        (MlflowException("API request failed"), True),
        (DataError("exception: no row"), False),
    ],
    ids=shown,
)
def test_what_prefect_keeps_of_a_failed_run_names_an_outage(
    services: Services, error: Exception, named: bool
) -> None:
    """By the message of a flow run's state it is known whether a server was away, or its data is to blame."""
    state = ending_with(error, return_state=True)
    assert names_an_outage(state.message or "") == named, state.message
