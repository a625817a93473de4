"""The local servers: started together, watched, and stopped together."""

from regrow.services.commands import ALL_SERVICES, Service
from regrow.services.stack import Services, running, supervise
from regrow.services.stopping import stop_running

__all__ = ["ALL_SERVICES", "Service", "Services", "running", "stop_running", "supervise"]
