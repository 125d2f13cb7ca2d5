"""The OpenAPI document: no warning, no gap, and it tells the truth under a fuzzer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from iop_clinic.accounts.api.views import Anyone
from iop_clinic.accounts.roles import PERMISSIONS, Role
from tests.api import API, client_of
from tests.project.access import offered
from tests.project.fuzz import NOW, Thursday, fuzz

METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    answer = Client().get(f"{API}/schema/")
    assert answer.status_code == 200
    return json.loads(answer.content)


def test_it_is_made_without_a_warning(capsys: Any) -> None:
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json")
    assert capsys.readouterr().err == ""


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        if method in METHODS
    ]


def test_it_begins_with_the_rules_that_hold_everywhere(document: dict[str, Any]) -> None:
    told = document["info"]["description"]
    assert told.strip() in (settings.BASE_DIR / "docs" / "api.md").read_text()
    assert "**Sent twice.**" in told
    assert "`stale_version`" in told


def test_it_is_openapi_3_1_with_the_paths_of_the_contract(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert {
        "/api/v1/auth/token/", "/api/v1/me/", "/api/v1/sessions/",
        "/api/v1/sessions/{public_id}/attendance/", "/api/v1/bookings/{public_id}/attendance/",
        "/api/v1/patients/{public_id}/weeks/{start}/minutes/", "/api/v1/flags/", "/api/v1/groups/",
    } <= set(document["paths"])  # fmt: skip


def test_every_operation_has_a_summary_and_may_answer_with_a_problem(
    document: dict[str, Any],
) -> None:
    for name, operation in operations(document):
        assert operation.get("summary"), name
        problem = operation["responses"]["default"]["content"]
        assert list(problem) == ["application/problem+json"], name


@pytest.mark.parametrize(
    ("path", "shape"),
    [("/sessions/{public_id}/attendance/", "RosterIn"), ("/group-days/{group}/{date}/", "DayIn")],
)
def test_a_body_that_must_say_something_says_so(
    document: dict[str, Any], path: str, shape: str
) -> None:
    assert document["paths"][f"{API}{path}"]["patch"]["requestBody"]["required"] is True
    assert document["components"]["schemas"][f"{shape}Request"]["minProperties"] == 1


def test_a_problem_names_all_that_may_come_with_it(document: dict[str, Any]) -> None:
    named = document["components"]["schemas"]["Problem"]["properties"]
    assert {"unrecorded", "choices", "make_ups", "capacity", "ceiling", "conflicts"} <= {*named}


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_everything_but_the_token_needs_a_token(document: dict[str, Any]) -> None:
    open_to_all = [name for name, o in operations(document) if not o.get("security")]
    assert open_to_all == ["post /api/v1/auth/token/"]


def test_the_documentation_page_loads_nothing_from_elsewhere() -> None:
    page = Client().get(f"{API}/docs/")
    script = Client().get(f"{API}/docs/?script=")
    assert page.status_code == script.status_code == 200
    text = (page.content + script.content).decode()
    assert "swagger-ui-bundle" in text
    assert "//cdn" not in text
    assert "http://" not in text.replace("http://testserver", "")
    assert "https://" not in text


# --- under a fuzzer ----------------------------------------------------------------------------

DEVICES = {"token", "tokens", "token-detail"}  # it would sign itself out


@pytest.fixture
def thursday(transactional_db: None, time_machine: Any) -> Thursday:
    time_machine.move_to(NOW)
    return Thursday()


def fuzzed(here: Thursday, role: Role, url: str, folder: Path, *options: str) -> None:
    """No fault is found, and every operation that the role may use was reached and did its work."""
    token = token_of(client_of(here.member(role)))
    found = fuzz(url, here.words(), token, folder, *options)
    assert found.faults == ""
    done = {asked for asked, statuses in found.answered.items() if min(statuses) < 300}
    assert open_to(role) - done == set()


def open_to(role: Role) -> set[tuple[str, str]]:
    may = PERMISSIONS[role] | {Anyone}
    return {
        (name, method)
        for (name, method), view in offered().items()
        if name not in DEVICES and getattr(view, "needs", {}).get(method) in may
    }


def token_of(client: Any) -> str:
    return client._credentials["HTTP_AUTHORIZATION"].removeprefix("Bearer ")


def test_a_fuzzer_finds_no_fault(thursday: Thursday, live_server: Any, tmp_path: Path) -> None:
    brief = ("--phases", "examples,fuzzing", "--max-examples", "4", "--seed", "7")
    fuzzed(thursday, Role.ADMINISTRATOR, live_server.url, tmp_path, *brief)


@pytest.mark.soak
@pytest.mark.parametrize(("seed", "role"), [*enumerate(Role, start=101)], ids=list(Role))
def test_a_fuzzer_finds_no_fault_in_any_role(
    thursday: Thursday, live_server: Any, tmp_path: Path, seed: int, role: Role
) -> None:
    whole = ("--max-examples", "60", "--seed", str(seed))
    fuzzed(thursday, role, live_server.url, tmp_path, *whole)
