"""Addresses of the store: a folder, or a place in a bucket."""

from pathlib import Path

import pytest

from regrow.base.places import ObjectPath, is_below, read_place


def test_a_bucket_and_a_prefix_are_read() -> None:
    """Slashes at the end change nothing, and the address is written as it was read."""
    for text in ("s3://bucket/team/regrow", "s3://bucket/team/regrow/"):
        assert read_place(text) == ObjectPath("bucket", "team/regrow")
        assert str(read_place(text)) == "s3://bucket/team/regrow" == read_place(text).as_uri()
    assert str(read_place("s3://bucket")) == str(read_place("s3://bucket/")) == "s3://bucket"


def test_anything_else_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is absolute, because a flow run works elsewhere."""
    monkeypatch.chdir(tmp_path)
    assert read_place("store") == tmp_path / "store"
    assert read_place("/mnt/a store") == Path("/mnt/a store")


@pytest.mark.parametrize(
    "text",
    [
        "gs://bucket/x",
        "http://host/x",
        "s3://",
        "s3:///x",
        "s3://Bucket/x",
        "s3://bucket/a/../b",
        "s3://bu?x",
    ],
)
def test_what_is_no_store_is_refused(text: str) -> None:
    """Another kind of store, no bucket, and a way out of the prefix are errors that say what to write."""
    with pytest.raises(ValueError, match="s3://bucket/prefix"):
        read_place(text)


def test_places_go_on_and_back_as_paths_do() -> None:
    """Below, above and the name of a place in a bucket are as of a path; no key begins with a slash."""
    place = ObjectPath("bucket", "") / "tables" / "labels/m"
    assert (str(place), place.name) == ("s3://bucket/tables/labels/m", "m")
    assert place.parent == ObjectPath("bucket", "tables/labels")
    assert place.parent.parent.parent == ObjectPath("bucket", "")


def test_below_is_by_whole_names() -> None:
    """A folder whose name only begins alike is another one, and so is a bucket with a folder's key."""
    root = ObjectPath("bucket", "store")
    assert is_below(root, root) and is_below(root / "x", root) and is_below(root, ObjectPath("bucket", ""))
    assert not is_below(ObjectPath("bucket", "store-2"), root)
    assert not is_below(ObjectPath("bucket-2", "store"), ObjectPath("bucket", ""))
    assert not is_below(Path("/store/x"), root) and not is_below(root, Path("/store"))
    assert is_below(Path("/store/x"), Path("/store")) and not is_below(Path("/stores"), Path("/store"))
