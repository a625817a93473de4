"""The route of our MLflow server that tells who serves, of every model at once.

MLflow has no public way to the store of a server, nor one question about all aliases: the store's getter and the
tables are its own, and a test on a real server notices if they change.
"""

from flask import Flask, Response
from mlflow.server.handlers import _get_model_registry_store
from mlflow.store.model_registry.dbmodels.models import SqlRegisteredModelAlias, SqlRegisteredModelTag
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore
from sqlalchemy import Engine, and_, select

from regrow.base.tracking import CHAMPION, ROUTE, STATE, Outline, write_outlines


def add_route(application: Flask) -> None:
    """Let *application*, MLflow's, answer who serves; whatever guards its other routes guards this one."""
    application.add_url_rule(ROUTE, "regrow_champions", _answer)


def read_outlines(engine: Engine) -> tuple[Outline, ...]:
    """Read from the registry's database which versions are champions, in the order of the models' names."""
    alias, tag = SqlRegisteredModelAlias, SqlRegisteredModelTag
    of_model = and_(tag.name == alias.name, tag.workspace == alias.workspace, tag.key == STATE)
    wanted = (
        select(alias.name, alias.version, tag.value)
        .select_from(alias)
        .outerjoin(tag, of_model)
        .where(alias.alias == CHAMPION)
        .order_by(alias.name)
    )
    with engine.connect() as connection:
        rows = connection.execute(wanted).all()
    return tuple(Outline(name=name, champion=version, state=state) for name, version, state in rows)


def _answer() -> Response:
    """Answer who serves."""
    store = _get_model_registry_store()
    if not isinstance(store, SqlAlchemyStore):  # A registry elsewhere is asked by MLflow's own interface.
        return Response(status=404)
    outlines = read_outlines(store.engine)
    return Response(write_outlines(outlines), mimetype="application/json")
