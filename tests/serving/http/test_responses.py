"""The form of every refusal, and its status."""

import pytest

from regrow.base.errors import InvalidRequest, ModelFailed, Overloaded, ServingError, Unavailable
from regrow.serving.http.responses import Refused


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


@pytest.mark.parametrize(
    ("path", "status", "code"), [("/fail", 500, "server_failed"), ("/none", 404, "not_found")]
)
async def test_every_error_has_one_form(make_application, send, path, status, code):
    """A path that does not exist and a defect of the server are told like any refusal."""
    response = (await send(make_application(), (path, {})))[0]
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert set(response.json()) == {"error", "message", "column"}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (InvalidRequest("invalid_json", "no JSON"), 400, "invalid_json"),
        (InvalidRequest("invalid_csv", "no CSV"), 400, "invalid_csv"),
        (InvalidRequest("malformed_request", "no rows"), 400, "malformed_request"),
        (InvalidRequest("too_many_rows", "9 rows"), 413, "too_many_rows"),
        (InvalidRequest("unsupported_media_type", "an image"), 415, "unsupported_media_type"),
        (InvalidRequest("wrong_type", "column 'hour'", "hour"), 422, "wrong_type"),
        (InvalidRequest("model_refused", "version 3"), 422, "model_refused"),
        (Refused(401, "unauthorized", "send a key"), 401, "unauthorized"),
        (Refused(404, "unknown_model", "not here"), 404, "unknown_model"),
        (Overloaded("many wait"), 429, "overloaded"),
        (Unavailable("no_champion", "not yet"), 503, "no_champion"),
        (ModelFailed("version 3"), 500, "model_failed"),
        (ServingError("a wrong shape"), 500, "server_failed"),
    ],
)
async def test_each_error_has_its_status(make_application, send, error, status, code):
    """What is raised below HTTP gets its status here, with the headers that tell a client what to do."""
    response = (await send(make_application(errors={"it": error}), ("/errors/it", {})))[0]
    assert (response.status_code, response.json()["error"]) == (status, code)
    assert response.json()["column"] == getattr(error, "column", None)
    assert ("Retry-After" in response.headers) == (status in {429, 503})
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
