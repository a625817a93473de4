"""The log of predictions is tested without a registry."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def at_registry() -> None:
    """Do without the registry that the other tests need."""
