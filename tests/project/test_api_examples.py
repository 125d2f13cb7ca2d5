"""Each operation shows what it was sent and what it answered, as it happened here.

    WRITE_EXAMPLES=1 make test ARGS="tests/project/test_api_examples.py"

writes what is shown anew, after the API was changed on purpose.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from iop_clinic.accounts.api.schema import EXAMPLES
from tests.project.api_story import NOW, Story, counted

pytestmark = pytest.mark.django_db


@pytest.fixture
def story(time_machine: Any) -> Story:
    time_machine.move_to(NOW, tick=False)
    told = Story()
    told.tell()
    return told


def test_the_examples_are_what_happens(story: Story) -> None:
    text = counted(json.dumps(story.calls, indent=1, ensure_ascii=False)) + "\n"
    if os.environ.get("WRITE_EXAMPLES"):
        EXAMPLES.write_text(text)
    assert text == EXAMPLES.read_text()


def test_every_operation_has_one(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        assert body is None or "example" in body, name
        for status, answer in operation["responses"].items():
            shown = answer.get("content", {}).get("application/json")
            assert shown is None or status == "304" or "example" in shown, name


def test_each_fits_its_schema(document: dict[str, Any]) -> None:
    for name, content in contents(document):
        shape = {**content["schema"], "components": document["components"]}
        errors = list(Draft202012Validator(shape).iter_errors(content["example"]))
        assert errors == [], name


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    from django.test import Client

    return json.loads(Client().get("/api/v1/schema/").content)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if "responses" in operation:
                yield f"{method} {path}", operation


def contents(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in operations(document):
        for part in (operation.get("requestBody", {}), *operation["responses"].values()):
            shown = part.get("content", {}).get("application/json", {})
            if "example" in shown:
                yield name, shown
