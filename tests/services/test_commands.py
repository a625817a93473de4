"""How each service is started."""

import socket
from pathlib import Path

import pytest

from regrow.errors import StateError
from regrow.services.commands import check_port
from regrow.settings import Settings


def test_a_port_in_use_names_the_setting(tmp_path: Path) -> None:
    """Before anything starts, a port in use is an error that names the port and the variable."""
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        with pytest.raises(StateError, match=f"port {port}.*REGROW_PREFECT_PORT"):
            check_port("prefect", Settings(home=tmp_path, prefect_port=port))
