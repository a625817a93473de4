"""Objects in a bucket, what its errors become, and the store of snapshots and tables in it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError

from regrow.base.errors import SnapshotError, StateError, StoreAway
from regrow.base.places import ObjectPath
from regrow.base.settings import load_settings
from regrow.data import objects
from regrow.data.delta import append, committed, find_tables, open_table, table_version
from regrow.data.erasure import drop_samples, rewrite_snapshot
from regrow.data.labels import append_labels, labels_path, read_labels
from regrow.data.predictions import append_predictions, find_prediction, predictions_path, read_predictions
from regrow.data.reference import sample_snapshot
from regrow.data.snapshots import Snapshot, write_snapshot
from regrow.data.stores import check_stores, make_store
from regrow.data.tidying import remove_old_files, room_of, tidy_table
from regrow.lineage.outages import may_pass

PLACE = ObjectPath("bucket", "snapshots/x")


def answer(code: str, status: int) -> ClientError:
    """Make the error of an answer with *code* and *status*."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (answer("NoSuchKey", 404), FileNotFoundError, "s3://bucket/snapshots/x"),
        (answer("404", 404), FileNotFoundError, "s3://bucket/snapshots/x"),
        (answer("NoSuchBucket", 404), StateError, "create the bucket"),
        (answer("AccessDenied", 403), StateError, "AWS_ACCESS_KEY_ID"),
        (answer("SlowDown", 503), StoreAway, "does not answer"),
        (answer("InternalError", 500), StoreAway, "does not answer"),
        (NoCredentialsError(), StateError, "AWS_ACCESS_KEY_ID"),
        (EndpointConnectionError(endpoint_url="http://h:1"), StoreAway, "AWS_ENDPOINT_URL"),
        (ReadTimeoutError(endpoint_url="http://h:1"), StoreAway, "AWS_ENDPOINT_URL"),
    ],
)
def test_an_error_says_the_object_and_the_remedy(error: Exception, kind: type[Exception], says: str) -> None:
    """What is not there, what is refused and what may come back are told apart, and only the last is tried again."""
    with pytest.raises(kind, match=says) as raised, objects.object_errors(PLACE):
        raise error
    assert may_pass(raised.value) == (kind is StoreAway)


def test_delta_lake_says_that_a_store_is_away() -> None:
    """Its error for a store that does not answer may pass; that of a file that is not there does not."""
    away = "Kernel error -> Generic S3 error\n  Error performing GET http://h/x in 3ms, after 2 retries, max_retries"
    assert objects.says_away(OSError(away)) and may_pass(OSError(away))
    assert not objects.says_away(OSError("Object at location x not found"))


def test_delta_lake_is_told_of_a_bucket_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder needs nothing, HTTP without encryption is for an endpoint that is named so, and no option is secret."""
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    assert objects.options_of(Path("/tables")) is None
    for endpoint, plain in (("http://h:1", "true"), ("https://h:1", "false")):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        options = objects.options_of(PLACE) or {}
        assert (options["endpoint"], options["allow_http"], "hush" in str(options)) == (
            endpoint,
            plain,
            False,
        )


def test_objects_are_written_listed_and_removed(bucket: str) -> None:
    """An object is there whole, listed with its size in its folder alone, made new by a touch, gone once removed."""
    root = load_settings().store_root
    assert isinstance(root, ObjectPath) and str(root) == bucket
    for name in ("a/x", "a/b/y", "ab/z"):
        objects.write_object(root / name, name.encode())
    assert [str(each) for each in objects.list_folders(root)] == [f"{bucket}/a", f"{bucket}/ab"]
    assert [(str(each.place), each.bytes) for each in objects.list_objects(root / "a")] == [
        (f"{bucket}/a/b/y", 5),
        (f"{bucket}/a/x", 3),
    ]
    assert objects.read_object(root / "a/x") == b"a/x"
    assert (objects.touch_object(root / "a/x"), objects.touch_object(root / "none")) == (True, False)
    objects.remove_object(root / "a/x")
    objects.remove_object(root / "a/x")
    assert (objects.has_object(root / "a/x"), objects.has_object(root / "a/b/y")) == (False, True)
    with pytest.raises(FileNotFoundError):
        objects.read_object(root / "a/x")


@pytest.mark.long
def test_a_snapshot_in_a_bucket_is_proven_sampled_erased_and_tidied(bucket: str) -> None:
    """It is written once, read with its digest checked, leaves no person's row, and goes when it is old."""
    frame = pd.DataFrame({"n": range(50), "who": ["ann", "bob"] * 25})
    snapshot, folder = write_snapshot(frame), load_settings().snapshots
    assert snapshot == write_snapshot(frame) and snapshot.uri == f"snapshots/{snapshot.digest}.parquet"
    pd.testing.assert_frame_equal(snapshot.read(), frame)
    sample = sample_snapshot(snapshot, ["n"], 10)
    assert sample.equals(sample_snapshot(snapshot, ["n"], 10)) and len(sample) == 10
    rewritten = rewrite_snapshot(snapshot.digest, ["who"], "ann")
    assert rewritten is not None and rewritten.rows == 25
    assert set(snapshot.read()["who"]) == {"bob"}
    assert drop_samples() == 1
    place = load_settings().snapshots / f"{rewritten.after}.parquet"
    objects.write_object(place, b"torn")  # pyright: ignore[reportArgumentType]
    with pytest.raises(SnapshotError, match="content has SHA-256"):
        snapshot.read()
    assert remove_old_files(folder, -1, dry_run=True).count == remove_old_files(folder, -1).count == 1
    with pytest.raises(SnapshotError, match="the snapshot is gone"):
        snapshot.read()
    check_stores(load_settings())


