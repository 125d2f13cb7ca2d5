"""The OpenAPI document: no warning, no gap, and it tells the truth under a fuzzer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from iop_clinic.accounts.roles import Role
from tests import factories
from tests.api import API, Roster, client_of, roster

CHECKS = ",".join(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
    ]
)
BRIEF = ("--phases", "fuzzing", "--max-examples", "6")
METHODS = {"get", "post", "patch", "delete"}


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


def fuzz(
    url: str, r: Roster, token: str, tmp_path: Path, *options: str
) -> subprocess.CompletedProcess[str]:
    """Schemathesis on existing rows; devices are left alone, or it would sign itself out."""
    ids = {
        "sessions": r.session.public_id,
        "bookings": r.bookings[0].public_id,
        "patients": r.bookings[0].patient.public_id,
    }
    (tmp_path / "schemathesis.toml").write_text(
        "[checks.negative_data_rejection]\n"
        "expected-statuses = [400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 428, 429]\n"
        + "".join(
            f'[[operations]]\ninclude-path-regex = "/{kind}/.public_id."\n'
            f'parameters = {{ "path.public_id" = "{public_id}" }}\n'
            for kind, public_id in ids.items()
        )
    )
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}{API}/schema/",
            "--header", f"Authorization: Bearer {token}",
            "--exclude-path-regex", "/auth/",
            "--checks", CHECKS,
            "--workers", "1", "--seed", "7", *options,
            "--request-timeout", "30", "--no-color",
            "--generation-database", "none",
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=1800,
    )  # fmt: skip


def token_of(client: Any) -> str:
    return client._credentials["HTTP_AUTHORIZATION"].removeprefix("Bearer ")


@pytest.mark.django_db(transaction=True)
def test_a_fuzzer_finds_no_fault(live_server: Any, tmp_path: Path) -> None:
    r = roster(2)
    found = fuzz(live_server.url, r, token_of(r.client), tmp_path, *BRIEF)
    assert found.returncode == 0, found.stdout[-6000:]


@pytest.mark.soak
@pytest.mark.parametrize("role", Role)
@pytest.mark.django_db(transaction=True)
def test_a_fuzzer_finds_no_fault_in_any_role(live_server: Any, tmp_path: Path, role: Role) -> None:
    r = roster(2)
    client = client_of(factories.staff(r.clinic, role))
    found = fuzz(live_server.url, r, token_of(client), tmp_path, "--max-examples", "60")
    assert found.returncode == 0, found.stdout[-6000:]
