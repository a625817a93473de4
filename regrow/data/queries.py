"""Read what a query gives on any database that SQLAlchemy reaches, chunk by chunk."""

import os
import re
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from regrow.base.errors import DataError, ProjectError, Unreachable
from regrow.data.delta import plain_words
from regrow.data.selection import CHUNK, Opened, Selection
from regrow.data.times import FIRST, LAST
from regrow.project import SqlSource

if TYPE_CHECKING:
    from sqlalchemy import Connection, Select


def open_query(source: SqlSource, where: str) -> Opened:
    """Open the query of *source*, whose key in the project file is *where*; it runs when it is read."""
    return Opened(None, partial(_chunks, source, where), narrows=True)


def _chunks(source: SqlSource, where: str, selection: Selection) -> Iterator[pd.DataFrame]:
    """Read what the query gives, with `:start` and `:end` bound: of its columns those that are wanted."""
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    given = {"start": selection.start or FIRST, "end": selection.end or LAST}
    bound: dict[str, Any] = {name: given[name] for name in bounds_of(source)}
    with connect_to(source.url_env, f"{where}.url_env") as connection:
        narrow = _narrow(connection, source.query, bound, selection.columns)
        try:
            yield from pd.read_sql(
                sa.text(source.query) if narrow is None else narrow,
                connection.execution_options(stream_results=True),
                params=bound,
                chunksize=CHUNK,
            )
        except (SQLAlchemyError, pd.errors.DatabaseError) as error:
            raise _query_error(error, f"{where}.query failed on ${source.url_env}") from error


def bounds_of(source: SqlSource) -> list[str]:
    """Return which of `start` and `end` the query of *source* is bounded by."""
    return [name for name in ("start", "end") if re.search(rf"(?<![:\w]):{name}\b", source.query)]


def _narrow(
    connection: "Connection", query: str, bound: Mapping[str, Any], columns: Collection[str] | None
) -> "Select[Any] | None":
    """Return *query* for those of its columns that are among *columns*; None if it is to be asked as it is.

    That is if all are wanted, if it sorts, for an order inside of another query is nobody's promise, or if the database
    takes no query inside of another: what is wrong with it is told of the query itself.
    """
    import sqlalchemy as sa
    from sqlalchemy.exc import SQLAlchemyError

    if columns is None or re.search(r"\border\s+by\b", query, re.IGNORECASE):
        return None
    rows = sa.text(_as_table(query))
    try:
        there = list(
            connection.execute(sa.select(sa.text("*")).select_from(rows).where(sa.false()), bound).keys()
        )
    except SQLAlchemyError:
        connection.rollback()
        return None
    wanted = [name for name in there if name in columns]
    if not 0 < len(wanted) < len(there) or len(set(there)) < len(there):
        return None
    return sa.select(*(sa.column(name) for name in wanted)).select_from(rows)


def _as_table(query: str) -> str:
    """Return *query* as another query selects from it; a comment at its end ends with the line."""
    end = "\n" if "--" in query else ""
    return f"({query.rstrip().rstrip(';')}{end}) queried_rows"


def bounded(source: SqlSource, timestamp: str) -> SqlSource:
    """Return *source* with a query that gives only the rows whose *timestamp* is in [`:start`, `:end`)."""
    with connect_to(source.url_env, "--url-env") as connection:
        column = connection.dialect.identifier_preparer.quote(timestamp)
    inner = _as_table(source.query)
    query = f"SELECT * FROM {inner} WHERE {column} >= :start AND {column} < :end"  # noqa: S608
    return source.model_copy(update={"query": query})


def connect_to(variable: str, where: str) -> "Connection":
    """Connect to the database whose URL the environment *variable* holds; *where* is the key that names it.

    No error shows the URL, which holds a password. Raises `ProjectError` if the URL cannot be right, `Unreachable` if
    the database does not answer.
    """
    import sqlalchemy as sa
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    url = os.environ.get(variable)
    if not url:
        raise ProjectError(f"{where}: ${variable} is not set; give the database's URL")
    try:
        return sa.create_engine(url).connect()
    except DBAPIError as error:
        detail = plain_words(error.orig or error).replace(url, "***")
        raise Unreachable(f"{where}: ${variable}: the database does not answer: {detail}") from error
    except ImportError as error:
        raise ProjectError(f"{where}: ${variable}: {error}; install the database's driver") from error
    except (SQLAlchemyError, ValueError) as error:
        detail = plain_words(error).replace(url, "***")
        raise ProjectError(
            f"{where}: ${variable}: {detail}; write DIALECT+DRIVER://USER:PASSWORD@HOST/DATABASE"
        ) from error


def _query_error(error: Exception, where: str) -> DataError | Unreachable:
    """Return the error for what a query raised: the database's own words, and whether it may pass."""
    from sqlalchemy.exc import DBAPIError, ResourceClosedError, SQLAlchemyError, StatementError

    cause = error if isinstance(error, SQLAlchemyError) else (error.__cause__ or error)
    detail = plain_words(getattr(cause, "orig", None) or cause)
    if isinstance(cause, DBAPIError) and cause.connection_invalidated:
        return Unreachable(f"{where}: the database has closed the connection: {detail}")
    if isinstance(cause, ResourceClosedError):
        return DataError(f"{where}: it does not return rows; write a SELECT")
    if isinstance(cause, StatementError) and not isinstance(cause, DBAPIError):
        return DataError(f"{where}: {detail}; only :start and :end are bound")
    return DataError(f"{where}: {detail}")
