"""`regrow prune` shows what goes."""

import json
from pathlib import Path

import pytest

import flows.tidy
from regrow.cli import prune_command
from regrow.cli.prune_command import prune
from regrow.models.results import Removed


@pytest.mark.parametrize("as_json", [True, False])
def test_what_would_go_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, as_json: bool
) -> None:
    """As a table for people, as a list for programs, and the flow is told that nothing may be removed."""
    asked: list[bool] = []
    removed = (Removed(kind="runs", of="m", count=2, bytes=30),)
    monkeypatch.setenv("REGROW_HOME", str(tmp_path))
    monkeypatch.setattr(prune_command, "reach_servers", lambda: None)
    monkeypatch.setattr(flows.tidy, "tidy", lambda dry_run: asked.append(dry_run) or removed)
    prune(dry_run=True, json=as_json)
    told = capsys.readouterr().out
    assert asked == [True]
    if as_json:
        assert json.loads(told) == [{"kind": "runs", "of": "m", "count": 2, "bytes": 30}]
    else:
        assert "would be removed" in told
        assert "sum" in told
