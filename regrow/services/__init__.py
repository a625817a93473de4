"""The local servers: started together, watched, and stopped together."""

from regrow.services.parts import ALL_PARTS, Part
from regrow.services.stack import Services, running, stop_running, wait_until_one_dies

__all__ = ["ALL_PARTS", "Part", "Services", "running", "stop_running", "wait_until_one_dies"]
