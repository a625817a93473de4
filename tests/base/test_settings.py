"""The settings: what the environment says, and what Regrow decides for its dependencies."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from regrow.base.settings import TELEMETRY_OFF, WAITING, Settings, apply_environment, load_settings, waiting


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing of this machine's environment reach the settings, and nothing of a test reach the next."""
    for name in [*os.environ]:
        if name.startswith(("REGROW_", "PREFECT_", "MLFLOW_")) or name in TELEMETRY_OFF:
            monkeypatch.delenv(name)


def test_each_field_is_read_from_the_environment_of_this_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a variable a field has its default; a new value holds from the next reading on."""
    assert load_settings() == Settings()
    monkeypatch.setenv("REGROW_SERVER_PORT", "8123")
    monkeypatch.setenv("REGROW_HOME", "/somewhere")
    monkeypatch.setenv("REGROW_SOMETHING_ELSE", "1")
    found = load_settings()
    assert (found.server_port, found.home) == (8123, Path("/somewhere"))
    assert found.local_server == "http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WORKERS", "0"),
        ("CHALLENGER_TIMEOUT", "0"),
        ("LOG_FORMAT", "xml"),
        ("MLFLOW_PORT", "x"),
        ("DASK", "here"),
        ("DASK", "local:0"),
    ],
)
def test_a_value_that_cannot_be_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """A server without workers or a timeout of nothing is an error that names the field."""
    monkeypatch.setenv(f"REGROW_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        load_settings()


@given(st.lists(st.text("ab:+", min_size=1)), st.sampled_from([",", " , ", ",,"]))
def test_keys_stand_between_commas(keys: list[str], between: str) -> None:
    """However many keys, with spaces or gaps between them, each is read as it is."""
    given_keys = Settings.model_validate({"api_keys": between.join(keys)}).api_keys
    assert [key.get_secret_value() for key in given_keys] == keys


def test_secrets_are_not_printed() -> None:
    """Settings are logged and shown in errors: keys and passwords are not."""
    settings = Settings(server_key=SecretStr("hush"), database_url=SecretStr("postgresql://u:hush@h/d"))
    assert "hush" not in f"{settings} {settings!r}"
    assert settings.server_headers == {"X-API-Key": "hush"}
    assert Settings().server_headers == {}


def test_the_state_folder_holds_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folders are absolute, because a flow run works elsewhere."""
    monkeypatch.chdir(tmp_path)
    settings = Settings(home=Path("state"))
    assert [settings.snapshots, settings.tables, settings.journal] == [
        tmp_path / "state" / name for name in ("snapshots", "tables", "journal")
    ]


def test_the_store_is_elsewhere_if_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder or a bucket holds snapshots, tables and artifacts; the journal stays in the state folder."""
    monkeypatch.chdir(tmp_path)
    for store, root in (("s3://bucket/team/", "s3://bucket/team"), ("shared", str(tmp_path / "shared"))):
        settings = Settings(home=Path("state"), store=store)
        assert settings.store == str(settings.store_root) == root
        assert str(settings.tables) == f"{root}/tables" and str(settings.artifacts) == f"{root}/artifacts"
        assert settings.journal == tmp_path / "state" / "journal"
    assert Settings(home=Path("state"), store="").store_root == tmp_path / "state"
    with pytest.raises(ValidationError, match="s3://bucket/prefix"):
        Settings(store="gs://bucket/x")


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("fe80::7", "[fe80::7]"),
        ("box.example", "box.example"),
    ],
)
def test_the_own_servers_are_reached_whatever_they_bind_to(host: str, reached: str) -> None:
    """An address that means all of them is reached by loopback, and one of version 6 stands in brackets.

    Prefect and MLflow stay on loopback: who signs in there may run code.
    """
    settings = Settings(host=host)
    assert settings.tracking_uri == settings.local_mlflow == "http://127.0.0.1:5000"
    assert settings.prefect_api_url == "http://127.0.0.1:4200/api"
    assert settings.local_server == f"http://{reached}:8000"


@pytest.mark.parametrize("slash", ["", "/"])
def test_servers_elsewhere_are_reached_with_or_without_a_slash(
    monkeypatch: pytest.MonkeyPatch, slash: str
) -> None:
    """Addresses of the user's own servers count before the local ones; paths are put behind them."""
    monkeypatch.setenv("PREFECT_API_URL", f"https://prefect.example/api{slash}")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"https://mlflow.example{slash}")
    settings = Settings()
    assert (settings.prefect_api_url, settings.prefect_ui_url) == (
        "https://prefect.example/api",
        "https://prefect.example",
    )
    assert settings.tracking_uri == "https://mlflow.example"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////var/mlflow/")
    assert settings.tracking_uri == "sqlite:////var/mlflow/"


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Prefect and MLflow are pointed at the settings and send nothing home, unless the user has decided otherwise."""
    monkeypatch.setattr(os, "environ", {"DO_NOT_TRACK": "0", "MLFLOW_TRACKING_URI": "http://theirs:1"})
    apply_environment(Settings(home=tmp_path, prefect_port=4321))
    found = os.environ
    assert (found["DO_NOT_TRACK"], found["MLFLOW_TRACKING_URI"]) == ("0", "http://theirs:1")
    assert found["PREFECT_API_URL"] == "http://127.0.0.1:4321/api"
    assert found["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_the_password_goes_to_the_own_servers_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients get the password of the servers that `regrow up` started, by any name of this machine, and no other."""
    settings = Settings(home=tmp_path, prefect_port=4321)
    own = ("http://localhost:4321/api", "http://127.0.0.1:5000")
    assert settings.sign_in(*own) == {}
    settings.password_file.write_text("hush\n")
    assert settings.sign_in(*own) == {
        "PREFECT_API_AUTH_STRING": "regrow:hush",
        "MLFLOW_TRACKING_USERNAME": "regrow",
        "MLFLOW_TRACKING_PASSWORD": "hush",
    }
    assert settings.sign_in("https://prefect.example/api", "http://mlflow.example:5000") == {}
    assert settings.sign_in("http://127.0.0.1:4200/api", "postgresql://u@h/mlflow") == {}
    monkeypatch.setattr(os, "environ", {"PREFECT_API_AUTH_STRING": "theirs"})
    apply_environment(settings)
    told = os.environ
    assert (told["PREFECT_API_AUTH_STRING"], told["MLFLOW_TRACKING_PASSWORD"]) == ("theirs", "hush")


def test_what_is_written_is_its_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and folders made after `apply_environment` are closed to others; children learn the user's own umask."""
    monkeypatch.setattr(os, "environ", {})
    before = os.umask(0o022)
    try:
        for _ in range(2):
            apply_environment(Settings(home=tmp_path))
        (tmp_path / "file").touch()
        (tmp_path / "folder").mkdir()
    finally:
        os.umask(before)
    assert os.environ["REGROW_UMASK"] == "022"
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("file", "folder")]
    assert modes == [0o600, 0o700]


def test_an_address_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """If MLflow is used by its database, a message names the database and not the password."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql+psycopg://u:hush@/mlflow?host=/tmp/x")
    assert Settings().shown_tracking_uri == "postgresql+psycopg://u:***@/mlflow?host=/tmp/x"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    assert Settings().shown_tracking_uri == "http://127.0.0.1:5000"


def test_who_sets_how_threads_wait_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit's threads spin for a moment, then sleep; a user's policy is not mixed with half of ours."""
    for name in WAITING:
        monkeypatch.delenv(name, raising=False)
    assert waiting() == WAITING
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    assert waiting() == {}
