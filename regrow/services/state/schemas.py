"""The schema of a database that Prefect or MLflow keeps: older than the installed library's, the same, or newer.

Both number their schemas by Alembic: a table holds the revision of the database, and a file of the library each
revision that it knows. The files are read as text, because to import them is to import the library.
"""

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from regrow.base.errors import NewerFormat, StateError
from regrow.base.provenance import installed_version
from regrow.services.postgres import DATABASES, Database

FOLDERS = {
    "mlflow": ("mlflow", "store/db_migrations/versions"),
    "prefect": ("prefect", "server/database/_migrations/versions/postgresql"),
}
"""Where each library keeps its revisions: its package, and the folder in it."""
REVISION = re.compile(r"""^(down_)?revision(?::[^=]+)?\s*=\s*(.+)$""", re.M)
NAME = re.compile(r"""["']([^"']+)["']""")


@dataclass(frozen=True)
class Schema:
    """The schema of the database *name*."""

    name: str
    revision: str | None
    """None if the database is empty."""
    age: Literal["empty", "older", "current", "newer"]


def read_schemas(database: Database) -> list[Schema]:
    """Return the schema of each database that is ours.

    Raises `NewerFormat` if the installed library is older than its database, which it could not use.
    """
    found = [_read_schema(database, name) for name in DATABASES]
    for schema in found:
        if schema.age == "newer":
            raise NewerFormat(
                f"the database of {schema.name} is of a newer version (revision {schema.revision}) than the installed "
                f"{schema.name} {installed_version(schema.name)}; install the version that was used last, or "
                "`regrow restore` a backup from before"
            )
    return found


def known_revisions(name: str) -> tuple[set[str], str]:
    """Return every revision of *name*'s database that the installed library knows, and the newest.

    Raises `StateError` if its files are not where they are looked for.
    """
    package, folder = FOLDERS[name]
    spec = find_spec(package)
    files = list(Path(str(spec.origin)).parent.joinpath(folder).glob("*.py")) if spec else []
    revisions, followed = set[str](), set[str]()
    for file in files:
        for isbefore, value in REVISION.findall(file.read_text(encoding="utf-8")):
            (followed if isbefore else revisions).update(NAME.findall(value))
    newest = revisions - followed
    if len(newest) != 1:
        raise StateError(
            f"{package}: the newest revision of its database is not found; report this as a defect"
        )
    return revisions, newest.pop()


def _read_schema(database: Database, name: str) -> Schema:
    """Compare the database *name* with what the installed library knows."""
    with database.connect(name) as connection:
        if connection.execute("SELECT to_regclass('public.alembic_version')").fetchone() == (None,):
            return Schema(name, None, "empty")
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        return Schema(name, None, "empty")
    known, newest = known_revisions(name)
    revision = str(row[0])
    if revision not in known:
        return Schema(name, revision, "newer")
    return Schema(name, revision, "current" if revision == newest else "older")
