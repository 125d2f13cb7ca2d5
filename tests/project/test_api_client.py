"""A client that a program writes from the OpenAPI document alone does a therapist's day."""

from __future__ import annotations

import datetime
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import call_command

from iop_clinic.accounts.models import Device
from iop_clinic.accounts.roles import Role
from scheduling.models import Session
from tests import factories
from tests.api import Roster, roster

EMAIL = "therapist@example.com"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The package that the generator has written; its parts by name."""
    folder: Path = tmp_path_factory.mktemp("client")
    document = folder / "openapi.json"
    call_command("spectacular", "--format", "openapi-json", "--file", str(document))
    settings = folder / "settings.json"
    settings.write_text('{"post_hooks": []}')  # nobody reads it: it need not be formatted
    tool = Path(sys.executable).with_name("openapi-python-client")
    subprocess.run(
        [tool, "generate", "--path", document, "--meta", "none", "--fail-on-warning",
         "--config", settings, "--output-path", folder / "clinic_client"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield lambda name: import_module(f"clinic_client.{name}")


@pytest.fixture
def yesterday() -> Roster:
    clinic = factories.ClinicFactory()
    day = datetime.datetime.now(clinic.tz).date() - datetime.timedelta(days=1)
    user = factories.UserFactory(email=EMAIL)
    therapist = factories.TherapistFactory(clinic=clinic)
    factories.staff(clinic, Role.THERAPIST, user=user, therapist=therapist)
    return roster(3, clinic=clinic, therapist=therapist, user=user, day=str(day))


@pytest.mark.django_db(transaction=True)
def test_from_login_to_a_signed_roster(live_server: Any, written: Any, yesterday: Roster) -> None:
    client = signed_in(live_server.url, written)
    session = the_unrecorded(client, written, yesterday.session.local_date)
    late = record(client, written, session)
    correct(client, written, late)
    signed = written("api.sessions.sessions_sign_create").sync(session, client=client)
    assert signed.state == "signed"
    patient = yesterday.bookings[1].patient.public_id
    weeks = written("api.patients.patients_weeks_list").sync(patient, client=client)
    day = yesterday.session.local_date  # on a Monday it lies in the week before
    assert [one.credited for one in weeks.results if one.start <= day <= one.end] == [60]
    assert written("api.auth.auth_token_destroy").sync_detailed(client=client).status_code == 204
    assert Session.objects.get().signed_by == yesterday.user
    assert not Device.objects.exists()
    client.get_httpx_client().close()  # or its thread keeps the test database open


def signed_in(url: str, written: Any) -> Any:
    client = written("client")
    given = written("models").CredentialsRequest(username=EMAIL, password=factories.PASSWORD)
    create = written("api.auth.auth_token_create").sync
    with client.Client(base_url=url) as anybody:
        token = create(client=anybody, body=given).token
    return client.AuthenticatedClient(base_url=url, token=token)


def the_unrecorded(client: Any, written: Any, day: datetime.date) -> UUID:
    wanted = written("models").SessionsListState.UNRECORDED
    found = written("api.sessions.sessions_list").sync(
        client=client, from_=day, mine=True, state=wanted
    )
    (session,) = found.results
    assert (session.expected, session.recorded) == (3, 0)
    return session.id


def record(client: Any, written: Any, session: UUID) -> Any:
    """All there, the first late; the answer is the row of the one who was late."""
    models = written("models")
    read = written("api.sessions.sessions_retrieve").sync
    first = read(session, client=client).roster[0]
    begun = read(session, client=client).starts_at
    late = models.RecordInRequest(
        booking=first.booking, attended=True, arrived_at=begun + datetime.timedelta(minutes=20)
    )
    body = models.RosterInRequest(all_present=True, records=[late])
    save = written("api.sessions.sessions_attendance_partial_update").sync
    saved = save(session, client=client, body=body)
    assert sorted(one.credited_minutes for one in saved.saved) == [40, 60, 60]
    again = save(session, client=client, body=body)
    assert (again.saved, again.unchanged) == ([], 1)
    return read(session, client=client).roster[0]


def correct(client: Any, written: Any, row: Any) -> None:
    """Without the version it is refused with a typed problem, with it done."""
    patch = written("api.bookings.bookings_attendance_partial_update").sync
    facts = written("models").FactsInRequest(arrived_at=None, correction_reason="Signed in on time")
    stale = patch(row.booking, client=client, body=facts, if_match='"7"')
    assert (stale.status, stale.code) == (412, "stale_version")
    assert patch(row.booking, client=client, body=facts, if_match='"1"').credited_minutes == 60
