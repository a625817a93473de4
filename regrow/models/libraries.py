"""The libraries that a model was made with, against those that are here."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from packaging.utils import canonicalize_name

from regrow.base.errors import IncompatibleModel
from regrow.base.provenance import installed_version

logger = logging.getLogger("regrow.models")


@dataclass(frozen=True)
class ChangedLibrary:
    """A library that a model was made with, and that is here in another version, or is not."""

    name: str
    made_with: str
    here: str | None
    """None if it is not installed by that name: a package may be there by another (`xgboost-cpu`)."""

    @property
    def is_major(self) -> bool:
        """Whether the first number of the version differs: `3` and `4` of 3.0.2 and 4.0.0."""
        return self.here is not None and self.made_with.partition(".")[0] != self.here.partition(".")[0]

    def __str__(self) -> str:
        """Return both versions in words."""
        return f"{self.name} {self.made_with} (here {self.here or 'not by that name'})"


def changed_libraries(made_with: Mapping[str, str]) -> tuple[ChangedLibrary, ...]:
    """Return the libraries of *made_with*, versions by name, that are here in another version."""
    found = ((name, version, installed_version(name)) for name, version in sorted(made_with.items()))
    return tuple(ChangedLibrary(*each) for each in found if each[1] != each[2])


def check_libraries(
    model_id: str, changed: Collection[ChangedLibrary], trusted: Collection[str] = ()
) -> None:
    """Raise `IncompatibleModel` if a library changed its major version and is not *trusted*.

    Any other change is a warning in the log, once in a process.
    """
    words = {canonicalize_name(name) for name in trusted}
    barred = [each for each in changed if each.is_major and canonicalize_name(each.name) not in words]
    if barred:
        pins = " ".join(f"{each.name}=={each.made_with}" for each in barred)
        raise IncompatibleModel(
            f"{model_id} was made with {', '.join(map(str, barred))}: train it again with what is installed, or "
            f"install {pins}; versions trained with `training: {{ trust_versions: "
            f"[{', '.join(each.name for each in barred)}] }}` in the project file are loaded all the same"
        )
    if changed:
        _warn(model_id, ", ".join(map(str, changed)))


@cache
def _warn(model_id: str, changed: str) -> None:
    """Warn of what *changed* since *model_id* was made; cached, so that it is said once."""
    logger.warning("%s was made with %s; it is loaded all the same", model_id, changed)
