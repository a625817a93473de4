"""Run a command within the test's process."""

import os
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from regrow.cli import app


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a command; keywords are environment variables."""

    def invoke(*arguments: object, **environment: str) -> Any:
        before = dict(os.environ)
        try:
            return CliRunner().invoke(app, [str(each) for each in arguments], env=environment)
        finally:  # A command points its process at the servers.
            os.environ.clear()
            os.environ.update(before)

    return invoke
