"""What workers tell each other."""

import os

import pytest

from regrow.serving.roster import Roster, open_server


@pytest.fixture(scope="module", autouse=True)
def at_registry():
    """Do without the registry that the other tests need."""


def test_the_roster_forgets_the_dead(tmp_path):
    """What a worker published is read by the others until its lock is free."""
    folder, lock = open_server(tmp_path)
    one, two = Roster(folder, 2), Roster(folder, 2)
    two.publish({"pid": 7, "models": {}})
    assert [each["pid"] for each in one.others()] == [7]
    os.close(two._lock)
    assert one.others() == []
    one.leave()
    os.close(lock)
    assert open_server(tmp_path)[0] != folder
    assert not folder.exists()
