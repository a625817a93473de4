"""Which versions lose their files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regrow.data.tidying import Room
from regrow.lineage.needed import Needed
from tasks.tidy_versions import due_versions, remove_model

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NEEDED = Needed(frozenset(), frozenset({1}), None)


def version(number: int, days: float = 200, source: str = "models:/m-1", **tags: str) -> Any:
    began = int((NOW - timedelta(days=days)).timestamp() * 1000)
    return SimpleNamespace(
        name="m", version=str(number), creation_timestamp=began, source=source,
        tags={f"regrow.{name}": value for name, value in tags.items()},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("given", "due"),
    [
        (version(2), True),
        (version(1), False),
        (version(2, days=10), False),
        (version(2, files="removed"), False),
        (version(2, source="s3://elsewhere"), False),
    ],
)
def test_a_version_that_served_keeps_its_files(given: Any, due: bool) -> None:
    """So does a young one; one whose files are gone, or are not ours, is passed over."""
    assert bool(due_versions([given], NEEDED, timedelta(days=90), NOW)) == due


def test_the_model_that_was_judged_goes_too(tmp_path: Path) -> None:
    """A version that was fitted again has two models: both go, and it counts once."""
    done: list[str] = []
    for name in ("m-1", "m-0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.skops").write_text("12345")
    client: Any = SimpleNamespace(
        get_logged_model=lambda model: SimpleNamespace(artifact_location=(tmp_path / model).as_uri()),
        set_model_version_tag=lambda _, number, tag, __: done.append(f"{tag} of {number}"),
        delete_logged_model=lambda model: done.append(f"delete {model}"),
    )
    assert remove_model(client, version(2, judged="m-0"), dry_run=False) == Room(1, 10)
    assert done == ["regrow.files of 2", "delete m-1", "delete m-0"]


def test_the_version_says_that_its_files_are_gone(tmp_path: Path) -> None:
    """It is tagged before its model goes, the model is found by no recipe any more, and a dry run does neither."""
    (tmp_path / "model.skops").write_text("12345")
    done: list[str] = []
    client: Any = SimpleNamespace(
        get_logged_model=lambda _: SimpleNamespace(artifact_location=tmp_path.as_uri()),
        set_model_version_tag=lambda _, number, tag, __: done.append(f"{tag} of {number}"),
        delete_logged_model=lambda model: done.append(f"delete {model}"),
    )
    assert remove_model(client, version(2), dry_run=True) == Room(1, 5)
    assert done == []
    assert remove_model(client, version(2), dry_run=False) == Room(1, 5)
    assert done == ["regrow.files of 2", "delete m-1"]
    assert not (tmp_path / "model.skops").exists()
