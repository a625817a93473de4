"""The commands on the state as a whole."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from regrow.cli import app


def test_a_wrong_folder_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to back up, and nothing to restore, each end with an error that names the folder."""
    monkeypatch.setenv("REGROW_HOME", str(tmp_path / "state"))
    saved = CliRunner().invoke(app, ["backup", str(tmp_path / "copy")])
    assert (saved.exit_code, "no state to back up" in saved.output) == (1, True)
    back = CliRunner().invoke(app, ["restore", str(tmp_path / "copy")])
    assert (back.exit_code, f"{tmp_path / 'copy'}: no finished backup" in back.output) == (1, True)
    assert not (tmp_path / "state").exists()
