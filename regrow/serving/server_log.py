"""The server's log: text for people, or one JSON object a line for machines."""

import logging
from datetime import UTC, datetime
from typing import Any, Literal

import orjson


class JsonLines(logging.Formatter):
    """Write each record as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of *record*."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "details", {}))
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_configuration(form: Literal["text", "json"]) -> dict[str, Any]:
    """Configure logging, uvicorn's own lines included, for every process of the server."""
    text = {"format": "%(asctime)s %(levelname)s %(message)s"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"chosen": {"()": JsonLines} if form == "json" else text},
        "handlers": {"chosen": {"class": "logging.StreamHandler", "formatter": "chosen"}},
        "root": {"handlers": ["chosen"], "level": "WARNING"},
        "loggers": {
            "regrow": {"level": "INFO"},
            "uvicorn": {"level": "WARNING"},
            "uvicorn.error": {"level": "WARNING"},
        },
    }
