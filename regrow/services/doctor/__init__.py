"""`regrow doctor`: what is not well of an installation, and the remedy for each; it changes nothing."""

from collections.abc import Iterator

from regrow.base.settings import Settings
from regrow.services.doctor.diagnosis import Diagnosis
from regrow.services.doctor.machine import examine_machine
from regrow.services.doctor.models import examine_models
from regrow.services.doctor.servers import examine_servers
from regrow.services.doctor.stores import examine_stores


def examine(settings: Settings) -> Iterator[Diagnosis]:
    """Yield what was found of the machine, the servers, the stores and the models, well or not."""
    yield from examine_machine(settings)
    yield from examine_servers(settings)
    yield from examine_stores(settings)
    yield from examine_models(settings)


__all__ = ["Diagnosis", "examine"]
