"""Files of the store, in a folder or in a bucket."""

from pathlib import Path

import pytest

from regrow.base.errors import StateError
from regrow.base.places import Place
from regrow.base.settings import load_settings
from regrow.data import store_files


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.long)])
def root(request: pytest.FixtureRequest) -> Place:
    """Keep the store in a folder or in a bucket."""
    if request.param == "bucket":
        request.getfixturevalue("bucket")
    return load_settings().store_root


def test_files_are_the_same_in_a_folder_and_in_a_bucket(root: Place) -> None:
    """What is written is there, found below its folder, replaced whole, touched, and removed, also twice."""
    for name in ("a/x", "a/b/y", "ab/z"):
        store_files.write(root / name, name.encode())
    store_files.write(root / "a/x", b"again")
    assert store_files.read(root / "a/x") == b"again"
    assert [(found.place, found.bytes) for found in store_files.find_files(root / "a")] == [
        (root / "a/b/y", 5),
        (root / "a/x", 5),
    ]
    assert store_files.find_folders(root) == [root / "a", root / "ab"]
    assert (store_files.touch(root / "a/x"), store_files.touch(root / "none")) == (True, False)
    for _ in range(2):
        store_files.remove(root / "a/x")
    assert (store_files.is_there(root / "a/x"), store_files.is_there(root / "a/b/y")) == (False, True)
    with pytest.raises(FileNotFoundError):
        store_files.read(root / "a/x")


def test_a_folder_that_is_not_there_is_empty(root: Place) -> None:
    """Nothing is found in it, and nothing is made by looking."""
    assert list(store_files.find_files(root / "none")) == []
    assert store_files.find_folders(root / "none") == []
    assert not store_files.is_there(root / "none")


def test_a_link_is_no_file_of_the_store(tmp_path: Path) -> None:
    """What a link leads to is not ours to list, and so not to remove."""
    (tmp_path / "store").mkdir()
    (tmp_path / "other").write_text("theirs")
    (tmp_path / "store" / "link").symlink_to(tmp_path / "other")
    assert list(store_files.find_files(tmp_path / "store")) == []


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """The error names the file and what to do."""
    (tmp_path / "file").write_text("")
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "x").mkdir()
    with pytest.raises(StateError, match="REGROW_HOME"):
        store_files.write(tmp_path / "blocked" / "x", b"")
