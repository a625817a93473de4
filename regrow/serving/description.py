"""The server's OpenAPI description, made anew at each request: it names the models served now and their columns."""

from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI, Response
from fastapi.openapi.utils import get_openapi

from regrow.models.contract import Column, Contract
from regrow.serving.access import allow
from regrow.serving.answers import answer

if TYPE_CHECKING:
    from regrow.serving.app import Server

Schema = dict[str, Any]

WHOLE: Schema = {"type": "integer"}
TEXT: Schema = {"type": "string"}
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
REFUSALS = {
    400: "The body or a header does not follow the protocol",
    401: "The key is missing or unknown",
    403: "The key lacks the role",
    404: "No such model, version or path",
    408: "The body did not come in time",
    413: "Too many bytes or rows",
    415: "A content type that is not read here",
    422: "A row does not fit the model's signature, or a label cannot be taken",
    429: "Too many requests in progress; come again after `Retry-After` seconds",
    500: "The model failed",
    503: "No champion answers yet, or the disk is full; come again after `Retry-After` seconds",
}
PAGE = "/openapi.json"
ALWAYS_OPEN = ("/ping", "/ready")


def nullable(schema: Schema) -> Schema:
    """Let *schema* be null too."""
    return {"anyOf": [schema, {"type": "null"}]}


def record(properties: dict[str, Schema], optional: tuple[str, ...] = (), *, more: bool = False) -> Schema:
    """Describe an object with *properties*, all required but the *optional* ones; *more* may stand beside them."""
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": more,
    }


def listed(items: Schema) -> Schema:
    """Describe a list of *items*."""
    return {"type": "array", "items": items}


def by_name(values: Schema) -> Schema:
    """Describe an object whose *values* stand under names."""
    return {"type": "object", "additionalProperties": values}


ROUTE = record(
    {
        "champion": WHOLE,
        "challenger": nullable(WHOLE),
        "weight": {"type": "number", "minimum": 0, "maximum": 1},
        "move": nullable(WHOLE),
    }
)
LABEL = record(
    {
        "prediction_id": {"type": "string", "minLength": 1, "maxLength": 1000},
        "entity_id": {"anyOf": [{"type": "string", "minLength": 1, "maxLength": 1000}, WHOLE]},
        "label": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "string", "minLength": 1}]},
        "labelled_at": {"type": "string", "format": "date-time"},
    },
    ("prediction_id", "entity_id", "labelled_at"),
)
SCHEMAS: dict[str, Schema] = {
    "Problem": record({"error": TEXT, "message": TEXT, "column": nullable(TEXT)}),
    "Predictions": record(
        {
            "predictions": listed(
                {"anyOf": [{"type": "number"}, listed({"type": "number"}), {"type": "null"}]}
            ),
            "prediction_ids": listed(TEXT),
            "version": nullable(WHOLE),
            "versions": listed(WHOLE),
        },
        ("versions",),
    ),
    "Accepted": record({"accepted": WHOLE}),
    "Labels": record(
        {"labels": listed({**LABEL, "oneOf": [{"required": ["prediction_id"]}, {"required": ["entity_id"]}]})}
    ),
    "Ready": record({"ready": {"type": "boolean"}}),
    "Version": record(
        {
            "regrow": TEXT,
            "mlflow": TEXT,
            "models": by_name(WHOLE),
            "workers": listed(record({"pid": WHOLE, "models": by_name(ROUTE)})),
        }
    ),
    "Health": record({"status": {"enum": ["ok", "degraded"]}, "workers": by_name(ANY)}, more=True),
}
PREDICTING = (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 503)
ANSWERS: dict[str, tuple[int, str | None, tuple[int, ...]]] = {
    "/models/{name}/invocations": (200, "Predictions", PREDICTING),
    "/invocations": (200, "Predictions", PREDICTING),
    "/models/{name}/labels": (202, "Accepted", tuple(code for code in PREDICTING if code != 500)),
    "/ping": (200, None, ()),
    "/ready": (200, "Ready", ()),
    "/health": (200, "Health", (401,)),
    "/version": (200, "Version", (401,)),
    "/metrics": (200, None, (401,)),
}
"""For each path: the status of success, its schema, and the refusals that can come."""


