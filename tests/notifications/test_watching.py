"""What a machine shows of itself."""

from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrow.notifications import watching
from regrow.notifications.watching import part_event, watch_disk

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


@pytest.mark.parametrize(
    ("down", "kind", "figures"),
    [(False, "part.restarted", {"restarts": 2}), (True, "part.down", {"failed starts in a row": 8})],
)
def test_a_part_that_ended_is_told(now: datetime, down: bool, kind: str, figures: dict[str, int]) -> None:
    """That it answers again is a warning, that it does not start an error; each end is one of its own."""
    facts = {"down": down, "restarts": 2, "failures": 8, "last_end": "MLflow has stopped (exit code 1)"}
    event = part_event("MLflow", **facts, now=now)
    assert (event.kind, event.about, event.figures, event.model) == (kind, "MLflow", figures, None)
    assert event.reason == "MLflow has stopped (exit code 1)"
    assert event.id != part_event("MLflow", **facts, now=now.replace(minute=1)).id
