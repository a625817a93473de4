"""Where a file or a folder of the store stands: on a disk (a `Path`), or in a bucket of an object store.

An address only: `regrow/data/store_files.py` reads and writes what stands there.
"""

import re
from dataclasses import dataclass
from pathlib import Path

SCHEME = "s3://"
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, order=True)
class ObjectPath:
    """A place in a *bucket*: the *key* of an object, or what the keys of a folder's objects begin with."""

    bucket: str
    key: str

    def __truediv__(self, name: str) -> "ObjectPath":
        """Return the place *name* below this one."""
        return ObjectPath(self.bucket, f"{self.key}/{name}".strip("/"))

    def __str__(self) -> str:
        """Return the address, `s3://bucket/key`."""
        return f"{SCHEME}{self.bucket}/{self.key}".rstrip("/")

    @property
    def name(self) -> str:
        """The last part of the key."""
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> "ObjectPath":
        """The place that this one is in."""
        return ObjectPath(self.bucket, self.key.rpartition("/")[0])

    def as_uri(self) -> str:
        """Return the address, as a `Path` does."""
        return str(self)


Place = Path | ObjectPath
"""Where a file or a folder of the store stands."""


def read_place(text: str) -> Place:
    """Return the place that *text* names: a folder, absolute, or `s3://bucket/prefix`.

    Raises `ValueError` if it names another kind of store, or no bucket.
    """
    if not text.startswith(SCHEME):
        if re.match(r"[A-Za-z][\w+.-]*://", text):
            raise ValueError(
                f"{text.partition('://')[0]}:// is not known; name a folder, or s3://bucket/prefix"
            )
        return Path(text).expanduser().absolute()
    bucket, _, key = text.removeprefix(SCHEME).partition("/")
    if not BUCKET.fullmatch(bucket) or re.search(r"[?#\s\\]|(^|/)\.{1,2}(/|$)|//", key):
        raise ValueError(
            "no bucket and prefix as they should be; write s3://bucket/prefix, with small letters in the bucket's "
            "name; what else is to say (endpoint, keys, region) goes into AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_REGION"
        )
    return ObjectPath(bucket, key.strip("/"))


def is_below(place: Place, folder: Place) -> bool:
    """Return whether *place* is *folder*, or in it, by its name."""
    if isinstance(place, Path):
        return isinstance(folder, Path) and place.is_relative_to(folder)
    return isinstance(folder, ObjectPath) and f"{place}/".startswith(f"{folder}/")