@pytest.mark.long
def test_rows_in_a_bucket_are_appended_once_and_read_back(bucket: str, rows: Callable[..., pa.Table]) -> None:
    """A replayed append changes nothing, versions are read back, labels join, and tidying loses no row."""
    assert open_table(predictions_path("m")) is None and find_tables(load_settings().tables) == []
    for number in (1, 2, 2):
        append_predictions("m", rows(3, first=10 * number), "writer", number)
    assert (committed(predictions_path("m"), "writer"), table_version(predictions_path("m"))) == (2, 1)
    assert len(read_predictions("m").rows) == 6 and len(read_predictions("m", version=0).rows) == 3
    assert (find_prediction("p11") or {})["entity_id"] == "11" and find_prediction("none") is None
    told = pd.DataFrame({"prediction_id": ["p11"], "label": [1.0], "labelled_at": [pd.Timestamp.now("UTC")]})
    assert append_labels("m", told, "l") == 1 and len(read_labels("m", pd.Timestamp.now("UTC"))) == 1
    assert [str(each) for each in find_tables(load_settings().tables)] == [
        f"{bucket}/tables/labels/m",
        f"{bucket}/tables/predictions/m",
    ]
    tidy_table(predictions_path("m"), load_settings())
    assert len(read_predictions("m").rows) == 6 and room_of(labels_path("m")).count > 1


@pytest.mark.long
def test_writers_at_once_lose_no_row_in_a_bucket(bucket: str) -> None:
    """Each commit is put on condition that nobody else's is there: of two writers one begins again."""
    place, failed = load_settings().tables / "labels" / "m", []

    def write(name: str) -> None:
        for number in range(1, 5):
            try:
                append(place, pa.table({"x": [number]}), name, number)
            except Exception as error:  # noqa: BLE001
                failed.append(error)

    threads = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table = open_table(place)
    assert failed == [] and table is not None and table.count() == 12


@pytest.mark.long
def test_a_bucket_that_does_not_answer_is_away(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads and writes fail as an outage and leave nothing; once it answers all is as it was."""
    kept, place = write_snapshot(pd.DataFrame({"x": [1]})), load_settings().tables / "labels" / "m"
    append(place, pa.table({"x": [1]}), "w", 1)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        for use in (
            kept.read,
            lambda: open_table(place),
            lambda: append(place, pa.table({"x": [2]}), "w", 2),
        ):
            with pytest.raises(StoreAway, match="does not answer"):
                use()
    assert append(place, pa.table({"x": [2]}), "w", 2) and len(kept.read()) == 1


@pytest.mark.long
def test_a_store_moves_from_a_folder_into_a_bucket(
    bucket: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copied file by file it serves: what is written down names no place. As long as it is empty it counts as away."""
    with monkeypatch.context() as patch:
        patch.delenv("REGROW_STORE")
        frame = pd.DataFrame({"x": [1, 2]})
        snapshot: Snapshot = write_snapshot(frame)
        append(load_settings().tables / "labels" / "m", pa.table({"x": [1]}), "w", 1)
    with pytest.raises(StoreAway, match=r"is away \(it is empty, or another one.* remove"):
        make_store(load_settings().tables)
    root = load_settings().store_root
    assert isinstance(root, ObjectPath)
    for path in (path for path in sorted(home.rglob("*")) if path.is_file()):
        objects.write_object(root / path.relative_to(home).as_posix(), path.read_bytes())
    pd.testing.assert_frame_equal(snapshot.read(), frame)
    assert append(load_settings().tables / "labels" / "m", pa.table({"x": [1]}), "w", 1) is False