def add_description(app: FastAPI, server: "Server") -> None:
    """Let *app* describe itself as *server* is at that moment."""

    def describe() -> Schema:
        document = get_openapi(title=app.title, version=app.version, routes=app.routes)
        contracts = _contracts(server)
        document["components"] = {"schemas": SCHEMAS | {"Rows": _rows(contracts)}}
        for path, operations in document["paths"].items():
            for operation in operations.values():
                operation["responses"] = _responses(path)
                if path.endswith("/invocations"):
                    operation["requestBody"]["content"] = _content("Rows", "text/csv")
                if path.endswith("/labels"):
                    operation["requestBody"] = {"required": True, "content": _content("Labels")}
                for parameter in operation.get("parameters", ()):
                    if parameter["name"] == "name" and contracts:
                        parameter["examples"] = {name: {"value": name} for name in contracts}
        if server.keys.needed:
            _ask_for_keys(document)
        return document

    app.openapi = describe
    if server.keys.needed:
        key = Depends(allow(server.keys, "predict", "labels", "admin"))

        @app.get(PAGE, dependencies=[key], include_in_schema=False)
        async def description() -> Response:
            return answer(200, describe())


def _contracts(server: "Server") -> dict[str, Contract]:
    """Give what each model takes now."""
    slots = tuple(server.champions.slots.items())
    return {name: route.champion.contract for name, slot in slots if (route := slot.route)}


def _responses(path: str) -> Schema:
    """Describe the responses of *path*."""
    status, schema, refusals = ANSWERS[path]
    if path == "/metrics":
        content: Schema = {"text/plain": {"schema": TEXT}}
    else:
        content = {"application/json": {"schema": _reference(schema) if schema else ANY}}
    responses = {str(status): {"description": "Success", "content": content}}
    problem = {"application/json": {"schema": _reference("Problem")}}
    for code in refusals:
        responses[str(code)] = {"description": REFUSALS[code], "content": problem}
    if path == "/ready":
        responses["503"] = {"description": "No champion is loaded yet", "content": content}
    return responses


def _content(schema: str, *others: str) -> Schema:
    """Describe a body of JSON after *schema*, or of *others*."""
    return {"application/json": {"schema": _reference(schema)}} | {kind: {"schema": TEXT} for kind in others}


def _reference(schema: str) -> Schema:
    """Point to *schema*."""
    return {"$ref": f"#/components/schemas/{schema}"}


def _rows(contracts: dict[str, Contract]) -> Schema:
    """Describe the rows that the models with *contracts* take, in each form of the protocol."""
    rows = [_row(contract) for contract in contracts.values()] or [{"type": "object"}]
    columns = [by_name(listed(ANY))]
    split = record({"columns": listed(TEXT), "data": listed(listed(ANY)), "index": listed(ANY)}, ("index",))
    named, bare = listed({"anyOf": rows}), listed(listed(ANY))
    forms = {
        "dataframe_records": named,
        "dataframe_split": split,
        "inputs": {"anyOf": [named, bare, *columns]},
        "instances": {"anyOf": [named, bare, *columns]},
    }
    return {"oneOf": [record({form: schema, "params": ANY}, ("params",)) for form, schema in forms.items()]}


def _row(contract: Contract) -> Schema:
    """Describe a row that *contract* takes."""
    columns = {column.name: _type(column) for column in contract.columns}
    optional = tuple(column.name for column in contract.columns if not column.required)
    if contract.timestamp:
        columns.setdefault(contract.timestamp, TYPES["datetime"])
    if contract.id:
        columns.setdefault(contract.id, {"type": ["string", "integer", "null"]})
    facts = {contract.timestamp, contract.id} - {column.name for column in contract.columns}
    return record(columns, (*optional, *(name for name in facts if name)))


def _type(column: Column) -> Schema:
    """Describe the values of *column*."""
    schema = TYPES.get(column.type, ANY)
    return schema if column.required or not schema else nullable(schema)


def _ask_for_keys(document: Schema) -> None:
    """Say in *document* how a key is sent, and where."""
    document["components"]["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer"},
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    for path, operations in document["paths"].items():
        if path not in ALWAYS_OPEN:
            for operation in operations.values():
                operation["security"] = [{"bearer": []}, {"key": []}]
