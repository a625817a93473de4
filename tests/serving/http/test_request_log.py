"""The line about each request in a log for machines."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from regrow.serving.http.request_log import REQUESTS
from regrow.serving.server_log import JsonLines


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


async def test_a_request_is_one_line_without_its_values(
    make_application: Callable[..., Any], send: Callable[..., Any], caplog: pytest.LogCaptureFixture
):
    """The line has time, path, status, seconds, model and rows; no body, no query, no key; the id goes back."""
    app = make_application(log=True)
    headers = {"X-API-Key": "key-1", "X-Request-ID": "abc", "Content-Type": "text/x"}
    secrets = {"headers": headers, "content": b"body-1"}
    with caplog.at_level(logging.INFO, REQUESTS):
        responses = await send(
            app, ("/read?query-1", secrets), ("/fail", {"headers": {"X-Request-ID": 'a"b'}})
        )
    lines = [json.loads(JsonLines().format(r)) for r in caplog.records if r.name == REQUESTS]
    one = next(line for line in lines if line["path"] == "/read")
    assert {"time", "level", "seconds", "method"} <= set(one)
    assert (one["status"], one["model"], one["rows"], one["request_id"]) == (200, "demo", 3, "abc")
    assert responses[0].headers["X-Request-ID"] == "abc"
    two = next(line for line in lines if line["path"] == "/fail")
    assert two["status"] == 500
    assert two["request_id"] != 'a"b', "an id that could break a line is replaced"
    for secret in ("key-1", "body-1", "query-1", "value"):
        assert secret not in json.dumps(lines)
