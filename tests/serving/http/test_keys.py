"""Who may ask the server what."""

import os
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi.openapi.utils import get_openapi
from pydantic import SecretStr
from typer.testing import CliRunner

from regrow.base.errors import ServingError
from regrow.base.settings import Settings
from regrow.cli import app as commands
from regrow.data import key_entries
from regrow.serving.http import keys as keys_module
from regrow.serving.http.app import create_app
from regrow.serving.http.keys import Keys, check_start, new_key
from regrow.serving.http.responses import Refused
from regrow.serving.predict.versions import TrafficSplit

EVERYWHERE = "0.0.0.0"  # noqa: S104
LATER = datetime(2027, 3, 1, tzinfo=UTC)
BODY = {"dataframe_records": [{"carrier": "AA", "distance": 900.0, "hour": 17}]}


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry but in the test that starts a server."""


def settings(*entries: Any, file: Any = None):
    return Settings(api_keys=tuple(map(SecretStr, entries)), api_keys_file=file)


def predict(server: Any, **options: Any):
    return httpx.post(f"{server.url}/models/demo/invocations", json=BODY, timeout=30, **options)


def test_a_key_has_its_roles_and_admin_has_all():
    """A key does what its entry says, whatever stands beside it; an unknown one does nothing."""
    (one, first), (two, second) = new_key({"labels", "predict"}), new_key({"admin"})
    keys = Keys(settings(first, second))
    assert keys.roles(one) == {"labels", "predict"}
    assert keys.roles(two) == {"predict", "labels", "admin"}
    assert keys.roles("") == keys.roles(one + "x") == frozenset()
    assert one not in first


def test_a_plain_key_is_refused_with_what_to_do(tmp_path: Path):
    """Plain keys, as they were given before, are named by place, never shown, and the message says the way."""
    (tmp_path / "keys").write_text("# ours\nsecret-one\n")
    for given in (settings("secret-one"), settings(file=tmp_path / "keys")):
        with pytest.raises(ServingError, match=r"entry [12]: .*regrow key --role") as error:
            check_start("127.0.0.1", Keys(given))
        assert "secret-one" not in str(error.value)


def test_keys_rotate_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A changed file is in force a moment later; one with a defect changes nothing and is told."""
    monkeypatch.setattr(keys_module, "LOOK_SECONDS", 0.0)
    file, (old, first), (new, second) = tmp_path / "keys", new_key({"predict"}), new_key({"labels"})
    file.write_text(f"# who: the shop\n{first}  # until June\n")
    keys = Keys(settings(file=file))
    assert keys.roles(old) == {"predict"}
    file.write_text(f"{second}\n")
    assert (keys.roles(old), keys.roles(new)) == (frozenset(), {"labels"})
    file.write_text("plain\n")
    assert keys.roles(new) == {"labels"}
    assert "entry 1" in str(keys.problem)
    file.write_text("")
    assert keys.roles(new) == frozenset()
    assert keys.needed, "an emptied file opens nothing"
    assert keys.problem is None


