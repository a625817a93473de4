"""Who is told of what: targets of notifications, each with its address by name only."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from regrow.project.fields import Duration, Strict

Severity = Literal["info", "warning", "error"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
"""From the least to the most urgent."""
Kind = Literal[
    "training.started",
    "training.finished",
    "training.failed",
    "run.failed",
    "rows.quarantined",
    "version.registered",
    "version.refused",
    "version.promoted",
    "version.rolled-back",
    "rollout.stuck",
    "alarm",
    "drift.found",
    "retraining.declined",
    "retraining.budget-spent",
    "breaker.open",
    "traffic.missing",
    "labels.late",
    "schedule.missed",
    "part.restarted",
    "part.down",
    "disk.nearly-full",
    "key.expired",
]
"""What happens in the life of a model, or to the machine; `docs/notifications.md` tells each."""
KINDS: tuple[Kind, ...] = get_args(Kind)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
BLOCK = re.compile(r"[a-z0-9][a-z0-9-]*")
PASSWORD = re.compile(r"(?<=://)[^/\s@]*@")
"""User and password in an address."""
REMEDY = (
    "an address often holds a password or a token, so it never stands in a file: put it in an environment variable "
    "and write `url_env: NAME_OF_THE_VARIABLE`, or in a Secret block of Prefect and write `secret: name-of-the-block`"
)


def hide_passwords(text: str) -> str:
    """Return *text* with `…@` for user and password of each address in it."""
    return PASSWORD.sub("…@", text)


class Target(Strict):
    """A receiver of notifications: where its address is found, and what it is told of."""

    url_env: Annotated[
        str | None, Field(description="Environment variable that holds the address, as apprise writes it")
    ] = None
    secret: Annotated[str | None, Field(description="Secret block of Prefect that holds the address")] = None
    severity: Annotated[Severity, Field(description="The least urgent that it is told of")] = "warning"
    kinds: Annotated[
        tuple[Kind, ...] | None, Field(min_length=1, description="What it is told of; default: everything")
    ] = None
    quiet: Annotated[Duration, Field(description="How long the same of the same model is not told again")] = (
        timedelta(hours=6)
    )

    @model_validator(mode="before")
    @classmethod
    def _named_only(cls, given: Any) -> Any:
        """Refuse an address in the file, in words that do not repeat it."""
        if not isinstance(given, Mapping):
            raise ValueError(f"a target is `{{url_env: NAME}}` or `{{secret: NAME}}`; {REMEDY}")  # noqa: TRY004
        if set(given) & {"url", "urls", "address", "uri"}:
            raise ValueError(REMEDY)
        for key, pattern in (("url_env", VARIABLE), ("secret", BLOCK)):
            name = given.get(key)
            if name is not None and not (isinstance(name, str) and pattern.fullmatch(name)):
                raise ValueError(f"{key} is no name; {REMEDY}")
        if (given.get("url_env") is None) == (given.get("secret") is None):
            raise ValueError(f"write one of url_env and secret; {REMEDY}")
        kinds = given.get("kinds")
        return {**given, "kinds": tuple(kinds)} if isinstance(kinds, list) else given

    @property
    def name(self) -> str:
        """What names the target to a person, without its address."""
        return f"environment variable {self.url_env}" if self.url_env else f"Prefect secret {self.secret}"

    @property
    def key(self) -> str:
        """What names the target in a file's name: whoever has the same address shares it."""
        return f"env-{self.url_env}" if self.url_env else f"secret-{self.secret}"

    def wants(self, kind: Kind, severity: Severity) -> bool:
        """Return whether it is told of an event of *kind* and *severity*."""
        urgent = SEVERITIES.index(severity) >= SEVERITIES.index(self.severity)
        return urgent and (self.kinds is None or kind in self.kinds)
