"""The client's types are the JSON that the headend says it serves: the same schemas, keys and unknowns."""

import types
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict
from unittest.mock import Mock

import pytest

from der_client import models
from der_headend.rest.app import create_app

TYPES = {name: kind for name, kind in vars(models).items() if is_typeddict(kind)}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    document: dict[str, Any] = create_app(Mock(version="0")).openapi()["components"]["schemas"]
    return document


@pytest.mark.parametrize("name", TYPES)
def test_a_type_has_the_keys_of_its_schema(name: str, schemas: dict[str, Any]) -> None:
    schema = schemas[name]
    hints = get_type_hints(TYPES[name])
    assert list(hints) == list(schema["properties"])
    assert sorted(schema["required"]) == sorted(hints)


@pytest.mark.parametrize("name", TYPES)
def test_what_may_be_unknown_is_the_same(name: str, schemas: dict[str, Any]) -> None:
    served = {
        key
        for key, field in schemas[name]["properties"].items()
        if {"type": "null"} in field.get("anyOf", [])
    }
    assert {key for key, hint in get_type_hints(TYPES[name]).items() if may_be_none(hint)} == served


def may_be_none(hint: object) -> bool:
    return get_origin(hint) in {types.UnionType, Union} and type(None) in get_args(hint)
