"""The form of the server's log."""

import io
import json
import logging
import logging.config
from typing import Any

import pytest

from regrow.serving.server_log import log_configuration


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_is_for_people_or_for_machines(form: Any):
    """A message stands in one line with its level; for machines that is an object, with what went wrong."""
    configuration = log_configuration(form)
    stream = io.StringIO()
    configurator = logging.config.DictConfigurator(configuration)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(configurator.configure_formatter(configuration["formatters"]["chosen"]))
    record = logging.LogRecord("regrow.serving", logging.ERROR, __file__, 1, "%d rows", (3,), None)
    handler.emit(record)
    line = stream.getvalue()
    if form == "json":
        said = json.loads(line)
        assert (said["level"], said["logger"], said["message"]) == ("ERROR", "regrow.serving", "3 rows")
    else:
        assert line.endswith(" ERROR 3 rows\n")
