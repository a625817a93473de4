"""Read, write, list and remove files of the store, be it a folder or a bucket: nobody else opens a path of it."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from regrow.base.places import Place
from regrow.data.files import make_folders, write_whole
from regrow.data.objects import (
    FoundFile,
    has_object,
    list_folders,
    list_objects,
    read_object,
    remove_object,
    touch_object,
    write_object,
)

if TYPE_CHECKING:
    import pyarrow as pa


def read(place: Place) -> bytes:
    """Return what stands at *place*; raises `FileNotFoundError` if there is nothing."""
    return place.read_bytes() if isinstance(place, Path) else read_object(place)


def is_there(place: Place) -> bool:
    """Return whether a file stands at *place*."""
    return place.is_file() if isinstance(place, Path) else has_object(place)


def write(place: Place, content: bytes) -> None:
    """Let *content* stand at *place*, whole and durable once this returns.

    Raises `StateError` if it cannot be written; then what stood there stays.
    """
    if isinstance(place, Path):
        make_folders(place.parent)
        write_whole(place, content)
    else:
        write_object(place, content)


def touch(place: Place) -> bool:
    """Let the file at *place* be as new as if it were written now; return whether there is one."""
    if not isinstance(place, Path):
        return touch_object(place)
    try:
        os.utime(place)
    except FileNotFoundError:
        return False
    return True


def remove(place: Place) -> None:
    """Remove the file at *place*, if there is one."""
    if isinstance(place, Path):
        place.unlink(missing_ok=True)
    else:
        remove_object(place)


def find_files(folder: Place) -> Iterator[FoundFile]:
    """Yield the files in *folder* and below, by name; links are passed over."""
    if not isinstance(folder, Path):
        yield from list_objects(folder)
        return
    for path in sorted(folder.rglob("*")) if folder.is_dir() else []:
        try:
            if path.is_file() and not path.is_symlink():
                state = path.stat()
                yield FoundFile(path, state.st_size, state.st_mtime)
        except FileNotFoundError:  # It is gone meanwhile.
            continue


def find_folders(folder: Place) -> list[Place]:
    """Return the folders in *folder*, by name."""
    if not isinstance(folder, Path):
        return sorted(list_folders(folder))
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def open_parquet(place: Place) -> "Path | pa.BufferReader":
    """Return what Arrow reads the Parquet file at *place* from: of a bucket its bytes."""
    import pyarrow as pa  # here, for the servers' parent opens no table

    return place if isinstance(place, Path) else pa.BufferReader(read_object(place))
