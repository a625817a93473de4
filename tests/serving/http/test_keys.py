"""Who may ask the server what."""

import os
import time

import httpx
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from regrow.cli import app
from regrow.errors import ServingError
from regrow.serving.http import keys as keys_module
from regrow.serving.http.keys import Keys, check_start, new_key
from regrow.settings import Settings

EVERYWHERE = "0.0.0.0"  # noqa: S104
BODY = {"dataframe_records": [{"carrier": "AA", "distance": 900.0, "hour": 17}]}


def settings(*entries, file=None):
    return Settings(api_keys=tuple(map(SecretStr, entries)), api_keys_file=file)


def predict(server, **options):
    return httpx.post(f"{server.url}/models/demo/invocations", json=BODY, timeout=30, **options)


def test_a_key_has_its_roles_and_admin_has_all():
    """A key does what its entry says, whatever stands beside it; an unknown one does nothing."""
    (one, first), (two, second) = new_key({"labels", "predict"}), new_key({"admin"})
    keys = Keys(settings(first, second))
    assert keys.roles(one) == {"labels", "predict"}
    assert keys.roles(two) == {"predict", "labels", "admin"}
    assert keys.roles("") == keys.roles(one + "x") == frozenset()
    assert one not in first


def test_a_plain_key_is_refused_with_what_to_do(tmp_path):
    """Plain keys, as they were given before, are named by place, never shown, and the message says the way."""
    (tmp_path / "keys").write_text("# ours\nsecret-one\n")
    for given in (settings("secret-one"), settings(file=tmp_path / "keys")):
        with pytest.raises(ServingError, match=r"entry [12]: .*regrow key --role") as error:
            check_start("127.0.0.1", Keys(given))
        assert "secret-one" not in str(error.value)


def test_keys_rotate_without_a_restart(tmp_path, monkeypatch):
    """A changed file is in force a moment later; one that cannot be read changes nothing and is told."""
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


def test_beyond_loopback_there_must_be_a_key(tmp_path):
    """Another address needs at least one key, a file without any is none, and loopback needs none."""
    (tmp_path / "keys").write_text("# none yet\n")
    for given in (settings(), settings(file=tmp_path / "keys")):
        with pytest.raises(ServingError, match="regrow key --role"):
            check_start(EVERYWHERE, Keys(given))
    check_start("127.0.0.1", Keys(settings()))
    check_start("::1", Keys(settings()))
    check_start(EVERYWHERE, Keys(settings(new_key({"predict"})[1])))


def test_each_route_asks_for_its_role(start, tmp_path):
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


def test_the_command_makes_a_key_that_works(monkeypatch):
    """`regrow key` prints a key and its entry; an unknown role is named."""
    monkeypatch.setenv("COLUMNS", "40")
    result = CliRunner().invoke(app, ["key", "--role", "predict", "--role", "labels"], env=dict(os.environ))
    _, key, _, _, entry = result.stdout.splitlines()
    assert Keys(settings(entry)).roles(key) == {"predict", "labels"}
    wrong = CliRunner().invoke(app, ["key", "--role", "root"])
    assert wrong.exit_code == 1
    assert "'root'" in wrong.stderr
