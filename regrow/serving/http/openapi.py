"""The server's OpenAPI description, made anew at each request: it names the models served now and their columns.

FastAPI describes the routes, from the models of their bodies and responses. By hand stand only the rows, whose columns
are the served models', and the keys: as FastAPI's own dependencies they would slow every prediction.
"""

from typing import Any

from fastapi import Depends, FastAPI, Response
from fastapi.openapi.utils import get_openapi

from regrow.models.contract import Contract
from regrow.models.values import Column
from regrow.serving.http.keys import allow
from regrow.serving.http.labels import Labels
from regrow.serving.http.responses import json_response
from regrow.serving.http.server import Server

Schema = dict[str, Any]

ANY: Schema = {}
TYPES: dict[str, Schema] = {
    "double": {"type": ["number", "null"]},
    "float": {"type": ["number", "null"]},
    "long": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "integer": {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
    "boolean": {"type": "boolean"},
    "string": {"type": ["string", "null"]},
    "datetime": {"type": ["string", "null"], "format": "date-time"},
}
PAGE = "/openapi.json"
ALWAYS_OPEN = ("/ping", "/ready")
SCHEMES: Schema = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def add_openapi(app: FastAPI, server: Server) -> None:
    """Let *app* describe itself as *server* is at that moment."""

    def describe() -> Schema:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        contracts = _contracts(server)
        schemas = document["components"]["schemas"]
        labels = Labels.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= labels.pop("$defs") | {"Labels": labels, "Rows": _rows(contracts)}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                for parameter in operation.get("parameters", ()):
                    if parameter["name"] == "name" and contracts:
                        parameter["examples"] = {name: {"value": name} for name in contracts}
                if server.keys.needed and path not in ALWAYS_OPEN:
                    operation["security"] = [{scheme: []} for scheme in SCHEMES]
        if server.keys.needed:
            document["components"]["securitySchemes"] = SCHEMES
        return document

    app.openapi = describe
    if server.keys.needed:
        key = Depends(allow(server.keys, "predict", "labels", "admin"))

        @app.get(PAGE, dependencies=[key], include_in_schema=False)
        async def description() -> Response:
            return json_response(200, describe())


def _contracts(server: Server) -> dict[str, Contract]:
    """Return what each model takes now."""
    models = tuple(server.follower.models.items())
    return {name: split.champion.contract for name, model in models if (split := model.split)}


def _rows(contracts: dict[str, Contract]) -> Schema:
    """Describe the rows that the models with *contracts* take, in each form of the protocol."""
    rows = [_row(contract) for contract in contracts.values()] or [{"type": "object"}]
    columns: list[Schema] = [{"type": "object", "additionalProperties": _list(ANY)}]
    table = {"columns": _list({"type": "string"}), "data": _list(_list(ANY)), "index": _list(ANY)}
    named, bare = _list({"anyOf": rows}), _list(_list(ANY))
    forms = {
        "dataframe_records": named,
        "dataframe_split": _record(table, ("index",)),
        "inputs": {"anyOf": [named, bare, *columns]},
        "instances": {"anyOf": [named, bare, *columns]},
    }
    return {"oneOf": [_record({form: schema, "params": ANY}, ("params",)) for form, schema in forms.items()]}


def _row(contract: Contract) -> Schema:
    """Describe a row that *contract* takes."""
    columns = {column.name: _type(column) for column in contract.columns}
    optional = tuple(column.name for column in contract.columns if not column.required)
    if contract.timestamp:
        columns.setdefault(contract.timestamp, TYPES["datetime"])
    for name in filter(None, (contract.id, contract.entity)):
        columns.setdefault(name, {"type": ["string", "integer", "null"]})
    facts = {contract.timestamp, contract.id, contract.entity} - {column.name for column in contract.columns}
    return _record(columns, (*optional, *(name for name in facts if name)))


def _type(column: Column) -> Schema:
    """Describe the values of *column*."""
    schema = TYPES.get(column.type, ANY)
    return schema if column.required or not schema else {"anyOf": [schema, {"type": "null"}]}


def _list(items: Schema) -> Schema:
    """Describe a list of *items*."""
    return {"type": "array", "items": items}


def _record(properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    """Describe an object with *properties* and no others, all required but the *optional* ones."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }
