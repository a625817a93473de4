"""The local servers: started together, watched, and stopped together."""

from regrow.services.commands import ALL_SERVICES, Service
from regrow.services.stack import Services, running, stop_running, wait_until_one_dies

__all__ = ["ALL_SERVICES", "Service", "Services", "running", "stop_running", "wait_until_one_dies"]
