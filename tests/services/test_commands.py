"""How each service is started."""

import os
import socket
import time
from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.base.settings import Settings
from regrow.services.commands import FRESH, check_port, command_of, ready_file


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
