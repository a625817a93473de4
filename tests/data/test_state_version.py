"""The version of the state folder."""

from pathlib import Path

import pytest

from regrow.base.errors import NewerFormat, StateError
from regrow.data.state_version import STATE_FORMAT, read_state_version, write_state_version


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """The file says the format, and where the folder stood."""
    write_state_version(tmp_path)
    found = read_state_version(tmp_path)
    assert found is not None
    assert (found.format, found.home) == (STATE_FORMAT, str(tmp_path))


def test_a_store_elsewhere_is_written_down(tmp_path: Path) -> None:
    """The file says where the store was, and nothing if it is in the folder, whose name changes with it."""
    for store, said in (("s3://bucket/team", "s3://bucket/team"), (str(tmp_path), "")):
        write_state_version(tmp_path, store)
        found = read_state_version(tmp_path)
        assert found is not None
        assert found.store == said


def test_a_state_without_the_file_is_of_the_first_format(tmp_path: Path) -> None:
    """A new folder has no version; one that was used before there was a file has the first."""
    assert read_state_version(tmp_path) is None
    (tmp_path / "tables").mkdir()
    found = read_state_version(tmp_path)
    assert found is not None
    assert found.format == 1


def test_a_newer_format_and_a_damaged_file_are_refused(tmp_path: Path) -> None:
    """Each says what to do."""
    file = tmp_path / "version.json"
    file.write_text('{"format": 99, "program": "7.0.0", "unknown": []}')
    with pytest.raises(NewerFormat, match=r"Regrow 7\.0\.0: .*start that version"):
        read_state_version(tmp_path)
    file.write_text("{")
    with pytest.raises(StateError, match=r"damaged.*restore it from a backup"):
        read_state_version(tmp_path)
