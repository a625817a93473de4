"""What a machine shows of itself."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrow.notifications import watching
from regrow.notifications.watching import watch_disk

GIB = 2**30


@pytest.mark.parametrize(
    ("free", "size", "full"), [(6, 1_000, False), (4, 1_000, True), (2.1, 20, False), (1.9, 20, True)]
)
def test_a_disk_is_nearly_full_by_share_and_size(
    tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch, free: float, size: float, full: bool
) -> None:
    """Less than a tenth and less than 5 GB are free: told once a day, with the figures."""
    usage = SimpleNamespace(free=int(free * GIB), total=int(size * GIB))
    monkeypatch.setattr(watching.shutil, "disk_usage", lambda _: usage)
    found = [*watch_disk(tmp_path, now), *watch_disk(tmp_path, now.replace(hour=23))]
    assert len({each.id for each in found}) == int(full)
    if full:
        assert found[0].figures == {"free GB": free, "size GB": size}
        assert next(watch_disk(tmp_path, now.replace(day=2))).id != found[0].id
