"""An example for each answer and each body of the OpenAPI document, made of the examples of its fields."""

from typing import Any

Json = Any

_TEXTS = {
    "/metrics": "# HELP der_sessions Agents connected\n# TYPE der_sessions gauge\nder_sessions 1.0\n",
    "/stream": 'event: lost\ndata: {"count":3}\n\n',
}
"""Of what is not JSON."""


def complete(openapi: dict[str, Any]) -> dict[str, Any]:
    """The document with an example wherever it says what succeeds, or what to send.

    Raises:
        LookupError: a field has none.
    """
    schemas = openapi["components"]["schemas"]
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            told = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
            told += [operation["requestBody"]] if "requestBody" in operation else []
            for media in (media for each in told for media in each.get("content", {}).values()):
                media["example"] = _TEXTS.get(path) or _example(media["schema"], schemas)
    return openapi


def _example(schema: dict[str, Any], schemas: dict[str, Any]) -> Json:
    match schema:
        case {"examples": [first, *_]} | {"const": first} | {"enum": [first, *_]}:
            return first
        case {"$ref": reference}:
            return _example(schemas[reference.rpartition("/")[2]], schemas)
        case {"anyOf": [first, *_]}:
            return _example(first, schemas)
        case {"items": items}:
            return [_example(items, schemas)]
        case {"properties": fields}:
            return {name: _example(field, schemas) for name, field in fields.items()}
    raise LookupError(f"no example in {schema}")
