"""Run a command within the test's process."""

from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from regrow.cli import app


@pytest.fixture
def run() -> Callable[..., Any]:
    """Run a command; keywords are environment variables."""

    def invoke(*arguments: object, **environment: str) -> Any:
        return CliRunner().invoke(app, [str(each) for each in arguments], env=environment)

    return invoke
