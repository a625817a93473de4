"""Hand a message to its receiver: the address is read now, by its name, and is never shown."""

import logging
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from regrow.base.errors import NotDelivered
from regrow.notifications.grouping import Message
from regrow.notifications.message import body_of, severity_of, title_of
from regrow.project import Target
from regrow.project.notifications import Severity

if TYPE_CHECKING:
    from apprise import NotifyBase

TYPES: dict[Severity, str] = {"info": "info", "warning": "warning", "error": "failure"}
"""What apprise calls a severity: it chooses colour or urgency by it."""
LEAST_SECRET = 3
"""Characters from which a part of an address is hidden wherever it appears."""


def send(message: Message) -> None:
    """Send *message* to its target; raise `NotDelivered`, without the address, if it did not take it."""
    address = find_address(message.target)
    deliver(address, message)


def find_address(target: Target) -> str:
    """Return the address of *target*; raise `NotDelivered` if nothing is found by its name."""
    if target.url_env:
        if address := os.environ.get(target.url_env, "").strip():
            return address
        raise NotDelivered(
            f"{target.name} is not set where the runner was started; set it, and start it again"
        )
    from prefect.blocks.system import Secret
    from prefect.exceptions import PrefectException

    try:
        address = str(Secret.load(str(target.secret), _sync=True).get()).strip()  # pyright: ignore
    except (ValueError, PrefectException, OSError) as error:
        raise NotDelivered(
            f"{target.name} cannot be read ({type(error).__name__}); create it in Prefect under Blocks, Secret"
        ) from error
    if not address:
        raise NotDelivered(f"{target.name} is empty; write the address into it")
    return address


def deliver(address: str, message: Message) -> None:
    """Send *message* to *address*; raise `NotDelivered`, which shows no part of it, if that fails."""
    from apprise import Apprise, NotifyType

    name = message.target.name
    with _Heard() as heard:
        receiver = Apprise.instantiate(address, suppress_exceptions=True)
        if receiver is None:
            raise NotDelivered(
                f"{name} holds no address that apprise knows; write one such as json://host/path or "
                "mailtos://user:password@host?to=…"
            )
        _identify(receiver, message)
        sending = Apprise()
        sending.add(receiver)
        kind = NotifyType(TYPES[severity_of(message)])
        if not sending.notify(body=body_of(message), title=title_of(message), notify_type=kind):
            why = redact("; ".join(heard.lines) or "no reason given", address)
            raise NotDelivered(f"{name} did not take the message: {why}")


def redact(text: str, address: str) -> str:
    """Return *text* without any part of *address* that could be a secret: user, password, host, path, query."""
    rest = address.partition("://")[2]
    parts = {part for found in re.split(r"[:/@?&=,;\s]", rest) for part in (found, unquote(found))}
    for part in sorted(parts, key=len, reverse=True):
        if len(part) >= LEAST_SECRET:
            text = text.replace(part, "…")
    return text


def _identify(receiver: "NotifyBase", message: Message) -> None:
    """Put the id and the whole events into what a webhook that takes JSON gets."""
    from apprise.plugins.custom_json import NotifyJSON

    if isinstance(receiver, NotifyJSON):
        events = [event.model_dump(mode="json") for event in message.events]
        receiver.payload_extras |= {"id": str(message.id), "events": events}


class _Heard(logging.Handler):
    """Keeps what apprise warns of meanwhile, and lets nothing reach a log: an address, or its path, may stand in it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        self._log, self._http = logging.getLogger("apprise"), logging.getLogger("urllib3")
        self._before = self._log.propagate, self._log.handlers, self._http.level

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())

    def __enter__(self) -> "_Heard":
        self._log.propagate, self._log.handlers = False, [self]
        self._http.setLevel(logging.CRITICAL)
        return self

    def __exit__(self, *_: object) -> None:
        self._log.propagate, self._log.handlers, level = self._before
        self._http.setLevel(level)