def test_a_file_that_is_gone_holds_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its keys are revoked, those of the environment are not, and it is told; once it is back so are they."""
    monkeypatch.setattr(keys_module, "LOOK_SECONDS", 0.0)
    (kept, first), (lost, second) = new_key({"predict"}), new_key({"admin"})
    file = tmp_path / "folder" / "keys"
    file.parent.mkdir()
    file.write_text(second)
    keys = Keys(settings(first, file=file))
    assert keys.roles(lost) == {"predict", "labels", "admin"}
    file.parent.rename(tmp_path / "away")
    assert (keys.roles(lost), keys.roles(kept)) == (frozenset(), {"predict"})
    assert str(file) in str(keys.problem)
    assert keys.needed, "a file that is gone opens nothing"
    (tmp_path / "away").rename(file.parent)
    assert keys.roles(lost) == {"predict", "labels", "admin"}
    assert keys.problem is None
    alone = Keys(settings(file=file))
    file.unlink()
    assert alone.roles(lost) == frozenset()
    assert alone.needed
    with pytest.raises(ServingError, match="is not there"):
        check_start("127.0.0.1", Keys(settings(file=file)))


def test_a_key_is_for_its_models(tmp_path: Path):
    """A key for two models does nothing to a third, as admin neither; one without models is for all."""
    (some, first), (one, second), (every, third) = (
        new_key({"labels"}, ["b", "a"]),
        new_key({"admin"}, ["a"]),
        new_key({"predict"}),
    )
    assert first.startswith("labels@a+b:")
    keys = Keys(settings(first, second, third, first.replace("labels@a+b", "predict@c")))
    assert [keys.roles(some, name) for name in "abcd"] == [{"labels"}, {"labels"}, {"predict"}, frozenset()]
    assert keys.roles(some) == {"labels", "predict"}
    assert [keys.roles(one, name) for name in "ab"] == [{"predict", "labels", "admin"}, frozenset()]
    assert keys.roles(every, "z") == {"predict"}
    with pytest.raises(ServingError, match="is no name of a model"):
        new_key({"labels"}, ["a b"])
    with pytest.raises(ServingError, match="entry 1"):
        Keys(settings(first.replace("@a+b", "@")))


def test_a_key_is_refused_from_its_day_on(monkeypatch: pytest.MonkeyPatch):
    """Until then it does what it may; from then on nothing, and its holder is told why; others go on."""
    key, entry = new_key({"predict"}, expires=date(2027, 3, 1))
    other, second = new_key({"labels"}, expires=date(2027, 3, 2))
    keys = Keys(settings(entry, second))
    for moment, held in ((datetime(2027, 2, 28, 23, 59, tzinfo=UTC), {"predict"}), (LATER, frozenset())):
        monkeypatch.setattr(key_entries, "datetime", SimpleNamespace(now=lambda _, moment=moment: moment))
        assert (keys.roles(key), keys.roles(other)) == (held, {"labels"})
    assert keys.needed, "expired keys open nothing"
    request: Any = SimpleNamespace(headers={"x-api-key": key})
    with pytest.raises(Refused, match="has expired: it is refused since 2027-03-01") as refused:
        keys_module._roles(keys, request, None)
    assert refused.value.status == 401
    with pytest.raises(ServingError, match="entry 1: '2027-02-30' is no day"):
        Keys(settings(entry.replace("03-01", "02-30")))


MAY = {
    ("POST", "/models/{name}/invocations"): {"predict", "admin"},
    ("POST", "/invocations"): {"predict", "admin"},
    ("POST", "/models/{name}/labels"): {"labels", "admin"},
    ("GET", "/health"): {"predict", "labels", "admin"},
    ("GET", "/version"): {"predict", "labels", "admin"},
    ("GET", "/metrics"): {"predict", "labels", "admin"},
    ("GET", "/openapi.json"): {"predict", "labels", "admin"},
    ("GET", "/ping"): {"predict", "labels", "admin", None},
    ("GET", "/ready"): {"predict", "labels", "admin", None},
}
"""Which role may use which route; None: anybody."""


@pytest.fixture
def ask_routes(make_server: Callable[..., Any], served: Callable[..., Any], follows: Callable[..., Any]):
    """Ask every route of a server of two models, or of `demo` alone, and return the codes."""

    async def ask(entry: Any, *names: Any, **headers: Any):
        split = TrafficSplit(served(3))
        server = make_server(settings=settings(entry), **{name: follows(split) for name in names})
        app = create_app(server, "127.0.0.1")
        paths = get_openapi(title="", version="", routes=app.routes)["paths"] | {"/openapi.json": {"get": {}}}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return {
                (method.upper(), path): (
                    await client.request(method, path.format(name="demo"), headers=headers)
                ).status_code
                for path, methods in paths.items()
                for method in methods
            }

    return ask


@pytest.mark.parametrize("role", [None, "predict", "labels", "admin"])
async def test_a_key_of_one_role_cannot_do_anothers_work(ask_routes: Callable[..., Any], role: Any):
    """Without a key a route is a 401, with the key of another role a 403; each route is in the table above."""
    key, entry = new_key({role or "admin"})
    codes = await ask_routes(entry, "demo", **({"X-API-Key": key} if role else {}))
    assert codes.keys() == MAY.keys()
    for route, code in codes.items():
        lacking = 403 if role else 401
        assert (code == lacking) == (role not in MAY[route]), (route, code)


async def test_a_key_for_another_model_does_nothing_here(ask_routes: Callable[..., Any]):
    """A key for one model neither predicts by another nor labels it, as the only model of the server neither."""
    key, entry = new_key({"admin"}, ["other"])
    codes = await ask_routes(entry, "demo", **{"X-API-Key": key})
    posts = {route: code for route, code in codes.items() if route[0] == "POST"}
    assert set(posts.values()) == {403}
    key, entry = new_key({"admin"}, ["demo"])
    codes = await ask_routes(entry, "demo", **{"X-API-Key": key})
    assert {code for (method, _), code in codes.items() if method == "POST"} == {415}, "the key lets it in"


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
async def test_no_route_takes_what_a_web_page_sends_unasked(ask_routes: Callable[..., Any], kind: Any):
    """Any type that a page may send to a foreign server without its leave, and none, is refused by every POST."""
    key, entry = new_key({"admin"})
    headers = {"X-API-Key": key, "Origin": "http://evil.example"}
    codes = await ask_routes(entry, "demo", **headers, **({} if kind is None else {"Content-Type": kind}))
    posts = {route: code for route, code in codes.items() if route[0] == "POST"}
    assert len(posts) == 3
    assert set(posts.values()) == {415}


def test_beyond_loopback_there_must_be_a_key(tmp_path: Path):
    """Another address needs at least one key, a file without any is none, and loopback needs none."""
    (tmp_path / "keys").write_text("# none yet\n")
    for given in (settings(), settings(file=tmp_path / "keys")):
        with pytest.raises(ServingError, match="regrow key --role"):
            check_start(EVERYWHERE, Keys(given))
    check_start("127.0.0.1", Keys(settings()))
    check_start("::1", Keys(settings()))
    check_start(EVERYWHERE, Keys(settings(new_key({"predict"})[1])))


def test_each_route_asks_for_its_role(start: Callable[..., Any], tmp_path: Path):
    """On another address: no start without a key; then 401 without one, 403 without the role, rotation included."""
    refused = start(tmp_path, "--host", EVERYWHERE)
    assert refused.process.wait() != 0
    assert "REGROW_API_KEYS" in refused.log.read_text()
    (asks, first), (tells, second), (later, third) = (new_key({r}) for r in ("predict", "labels", "predict"))
    file = tmp_path / "keys"
    file.write_text(second)
    server = start(tmp_path, "--host", EVERYWHERE, REGROW_API_KEYS=first, REGROW_API_KEYS_FILE=str(file))
    codes = [predict(server).status_code, predict(server, headers={"X-API-Key": "three"}).status_code]
    assert codes == [401, 401]
    assert predict(server, headers={"X-API-Key": tells}).status_code == 403
    assert predict(server, headers={"X-API-Key": asks}).status_code == 200
    assert predict(server, headers={"Authorization": f"Bearer {asks}"}).status_code == 200
    for page in ("health", "version", "metrics"):
        assert httpx.get(f"{server.url}/{page}").status_code == 401
        assert httpx.get(f"{server.url}/{page}", headers={"X-API-Key": tells}).status_code == 200
    assert httpx.get(f"{server.url}/ping").status_code == httpx.get(f"{server.url}/ready").status_code == 200
    file.write_text(third)
    deadline = time.monotonic() + 10
    while predict(server, headers={"X-API-Key": later}).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert predict(server, headers={"X-API-Key": tells}).status_code == 401
    assert server.stop() == 0
    for key in (asks, tells, later):
        assert key not in server.log.read_text()


def test_the_command_makes_a_key_that_works(monkeypatch: pytest.MonkeyPatch):
    """`regrow key` prints a key and its entry; an unknown role is named."""
    monkeypatch.setenv("COLUMNS", "40")
    result = CliRunner().invoke(
        commands, ["key", "--role", "predict", "--role", "labels"], env=dict(os.environ)
    )
    _, key, _, _, entry = result.stdout.splitlines()
    assert Keys(settings(entry)).roles(key) == {"predict", "labels"}
    scoped = CliRunner().invoke(
        commands, ["key", "--role", "labels", "--model", "churn"], env=dict(os.environ)
    )
    assert scoped.stdout.splitlines()[-1].startswith("labels@churn:")
    wrong = CliRunner().invoke(commands, ["key", "--role", "root"])
    assert wrong.exit_code == 1
    assert "'root'" in wrong.stderr
