"""Pages go, figures stay."""

from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from regrow.data.tidying import Room
from regrow.project import Retention
from tasks.tidy_reports import tidy_pages


def test_only_the_page_of_a_run_goes(tmp_path: Path) -> None:
    """The run and its figures stay, and it says no more that it has a page."""
    for name in ("report.html", "drift.json"):
        (tmp_path / name).write_text("1234")
    wanted, untagged = list[str](), list[str]()
    run = SimpleNamespace(
        info=SimpleNamespace(run_id="r", artifact_uri=tmp_path.as_uri()),
        data=SimpleNamespace(tags={"regrow.report": "report.html"}),
    )
    client: Any = SimpleNamespace(
        get_experiment_by_name={"m": SimpleNamespace(experiment_id="1")}.get,
        search_runs=lambda _, text, **__: wanted.append(text) or [run],
        delete_tag=lambda _, tag: untagged.append(tag),
    )
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert tidy_pages(client, "m", Retention(), now, True) == Room(1, 4)
    assert untagged == []
    assert tidy_pages(client, "m", Retention(), now, False) == Room(1, 4)
    assert untagged == ["regrow.report"]
    assert [path.name for path in tmp_path.iterdir()] == ["drift.json"]
    assert wanted[0].endswith(f"start_time < {int(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000)}")
    assert tidy_pages(client, "other", Retention(), now, False) == Room()
