"""How each service is started."""

import os
import socket
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from regrow.base.errors import StateError
from regrow.base.settings import Settings
from regrow.services.commands import FRESH, check_port, command_of, ready_file
from regrow.services.postgres import Database


def test_a_port_in_use_names_the_setting(tmp_path: Path) -> None:
    """Before anything starts, a port in use is an error that names the port and the variable."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(StateError, match=f"port {port}.*REGROW_PREFECT_PORT"):
            check_port("prefect", Settings(home=tmp_path, prefect_port=port))


def test_the_runner_answers_as_long_as_it_renews_its_file(tmp_path: Path) -> None:
    """Without its file the runner is not ready; with one that it has not renewed for a minute it is silent."""
    settings = Settings(home=tmp_path)
    answers, file = command_of("runner", settings, None).ready, ready_file(settings)
    assert not answers()
    file.write_text("one model")
    assert answers()
    old = time.time() - FRESH - 1
    os.utime(file, (old, old))
    assert not answers()


def test_prefect_and_mlflow_stay_on_this_machine(tmp_path: Path) -> None:
    """`REGROW_HOST` opens the model server to others, never the two that one password opens; a proxy may be named."""
    database = Database(sa.make_url("postgresql://regrow@/postgres"))
    settings = Settings(
        home=tmp_path,
        host="192.0.2.1",
        prefect_public_url="https://p.example",
        mlflow_public_url="https://m.example",
    )
    prefect, mlflow = (command_of(each, settings, database) for each in ("prefect", "mlflow"))
    assert prefect.environment["PREFECT_SERVER_API_HOST"] == "127.0.0.1"
    assert mlflow.words[mlflow.words.index("--host") + 1] == "127.0.0.1"
    assert "https://p.example" in prefect.environment["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert "https://m.example" in mlflow.environment["MLFLOW_SERVER_CORS_ALLOWED_ORIGINS"].split(",")
    assert "192.0.2.1" in command_of("server", settings, None).words
