"""Objects in a bucket of an object store: read, written whole, listed and removed.

An object is there whole or not at all, and is durable once its put has returned, so nothing is flushed or renamed.
Credentials and the endpoint come from the environment alone (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_ENDPOINT_URL`, `AWS_REGION` and what else boto3 reads), and no message shows them.
"""

import functools
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from regrow.base.errors import StateError, StoreAway
from regrow.base.places import ObjectPath, Place

ABSENT = frozenset({"404", "NoSuchKey"})
REFUSED = frozenset(
    {
        *(
            "403",
            "AccessDenied",
            "InvalidAccessKeyId",
            "SignatureDoesNotMatch",
            "InvalidToken",
            "ExpiredToken",
        ),
        *("AuthorizationHeaderMalformed", "PermanentRedirect", "301"),
    }
)
"""What a store says of credentials, or of a region, that it does not take."""
RETRIES, CONNECT_SECONDS, READ_SECONDS = 3, 5, 60
AWAY = re.compile(r"Generic S3 error.*(after \d+ retries|error sending request|timed out)", re.DOTALL)
"""What Delta Lake says if the object store does not answer."""
CREDENTIALS = (
    "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION (AWS_ENDPOINT_URL for a store of your own)"
)
NETWORK = frozenset({"HTTPClientError", "ConnectionError"})
"""What the errors of botocore are of by which an object store does not answer."""


@dataclass(frozen=True)
class FoundFile:
    """A file, or an object, of the store."""

    place: Place
    bytes: int
    changed: float
    """When it was written, in seconds since 1970."""


def read_object(place: ObjectPath) -> bytes:
    """Return what stands at *place*.

    Raises `FileNotFoundError` if there is nothing, `StoreAway` if the store does not answer, `StateError` if it
    refuses.
    """
    with object_errors(place):
        return _client().get_object(Bucket=place.bucket, Key=place.key)["Body"].read()


def has_object(place: ObjectPath) -> bool:
    """Return whether an object stands at *place*."""
    try:
        with object_errors(place):
            _client().head_object(Bucket=place.bucket, Key=place.key)
    except FileNotFoundError:
        return False
    return True


def write_object(place: ObjectPath, content: bytes) -> None:
    """Let *content* stand at *place*."""
    with object_errors(place):
        _client().put_object(Bucket=place.bucket, Key=place.key, Body=content)


def touch_object(place: ObjectPath) -> bool:
    """Let the object at *place* be as new as if it were written now; return whether there is one."""
    source = {"Bucket": place.bucket, "Key": place.key}
    try:
        with object_errors(place):
            _client().copy_object(**source, CopySource=source, MetadataDirective="REPLACE")
    except FileNotFoundError:
        return False
    return True


def remove_object(place: ObjectPath) -> None:
    """Remove the object at *place*, if there is one."""
    with object_errors(place):
        _client().delete_object(Bucket=place.bucket, Key=place.key)


def list_objects(folder: ObjectPath) -> Iterator[FoundFile]:
    """Yield the objects in *folder* and below, in the order of their keys."""
    for page in _pages(folder):
        for found in page.get("Contents", ()):
            place = ObjectPath(folder.bucket, found["Key"])
            yield FoundFile(place, found["Size"], found["LastModified"].timestamp())


def list_folders(folder: ObjectPath) -> Iterator[ObjectPath]:
    """Yield the folders in *folder*: what the keys below it go on with, up to the next slash."""
    for page in _pages(folder, Delimiter="/"):
        for found in page.get("CommonPrefixes", ()):
            yield ObjectPath(folder.bucket, found["Prefix"].rstrip("/"))


def options_of(place: Place) -> dict[str, str] | None:
    """Return what Delta Lake must know to reach a table at *place*; the rest it reads from the environment as we do."""
    if not isinstance(place, ObjectPath):
        return None
    options = {
        "conditional_put": "etag",  # Of two writers of one commit, one wins.
        "max_retries": str(RETRIES),
        "retry_timeout": f"{READ_SECONDS}s",
        "timeout": f"{READ_SECONDS}s",
        "connect_timeout": f"{CONNECT_SECONDS}s",
    }
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        options |= {"endpoint": endpoint, "allow_http": str(endpoint.startswith("http://")).lower()}
    return options


def says_away(error: BaseException) -> bool:
    """Return whether *error*, of boto3 or of Delta Lake, comes from an object store that does not answer now."""
    kinds = {kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "botocore.exceptions"}
    if not kinds:
        return bool(AWAY.search(str(error)))
    response = getattr(error, "response", None) or {}
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return bool(kinds & NETWORK) or status >= 500 or status == 429


@contextmanager
def object_errors(place: ObjectPath) -> Iterator[None]:
    """Turn what boto3 raises inside the block into our errors, of *place*.

    `FileNotFoundError` if there is no such object, `StoreAway` if the store does not answer, `StateError` if it
    refuses.
    """
    try:
        import boto3  # noqa: F401  # pyright: ignore[reportUnusedImport]
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError
    except ImportError as error:
        raise StateError(
            "REGROW_STORE names a bucket, and boto3 is not installed; install it (`pip install 'regrow[s3]'`, or "
            "`pip install boto3` beside a clone)"
        ) from error
    try:
        yield
    except (NoCredentialsError, NoRegionError) as error:
        raise StateError(f"{place}: the object store asks who we are; {CREDENTIALS}") from error
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if code in ABSENT:
            raise FileNotFoundError(str(place)) from error
        if says_away(error):
            raise StoreAway(
                f"{place}: the object store does not answer ({code}); it may come back"
            ) from error
        if code in REFUSED:
            raise StateError(f"{place}: the object store refuses this ({code}); {CREDENTIALS}") from error
        remedy = (
            "create the bucket, or name another one by REGROW_STORE"
            if "Bucket" in code
            else "see its own log"
        )
        raise StateError(f"{place}: the object store cannot do this ({code}); {remedy}") from error
    except BotoCoreError as error:
        if not says_away(error):
            raise StateError(f"{place}: the object store cannot be used ({error}); {CREDENTIALS}") from error
        raise StoreAway(
            f"{place}: the object store does not answer ({type(error).__name__}); see AWS_ENDPOINT_URL, or wait for it"
        ) from error


def _pages(folder: ObjectPath, **more: str) -> Iterator[dict[str, Any]]:
    """Yield what a list of *folder* gives, page by page."""
    prefix = f"{folder.key}/" if folder.key else ""
    with object_errors(folder):
        pages = _client().get_paginator("list_objects_v2")
        yield from pages.paginate(Bucket=folder.bucket, Prefix=prefix, **more)


def _client() -> Any:
    """Return this process's client of the object store that the environment names."""
    named = tuple((key, value) for key, value in sorted(os.environ.items()) if key.startswith("AWS_"))
    return _client_of(os.getpid(), named)


@functools.lru_cache(maxsize=2)
def _client_of(_process: int, _named: tuple[tuple[str, str], ...]) -> Any:
    """Make a client: one for each process, as connections do not survive a fork, and for each environment."""
    import boto3
    from botocore.config import Config

    retries: Any = {"total_max_attempts": RETRIES, "mode": "standard"}
    config = Config(retries=retries, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return boto3.client("s3", region_name=region, config=config)
