"""The document of the API has an example of each answer and body, and each is what its schema says."""

from typing import Any
from unittest.mock import Mock

import jsonschema_rs
import pytest

from der_headend.rest.app import create_app

DOCUMENT: dict[str, Any] = create_app(Mock(version="0")).openapi()
ROUTES = [
    pytest.param(operation, id=f"{method.upper()} {path}")
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


@pytest.mark.parametrize("operation", ROUTES)
def test_answers_and_bodies_have_an_example_that_fits(operation: dict[str, Any]) -> None:
    told = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    assert told
    if "requestBody" in operation:
        told.append(operation["requestBody"])
    for media in (media for each in told for media in each["content"].values()):
        schema = {**media["schema"], "components": DOCUMENT["components"]}
        jsonschema_rs.validator_for(schema, validate_formats=True).validate(media["example"])


def test_the_example_of_a_dispatch_is_one_that_could_be() -> None:
    (media,) = DOCUMENT["paths"]["/dispatch"]["post"]["responses"]["202"]["content"].values()
    record = media["example"]
    (part,) = record["allocations"]
    assert record["requested_mw"] == record["mw"] + record["unserved_mw"] == 12.0
    assert part["mw"] == pytest.approx(record["requested_mw"] * part["weight"])
    assert record["submitted_at"] <= record["active_at"] == record["transitions"][0]["at"]
