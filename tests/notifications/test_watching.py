"""What a machine shows of itself."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from regrow.base.settings import Settings
from regrow.notifications import watching
from regrow.notifications.watching import part_event, watch_disk, watch_keys

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


def test_a_key_that_has_expired_is_told_once(tmp_path: Path) -> None:
    """From its day on, under one id, without the key; neither before nor for those without an end."""
    file, digest = tmp_path / "keys", "ab" * 32
    file.write_text(f"predict+labels@churn:{digest} expires:2027-03-01  # the shop\nadmin:{digest}\n")
    settings = Settings(api_keys_file=file)
    day = datetime(2027, 3, 1, tzinfo=UTC)
    assert list(watch_keys(settings, day - timedelta(seconds=1))) == []
    (first,), (second,) = (list(watch_keys(settings, day + timedelta(days=later))) for later in (0, 9))
    assert (first.id, first.kind, first.model) == (second.id, "key.expired", None)
    assert first.title.endswith("the key abababab… (labels, predict; churn) has expired")
    assert digest not in first.model_dump_json()
    assert list(watch_keys(settings, day + timedelta(days=60))) == [], (
        "it would be told anew once it is forgotten"
    )
    file.write_text("no key\n")
    assert list(watch_keys(settings, day)) == []


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
